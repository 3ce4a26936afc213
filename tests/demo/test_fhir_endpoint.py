"""The demo's FHIR endpoint answers as a FHIR R4 server would, over fixtures, read-only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome
from flask import Flask
from flask.testing import FlaskClient

from cds_service.errors import ConfigurationError
from cds_service.web.demo.fhir_endpoint import fhir_blueprint
from cds_service.web.demo.fixture_records import REFERENCE_DAY, fixture_resources

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def order(identifier: str, patient: str, authored_on: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": identifier,
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": authored_on,
        **more,
    }


ANN = bundle(
    {"resourceType": "Patient", "id": "ann", "birthDate": "1960-05-01"},
    order(
        "ann-1",
        "ann",
        "2026-09-01",
        status="completed",
        medicationCodeableConcept={"coding": [{"system": RXNORM, "code": "1049621"}]},
    ),
    order(
        "ann-2",
        "ann",
        "2026-10-01T10:00:00+02:00",
        medicationReference={"reference": "Medication/ann-drug"},
    ),
    order(
        "ann-3",
        "ann",
        "2026-11-01",
        medicationReference={"reference": "Medication/ann-drug"},
    ),
    {
        "resourceType": "Medication",
        "id": "ann-drug",
        "code": {"coding": [{"system": RXNORM, "code": "1049683"}]},
    },
    {
        "resourceType": "Condition",
        "id": "ann-grief",
        "subject": {"reference": "Patient/ann"},
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
        "category": [{"coding": [{"code": "problem-list-item"}]}],
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "74506000"}]},
        "recordedDate": "2025-03",
    },
    {
        "resourceType": "Encounter",
        "id": "ann-visit",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/ann"},
        "period": {"start": "2026-06-10", "end": "2026-06-12"},
    },
)
BOB = bundle(
    {"resourceType": "Patient", "id": "bob", "birthDate": "1955"},
    order("bob-1", "bob", "yesterday"),
)


@pytest.fixture
def patients_dir(tmp_path: Path) -> Path:
    (tmp_path / "ann.json").write_text(json.dumps(ANN))
    (tmp_path / "bob.json").write_text(json.dumps(BOB))
    return tmp_path


@pytest.fixture
def client(patients_dir: Path) -> Iterator[FlaskClient]:
    app = Flask(__name__)
    app.register_blueprint(fhir_blueprint(patients_dir, REFERENCE_DAY))
    with app.test_client() as client:
        yield client


def ids(client: FlaskClient, query: str) -> list[str]:
    answer = client.get(f"/fhir/{query}")
    assert answer.status_code == 200, answer.text
    Bundle.model_validate(answer.json)
    return [entry["resource"]["id"] for entry in answer.json.get("entry", [])]


def test_metadata_is_a_capability_statement_of_r4(client: FlaskClient) -> None:
    answer = client.get("/fhir/metadata")
    CapabilityStatement.model_validate(answer.json)
    assert answer.json["fhirVersion"] == "4.0.1"
    assert answer.content_type == "application/fhir+json"


def test_a_resource_is_read_by_type_and_id(client: FlaskClient) -> None:
    assert client.get("/fhir/Medication/ann-drug").json["id"] == "ann-drug"


@pytest.mark.parametrize(
    "path", ["Patient/nobody", "Medication/ann", "Basic/ann", "Basic", "Basic/_search"]
)
def test_what_is_not_there_is_404_with_an_operation_outcome(client: FlaskClient, path: str) -> None:
    method = client.post if path.endswith("_search") else client.get
    answer = method(f"/fhir/{path}")
    assert answer.status_code == 404
    assert answer.content_type == "application/fhir+json"
    OperationOutcome.model_validate(answer.json)


def test_an_unfiltered_patient_search_finds_every_patient(client: FlaskClient) -> None:
    assert ids(client, "Patient") == ["ann", "bob"]


@pytest.mark.parametrize(
    "query",
    [
        "patient=ann",
        "patient=Patient/ann",
        "subject=Patient/ann",
        "patient=http://127.0.0.1:8000/fhir/Patient/ann",
    ],
)
def test_orders_are_found_by_patient_however_the_patient_is_written(
    client: FlaskClient, query: str
) -> None:
    assert ids(client, f"MedicationRequest?{query}") == ["ann-1", "ann-2", "ann-3"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("MedicationRequest?patient=ann&status=completed", ["ann-1"]),
        ("MedicationRequest?patient=ann&status=active,completed", ["ann-1", "ann-2", "ann-3"]),
        ("MedicationRequest?patient=ann&status=active&status=completed", []),
        (f"MedicationRequest?code={RXNORM}|1049621", ["ann-1"]),
        ("MedicationRequest?code=1049621", ["ann-1"]),
        ("MedicationRequest?code=http://other.example|1049621", []),
        (f"MedicationRequest?code={RXNORM}|", ["ann-1"]),
        ("Condition?category=problem-list-item", ["ann-grief"]),
        ("Condition?category=|problem-list-item", ["ann-grief"]),
        ("Condition?clinical-status=active", ["ann-grief"]),
        (f"Condition?clinical-status={CLINICAL}|resolved", []),
        ("Encounter?class=AMB", ["ann-visit"]),
        ("Patient?_id=bob", ["bob"]),
        ("Patient?_id=ann,bob", ["ann", "bob"]),
        ("Patient?_id={{context.encounterId}}", []),
    ],
)
def test_tokens_match_as_fhir_search_says(
    client: FlaskClient, query: str, found: list[str]
) -> None:
    assert ids(client, query) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("MedicationRequest?patient=ann&authoredon=ge2026-10-01", ["ann-2", "ann-3"]),
        ("MedicationRequest?patient=ann&authoredon=gt2026-10-01", ["ann-3"]),
        ("MedicationRequest?patient=ann&authoredon=le2026-10-01", ["ann-1", "ann-2"]),
        ("MedicationRequest?patient=ann&authoredon=lt2026-10-01", ["ann-1"]),
        ("MedicationRequest?patient=ann&authoredon=2026-10", ["ann-2"]),
        ("MedicationRequest?patient=ann&authoredon=eq2026-10-01T00:00:00Z", ["ann-2"]),
        ("MedicationRequest?patient=ann&authoredon=ge2026-09-15&authoredon=lt2026-11", ["ann-2"]),
        ("Encounter?date=ge2026-06-12", ["ann-visit"]),
        ("Encounter?date=gt2026-06-12", []),
        ("Encounter?date=2026-06-11", []),
        ("Encounter?date=2026", ["ann-visit"]),
        ("Condition?recorded-date=ge2025-03-31", ["ann-grief"]),
        ("Condition?recorded-date=ge2025-04-01", []),
        ("Patient?birthdate=lt1960", ["bob"]),
        ("MedicationRequest?patient=bob&authoredon=ge1900", []),
    ],
)
def test_dates_match_by_day_and_by_their_precision(
    client: FlaskClient, query: str, found: list[str]
) -> None:
    assert ids(client, query) == found


@pytest.mark.parametrize(
    "query",
    [
        "MedicationRequest?authoredon=yesterday",
        "MedicationRequest?authoredon=ge2026-02-30",
        "MedicationRequest?authoredon=ge2026-13",
        "MedicationRequest?code:in=http://example.org/vs",
        "MedicationRequest?_count=many",
        "MedicationRequest?_count=-1",
        "MedicationRequest?_include=MedicationRequest:requester",
        "Condition?_include=MedicationRequest:medication",
    ],
)
def test_a_search_that_cannot_be_followed_is_400(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/fhir/{query}")
    assert answer.status_code == 400
    OperationOutcome.model_validate(answer.json)


def test_unknown_parameters_are_ignored_and_left_out_of_the_self_link(client: FlaskClient) -> None:
    answer = client.get("/fhir/Patient?_id=bob&colour=blue")
    assert answer.json["total"] == 1
    assert "colour" not in answer.json["link"][0]["url"]


def test_unknown_parameters_are_refused_when_strict_handling_is_asked_for(
    client: FlaskClient,
) -> None:
    answer = client.get("/fhir/Patient?colour=blue", headers={"Prefer": "handling=strict"})
    assert answer.status_code == 400


def test_pages_follow_their_absolute_next_links_to_the_end(client: FlaskClient) -> None:
    url = "http://127.0.0.1:8123/fhir/MedicationRequest?patient=ann&_count=1"
    seen = []
    while url:
        answer = client.get(url, base_url="http://127.0.0.1:8123").json
        assert answer["total"] == 3
        seen += [entry["resource"]["id"] for entry in answer["entry"]]
        links = {link["relation"]: link["url"] for link in answer["link"]}
        url = links.get("next", "")
        assert not url or url.startswith("http://127.0.0.1:8123/fhir/MedicationRequest?")
    assert seen == ["ann-1", "ann-2", "ann-3"]


def test_a_count_of_zero_gives_the_total_alone(client: FlaskClient) -> None:
    answer = client.get("/fhir/MedicationRequest?patient=ann&_count=0").json
    assert answer["total"] == 3
    assert "entry" not in answer
    assert [link["relation"] for link in answer["link"]] == ["self"]


def test_a_search_that_finds_nothing_has_no_entry_element(client: FlaskClient) -> None:
    answer = client.get("/fhir/Condition?patient=bob").json
    assert answer["total"] == 0
    assert "entry" not in answer


def test_included_medications_come_once_beside_the_page_and_are_not_counted(
    client: FlaskClient,
) -> None:
    query = "MedicationRequest?patient=ann&_include=MedicationRequest:medication"
    answer = client.get(f"/fhir/{query}").json
    modes = [(entry["resource"]["id"], entry["search"]["mode"]) for entry in answer["entry"]]
    assert modes == [
        ("ann-1", "match"),
        ("ann-2", "match"),
        ("ann-3", "match"),
        ("ann-drug", "include"),
    ]
    assert answer["total"] == 3


def test_the_next_page_keeps_the_include(client: FlaskClient) -> None:
    query = "MedicationRequest?patient=ann&_include=MedicationRequest:medication&_count=2"
    links = client.get(f"/fhir/{query}").json["link"]
    following = dict(parse_qsl(urlsplit(links[1]["url"]).query))
    assert following == {
        "patient": "ann",
        "_include": "MedicationRequest:medication",
        "_count": "2",
        "_offset": "2",
    }


def test_a_search_by_post_gives_what_the_search_by_get_gives(client: FlaskClient) -> None:
    by_get = client.get("/fhir/MedicationRequest?patient=ann&status=active")
    by_post = client.post(
        "/fhir/MedicationRequest/_search", data={"patient": "ann", "status": "active"}
    )
    assert by_post.json == by_get.json


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_nothing_can_be_written(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)("/fhir/Patient/ann").status_code == 405


def test_a_browser_on_loopback_passes_its_preflight(client: FlaskClient) -> None:
    answer = client.options(
        "/fhir/MedicationRequest/_search",
        headers={
            "Origin": "http://localhost:8080",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:8080"
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "origin",
    ["https://example.org", "http://localhost.example.org", "http://[::1", "null", ""],
)
def test_a_browser_from_elsewhere_is_not_let_in(client: FlaskClient, origin: str) -> None:
    answer = client.get("/fhir/Patient/ann", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_errors_are_readable_by_the_browser_too(client: FlaskClient) -> None:
    answer = client.get("/fhir/Patient/nobody", headers={"Origin": "http://127.0.0.1:9000"})
    assert answer.status_code == 404
    assert answer.headers["Access-Control-Allow-Origin"] == "http://127.0.0.1:9000"


def test_another_base_path_is_used_in_routes_and_links(patients_dir: Path) -> None:
    app = Flask(__name__)
    app.register_blueprint(fhir_blueprint(patients_dir, REFERENCE_DAY, base_path="/demo/r4"))
    answer = app.test_client().get("/demo/r4/Patient?_id=ann").json
    assert answer["entry"][0]["fullUrl"] == "http://localhost/demo/r4/Patient/ann"


def test_on_the_reference_day_no_date_moves(patients_dir: Path) -> None:
    resources = {
        str(item["id"]): item for item in fixture_resources(patients_dir, today=REFERENCE_DAY)
    }
    assert resources["ann-1"]["authoredOn"] == "2026-09-01"
    assert resources["bob"]["birthDate"] == "1955"


def test_ten_days_later_every_date_is_ten_days_later(patients_dir: Path) -> None:
    today = REFERENCE_DAY + timedelta(days=10)
    resources = {str(item["id"]): item for item in fixture_resources(patients_dir, today=today)}
    assert resources["ann-1"]["authoredOn"] == "2026-09-11"
    assert resources["ann-2"]["authoredOn"] == "2026-10-11T10:00:00+02:00"
    assert resources["ann"]["birthDate"] == "1960-05-11"
    assert resources["ann-grief"]["recordedDate"] == "2025-03"
    assert resources["bob-1"]["authoredOn"] == "yesterday"
    assert resources["ann-visit"]["period"] == {"start": "2026-06-20", "end": "2026-06-22"}


def test_a_date_that_would_leave_the_calendar_stays_as_it_is(tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "id": "last", "birthDate": "9999-12-31"}
    (tmp_path / "last.json").write_text(json.dumps(bundle(patient)))
    moved = fixture_resources(tmp_path, today=date(2027, 1, 1))
    assert moved[0]["birthDate"] == "9999-12-31"


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", "{}", '{"entry": [{}]}', '{"entry": [{"resource": {"id": "x"}}]}'],
)
def test_a_file_that_is_no_bundle_of_resources_stops_the_start_and_is_named(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"broken\.json"):
        fhir_blueprint(tmp_path, REFERENCE_DAY)


def test_an_empty_id_stops_the_start_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "nameless.json").write_text(json.dumps(bundle({"resourceType": "X", "id": ""})))
    with pytest.raises(ConfigurationError, match=r"nameless\.json"):
        fhir_blueprint(tmp_path, REFERENCE_DAY)
