"""From the data directory to one `Knowledge`: sealed, read, cross-checked, or refused.

The form of each file is left to `tables`, `names` and `thresholds`, checksums to `manifest`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import CodeTable, Coding, TableRow
from cds_service.errors import KnowledgeError
from cds_service.loading import tables
from cds_service.loading.contradictions import contradictions
from cds_service.loading.manifest import Manifest, integrity_faults, read_manifest
from cds_service.loading.names import read_names
from cds_service.loading.thresholds import read_thresholds

DATA_DIRECTORY = Path(__file__).parent.parent / "data"

Row = TypeVar("Row")


def load_knowledge(directory: Path | None = None) -> Knowledge:
    """Return the knowledge of the data directory, by default the packaged one.

    Raises KnowledgeError with every fault: files missing, extra or altered; cells that cannot be
    read; rows that contradict one another.
    """
    directory = directory or DATA_DIRECTORY
    manifest = read_manifest(directory)
    faults = list(integrity_faults(directory, manifest))
    knowledge = _read(directory, manifest, faults)
    if faults:
        raise KnowledgeError(tuple(faults))
    return knowledge


def _read(directory: Path, manifest: Manifest, faults: list[str]) -> Knowledge:
    """Read every file of the directory, cross-check, and add what is wrong to `faults`."""

    def rows(
        name: str, row_from: Callable[[tables.Cells], Row], key_of: Callable[[Row], object]
    ) -> tuple[Row, ...]:
        return _once(directory, faults, name, row_from, key_of)

    thresholds, notes = read_thresholds(directory, faults)
    names = read_names(directory, faults)
    categories = rows("categories.csv", tables.category, lambda row: row)
    factors = rows("mme-factors.csv", tables.mme_factor, lambda f: (f.ingredient, f.release_form))
    knowledge = Knowledge(
        version=manifest.version,
        digest=manifest.digest,
        released=manifest.released,
        sources=manifest.files,
        thresholds=thresholds,
        threshold_notes=notes,
        ingredients={
            row.name: row
            for row in rows(
                "opioid-ingredients.csv", tables.opioid_ingredient, lambda row: row.name
            )
        },
        products={
            row.code: row
            for row in rows("opioid-products.csv", tables.opioid_product, lambda row: row.code)
        },
        components=dict(
            rows("opioid-components.csv", tables.coded_opioid_name, lambda row: row[0])
        ),
        ingredient_codes=dict(
            rows("opioid-ingredient-codes.csv", tables.coded_opioid_name, lambda row: row[0])
        ),
        names=names.opioids,
        mme_factors=factors,
        mme_edition=next(
            (file.version for file in manifest.files if file.name == "mme-factors.csv"), ""
        ),
        social_pain=CodeTable.of(rows("social-pain.csv", tables.social_pain_concept, _coding_of)),
        exclusions=CodeTable.of(rows("exclusions.csv", tables.exclusion_concept, _coding_of)),
        physical_pain=CodeTable.of(
            rows("physical-pain.csv", tables.physical_pain_concept, _coding_of)
        ),
        benzodiazepines=frozenset(
            rows("benzodiazepines.csv", tables.rxnorm_code, lambda code: code)
        ),
        benzodiazepine_names=names.benzodiazepines,
        naloxone=frozenset(rows("naloxone.csv", tables.rxnorm_code, lambda code: code)),
        naloxone_names=names.naloxone,
    )
    faults += contradictions(knowledge, categories)
    return knowledge


def _coding_of(row: TableRow) -> Coding:
    return row.coding


def _once(
    directory: Path,
    faults: list[str],
    name: str,
    row_from: Callable[[tables.Cells], Row],
    key_of: Callable[[Row], object],
) -> tuple[Row, ...]:
    """Read a table; two rows for one key are a fault."""
    rows = tables.rows_of(directory, name, row_from, faults)
    for key, count in Counter(map(key_of, rows)).items():
        if count > 1:
            faults.append(f"{name}: {_as_text(key)}: {count} rows for one key")
    return rows


def _as_text(key: object) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
