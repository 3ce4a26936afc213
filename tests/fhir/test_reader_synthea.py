"""Third-party synthetic patients, read where they lie: nothing raises and nothing disappears."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cds_service.clinical.drugs import recognised_opioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import PatientRecord
from cds_service.fhir.gather import Resources
from cds_service.fhir.reader import read_record
from tests.fhir.charts import NEW_YORK

FOLDER = Path(__file__).parents[3] / "shared" / "synthea_sample"
FILES = sorted(FOLDER.glob("*.json.gz"))

pytestmark = pytest.mark.skipif(not FILES, reason="the synthetic sample is not here")


def chart(file: Path) -> dict[str, tuple[dict[str, Any], ...]]:
    with gzip.open(file) as stream:
        entries = json.load(stream)["entry"]
    resources = [entry["resource"] for entry in entries]
    kinds = {resource["resourceType"] for resource in resources}
    return {
        kind: tuple(resource for resource in resources if resource["resourceType"] == kind)
        for kind in kinds
    }


def record_of(
    by_type: dict[str, tuple[dict[str, Any], ...]], knowledge: Knowledge
) -> PatientRecord:
    return read_record(
        Resources(by_type=by_type, lists_read=frozenset(by_type), gaps=()),
        patient_id=by_type["Patient"][0]["id"],
        drafts=(),
        knowledge=knowledge,
        time_zone=NEW_YORK,
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.split(".")[0])
def test_every_resource_is_accounted_for_exactly_once(file: Path, knowledge: Knowledge) -> None:
    by_type = chart(file)
    record = record_of(by_type, knowledge)
    parts = (*record.orders, *record.conditions, *record.observations, *record.care_events)
    found = Counter([*(part.reference for part in parts), *record.unrelated])
    sent = Counter(
        f"{kind}/{resource['id']}"
        for kind, resources in by_type.items()
        for resource in resources
        if kind not in ("Patient", "Medication")
    )
    assert {name: n for name, n in found.items() if not name.startswith("Medication/")} == sent


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.split(".")[0])
def test_nothing_in_it_is_unreadable_but_answers_in_words(file: Path, knowledge: Knowledge) -> None:
    record = record_of(chart(file), knowledge)
    assert {gap.element for gap in record.gaps} <= {"value[x]"}
    assert record.birth_date is not None
    assert all(order.drug is not None and order.authored_on for order in record.orders)


def test_the_opioid_orders_are_those_the_index_of_the_sample_counts(knowledge: Knowledge) -> None:
    with (FOLDER / "index.csv").open(encoding="utf-8", newline="") as stream:
        counted = {row["file"]: int(row["n_opioid"]) for row in csv.DictReader(stream)}
    found = {
        file.name: sum(
            order.drug is not None and recognised_opioid(order.drug, knowledge) is not None
            for order in record_of(chart(file), knowledge).orders
        )
        for file in FILES
    }
    assert found == counted
