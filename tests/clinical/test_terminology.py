"""Which row of a code table a coding meets, and what looking for it may cost."""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass
from typing import Literal

import pytest

from cds_service.clinical.terminology import ICD_10_CM, SNOMED_CT, CodeTable, Coding


@dataclass(frozen=True)
class Row:
    coding: Coding
    match: Literal["exact", "descendants"]


def icd(code: str, match: Literal["exact", "descendants"] = "descendants") -> Row:
    return Row(Coding(ICD_10_CM, code), match)


TABLE = CodeTable.of([icd("F32"), icd("F32.A", "exact"), icd("C50.01"), icd("T40.2X1A")])


@pytest.mark.parametrize(
    ("code", "row"),
    [
        ("F32", "F32"),
        ("F32.9", "F32"),
        ("F32.A", "F32.A"),
        ("F3", None),
        ("F33.9", None),
        ("C50.0", None),
        ("C50.011", "C50.01"),
        ("T40.2X1A", "T40.2X1A"),
        ("T40.2X1D", None),
    ],
)
def test_an_icd_10_cm_code_meets_its_own_row_or_the_nearest_ancestor(
    code: str, row: str | None
) -> None:
    found = TABLE.row_for(Coding(ICD_10_CM, code))
    assert (found and found.coding.code) == row


def test_other_systems_have_no_ancestors_by_their_letters() -> None:
    table = CodeTable.of([Row(Coding(SNOMED_CT, "66214007"), "exact")])
    assert table.row_for(Coding(SNOMED_CT, "662140071")) is None


class Counted(UserDict[Coding, Row]):
    """Counts the look-ups."""

    asked = 0

    def get(self, key: Coding, default: Row | None = None) -> Row | None:  # type: ignore[override]
        self.asked += 1
        return super().get(key, default)


@pytest.mark.parametrize(("code", "row"), [("F32" + "9" * 1000, "F32"), ("X" * 1000, None)])
def test_a_code_of_any_length_costs_six_look_ups_at_most(code: str, row: str | None) -> None:
    # From 8 characters, which the longest code has with its dot, down to the 3 of a category.
    rows = Counted(TABLE.descendants)
    found = CodeTable(TABLE.exact, rows).row_for(Coding(ICD_10_CM, code))
    assert (found and found.coding.code) == row
    assert rows.asked <= 6
