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
from cds_service.loading.manifest import (
    MANIFEST,
    Manifest,
    manifest_of,
    read_manifest,
    seal,
)
from cds_service.loading.names import NAMES, read_names
from cds_service.loading.thresholds import THRESHOLDS

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


def seal_changes(directory: Path, *, version: str | None, released: date | None) -> Manifest:
    """Seal a directory that was changed by hand, and return its manifest.

    One version is one content: cards, ledger and audit name the version alone. Raises
    KnowledgeError when the version already stands for other content, here or in the package, and
    when a file cannot be sealed.
    """
    wanted = manifest_of(directory, version=version, released=released)
    for known in (read_manifest(directory), read_manifest(DATA_DIRECTORY)):
        if known.version == wanted.version and known.digest != wanted.digest:
            fault = (
                f"{MANIFEST}: version: {known.version} stands for other content (digest "
                f"{known.digest}, now {wanted.digest}); pass --version with one of its own, such "
                "as 2026.11.0-NAME.NUMBER"
            )
            raise KnowledgeError((fault,))
    return seal(directory, version=version, released=released)


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
