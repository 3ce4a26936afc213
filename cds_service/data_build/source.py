"""The published tables, read row by row; what cannot be understood becomes a fault."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SourceRow = dict[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """The directory of the published tables, and every fault found in them."""

    directory: Path
    faults: list[str]

    def rows(self, name: str, *columns: str) -> Iterator[SourceRow]:
        """Yield the rows of the table, which must have the columns, with white space removed."""
        try:
            with (self.directory / name).open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file, strict=True)
                missing = sorted(set(columns) - set(reader.fieldnames or ()))
                if missing:
                    self.faults.append(f"{name}: columns missing: {', '.join(missing)}")
                    return
                for row in reader:
                    yield {key: (row[key] or "").strip() for key in columns}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            self.faults.append(f"{name}: cannot be read as a table: {error}")

    def fault(self, name: str, key: str, problem: str) -> None:
        self.faults.append(f"{name}: {key}: {problem}")
