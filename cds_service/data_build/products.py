"""Opioid products and conversion factors: published rows to rows of our tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from cds_service.clinical.knowledge import OpioidUse
from cds_service.data_build.source import Source, SourceRow
from cds_service.data_build.uses import PublishedProduct

PRODUCTS = "opioid_products.csv"
FACTORS = "mme_factors.csv"

_RELEASE_FORMS = {
    "Auto-Injector": "injectable",
    "Buccal Film": "buccal-sublingual",
    "Buccal Tablet": "buccal-sublingual",
    "Cartridge": "injectable",
    "Disintegrating Oral Tablet": "oral",
    "Drug Implant": "implant",
    "Effervescent Oral Tablet": "oral",
    "Extended Release Oral Capsule": "oral-extended",
    "Extended Release Oral Tablet": "oral-extended",
    "Extended Release Suspension": "oral-extended",
    "Injectable Solution": "injectable",
    "Injectable Suspension": "injectable",
    "Injection": "injectable",
    "Metered Dose Nasal Spray": "nasal",
    "Mucosal Spray": "buccal-sublingual",
    "Oral Capsule": "oral",
    "Oral Lozenge": "buccal-sublingual",
    "Oral Solution": "oral",
    "Oral Strip": "buccal-sublingual",
    "Oral Suspension": "oral",
    "Oral Tablet": "oral",
    "Pack of Mucosal Spray": "buccal-sublingual",
    "Prefilled Syringe": "injectable",
    "Rectal Suppository": "rectal",
    "Sublingual Film": "buccal-sublingual",
    "Sublingual Tablet": "buccal-sublingual",
    "Tablet for Oral Suspension": "oral",
    "Topical Solution": "topical",
    "Transdermal System": "transdermal",
}
_UNITS = {"MG": "mg", "MG/ML": "mg/mL", "MG/HR": "mg/h", "MG/ACTUAT": "mg/actuation"}
_USES: dict[str, OpioidUse] = {
    "OUD": "oud",
    "OUD (dispersible 40 mg)": "oud",
    "OUD (withdrawn)": "oud",
    "OUD mainly (oral concentrate)": "oud",
    "non-US; OUD or pain": "not-counted",
    "pain": "analgesic",
    "pain (non-US low-dose)": "analgesic",
    "pain (parenteral)": "not-counted",
    "pain or OUD": "analgesic-or-oud",
    "pain or inpatient OUD (parenteral)": "not-counted",
    "veterinary": "not-counted",
}
_ROUTES = {
    "SL tablet or film": ("buccal-sublingual",),
    "any": ("oral", "oral-extended", "buccal-sublingual", "injectable", "nasal", "rectal"),
    "buccal film": ("buccal-sublingual",),
    "buccal/SL tablet, lozenge/troche": ("buccal-sublingual",),
    "film or oral/mucosal film": ("buccal-sublingual",),
    "nasal": ("nasal",),
    "nasal/mucosal spray": ("nasal", "buccal-sublingual"),
    "oral": ("oral", "oral-extended"),
    "oral/rectal": ("oral", "rectal"),
    "transdermal patch": ("transdermal",),
}
_STRENGTH_PART = re.compile(r"([\d.]+) (MG(?:/ML|/HR|/ACTUAT)?)")
_FACTOR_INGREDIENT = re.compile(r"[a-z]+")
_COLUMNS = ("rxnorm_code", "display", "opioid_ingredients", "strength_detail", "strength_value")
_MORE_COLUMNS = ("strength_unit", "dose_form", "extended_release", "transdermal", "brand")
_USE_COLUMNS = ("ambulatory_analgesic_derived", "exclusion_reason", "bup_methadone_use")


def products(source: Source) -> Iterator[tuple[PublishedProduct, SourceRow]]:
    """Yield every product as the other tables need it, and as a row of our table."""
    for row in source.rows(PRODUCTS, *_COLUMNS, *_MORE_COLUMNS, *_USE_COLUMNS):
        for problem in _problems(row):
            source.fault(PRODUCTS, row["rxnorm_code"], problem)
        use = _use(row)
        reason = row["exclusion_reason"] if use == "not-counted" else ""
        yield (
            PublishedProduct(
                display=row["display"].lower(),
                ingredient=row["opioid_ingredients"],
                strength=row["strength_value"],
                unit=row["strength_unit"].lower(),
                dose_form=row["dose_form"].lower(),
                release_form=_release_form(row),
                brand=row["brand"].lower(),
                use=use,
                not_counted_reason=reason or None,
            ),
            {
                "code": row["rxnorm_code"],
                "ingredient": row["opioid_ingredients"],
                "use": use,
                "not_counted_reason": reason,
                "strength": row["strength_value"],
                "strength_unit": _UNITS.get(row["strength_unit"], ""),
                "dose_form": row["dose_form"],
                "release_form": _release_form(row),
                "combination": "yes" if " / " in row["display"] else "no",
                "display": row["display"],
            },
        )


def factors(source: Source, product_rows: Iterable[SourceRow]) -> list[SourceRow]:
    """Return one row per ingredient and release form that has products; two factors are a fault.

    The sliding scale of methadone (2016) is one factor in 2022, so its rows fall together.
    """
    forms = {(row["ingredient"], row["release_form"]) for row in product_rows}
    found: dict[tuple[str, str], set[str]] = {}
    for row in source.rows(FACTORS, "ingredient", "route_form", "factor_2022"):
        name = _FACTOR_INGREDIENT.match(row["ingredient"])
        if name is None or row["route_form"] not in _ROUTES:
            source.fault(FACTORS, row["ingredient"], f"not understood: {row['route_form']!r}")
            continue
        for form in _ROUTES[row["route_form"]]:
            if (name[0], form) in forms:
                found.setdefault((name[0], form), set()).add(row["factor_2022"])
    for (ingredient, form), values in found.items():
        if len(values) > 1:
            source.fault(FACTORS, f"{ingredient} {form}", f"factors differ: {sorted(values)}")
    return [
        {
            "ingredient": ingredient,
            "release_form": form,
            "unit": "mcg/h" if form == "transdermal" else "mg",
            "factor": min(values),
        }
        for (ingredient, form), values in sorted(found.items())
    ]


def _use(row: SourceRow) -> OpioidUse:
    if row["bup_methadone_use"]:
        return _USES.get(row["bup_methadone_use"], "not-counted")
    return "analgesic" if row["ambulatory_analgesic_derived"] == "true" else "not-counted"


def _release_form(row: SourceRow) -> str:
    """Return the group of the dose form; a patch that doses per press is not one that drips."""
    form = _RELEASE_FORMS.get(row["dose_form"], "")
    is_iontophoretic = form == "transdermal" and row["strength_unit"] == "MG/ACTUAT"
    return "iontophoretic" if is_iontophoretic else form


def _problems(row: SourceRow) -> Iterator[str]:
    """Yield what contradicts itself within one product row."""
    is_ambulatory = row["ambulatory_analgesic_derived"] == "true"
    moud_use = row["bup_methadone_use"]
    if row["dose_form"] not in _RELEASE_FORMS:
        yield f"unknown dose form {row['dose_form']!r}"
    if row["strength_unit"] not in _UNITS:
        yield f"unknown strength unit {row['strength_unit']!r}"
    if moud_use and moud_use not in _USES:
        yield f"unknown use {moud_use!r}"
    if is_ambulatory == bool(row["exclusion_reason"]):
        yield "ambulatory, yet with a reason for exclusion, or neither"
    if _use(row) != "oud" and is_ambulatory != (_use(row) != "not-counted"):
        yield f"ambulatory flag contradicts the use {moud_use!r}"
    is_extended = _release_form(row) in ("oral-extended", "transdermal")
    if (row["extended_release"] == "true") != is_extended:
        yield "extended_release contradicts the dose form"
    if (row["transdermal"] == "true") != (row["dose_form"] == "Transdermal System"):
        yield "transdermal contradicts the dose form"
    parts = _STRENGTH_PART.findall(row["strength_detail"])
    if any(f"{value} {unit}" not in row["display"] for value, unit in parts):
        yield "strength_detail is not in the display"
    if {unit for _, unit in parts} != {row["strength_unit"]} or (
        sum(Decimal(value) for value, _ in parts) != Decimal(row["strength_value"])
    ):
        yield "strength_value contradicts strength_detail"
