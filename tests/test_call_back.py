"""The same patient by prefetch and by call-back, over a real connection, gets the same cards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from cds_service.clinical.knowledge import Knowledge
from cds_service.decision_support import Site
from cds_service.fhir.client import FhirAccess, FhirClient
from cds_service.hooks.catalogue import services
from cds_service.web.demo.fhir_endpoint import fhir_blueprint
from cds_service.web.demo.fixture_records import REFERENCE_DAY
from tests.scenarios import Answered, answer_to, scenario_site

PATIENTS = Path(__file__).parents[1] / "fhir_fixtures" / "patients"
EXPECTED = {
    "bereaved-back-pain": "long-term-renewal-social-pain",
    "drug-as-separate-medication": "long-term-renewal-social-pain",
    "isolation-by-screening": "long-term-renewal-social-pain",
    "sensitive-history": "long-term-renewal-social-pain",
    "untreated-opioid-use-disorder": "opioid-use-disorder-review",
    "about-to-cross-ninety-days": "crossing-ninety-days",
    "short-course": None,
    "breast-cancer": None,
    "hospice-as-procedure": None,
    "screened-and-well": None,
    "minor": None,
    "deceased": None,
}


@pytest.fixture(scope="module")
def site() -> Site:
    return scenario_site()


@pytest.fixture(scope="module", params=[500, 2], ids=["one page", "pages of two"])
def fhir_server(request: pytest.FixtureRequest) -> Iterator[str]:
    app = Flask(__name__)
    app.register_blueprint(fhir_blueprint(PATIENTS, REFERENCE_DAY, largest_page=request.param))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/fhir"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def access(fhir_server: str) -> Iterator[FhirAccess]:
    client = FhirClient(monotonic=time.monotonic)
    access = client.access(fhir_server, None, may_call=lambda base: True)
    assert isinstance(access, FhirAccess)
    yield access
    client.close()


def renewal(patient_id: str) -> dict[str, Any]:
    draft = {
        "resourceType": "MedicationRequest",
        "id": "renewal",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient_id}"},
        "medicationCodeableConcept": {"text": "oxycodone 5 mg tablet"},
        "dispenseRequest": {"expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"}},
    }
    return {
        "hook": "order-sign",
        "hookInstance": "5f4f3ef0-6f3c-4f6e-9d53-3f0a4f4c7f10",
        "context": {
            "userId": "Practitioner/pr-17",
            "patientId": patient_id,
            "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
        },
    }


def prefetched(fhir_server: str, patient_id: str, knowledge: Knowledge) -> dict[str, Any]:
    """Fill every template of discovery as an EHR would, all pages and Medications in one Bundle."""
    service = next(each for each in services(knowledge) if each.hook == "order-sign")
    filled: dict[str, Any] = {}
    for query in service.prefetch:
        link = f"{fhir_server}/{query.template.replace('{{context.patientId}}', patient_id)}"
        if query.resource_type == "MedicationRequest":
            link += "&_include=MedicationRequest:medication"
        whole = first = requests.get(link, timeout=5).json()
        while next_page := [item for item in first.get("link", []) if item["relation"] == "next"]:
            first = requests.get(next_page[0]["url"], timeout=5).json()
            whole["entry"] += first["entry"]
        whole.pop("link", None)
        filled[query.key] = whole
    return filled


def rules(answer: Answered) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answer.cards]


@pytest.mark.parametrize("patient_id", EXPECTED)
def test_prefetch_and_call_back_give_the_same_answer(
    patient_id: str, fhir_server: str, access: FhirAccess, site: Site
) -> None:
    request = renewal(patient_id)
    sent = {**request, "prefetch": prefetched(fhir_server, patient_id, site.knowledge)}
    by_prefetch = answer_to(sent, "order-sign", site, as_of=REFERENCE_DAY)
    by_call_back = answer_to(request, "order-sign", site, as_of=REFERENCE_DAY, fhir=access)
    expected = EXPECTED[patient_id]
    assert rules(by_prefetch) == ([] if expected is None else [expected])
    assert by_call_back == by_prefetch


def test_an_unknown_patient_is_an_honest_gap_and_no_card(access: FhirAccess, site: Site) -> None:
    answer = answer_to(renewal("nobody"), "order-sign", site, as_of=REFERENCE_DAY, fhir=access)
    assert answer == Answered(200, {"cards": []})
