"""The made-up patients as of today on a real FHIR server, read by the service as a process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from tests.integration.checking_proxy import Bearer, CheckingProxy, Grant
from tests.integration.hapi import PATIENTS, store_patients
from tests.process import Process, serving
from tests.test_call_back import EXPECTED, prefetched, renewal

pytestmark = pytest.mark.integration

REFUSED = "nothing-readable"
STORED = sorted(file.stem for file in PATIENTS.glob("*.json") if file.stem != REFUSED)
TYPES = frozenset(
    {
        "Condition",
        "Encounter",
        "Medication",
        "MedicationRequest",
        "Observation",
        "Patient",
        "Procedure",
        "ServiceRequest",
    }
)
BY_REFERENCE = "drug-as-separate-medication"


@pytest.fixture(scope="module")
def patients(hapi_base: str) -> Mapping[str, str]:
    """Store the patients; returns the reasons of those that the server refuses."""
    return store_patients(hapi_base, today=datetime.now(UTC).date())


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, patients: Mapping[str, str]
) -> Iterator[Process]:
    environment = {"CDS_SERVICE_FHIR_DEADLINE_SECONDS": "10"}
    with serving(tmp_path_factory.mktemp("service"), environment) as started:
        yield started


def bearer_for(patient_id: str, proxy: CheckingProxy, **more: Any) -> Bearer:
    """Return a token that allows all that the service may ask of the patient."""
    return proxy.bearer(Grant(patient_id=patient_id, types=TYPES, **more))


def opened_chart(patient_id: str) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": "1b7c8f2a-95c5-4d0c-9d6e-3f0a4f4c7f11",
        "context": {"userId": "Practitioner/pr-17", "patientId": patient_id},
    }


def cards(
    service: Process, request: Mapping[str, Any], fhir_base: str, token: str
) -> list[dict[str, Any]]:
    """Call back with the token; returns the cards."""
    answer = called(service, {**request, **access(fhir_base, token)})
    assert answer.status_code == 200, answer.text
    shown: list[dict[str, Any]] = answer.json()["cards"]
    return shown


def called(service: Process, request: Mapping[str, Any]) -> Any:
    return service.post(f"/cds-services/opioid-social-pain-{request['hook']}", request)


def access(fhir_base: str, token: str) -> dict[str, Any]:
    return {
        "fhirServer": fhir_base,
        "fhirAuthorization": {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
            "subject": "cds-service",
        },
    }


def test_only_the_patient_that_is_broken_on_purpose_is_refused(
    patients: Mapping[str, str],
) -> None:
    assert patients.keys() == {REFUSED}


@pytest.mark.parametrize("make_request", [opened_chart, renewal])
@pytest.mark.parametrize("patient_id", STORED)
def test_call_back_page_by_page_gives_the_cards_of_prefetch(
    patient_id: str,
    make_request: Any,
    service: Process,
    hapi_base: str,
    fhir_base: str,
    proxy: CheckingProxy,
    knowledge: Knowledge,
) -> None:
    request = make_request(patient_id)
    sent = {**request, "prefetch": prefetched(hapi_base, patient_id, knowledge)}
    by_prefetch = called(service, sent).json()["cards"]
    bearer = bearer_for(patient_id, proxy)
    assert cards(service, request, fhir_base, bearer.token) == by_prefetch
    assert bearer.refusals == set()
    assert all(each.method == "GET" and each.status == 200 for each in bearer.asked)


@pytest.mark.parametrize("patient_id", sorted(EXPECTED.keys() - {REFUSED}))
def test_the_rule_of_a_patient_is_the_expected_one_on_any_day(
    patient_id: str, service: Process, fhir_base: str, proxy: CheckingProxy
) -> None:
    bearer = bearer_for(patient_id, proxy)
    shown = cards(service, renewal(patient_id), fhir_base, bearer.token)
    rules = [card["source"]["topic"]["code"] for card in shown]
    assert rules == [rule for rule in [EXPECTED[patient_id]] if rule]


def test_included_medications_come_page_by_page_and_are_not_asked_for_again(
    service: Process, fhir_base: str, proxy: CheckingProxy
) -> None:
    bearer = bearer_for(BY_REFERENCE, proxy)
    shown = cards(service, renewal(BY_REFERENCE), fhir_base, bearer.token)
    assert "oxycodone" in shown[0]["detail"].lower()
    # Five orders on pages of two: two next links.
    assert sum(each.is_next for each in bearer.asked) == 2
    assert [each for each in bearer.asked if each.resource_type == "Medication"] == []


def test_where_include_is_refused_the_medications_are_read_one_by_one(
    service: Process, fhir_base: str, proxy: CheckingProxy
) -> None:
    strict = bearer_for(BY_REFERENCE, proxy, takes_no_include=True)
    lenient = bearer_for(BY_REFERENCE, proxy)
    shown = cards(service, renewal(BY_REFERENCE), fhir_base, strict.token)
    assert shown == cards(service, renewal(BY_REFERENCE), fhir_base, lenient.token)
    assert strict.refusals == {("MedicationRequest", "this server takes no _include")}
    read = [each.status for each in strict.asked if each.resource_type == "Medication"]
    assert read == [200]


def test_without_a_token_nothing_is_read_and_412_says_so(
    service: Process, fhir_base: str, proxy: CheckingProxy
) -> None:
    before = len(proxy.strangers)
    answer = called(service, {**renewal(BY_REFERENCE), "fhirServer": fhir_base})
    assert answer.status_code == 412
    assert "access-refused" in answer.text
    assert len(proxy.strangers) > before


def test_a_token_for_another_patient_opens_nothing(
    service: Process, fhir_base: str, proxy: CheckingProxy
) -> None:
    bearer = bearer_for("short-course", proxy)
    answer = called(service, {**renewal(BY_REFERENCE), **access(fhir_base, bearer.token)})
    assert answer.status_code == 412
    assert {each.refusal for each in bearer.asked} == {"not the patient in context"}
