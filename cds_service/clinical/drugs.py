"""Which drug an order is for: opioid analgesic, treatment of opioid use disorder, or neither.

Codes first, then the name. What a recognised drug means for exposure is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from cds_service.clinical.knowledge import (
    Knowledge,
    NameVocabulary,
    OpioidName,
    OpioidProduct,
    OpioidUse,
)
from cds_service.clinical.record import Drug
from cds_service.clinical.terminology import RXNORM

_WORD = re.compile(r"[^\W_]+")

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

    In this order: RxNorm product, RxNorm component, RxNorm ingredient, name as a whole word.
    A code that is known and not counted ends the search: the name does not bring it back.

    Source: clinical.md section 2.
    """
    rxnorm = tuple(code for system, code in drug.codings if system == RXNORM)
    products = tuple(knowledge.products[code] for code in rxnorm if code in knowledge.products)
    if products:
        return _from_products(products)
    for code in rxnorm:
        if code in knowledge.components:
            return _from_name(knowledge.components[code], by="component")
    for code in rxnorm:
        if code in knowledge.ingredient_codes:
            found = knowledge.ingredient_codes[code]
            return _settled_by_words(_from_name(found, by="ingredient"), drug, knowledge.names)
    return _by_name(drug, knowledge.names)


def is_benzodiazepine(drug: Drug, knowledge: Knowledge) -> bool:
    """Say whether an order is for a benzodiazepine, by RxNorm product code or by name."""
    return _is_one_of(drug, knowledge.benzodiazepines, knowledge.benzodiazepine_names)


def is_naloxone(drug: Drug, knowledge: Knowledge) -> bool:
    """Say whether an order is for plain naloxone, by RxNorm product code or by name.

    A combination with an opioid is not rescue naloxone.
    """
    return recognised_opioid(drug, knowledge) is None and _is_one_of(
        drug, knowledge.naloxone, knowledge.naloxone_names
    )


def concerns_a_rule(drug: Drug, knowledge: Knowledge) -> bool:
    """Say whether any rule looks at orders for this drug; the reader models no other order."""
    return (
        recognised_opioid(drug, knowledge) is not None
        or is_benzodiazepine(drug, knowledge)
        or _is_one_of(drug, knowledge.naloxone, knowledge.naloxone_names)
    )


def _from_products(products: tuple[OpioidProduct, ...]) -> RecognisedOpioid:
    counted = tuple(product for product in products if product.use != "not-counted") or products
    first = counted[0]
    agree = all(
        (product.ingredient, product.strength, product.strength_unit, product.release_form)
        == (first.ingredient, first.strength, first.strength_unit, first.release_form)
        for product in counted
    )
    return RecognisedOpioid(
        by="product",
        ingredient=first.ingredient,
        use=first.use,
        not_counted_reason=first.not_counted_reason,
        product=first if agree else None,
    )


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
            found = names.words.get(word) or _phrase_at(words, position, names)
            if found is not None:
                return _settled_by_words(_from_name(found, by="name"), drug, names)
    return None


def _phrase_at(words: list[str], position: int, names: NameVocabulary) -> OpioidName | None:
    for phrase, name in names.phrases.get(words[position], ()):
        if tuple(words[position : position + len(phrase)]) == phrase:
            return name
    return None


def _settled_by_words(
    opioid: RecognisedOpioid, drug: Drug, names: NameVocabulary
) -> RecognisedOpioid:
    """Let the other words of the drug decide form and use where the match left them open."""
    words = {word for text in drug.words for word in _words(text)}
    reasons = sorted(names.not_counted[word] for word in words if word in names.not_counted)
    if reasons:
        return replace(opioid, use="not-counted", not_counted_reason=reasons[0])
    if opioid.use == "analgesic-or-oud":
        if words & names.oud:
            return replace(opioid, use="oud")
        if words & names.analgesic:
            return replace(opioid, use="analgesic")
    return opioid


def _is_one_of(drug: Drug, codes: frozenset[str], names: frozenset[str]) -> bool:
    return any(system == RXNORM and code in codes for system, code in drug.codings) or any(
        word in names for text in drug.words for word in _words(text)
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
