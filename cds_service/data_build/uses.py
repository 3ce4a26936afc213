"""What an RxNorm code below the product is taken for, where the published tables do not say.

The products that hold what the code names decide; the words of its display settle the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cds_service.clinical.drugs import RecognisedOpioid, settled_by_words
from cds_service.clinical.knowledge import NameVocabulary, OpioidName, OpioidUse
from cds_service.clinical.record import Drug

_PART_SEPARATOR = re.compile(r"\s+/\s+|(?<!mg)/\s*")
_STRENGTH = re.compile(r"([\d.]+) (mg(?:/ml|/hr|/actuat)?)\b")
_WORD = re.compile(r"[^\W_]+")
_OTHER_NAMES = {"papaveretum": "opium"}


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedProduct:
    """What this module needs of a product row; texts in lower case."""

    display: str
    ingredient: str
    strength: str
    unit: str
    dose_form: str
    release_form: str
    brand: str
    use: OpioidUse
    not_counted_reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Uses:
    """The products and words from which a display is understood."""

    products: tuple[PublishedProduct, ...]
    names: NameVocabulary

    def opioid(self, display: str) -> OpioidName | None:
        """Return the opioid a display names and what it is taken for, None when it names none."""
        text = display.lower()
        words = _words(text)
        known = {product.ingredient for product in self.products}
        ingredients = {_OTHER_NAMES.get(word, word) for word in words} & known
        if len(ingredients) != 1:
            return None
        (ingredient,) = ingredients
        found = combined(self._holding(ingredient, text))
        settled = settled_by_words(
            RecognisedOpioid(
                by="component",
                ingredient=ingredient,
                use=found.use,
                not_counted_reason=found.not_counted_reason,
            ),
            Drug(codings=(), words=(display,)),
            self.names,
        )
        return OpioidName(
            ingredient=ingredient, use=settled.use, not_counted_reason=settled.not_counted_reason
        )

    def _holding(self, ingredient: str, text: str) -> tuple[PublishedProduct, ...]:
        """Return the products of the ingredient that share most with the display.

        A mark of the display (partners, strength, unit, dose form, brand) that no product has is
        left out of account.
        """
        found = tuple(product for product in self.products if product.ingredient == ingredient)
        for has_mark in _marks(ingredient, text, {product.dose_form for product in found}):
            narrowed = tuple(product for product in found if has_mark(product))
            found = narrowed or found
        return found


def combined(products: Iterable[PublishedProduct]) -> OpioidName:
    """Return the use that several products have in common.

    Products that are not counted give way to those that are; analgesic and MOUD products together
    leave the use open.
    """
    first, *more = products
    counted = {product.use for product in (first, *more)} - {"not-counted"}
    if not counted:
        return OpioidName(
            ingredient=first.ingredient,
            use="not-counted",
            not_counted_reason=first.not_counted_reason,
        )
    use = counted.pop() if len(counted) == 1 else "analgesic-or-oud"
    return OpioidName(ingredient=first.ingredient, use=use)


def _marks(
    ingredient: str, text: str, dose_forms: Iterable[str]
) -> Iterable[Callable[[PublishedProduct], bool]]:
    name, _, brand = text.partition("[")
    parts = _PART_SEPARATOR.split(name)
    partners = {_words(part)[0] for part in parts if _words(part)}
    yield lambda product: partners <= set(_words(product.display))
    opioid_part = next(part for part in parts if ingredient in _other_names(part))
    strength = _STRENGTH.search(opioid_part)
    if strength:
        yield lambda product: product.unit == strength[2]
        yield lambda product: (product.strength, product.unit) == strength.groups()
    dose_form = max((form for form in dose_forms if form in name), key=len, default=None)
    if dose_form:
        yield lambda product: product.dose_form == dose_form
    if "injectable" in name:
        yield lambda product: product.release_form == "injectable"
    if brand:
        yield lambda product: product.brand == brand.rstrip("]")


def _other_names(part: str) -> set[str]:
    return {_OTHER_NAMES.get(word, word) for word in _words(part)}


def _words(text: str) -> list[str]:
    return _WORD.findall(text)
