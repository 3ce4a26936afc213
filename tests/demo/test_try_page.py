"""What the try-it page asks the service for, and that none of it exists without the demo.

How the page looks and behaves is tried in a browser: `tests/browser`.
"""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.decision_support import advise
from cds_service.explanation import explanation
from cds_service.fhir.client import Refusal
from cds_service.hooks.protocol import read_request
from cds_service.issuers import Issuer
from cds_service.web.demo.chart import chart, is_sensitive
from cds_service.web.demo.fixture_records import REFERENCE_DAY, fixture_resources
from cds_service.web.demo.try_page import try_page_blueprint
from tests.web.service import NOON, ORDER_SIGN, WARNED, Made, Running, running, scenario_request

PATIENTS = Path(__file__).parents[2] / "fhir_fixtures" / "patients"
RESOURCES = fixture_resources(PATIENTS, today=REFERENCE_DAY)
NAMES = [file.stem for file in sorted(PATIENTS.glob("*.json"))]
PAGE_FILES = sorted(each.name for each in files("cds_service.web.demo").joinpath("page").iterdir())
UNSPEAKABLE = re.compile(r"abus|assault|violen|partner|sexual|victim|rape", re.IGNORECASE)
OUTSIDE = {"https://doi.org/10.1370/afm.2591", "http://www.w3.org/2000/svg"}
CODE_SYSTEMS = {"http://www.nlm.nih.gov/research/umls/rxnorm", "http://unitsofmeasure.org"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("try")) as started:
        started.client.application.register_blueprint(try_page_blueprint(started.parts, RESOURCES))
        yield started


def chart_of(patient_id: str, knowledge: Knowledge) -> dict[str, Any]:
    shown = chart(patient_id, RESOURCES, knowledge, today=REFERENCE_DAY)
    assert shown is not None
    return dict(shown)


@pytest.mark.parametrize("made", [Made(), Made(issuer=Issuer(name="ehr", issuer="https://e"))])
@pytest.mark.parametrize(
    "path", ["/", "/try/main.js", "/try/chart/bereaved-back-pain", "/try/feedback", "/try/explain"]
)
def test_nothing_of_the_page_exists_without_the_demo(path: str, made: Made, tmp_path: Path) -> None:
    with running(tmp_path, made) as bare:
        assert bare.client.get(path).status_code == 404
        assert bare.client.post(path, json={}).status_code == 404


def test_the_page_may_load_nothing_but_its_own_files(service: Running) -> None:
    response = service.client.get("/")
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "data:" not in policy


def test_the_page_holds_no_script_or_style_of_its_own(service: Running) -> None:
    html = service.client.get("/").text
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", html) == []


@pytest.mark.parametrize("name", PAGE_FILES)
def test_a_file_of_the_page_names_no_address_elsewhere(name: str, service: Running) -> None:
    response = service.client.get(f"/try/{name}")
    assert response.status_code == 200
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    addresses = set(re.findall(r"https?://[a-zA-Z0-9./_-]+", response.text))
    assert addresses <= OUTSIDE | CODE_SYSTEMS


@pytest.mark.parametrize("name", ["absent.js", "..%2fchart.py", "try_page.py", ".."])
def test_no_other_file_is_served(name: str, service: Running) -> None:
    assert service.client.get(f"/try/{name}").status_code == 404


@pytest.mark.parametrize("patient_id", NAMES)
def test_every_fixture_patient_has_a_chart_that_names_nothing_unspeakable(
    patient_id: str, knowledge: Knowledge
) -> None:
    shown = chart_of(patient_id, knowledge)
    assert shown["patient"]["name"]
    assert shown["medications"]
    assert UNSPEAKABLE.findall(json.dumps(shown)) == []


def test_a_chart_tells_the_story_in_plain_words(knowledge: Knowledge) -> None:
    shown = chart_of("bereaved-back-pain", knowledge)
    assert shown["patient"] == {
        "id": "bereaved-back-pain",
        "name": "Marta Lindqvist",
        "gender": "female",
        "birth_date": "1961-08-19",
        "age": 65,  # on 22 November 2026
        "is_deceased": False,
    }
    assert [each["label"] for each in shown["problems"]] == [
        "Death of husband",
        "Chronic low back pain",
        "Hypertension",
    ]
    assert shown["medications"][0] == {
        "reference": "MedicationRequest/bereaved-back-pain-fill-10",
        "label": "acetaminophen 325 MG / oxycodone hydrochloride 5 MG Oral Tablet",
        "dosage": "1 tablet, 4 times a day",
        "since": "2026-10-24",
        "status": "active",
    }
    assert [each["value"] for each in shown["screens"]] == ["128 mmHg / 78 mmHg", "8"]
    assert shown["long_term_more_than_days"] == 90
    assert (shown["has_sensitive_history"], shown["withheld"]) == (False, [])


def test_a_drug_in_a_resource_of_its_own_is_named(knowledge: Knowledge) -> None:
    labels = {
        each["label"] for each in chart_of("drug-as-separate-medication", knowledge)["medications"]
    }
    assert "a drug that cannot be read" not in labels


def test_care_that_is_no_condition_is_on_the_chart(knowledge: Knowledge) -> None:
    [care] = chart_of("hospice-as-procedure", knowledge)["care"]
    assert care["label"] == "Hospice care (regime/therapy)"


def test_a_sensitive_history_is_on_file_and_nothing_more(knowledge: Knowledge) -> None:
    shown = chart_of("sensitive-history", knowledge)
    assert [each["label"] for each in shown["problems"]] == ["Fibromyalgia"]
    assert shown["has_sensitive_history"]
    assert shown["withheld"] == ["Condition/sensitive-history-history"]


@pytest.mark.parametrize("label", ["42CFRPart2", "R", "SDV", "PSY"])
def test_what_a_label_protects_is_on_no_screen(label: str, knowledge: Knowledge) -> None:
    [pain] = [each for each in RESOURCES if each["id"] == "sensitive-history-fibromyalgia"]
    labelled = dict(copy.deepcopy(pain)) | {"meta": {"security": [{"code": label}]}}
    assert not is_sensitive(pain, knowledge)
    assert is_sensitive(labelled, knowledge)


def test_a_sensitive_code_is_found_wherever_it_stands(knowledge: Knowledge) -> None:
    code = {"system": "urn:oid:2.16.840.1.113883.6.90", "code": "z91410"}
    answer = {"valueCodeableConcept": {"coding": [code]}}
    resource = {"resourceType": "Observation", "id": "1", "component": [answer]}
    assert is_sensitive(resource, knowledge)


def test_nobody_has_no_chart(service: Running) -> None:
    assert service.client.get("/try/chart/bereaved-back-pain").json["patient"]["age"] == 65
    assert service.client.get("/try/chart/nobody").status_code == 404


def test_the_reasoning_is_that_of_the_answer(service: Running) -> None:
    body = scenario_request(WARNED)
    parts = service.parts
    [order_sign] = [each for each in parts.catalogue if each.hook == "order-sign"]
    advice = advise(
        read_request(body, order_sign),
        order_sign,
        site=parts.site,
        fhir=Refusal.NOT_SENT,
        as_of=NOON.date(),
    )
    assert advice.assessment is not None
    response = service.client.post("/try/explain", json=body)
    assert response.json == {"explanation": explanation(advice.assessment, advice.recommendations)}
    assert response.json["explanation"]["outcome"][0]["indicator"] == "warning"


@pytest.mark.parametrize("user", ["Patient/patient-1", "RelatedPerson/1"])
def test_for_nobody_s_eyes_there_is_no_reasoning(user: str, service: Running) -> None:
    body = scenario_request(WARNED)
    body["context"]["userId"] = user
    assert service.client.post("/try/explain", json=body).json == {"explanation": None}


def test_a_request_that_cannot_be_answered_cannot_be_explained(service: Running) -> None:
    post = service.client.post
    assert post("/try/explain", json={"hook": "order-dispatch"}).status_code == 400
    assert post("/try/explain", json={"hook": "order-sign"}).status_code == 400
    assert post("/try/explain", json=[]).status_code == 400
    assert post("/try/explain", data="{}", content_type="text/plain").status_code == 415


def test_feedback_that_arrived_is_listed_with_the_rule_of_its_card(service: Running) -> None:
    [card] = service.call(scenario_request(WARNED)).json["cards"]
    accepted = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        "outcomeTimestamp": "2026-11-22T12:00:00.000Z",
    }
    assert service.call({"feedback": [accepted]}, f"{ORDER_SIGN}/feedback").status_code == 200
    [kept] = kept_feedback(service)
    assert kept["outcome"] == "accepted"
    assert kept["rule_id"] == "long-term-renewal-social-pain"
    assert kept["accepted_suggestions"] == [card["suggestions"][0]["label"]]


def kept_feedback(service: Running) -> list[dict[str, Any]]:
    """Return what is listed, once the ledger, written behind the answer, knows the card."""
    deadline = time.monotonic() + 10
    while True:
        kept: list[dict[str, Any]] = service.client.get("/try/feedback").json["feedback"]
        if all(each["rule_id"] for each in kept) or time.monotonic() > deadline:
            return kept
        time.sleep(0.02)
