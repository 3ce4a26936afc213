"""Rows of the CSV files, read into the types of the clinical core, each with its key.

Whether the tables agree with one another is left to `cds_service.loading.contradictions`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

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
from cds_service.clinical.terminology import ICD_10_CM, LOINC, RXNORM, Coding, coding
from cds_service.loading.cells import VALUE_RULE_COLUMNS, Cells

RESOURCES = frozenset(
    ("Condition", "Observation", "Procedure", "ServiceRequest", "CarePlan", "Encounter")
)


def category(cells: Cells) -> tuple[tuple[str, str], str]:
    table = cells.one_of("table", ("social-pain", "physical-pain", "exclusions"))
    return (table, cells.text("name")), cells.text("meaning")


def opioid_ingredient(cells: Cells) -> tuple[str, OpioidIngredient]:
    cells.text("source")
    row = OpioidIngredient(
        name=cells.text("name"),
        phrase=cells.text("phrase"),
        is_full_agonist=cells.is_yes("full_agonist"),
    )
    return row.name, row


def opioid_product(cells: Cells) -> tuple[str, OpioidProduct]:
    name = _opioid_name(cells)
    strength = cells.number("strength")
    if not strength:
        cells.fault("strength", "must be more than zero")
    row = OpioidProduct(
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
    return row.code, row


def coded_opioid_name(cells: Cells) -> tuple[str, OpioidName]:
    cells.text("display")
    return _rxnorm_code(cells), _opioid_name(cells)


def rxnorm_code(cells: Cells) -> tuple[str, str]:
    return _rxnorm_code(cells), cells.text("display")


def mme_factor(cells: Cells) -> tuple[tuple[str, str], MmeFactor]:
    factor = cells.number("factor")
    if factor is not None and not factor:
        cells.fault("factor", "zero; leave it empty where no factor exists")
    row = MmeFactor(
        ingredient=cells.text("ingredient"),
        release_form=cells.one_of("release_form", get_args(ReleaseForm)),
        unit=cells.one_of("unit", ("mg", "mcg/h")),
        factor=factor,
    )
    return (row.ingredient, row.release_form), row


def social_pain_concept(cells: Cells) -> tuple[Coding, SocialPainConcept]:
    code = cells.coding()
    row = SocialPainConcept(
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
    return code, row


def exclusion_concept(cells: Cells) -> tuple[Coding, ExclusionConcept]:
    code = cells.coding()
    resources = frozenset(cells.text("resources").split())
    if not resources <= RESOURCES:
        cells.fault("resources", f"allowed are {', '.join(sorted(RESOURCES))}")
    row = ExclusionConcept(
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
    return code, row


def physical_pain_concept(cells: Cells) -> tuple[Coding, PhysicalPainConcept]:
    code = cells.coding()
    cells.one_of("strength", get_args(Strength))
    row = PhysicalPainConcept(
        coding=code,
        match=_match(cells, code),
        display=cells.text("display"),
        domain=cells.text("domain"),
        subdomain=cells.text("subdomain"),
    )
    return code, row


def _rxnorm_code(cells: Cells) -> str:
    return cells.possible("code", coding(RXNORM, cells.text("code"))).code


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
    return frozenset(
        cells.possible(column, coding(LOINC, code)) for code in cells.cells[column].split()
    )
