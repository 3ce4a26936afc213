"""Social pain, exclusions and physical pain: published rows to rows of our tables.

Free-text value rules become columns; a text that is not understood is a fault, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds_service.clinical.terminology import ICD_10_CM, LOINC, RXNORM, SNOMED_CT
from cds_service.data_build.source import Source, SourceRow

SOCIAL_PAIN = "social_pain_codes.csv"
EXCLUSIONS = "exclusion_codes.csv"
PHYSICAL_PAIN = "physical_pain_codes.csv"

_SYSTEMS = {ICD_10_CM: "icd-10-cm", SNOMED_CT: "snomed-ct", LOINC: "loinc"}

_NUMBER = re.compile(
    r"(?:numeric|T-score) (?P<sign>>=|<=) (?P<bound>\d+)"
    r"(?: \(range (?P<lowest>\d+)-(?P<highest>\d+)(?:; [^)]*)?\))?"
)
_ANSWER = re.compile(
    r"(?:LOINC answer )?(?P<code>LA\d+-\d)"
    r"(?: (?:(?!LA\d|AND )[^()])+?)?(?: \([^)]*\))?"
)
_EXCEPT_ANSWER = re.compile(r"any answer other than (?P<code>LA\d+-\d) [^,]+, or item score > 0")
_WITHOUT_VALUE = ("panel: no value", "none verified")
_TWO_ENCOUNTERS = "with >=2 encounters coded"


def tables(source: Source) -> dict[str, list[SourceRow]]:
    """Return the rows of our concept tables, sorted so that a change is one line."""
    return {
        "social-pain.csv": _sorted(_social_pain(source), "domain", "system", "code"),
        "exclusions.csv": _sorted(_exclusions(source), "category", "system", "code"),
        "physical-pain.csv": _sorted(_physical_pain(source), "domain", "system", "code"),
    }


def value_rule(text: str) -> dict[str, str]:
    """Return the value-rule columns of a published rule; raise ValueError for an unknown text.

    >>> value_rule("numeric <= 1 (range 0-4; LOWER = more isolated)")
    {'at_most': '1', 'lowest': '0', 'highest': '4'}
    >>> value_rule("LOINC answer LA10044-8 Often OR LA9933-8 Always")
    {'answers': 'LA10044-8 LA9933-8'}
    >>> value_rule("panel: no value")
    {}
    """
    if text in _WITHOUT_VALUE:
        return {}
    number = _NUMBER.fullmatch(text)
    if number:
        bound = "at_least" if number["sign"] == ">=" else "at_most"
        rule = {
            bound: number["bound"],
            "lowest": number["lowest"],
            "highest": number["highest"],
        }
        return {column: value for column, value in rule.items() if value}
    other = _EXCEPT_ANSWER.fullmatch(text)
    if other:
        return {"at_least": "1", "lowest": "0", "except_answers": other["code"]}
    answers = [_ANSWER.fullmatch(part) for part in text.split(" OR ")]
    if all(answers):
        return {"answers": " ".join(answer["code"] for answer in answers if answer)}
    raise ValueError(f"value rule not understood: {text!r}")


def _social_pain(source: Source) -> Iterable[SourceRow]:
    columns = ("domain", "subdomain", "system", "code", "display", "evidence_basis", "strength")
    more = ("source", "match", "value_rule", "persistence", "sensitivity")
    for row in source.rows(SOCIAL_PAIN, *columns, *more):
        yield {
            **_concept(source, SOCIAL_PAIN, row),
            **_rule_columns(source, SOCIAL_PAIN, row, row["value_rule"]),
            **_kept(row, "domain", "subdomain", "strength", "persistence"),
            "sensitivity": "LEGAL" if _is_legal(row) else row["sensitivity"],
            "basis": row["evidence_basis"],
        }


def _exclusions(source: Source) -> Iterable[SourceRow]:
    """Yield all rows but those of drugs: the product table says what a product is taken for."""
    columns = ("category", "subcategory", "system", "code", "display", "rationale", "action")
    for row in source.rows(EXCLUSIONS, *columns, "source", "match", "resource", "note"):
        if row["system"] == RXNORM:
            continue
        rule = row["note"] if row["system"] == LOINC else ""
        needs_more = _TWO_ENCOUNTERS in row["note"]
        yield {
            **_concept(source, EXCLUSIONS, row),
            **_rule_columns(source, EXCLUSIONS, row, rule),
            **_kept(row, "category", "subcategory", "action"),
            "resources": row["resource"].replace("|", " "),
            "problem_list_or_two_encounters": "yes" if needs_more else "no",
            "persistence": "lifetime" if _is_lifelong(row) else "state",
            "basis": row["rationale"],
        }


def _is_legal(row: SourceRow) -> bool:
    """Say whether the row is of a legal matter, of the patient or the family: never printed."""
    return row["subdomain"].startswith(("legal", "incarceration"))


def _is_lifelong(row: SourceRow) -> bool:
    """Say whether a record of any age still holds: an inherited disease, or a history."""
    return row["category"] == "sickle_cell_disease" or row["subcategory"] == "history"


def _physical_pain(source: Source) -> Iterable[SourceRow]:
    columns = ("domain", "subdomain", "system", "code", "display", "evidence_basis")
    for row in source.rows(PHYSICAL_PAIN, *columns, "strength", "source", "match"):
        yield {
            **_concept(source, PHYSICAL_PAIN, row),
            **_kept(row, "domain", "subdomain", "strength"),
            "basis": row["evidence_basis"],
        }


def _concept(source: Source, name: str, row: SourceRow) -> SourceRow:
    if row["system"] not in _SYSTEMS:
        source.fault(name, row["code"], f"unknown system {row['system']!r}")
    return {
        **_kept(row, "code", "display", "match", "source"),
        "system": _SYSTEMS.get(row["system"], ""),
    }


def _rule_columns(source: Source, name: str, row: SourceRow, text: str) -> SourceRow:
    """Return the columns of the value rule; a LOINC row must have one, no other row may."""
    if (row["system"] == LOINC) != bool(text):
        source.fault(name, row["code"], "a value rule belongs to every LOINC row, and only to it")
        return {}
    try:
        return value_rule(text) if text else {}
    except ValueError as error:
        source.fault(name, row["code"], str(error))
        return {}


def _kept(row: SourceRow, *columns: str) -> SourceRow:
    return {column: row[column] for column in columns}


def _sorted(rows: Iterable[SourceRow], *columns: str) -> list[SourceRow]:
    return sorted(rows, key=lambda row: tuple(row[column] for column in columns))
