"""The cost of a record grows with its length and no faster, counted in calls instead of seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from cds_service.bootstrap import load_site
from cds_service.clinical.assessment import assess
from cds_service.clinical.rules import recommend
from cds_service.decision_support import Site
from cds_service.fhir.client import Refusal
from cds_service.fhir.gather import gather
from cds_service.fhir.reader import read_record
from cds_service.hooks.catalogue import services
from cds_service.settings import Settings

TODAY = date(2026, 11, 22)
SHORT, LONG = 100, 1_000
MOST_TIMES = 11.0
Resource = dict[str, Any]


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def about(kind: str, number: int, **more: Any) -> Resource:
    subject = {"reference": "Patient/p"}
    return {"resourceType": kind, "id": f"{kind}-{number}", "subject": subject, **more}


def condition(number: int, code: str, **more: Any) -> Resource:
    status = concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active")
    named = concept("http://hl7.org/fhir/sid/icd-10-cm", code)
    day = (TODAY - timedelta(days=number % 300)).isoformat()
    return about("Condition", number, clinicalStatus=status, code=named, recordedDate=day, **more)


def cancer_of_one_encounter(number: int) -> list[Resource]:
    category = [{"coding": [{"code": "encounter-diagnosis"}]}]
    encounter = {"reference": "Encounter/one"}
    same_day = {"recordedDate": TODAY.isoformat()}
    return [condition(number, "C34.90", category=category, encounter=encounter) | same_day]


def bereavement(number: int) -> list[Resource]:
    return [condition(number, "Z63.4")]


def unrelated_condition(number: int) -> list[Resource]:
    return [condition(number, f"J{number % 100:02}.{number % 10}")]


def opioid_order(number: int) -> list[Resource]:
    """Each of its own day, every second without a supply, and with a Medication of its own."""
    order = about(
        "MedicationRequest",
        number,
        status="active" if number % 3 else "stopped",
        intent="order",
        authoredOn=(TODAY - timedelta(days=number)).isoformat(),
        medicationReference={"reference": f"Medication/{number}"},
    )
    if number % 2:
        days = {"value": 1 + number % 30, "unit": "days", "code": "d"}
        order["dispenseRequest"] = {"expectedSupplyDuration": days}
    drug = concept("http://www.nlm.nih.gov/research/umls/rxnorm", "1049621")
    return [order, {"resourceType": "Medication", "id": f"{number}", "code": drug}]


def depression_screen(number: int) -> list[Resource]:
    screen = concept("http://loinc.org", "44261-6")
    day = (TODAY - timedelta(days=number % 300)).isoformat()
    value = {"value": number % 28, "unit": "{score}"}
    return [
        about(
            "Observation",
            number,
            status="final",
            code=screen,
            effectiveDateTime=day,
            valueQuantity=value,
        )
    ]


def copies_of_one_order(number: int) -> list[Resource]:
    """All under one id, every second one different from the others."""
    [order, drug] = opioid_order(1)
    note = {"note": [{"text": str(number)}]} if number % 2 else {}
    return [{**order, **note}, drug]


def calls_made(work: Callable[[], object]) -> int:
    """Return how many functions, Python's own included, the work calls."""
    made = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site(Settings())


@pytest.mark.parametrize(
    "made",
    [
        cancer_of_one_encounter,
        bereavement,
        unrelated_condition,
        opioid_order,
        depression_screen,
        copies_of_one_order,
    ],
)
def test_ten_times_the_record_takes_ten_times_the_calls(
    made: Callable[[int], list[Resource]], site: Site
) -> None:
    service = next(each for each in services(site.knowledge) if each.hook == "patient-view")

    def work(size: int) -> Callable[[], object]:
        resources = [resource for number in range(size) for resource in made(number)]
        patient = {"resourceType": "Patient", "id": "p", "birthDate": "1960-01-01"}
        bundles = {
            query.key: patient
            if query.resource_type == "Patient"
            else {
                "resourceType": "Bundle",
                "type": "searchset",
                "entry": [
                    {"resource": resource}
                    for resource in resources
                    if resource["resourceType"] == query.resource_type
                    or (
                        query.resource_type == "MedicationRequest"
                        and resource["resourceType"] == "Medication"
                    )
                ],
            }
            for query in service.prefetch
        }

        def read_and_assess() -> object:
            gathered = gather(
                service.prefetch, prefetch=bundles, patient_id="p", fhir=Refusal.NOT_SENT
            )
            record = read_record(
                gathered,
                patient_id="p",
                drafts=(),
                knowledge=site.knowledge,
                time_zone=site.time_zone,
            )
            return recommend(assess(record, site.knowledge, as_of=TODAY, hook="patient-view"))

        return read_and_assess

    work(SHORT)()  # what is made once
    short, long = calls_made(work(SHORT)), calls_made(work(LONG))
    assert long <= MOST_TIMES * short
