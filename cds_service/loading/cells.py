"""The CSV files of a data directory: their columns, and reading them cell by cell.

Every bad cell is a fault with file, line and column; reading goes on to the next. What a row
means is left to `cds_service.loading.tables`.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar, cast

from cds_service.clinical.terminology import ICD_10_CM, LOINC, SNOMED_CT, Coding, coding
from cds_service.codes import code_fault

Key = TypeVar("Key", bound=Hashable)
RowType = TypeVar("RowType")
Place = tuple[str, str]
"""A file, and the key of a row in it as faults name it."""

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


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a table; what a cell gets wrong goes to `faults`, and a stand-in is returned."""

    file: str
    line: int
    cells: dict[str, str]
    faults: list[str]

    def fault(self, column: str, problem: str) -> None:
        self.faults.append(f"{self.file} line {self.line}: {column}: {problem}")

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
        normal = self.possible("code", coding(system, code))
        if normal.code != code:
            self.fault("code", f"{code!r} is not in normal form")
        return normal

    def possible(self, column: str, code: Coding) -> Coding:
        """Return the coding of the column; one that its system cannot have is a fault."""
        fault = code_fault(code)
        if fault is not None:
            self.fault(column, fault)
        return code


def read_table(
    directory: Path,
    name: str,
    row_from: Callable[[Cells], tuple[Key, RowType]],
    faults: list[str],
    lines: dict[Place, int],
) -> dict[Key, RowType]:
    """Return the rows of the file by their key; two rows for one key are a fault.

    A heading other than the one expected is a fault, and the table is read as empty. The line of
    each key is noted in `lines`.
    """
    rows: dict[Key, RowType] = {}
    found: defaultdict[str, list[int]] = defaultdict(list)
    for cells in _lines(directory, name, faults):
        key, row = row_from(cells)
        rows[key] = row
        found[" ".join(key) if isinstance(key, tuple) else str(key)].append(cells.line)
    for text, numbers in found.items():
        lines[name, text] = numbers[0]
        if len(numbers) > 1:
            where = " and ".join(map(str, numbers))
            faults.append(f"{name}: {text}: {len(numbers)} rows for one key (lines {where})")
    return rows


def _lines(directory: Path, name: str, faults: list[str]) -> Iterator[Cells]:
    expected = COLUMNS[name]
    try:
        # Excel's "CSV UTF-8" begins with a byte order mark, which is not part of the heading.
        with (directory / name).open(newline="", encoding="utf-8-sig") as file:
            heading, *lines = [*csv.reader(file, strict=True)] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        faults.append(f"{name}: cannot be read as a table: {error}")
        return
    if not heading:
        wanted = f"the first line must be {','.join(expected)}"
        faults.append(f"{name}: cannot be read as a table: it is empty; {wanted}")
        return
    if tuple(heading) != expected:
        faults.append(f"{name}: heading: must be {','.join(expected)}")
        return
    for number, line in enumerate(lines, start=2):
        if len(line) == len(expected):
            yield Cells(name, number, dict(zip(expected, line, strict=True)), faults)
        else:
            faults.append(f"{name} line {number}: {len(line)} cells, not {len(expected)}")
