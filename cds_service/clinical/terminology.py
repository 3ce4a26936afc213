"""Codes and code tables: how a coding is normalised and which row of a table it meets.

Matching is by system and code only, never by words; the one exception, the name of a drug,
lives in `cds_service.clinical.drugs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
SNOMED_CT = "http://snomed.info/sct"

SYSTEM_ALIASES: Mapping[str, str] = {
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    "http://terminology.hl7.org/CodeSystem/icd10CM": ICD_10_CM,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED_CT,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
}

_ICD_10_CM_UNDOTTED = re.compile(r"[A-Z]\d[0-9A-Z][0-9A-Z]{1,4}")
_ICD_10_CM_CATEGORY_LENGTH = 3
_ICD_10_CM_LONGEST = 8
"""Seven characters and the dot; a longer text in a record is no reason to look longer."""


class Coding(NamedTuple):
    """One code of one system, both in the normal form that `coding` gives them."""

    system: str
    code: str


def coding(system: str, code: str) -> Coding:
    """Return the coding in normal form.

    Alternative system URIs become the canonical one; white space around either part is dropped;
    ICD-10-CM codes get upper case and their dot.

    Source: clinical.md section 4, "Matching".

    >>> coding("urn:oid:2.16.840.1.113883.6.90", "f329")
    Coding(system='http://hl7.org/fhir/sid/icd-10-cm', code='F32.9')
    """
    system, code = system.strip(), code.strip()
    system = SYSTEM_ALIASES.get(system, system)
    if system == ICD_10_CM:
        code = code.upper()
        if "." not in code and _ICD_10_CM_UNDOTTED.fullmatch(code):
            code = f"{code[:_ICD_10_CM_CATEGORY_LENGTH]}.{code[_ICD_10_CM_CATEGORY_LENGTH:]}"
    return Coding(system, code)


def icd_10_cm_ancestors(code: Coding) -> frozenset[str]:
    """Return the ICD-10-CM codes that cover this one besides itself; none for another system.

    >>> sorted(icd_10_cm_ancestors(Coding(ICD_10_CM, "D57.3")))
    ['D57', 'D57.']
    """
    if code.system != ICD_10_CM:
        return frozenset()
    longest = min(len(code.code), _ICD_10_CM_LONGEST)
    return frozenset(code.code[:n] for n in range(_ICD_10_CM_CATEGORY_LENGTH, longest))


class TableRow(Protocol):
    """What a row of a code table has in common: its coding and how it matches."""

    @property
    def coding(self) -> Coding: ...

    @property
    def match(self) -> Literal["exact", "descendants"]: ...


Row = TypeVar("Row", bound=TableRow)


@dataclass(frozen=True, slots=True)
class CodeTable(Generic[Row]):
    """Rows keyed once: `exact` by coding, `descendants` by coding of the ancestor.

    A `descendants` row covers its own code and, in ICD-10-CM, every code that begins with it.
    """

    exact: Mapping[Coding, Row]
    descendants: Mapping[Coding, Row]
    _icd_10_cm: Mapping[str, Mapping[str, Row]] = field(init=False, repr=False)
    """The ICD-10-CM ancestors, by category and by code: most categories have none."""

    def __post_init__(self) -> None:
        """Note which ICD-10-CM categories have a row by ancestor at all."""
        categories: dict[str, dict[str, Row]] = {}
        for (system, code), row in self.descendants.items():
            if system == ICD_10_CM:
                categories.setdefault(code[:_ICD_10_CM_CATEGORY_LENGTH], {})[code] = row
        object.__setattr__(self, "_icd_10_cm", categories)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> CodeTable[Row]:
        """Key the rows; the loader has already refused two rows for one coding."""
        exact: dict[Coding, Row] = {}
        descendants: dict[Coding, Row] = {}
        for row in rows:
            (exact if row.match == "exact" else descendants)[row.coding] = row
        return cls(exact, descendants)

    def row_for(self, code: Coding) -> Row | None:
        """Return the most specific row that covers the coding, or None.

        An exact row beats any ancestor; the longer ancestor beats the shorter.
        """
        row = self.exact.get(code)
        if row is not None:
            return row
        system, text = code
        if system != ICD_10_CM:
            return self.descendants.get(code)
        ancestors = self._icd_10_cm.get(text[:_ICD_10_CM_CATEGORY_LENGTH])
        if ancestors is None:
            return None
        longest = min(len(text), _ICD_10_CM_LONGEST)
        for length in range(longest, _ICD_10_CM_CATEGORY_LENGTH - 1, -1):
            row = ancestors.get(text[:length])
            if row is not None:
                return row
        return None
