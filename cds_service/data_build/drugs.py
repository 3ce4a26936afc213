"""Opioid codes, benzodiazepines and naloxone: published rows to rows of our tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from cds_service.clinical.knowledge import OpioidName
from cds_service.data_build.products import PRODUCTS, factors, products
from cds_service.data_build.source import Source, SourceRow
from cds_service.data_build.uses import PublishedProduct, Uses, combined
from cds_service.loading.names import NAMES, Names

COMPONENTS = "opioid_component_rxnorm.csv"
INGREDIENTS = "opioid_ingredient_rxnorm.csv"
BENZODIAZEPINES = "benzodiazepine_rxnorm.csv"
NALOXONE = "naloxone_rescue_rxnorm.csv"

_NOT_ANALGESIC = "loperamide"
"""Stands in the component table although it acts on the bowel only."""
_WORD = re.compile(r"[^\W_]+")


def tables(source: Source, names: Names) -> dict[str, list[SourceRow]]:
    """Return the rows of our drug tables, sorted by code."""
    published = tuple(products(source))
    uses = Uses(products=tuple(product for product, _ in published), names=names.opioids)
    for brand, problem in _brand_problems(uses.products, names):
        source.fault(PRODUCTS, brand, problem)
    product_rows = [row for _, row in published]
    product_codes = {row["code"] for row in product_rows}
    ingredient_rows = list(_ingredient_rows(source, uses, product_codes))
    taken = product_codes | {row["code"] for row in ingredient_rows}
    return {
        "opioid-products.csv": _by_code(product_rows),
        "opioid-ingredient-codes.csv": _by_code(ingredient_rows),
        "opioid-components.csv": _by_code(_component_rows(source, uses, taken)),
        "mme-factors.csv": factors(source, product_rows),
        "benzodiazepines.csv": _by_code(source.rows(BENZODIAZEPINES, "code", "display")),
        "naloxone.csv": _by_code(_plain_naloxone(source)),
    }


def _ingredient_rows(source: Source, uses: Uses, taken: Collection[str]) -> Iterator[SourceRow]:
    """Yield the ingredient codes; where the source says a use, that use stands."""
    for row in source.rows(INGREDIENTS, "code", "display", "not_ambulatory_analgesic"):
        opioid = _opioid(source, INGREDIENTS, row, uses)
        said = row["not_ambulatory_analgesic"]
        if opioid and row["code"] not in taken:
            if said:
                opioid = OpioidName(
                    ingredient=opioid.ingredient,
                    use="oud" if said == "OUD" else "not-counted",
                    not_counted_reason=None if said == "OUD" else said,
                )
            yield _coded(row, opioid)


def _component_rows(source: Source, uses: Uses, taken: Collection[str]) -> Iterator[SourceRow]:
    """Yield the component codes that no other table has."""
    for row in source.rows(COMPONENTS, "code", "display"):
        if row["display"].lower() == _NOT_ANALGESIC or row["code"] in taken:
            continue
        opioid = _opioid(source, COMPONENTS, row, uses)
        if opioid:
            yield _coded(row, opioid)


def _plain_naloxone(source: Source) -> Iterator[SourceRow]:
    """Yield the rows that name naloxone alone: a combination with an opioid rescues nobody."""
    for row in source.rows(NALOXONE, "code", "display"):
        if " / " not in row["display"]:
            yield row


def _opioid(source: Source, name: str, row: SourceRow, uses: Uses) -> OpioidName | None:
    opioid = uses.opioid(row["display"])
    if opioid is None:
        source.fault(name, row["code"], f"{row['display']!r} does not name one opioid")
    return opioid


def _coded(row: SourceRow, opioid: OpioidName) -> SourceRow:
    return {
        "code": row["code"],
        "ingredient": opioid.ingredient,
        "use": opioid.use,
        "not_counted_reason": opioid.not_counted_reason or "",
        "display": row["display"],
    }


def _brand_problems(
    published: Iterable[PublishedProduct], names: Names
) -> Iterator[tuple[str, str]]:
    """Yield brands of counted and MOUD products that a person has not yet looked at.

    A brand is recognised by its name if it, or its beginning, is listed, or if it holds the name
    of an ingredient.
    """
    by_brand: dict[str, list[PublishedProduct]] = {}
    for product in published:
        if product.brand:
            by_brand.setdefault(product.brand, []).append(product)
    for brand, held in sorted(by_brand.items()):
        words = tuple(_WORD.findall(brand))
        beginnings = {" ".join(words[:count]) for count in range(1, len(words) + 1)}
        if combined(held).use == "not-counted" or beginnings & names.unused_brands:
            continue
        listed = {names.brands[beginning] for beginning in beginnings & names.brands.keys()}
        if not listed and not set(words) & names.opioids.words.keys():
            yield brand, f"look at this brand, then list it in {NAMES}"
        allowed = {product.use for product in held} | {combined(held).use}
        for name in listed:
            if name.ingredient != held[0].ingredient or name.use not in allowed:
                yield brand, f"{NAMES} says otherwise than its products"


def _by_code(rows: Iterable[SourceRow]) -> list[SourceRow]:
    return sorted(rows, key=lambda row: int(row["code"]))
