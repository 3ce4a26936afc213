"""Which drug an order is for: opioid analgesic, treatment of opioid use disorder, or neither.

Codes first, then the name. What a recognised drug means for exposure is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from cds_service.clinical.knowledge import (
    Knowledge,
    NameVocabulary,
    OpioidName,
    OpioidProduct,
    OpioidUse,
)
from cds_service.clinical.record import Drug, Order
from cds_service.clinical.terminology import RXNORM

_WORD = re.compile(r"[^\W_]+")

_MOST_SETTLED_FIRST: tuple[OpioidUse, ...] = (
    "not-counted",
    "oud",
    "analgesic",
    "analgesic-or-oud",
)
"""Of several codes below the product, the one that says most of form and partners is right."""

RecognisedBy = Literal["product", "component", "ingredient", "name"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecognisedOpioid:
    """The opioid in an order and how it was found.

    `product` is None when only something less is known, or when the codes of the order name
    products that disagree: then no dose is worked out. `not_counted_reason` goes with the use
    `not-counted`.
    """

    by: RecognisedBy
    ingredient: str
    use: OpioidUse
    not_counted_reason: str | None = None
    product: OpioidProduct | None = None

    def is_analgesic(self, *, has_opioid_use_disorder: bool) -> bool:
        """Say whether the order counts as an opioid analgesic.

        Methadone tablets and solution, and buprenorphine of unstated use, are treatment of
        opioid use disorder when that disorder is recorded, else analgesic.

        Source: clinical.md section 2.
        """
        if self.use == "analgesic-or-oud":
            return not has_opioid_use_disorder
        return self.use == "analgesic"

    def is_moud(self, *, has_opioid_use_disorder: bool) -> bool:
        """Say whether the order is medication treatment of opioid use disorder (MOUD)."""
        if self.use == "analgesic-or-oud":
            return has_opioid_use_disorder
        return self.use == "oud"


def recognised_opioid(drug: Drug, knowledge: Knowledge) -> RecognisedOpioid | None:
    """Return the opioid an order is for, or None when it is for another drug.

    In this order: RxNorm product, RxNorm component or ingredient, name as a whole word.
    A code that is known and not counted ends the search: the name does not bring it back.

    Source: clinical.md section 2.
    """
    rxnorm = _rxnorm_codes(drug)
    products = [knowledge.products[code] for code in rxnorm if code in knowledge.products]
    if products:
        return _from_products(products)
    parts = (
        *_named(rxnorm, knowledge.components, by="component"),
        *_named(rxnorm, knowledge.ingredient_codes, by="ingredient"),
    )
    if parts:
        most_settled = min(parts, key=lambda part: _MOST_SETTLED_FIRST.index(part.use))
        return settled_by_words(most_settled, drug, knowledge.names)
    return _by_name(drug, knowledge.names)


def settled_by_words(
    opioid: RecognisedOpioid, drug: Drug, names: NameVocabulary
) -> RecognisedOpioid:
    """Let the other words of the drug decide form and use where the match left them open."""
    if opioid.use in ("not-counted", "oud"):
        return opioid
    words = _all_words(drug)
    if opioid.use == "analgesic-or-oud" and words & names.oud:
        return replace(opioid, use="oud")
    for group in names.not_counted:
        if words & group.words and not words & group.unless:
            return replace(opioid, use="not-counted", not_counted_reason=group.reason)
    if opioid.use == "analgesic-or-oud" and words & names.analgesic:
        return replace(opioid, use="analgesic")
    return opioid


def concerns_a_rule(drug: Drug, knowledge: Knowledge) -> bool:
    """Say whether any rule looks at orders for this drug; the reader models no other order."""
    if not knowledge.drug_codes.isdisjoint(_rxnorm_codes(drug)):
        return True
    if knowledge.drug_words.isdisjoint(_all_words(drug)):
        return False
    return any(kind_of(drug, knowledge))


class DrugKind(NamedTuple):
    """What the rules look for in a drug.

    `is_naloxone`: plain naloxone; a combination with an opioid is not rescue naloxone.
    """

    opioid: RecognisedOpioid | None
    is_benzodiazepine: bool
    is_naloxone: bool


class DrugKinds:
    """The drugs of the orders of one assessment, each recognised once."""

    def __init__(self, orders: Iterable[Order], knowledge: Knowledge) -> None:
        """Recognise every drug of the orders.

        They are told apart by identity, which is a fraction of comparing them: the reader gives
        orders for one drug the same object, and the orders keep it for as long as this lasts.
        """
        self._kinds: dict[int, DrugKind] = {}
        for order in orders:
            if order.drug is not None and id(order.drug) not in self._kinds:
                self._kinds[id(order.drug)] = kind_of(order.drug, knowledge)

    def opioid(self, order: Order) -> RecognisedOpioid | None:
        """Return the opioid of one of the orders."""
        return None if order.drug is None else self._kinds[id(order.drug)].opioid

    def include(self, is_wanted: Callable[[DrugKind], bool]) -> bool:
        """Say whether any of the drugs is wanted."""
        return any(map(is_wanted, self._kinds.values()))

    def orders_for(
        self, is_wanted: Callable[[DrugKind], bool], orders: Iterable[Order]
    ) -> list[Order]:
        """Return those of the orders whose drug is wanted."""
        wanted = {drug for drug, kind in self._kinds.items() if is_wanted(kind)}
        return [order for order in orders if id(order.drug) in wanted]


def kind_of(drug: Drug, knowledge: Knowledge) -> DrugKind:
    """Say what a drug is to the rules, by RxNorm code or by name.

    Source: clinical.md sections 2 and 6.
    """
    opioid, codes, words = recognised_opioid(drug, knowledge), _rxnorm_codes(drug), _all_words(drug)
    is_benzodiazepine = not (
        knowledge.benzodiazepines.isdisjoint(codes)
        and knowledge.benzodiazepine_names.isdisjoint(words)
    )
    names_naloxone = not (
        knowledge.naloxone.isdisjoint(codes) and knowledge.naloxone_names.isdisjoint(words)
    )
    return DrugKind(opioid, is_benzodiazepine, names_naloxone and opioid is None)


def _from_products(products: list[OpioidProduct]) -> RecognisedOpioid:
    """Take the counted products, if any; where they disagree on the use, leave it open."""
    counted = [product for product in products if product.use != "not-counted"] or products
    first = counted[0]
    is_one = len(counted) == 1
    agree = is_one or len({_dose_basis(product) for product in counted}) == 1
    one_use = is_one or len({product.use for product in counted}) == 1
    return RecognisedOpioid(
        by="product",
        ingredient=first.ingredient,
        use=first.use if one_use else "analgesic-or-oud",
        not_counted_reason=first.not_counted_reason,
        product=first if agree else None,
    )


def _dose_basis(product: OpioidProduct) -> tuple[object, ...]:
    return (
        product.ingredient,
        product.strength,
        product.strength_unit,
        product.release_form,
        product.is_combination,
    )


def _named(
    codes: list[str], table: Mapping[str, OpioidName], *, by: RecognisedBy
) -> tuple[RecognisedOpioid, ...]:
    return tuple(_from_name(table[code], by=by) for code in codes if code in table)


def _from_name(name: OpioidName, *, by: RecognisedBy) -> RecognisedOpioid:
    return RecognisedOpioid(
        by=by,
        ingredient=name.ingredient,
        use=name.use,
        not_counted_reason=name.not_counted_reason,
    )


def _by_name(drug: Drug, names: NameVocabulary) -> RecognisedOpioid | None:
    for text in drug.words:
        words = _words(text)
        for position, word in enumerate(words):
            found = names.words.get(word)
            if found is None and word in names.phrases:
                found = _phrase_at(words, position, names)
            if found is not None:
                return settled_by_words(_from_name(found, by="name"), drug, names)
    return None


def _phrase_at(words: list[str], position: int, names: NameVocabulary) -> OpioidName | None:
    for phrase, name in names.phrases[words[position]]:
        if tuple(words[position : position + len(phrase)]) == phrase:
            return name
    return None


def _rxnorm_codes(drug: Drug) -> list[str]:
    return [code for system, code in drug.codings if system == RXNORM]


def _all_words(drug: Drug) -> set[str]:
    """Return the words of all texts; the space between two texts keeps their words apart."""
    return set(_words(" ".join(drug.words)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
