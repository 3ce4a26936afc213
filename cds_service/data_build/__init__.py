"""Builds the generated files of a data directory from the published code tables, and seals it.

The tables are those whose columns this package's modules name: opioid products, components and
ingredients, conversion factors, social pain, physical pain, exclusions, benzodiazepines, naloxone.
Hand-written files (names, thresholds, ingredients, categories, the inventory) are only read.
"""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

from cds_service.data_build import concepts, drugs
from cds_service.data_build.source import Source
from cds_service.errors import KnowledgeError
from cds_service.loading import DATA_DIRECTORY, load_knowledge
from cds_service.loading.cells import COLUMNS
from cds_service.loading.manifest import MANIFEST, seal
from cds_service.loading.names import NAMES, read_names
from cds_service.loading.thresholds import THRESHOLDS

__all__ = ["build_data", "seal"]

HAND_WRITTEN = (MANIFEST, NAMES, THRESHOLDS, "categories.csv", "opioid-ingredients.csv")


def build_data(source: Path, target: Path, *, version: str, released: date) -> None:
    """Write the generated files of `target` from the tables in `source`, seal and load it.

    Hand-written files that `target` lacks are copied from the packaged data. Raises KnowledgeError
    with every row that is not understood, before any table is written; and, afterwards, with
    what contradicts the hand-written files.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in HAND_WRITTEN:
        if not (target / name).exists():
            shutil.copyfile(DATA_DIRECTORY / name, target / name)
    faults: list[str] = []
    vocabulary = read_names(target, faults)
    tables = Source(source, faults)
    built = {
        **drugs.tables(tables, vocabulary),
        **concepts.tables(tables),
    }
    if faults:
        raise KnowledgeError(tuple(faults))
    for name, rows in built.items():
        _write(target / name, COLUMNS[name], rows)
    seal(target, version=version, released=released)
    load_knowledge(target)


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
