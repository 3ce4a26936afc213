"""Envelopes of the wrong form: 400 at most, never a failure; what is unknown is tolerated."""

from __future__ import annotations

from typing import Any

import pytest

from tests.abuse.conftest import CANARY, Abused
from tests.fhir.stub_server import StubServer
from tests.process import request_of_today
from tests.web.service import WARNED

pytestmark = pytest.mark.server

HOOKS = ("patient-view", "order-select", "order-sign", "medication-refill")
EXAMPLES = {
    "patient-view": "patient-view/ninety-one-days",
    "order-select": "order-select/opioid-selected",
    "order-sign": WARNED,
    "medication-refill": "medication-refill/refill-of-long-term-oxycodone",
}
WRONG: tuple[Any, ...] = (
    None, True, 7, -1e308, "", "evil", [], [None], {}, {"a": 1}, [[{}]], "x" * 10_000,
)  # fmt: skip
PLACES = (
    "hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization", "extension",
    "context.userId", "context.patientId", "context.encounterId", "context.draftOrders",
    "context.selections", "context.medications", "context.draftOrders.entry",
    "context.medications.entry", "prefetch.conditions", "prefetch.medication-requests",
    "prefetch.patient", "fhirAuthorization.access_token", "fhirAuthorization.token_type",
)  # fmt: skip


def path_of(hook: str) -> str:
    return f"/cds-services/opioid-social-pain-{hook}"


def put(body: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    *way, last = place.split(".")
    inner = body
    for step in way:
        inner = inner.setdefault(step, {})
    inner[last] = value
    return body


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_value_anywhere_is_never_a_failure(service: Abused, hook: str, place: str) -> None:
    for value in WRONG:
        body = put(request_of_today(EXAMPLES[hook]), place, value)
        assert service.send(body, path_of(hook)).status_code in {200, 400, 412}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_missing_member_is_never_a_failure(service: Abused, hook: str) -> None:
    whole = request_of_today(EXAMPLES[hook])
    for member in whole:
        body = {name: value for name, value in whole.items() if name != member}
        expected = {200, 412} if member == "prefetch" else {400}
        assert service.send(body, path_of(hook)).status_code in expected
    for member in whole["context"]:
        left = {name: value for name, value in whole["context"].items() if name != member}
        assert service.send({**whole, "context": left}, path_of(hook)).status_code in {200, 400}


@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_unknown_is_tolerated_everywhere(service: Abused, hook: str) -> None:
    body = request_of_today(EXAMPLES[hook])
    plain = service.send(body, path_of(hook)).json()
    body["extension"] = {"com.vendor": {"deep": [1, {"a": None}]}}
    body["vendorField"] = [CANARY]
    body["context"]["vendorField"] = {"a": CANARY}
    body["prefetch"]["-vendor-key"] = {"resourceType": "VendorThing", "name": CANARY}
    assert service.send(body, path_of(hook)).json() == plain


@pytest.mark.parametrize(
    "patient_id",
    [
        "1&_count=100000",
        "1/../../Practitioner/1",
        "../1",
        "1?x=1",
        "1#x",
        "1%2f..",
        "1 2",
        "1\n",
        "a" * 65,
        "",
        ".",
        "..",
        "١",
        "{{context.userId}}",
        "Patient/Patient/1",
        "https://evil.example/Patient/1",
    ],
)
def test_a_patient_id_that_is_none_reaches_no_fhir_server(
    service: Abused, fhir: StubServer, patient_id: str
) -> None:
    body = put(request_of_today(WARNED), "context.patientId", patient_id)
    del body["prefetch"]
    body["fhirServer"] = fhir.base
    assert service.send(body).status_code == 400
    assert fhir.targets == []


@pytest.mark.parametrize(
    "user_id", ["Practitioner/../1", "Practitioner/1/2", "1", "practitioner/1", "Practitioner/", 7]
)
def test_a_user_that_is_none_is_refused_before_the_record_is_looked_at(
    service: Abused, user_id: object
) -> None:
    assert service.send(put(request_of_today(WARNED), "context.userId", user_id)).status_code == 400


@pytest.mark.parametrize("hook_instance", ["evil", "1", "../x", "a\nb", "0" * 36, 7])
def test_a_hook_instance_that_is_no_uuid_is_refused(service: Abused, hook_instance: object) -> None:
    body = put(request_of_today(WARNED), "hookInstance", hook_instance)
    assert service.send(body).status_code == 400
