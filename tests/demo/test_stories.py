"""What the demo shows for each fixture patient, on the day of the stories and on any other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.decision_support import Site
from cds_service.hooks.catalogue import services
from cds_service.web.demo.fixture_records import REFERENCE_DAY, fixture_resources
from tests.scenarios import answer_to, scenario_site

PATIENTS = Path(__file__).parents[2] / "fhir_fixtures" / "patients"

RENEWAL, POSSIBLE = "long-term-renewal-social-pain", "long-term-renewal-possible"
REVIEW, DISORDER = "long-term-therapy-review", "opioid-use-disorder-review"
UNSCREENED, CROSSING = "social-history-not-recorded", "crossing-ninety-days"

STORIES: Mapping[str, tuple[str | None, str | None]] = {
    # patient: the card when 30 days of oxycodone are signed, the card when the chart is opened
    "about-to-cross-ninety-days": (CROSSING, None),
    "benzodiazepine-and-60-mme": (RENEWAL, REVIEW),
    "bereaved-back-pain": (RENEWAL, REVIEW),
    "breast-cancer": (None, None),
    "deceased": (None, None),
    "depression": (RENEWAL, REVIEW),
    "drug-as-separate-medication": (RENEWAL, REVIEW),
    "hospice-as-procedure": (None, None),
    "isolation-by-screening": (RENEWAL, REVIEW),
    "methadone-for-pain": (RENEWAL, REVIEW),
    "minor": (None, None),
    "never-screened": (None, UNSCREENED),
    "nothing-readable": (None, None),
    "screened-and-well": (None, None),
    "sensitive-history": (RENEWAL, REVIEW),
    "several-code-systems": (RENEWAL, REVIEW),
    "short-course": (None, None),
    "sickle-cell-disease": (None, None),
    "stopped-long-ago": (None, None),
    "suicidal-ideation": (RENEWAL, REVIEW),
    "supply-not-recorded": (RENEWAL, REVIEW),
    "treated-opioid-use-disorder": (None, None),
    "two-supporting-domains": (RENEWAL, REVIEW),
    "untreated-opioid-use-disorder": (DISORDER, DISORDER),
}


@pytest.fixture(scope="module")
def site() -> Site:
    return scenario_site()


def records_on(today: date) -> dict[str, dict[str, list[Any]]]:
    """Return the fixture resources of each patient by type."""
    records: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for resource in fixture_resources(PATIENTS, today=today):
        patient_id = next(name for name in STORIES if str(resource["id"]).startswith(name))
        records[patient_id][str(resource["resourceType"])].append(resource)
    return records


def card_on(
    hook: str, patient_id: str, record: Mapping[str, list[Any]], site: Site, today: date
) -> str | None:
    service = next(each for each in services(site.knowledge) if each.hook == hook)
    sets = {
        query.key: {
            "resourceType": "Bundle",
            "entry": [{"resource": item} for item in record.get(query.resource_type, [])],
        }
        for query in service.prefetch
    }
    medications = [{"resource": item} for item in record.get("Medication", [])]
    sets["medication-requests"]["entry"] += medications
    request: dict[str, Any] = {
        "hook": hook,
        "hookInstance": "5f4f3ef0-6f3c-4f6e-9d53-3f0a4f4c7f10",
        "context": {"userId": "Practitioner/pr-17", "patientId": patient_id},
        "prefetch": sets,
    }
    if hook == "order-sign":
        request["context"]["draftOrders"] = {
            "resourceType": "MedicationRequest",
            "status": "draft",
            "medicationCodeableConcept": {"text": "oxycodone 5 mg tablet"},
            "dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}},
        }
    cards = answer_to(request, hook, site, as_of=today).cards
    return cards[0]["source"]["topic"]["code"] if cards else None


def test_every_fixture_patient_has_a_story_here() -> None:
    assert {file.stem for file in PATIENTS.glob("*.json")} == set(STORIES)


@pytest.mark.parametrize("later_days", [0, 1, 98, 463, 1500], ids=lambda days: f"{days} days later")
def test_the_stories_are_the_same_on_any_day(later_days: int, site: Site) -> None:
    today = REFERENCE_DAY + timedelta(days=later_days)
    shown = {
        patient_id: tuple(
            card_on(hook, patient_id, record, site, today)
            for hook in ("order-sign", "patient-view")
        )
        for patient_id, record in records_on(today).items()
    }
    assert shown == STORIES
