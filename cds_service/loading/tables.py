"""Rows of the CSV files in a data directory, read into the types of the clinical core.

Every bad cell is a fault with file, line and column; reading goes on to the next. Whether the
tables agree with one another is left to `cds_service.loading`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

from cds_service.clinical.knowledge import (
    ExclusionAction,
    ExclusionConcept,
    Match,
    MmeFactor,
    OpioidIngredient,
    OpioidName,
    OpioidProduct,
    OpioidUse,
    PhysicalPainConcept,
    ReleaseForm,
    Sensitivity,
    SocialPainConcept,
    Strength,
    ValueRule,
)
from cds_service.clinical.terminology import (
    ICD_10_CM,
    LOINC,
    RXNORM,
    SNOMED_CT,
    Coding,
    coding,
)

RowType = TypeVar("RowType")

VALUE_RULE_COLUMNS = ("at_least", "at_most", "lowest", "highest", "answers", "except_answers")
COLUMNS: dict[str, tuple[str, ...]] = {
    "categories.csv": ("table", "name", "meaning"),
    "opioid-ingredients.csv": ("name", "phrase", "full_agonist", "source"),
    "opioid-products.csv": (
        *("code", "ingredient", "use", "not_counted_reason", "strength", "strength_unit"),
        *("dose_form", "release_form", "combination", "display"),
    ),
    "opioid-components.csv": ("code", "ingredient", "use", "not_counted_reason", "display"),
    "opioid-ingredient-codes.csv": ("code", "ingredient", "use", "not_counted_reason", "display"),
    "mme-factors.csv": ("ingredient", "release_form", "unit", "factor"),
    "social-pain.csv": (
        *("domain", "subdomain", "system", "code", "display", "match", "strength"),
        *("persistence", "sensitivity", *VALUE_RULE_COLUMNS, "basis", "source"),
    ),
    "exclusions.csv": (
        *("category", "subcategory", "system", "code", "display", "match", "action"),
        *("resources", "problem_list_or_two_encounters", "persistence"),
        *(*VALUE_RULE_COLUMNS, "basis", "source"),
    ),
    "physical-pain.csv": (
        *("domain", "subdomain", "system", "code", "display", "match", "strength"),
        *("basis", "source"),
    ),
    "benzodiazepines.csv": ("code", "display"),
    "naloxone.csv": ("code", "display"),
}
SYSTEMS = {"icd-10-cm": ICD_10_CM, "snomed-ct": SNOMED_CT, "loinc": LOINC}
RESOURCES = frozenset(
    ("Condition", "Observation", "Procedure", "ServiceRequest", "CarePlan", "Encounter")
)


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a table; what a cell gets wrong goes to `faults`, and a stand-in is returned."""

    where: str
    cells: dict[str, str]
    faults: list[str]

    def fault(self, column: str, problem: str) -> None:
        self.faults.append(f"{self.where}: {column}: {problem}")

    def text(self, column: str) -> str:
        value = self.cells[column]
        if not value or value != value.strip():
            self.fault(column, "empty, or with white space around it")
        return value

    def number(self, column: str) -> Decimal | None:
        """Return the finite, non-negative number; None for an empty cell, or one at fault."""
        if not self.cells[column]:
            return None
        try:
            value = Decimal(self.cells[column])
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or value < 0:
            self.fault(column, "not a number of zero or more")
            return None
        return value

    def one_of(self, column: str, allowed: Iterable[str]) -> Any:
        value = self.cells[column]
        if value not in allowed:
            self.fault(column, f"{value!r} is none of {', '.join(sorted(allowed))}")
        return value

    def is_yes(self, column: str) -> bool:
        return cast(str, self.one_of(column, ("yes", "no"))) == "yes"

    def coding(self) -> Coding:
        """Return the coding of the row, which must already be in normal form."""
        system = SYSTEMS.get(self.one_of("system", SYSTEMS), "")
        code = self.text("code")
        normal = coding(system, code)
        if normal.code != code:
            self.fault("code", f"{code!r} is not in normal form")
        return normal


def rows_of(
    directory: Path, name: str, row_from: Callable[[Cells], RowType], faults: list[str]
) -> tuple[RowType, ...]:
    """Read every row of the file; a heading other than the one expected is a fault."""
    expected = COLUMNS[name]
    try:
        with (directory / name).open(newline="", encoding="utf-8") as file:
            heading, *lines = csv.reader(file, strict=True)
    except (OSError, ValueError, csv.Error) as error:
        faults.append(f"{name}: cannot be read as a table: {error}")
        return ()
    if tuple(heading) != expected:
        faults.append(f"{name}: heading: must be {','.join(expected)}")
        return ()
    rows = []
    for number, line in enumerate(lines, start=2):
        if len(line) == len(expected):
            cells = Cells(f"{name} line {number}", dict(zip(expected, line, strict=True)), faults)
            rows.append(row_from(cells))
        else:
            faults.append(f"{name} line {number}: {len(line)} cells, not {len(expected)}")
    return tuple(rows)


def category(cells: Cells) -> tuple[str, str]:
    cells.text("meaning")
    table = cells.one_of("table", ("social-pain", "physical-pain", "exclusions"))
    return (table, cells.text("name"))


def opioid_ingredient(cells: Cells) -> OpioidIngredient:
    cells.text("source")
    return OpioidIngredient(
        name=cells.text("name"),
        phrase=cells.text("phrase"),
        is_full_agonist=cells.is_yes("full_agonist"),
    )


def opioid_product(cells: Cells) -> OpioidProduct:
    name = _opioid_name(cells)
    strength = cells.number("strength")
    if not strength:
        cells.fault("strength", "must be more than zero")
    return OpioidProduct(
        code=_rxnorm_code(cells),
        display=cells.text("display"),
        ingredient=name.ingredient,
        use=name.use,
        not_counted_reason=name.not_counted_reason,
        strength=strength or Decimal(0),
        strength_unit=cells.one_of("strength_unit", ("mg", "mg/mL", "mg/h", "mg/actuation")),
        dose_form=cells.text("dose_form"),
        release_form=cells.one_of("release_form", get_args(ReleaseForm)),
        is_combination=cells.is_yes("combination"),
    )


def coded_opioid_name(cells: Cells) -> tuple[str, OpioidName]:
    cells.text("display")
    return (_rxnorm_code(cells), _opioid_name(cells))


def rxnorm_code(cells: Cells) -> str:
    cells.text("display")
    return _rxnorm_code(cells)


def mme_factor(cells: Cells) -> MmeFactor:
    factor = cells.number("factor")
    if factor is not None and not factor:
        cells.fault("factor", "zero; leave it empty where no factor exists")
    return MmeFactor(
        ingredient=cells.text("ingredient"),
        release_form=cells.one_of("release_form", get_args(ReleaseForm)),
        unit=cells.one_of("unit", ("mg", "mcg/h")),
        factor=factor,
    )


def social_pain_concept(cells: Cells) -> SocialPainConcept:
    code = cells.coding()
    return SocialPainConcept(
        coding=code,
        match=_match(cells, code),
        display=cells.text("display"),
        domain=cells.text("domain"),
        subdomain=cells.text("subdomain"),
        strength=cells.one_of("strength", get_args(Strength)),
        persistence=cells.one_of("persistence", ("state", "lifetime")),
        sensitivity=cells.one_of("sensitivity", get_args(Sensitivity)),
        value_rule=_value_rule(cells, code),
    )


def exclusion_concept(cells: Cells) -> ExclusionConcept:
    code = cells.coding()
    resources = frozenset(cells.text("resources").split())
    if not resources <= RESOURCES:
        cells.fault("resources", f"allowed are {', '.join(sorted(RESOURCES))}")
    return ExclusionConcept(
        coding=code,
        match=_match(cells, code),
        display=cells.text("display"),
        category=cells.text("category"),
        subcategory=cells.text("subcategory"),
        action=cells.one_of("action", get_args(ExclusionAction)),
        resources=resources,
        needs_problem_list_or_two_encounters=cells.is_yes("problem_list_or_two_encounters"),
        persistence=cells.one_of("persistence", ("state", "lifetime")),
        value_rule=_value_rule(cells, code),
    )


def physical_pain_concept(cells: Cells) -> PhysicalPainConcept:
    code = cells.coding()
    cells.one_of("strength", get_args(Strength))
    return PhysicalPainConcept(
        coding=code,
        match=_match(cells, code),
        display=cells.text("display"),
        domain=cells.text("domain"),
        subdomain=cells.text("subdomain"),
    )


def _rxnorm_code(cells: Cells) -> str:
    code = cells.text("code")
    if not (code.isascii() and code.isdigit()):
        cells.fault("code", "not an RxNorm code (digits)")
    return coding(RXNORM, code).code


def _opioid_name(cells: Cells) -> OpioidName:
    use = cells.one_of("use", get_args(OpioidUse))
    reason = cells.cells["not_counted_reason"] or None
    if (use == "not-counted") != (reason is not None):
        cells.fault("not_counted_reason", "belongs to the use not-counted, and only to it")
    return OpioidName(ingredient=cells.text("ingredient"), use=use, not_counted_reason=reason)


def _match(cells: Cells, code: Coding) -> Match:
    match: Match = cells.one_of("match", get_args(Match))
    if match == "descendants" and code.system != ICD_10_CM:
        cells.fault("match", "only ICD-10-CM codes have descendants here")
    return match


def _value_rule(cells: Cells, code: Coding) -> ValueRule | None:
    """Return the rule of a LOINC row; any other row has none, and no cell of one."""
    if code.system != LOINC:
        for column in VALUE_RULE_COLUMNS:
            if cells.cells[column]:
                cells.fault(column, "only a LOINC row has a value rule")
        return None
    rule = ValueRule(
        at_least=cells.number("at_least"),
        at_most=cells.number("at_most"),
        lowest=cells.number("lowest"),
        highest=cells.number("highest"),
        answers=_answers(cells, "answers"),
        except_answers=_answers(cells, "except_answers"),
    )
    if rule.at_least is not None and rule.at_most is not None:
        cells.fault("at_most", "a row has at_least or at_most, not both")
    bounds = (rule.lowest, rule.at_least, rule.at_most, rule.highest)
    known = [bound for bound in bounds if bound is not None]
    if known != sorted(known):
        cells.fault("at_least", "lowest, at_least or at_most, highest must not decrease")
    return rule


def _answers(cells: Cells, column: str) -> frozenset[Coding]:
    return frozenset(coding(LOINC, code) for code in cells.cells[column].split())
