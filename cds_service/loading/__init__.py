"""From the data directory to one `Knowledge`: sealed, read, cross-checked, or refused.

The form of each file is left to `tables`, `names` and `thresholds`, checksums to `manifest`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import CodeTable
from cds_service.errors import KnowledgeError
from cds_service.loading import tables
from cds_service.loading.cells import Cells, Key, Place, RowType, read_table
from cds_service.loading.contradictions import contradictions
from cds_service.loading.manifest import Manifest, integrity_faults, read_manifest
from cds_service.loading.names import read_names
from cds_service.loading.thresholds import read_thresholds

DATA_DIRECTORY = Path(__file__).parent.parent / "data"

_FACTORS = "mme-factors.csv"


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
    lines: dict[Place, int] = {}

    def read(name: str, row_from: Callable[[Cells], tuple[Key, RowType]]) -> dict[Key, RowType]:
        return read_table(directory, name, row_from, faults, lines)

    thresholds, notes = read_thresholds(directory, faults)
    names = read_names(directory, faults)
    knowledge = Knowledge(
        version=manifest.version,
        digest=manifest.digest,
        released=manifest.released,
        sources=manifest.files,
        thresholds=thresholds,
        threshold_notes=notes,
        ingredients=read("opioid-ingredients.csv", tables.opioid_ingredient),
        products=read("opioid-products.csv", tables.opioid_product),
        components=read("opioid-components.csv", tables.coded_opioid_name),
        ingredient_codes=read("opioid-ingredient-codes.csv", tables.coded_opioid_name),
        names=names.opioids,
        mme_factors=tuple(read(_FACTORS, tables.mme_factor).values()),
        mme_edition="".join(file.version for file in manifest.files if file.name == _FACTORS),
        social_pain=CodeTable.of(read("social-pain.csv", tables.social_pain_concept).values()),
        exclusions=CodeTable.of(read("exclusions.csv", tables.exclusion_concept).values()),
        physical_pain=CodeTable.of(
            read("physical-pain.csv", tables.physical_pain_concept).values()
        ),
        benzodiazepines=frozenset(read("benzodiazepines.csv", tables.rxnorm_code)),
        benzodiazepine_names=names.benzodiazepines,
        naloxone=frozenset(read("naloxone.csv", tables.rxnorm_code)),
        naloxone_names=names.naloxone,
    )
    faults += contradictions(knowledge, read("categories.csv", tables.category), lines)
    return knowledge
