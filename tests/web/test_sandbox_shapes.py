"""The public CDS Hooks Sandbox, replayed: what it sends, as it was seen to send it.

None of its code is here; what it does is told in `docs/sandbox.md` and decision 0022.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import pytest

from cds_service.hooks.catalogue import Service
from cds_service.issuers import SANDBOX_ISSUER, sandbox_issuer
from cds_service.store.report import feedback_given
from cds_service.web.demo.fhir_endpoint import fhir_blueprint
from cds_service.web.demo.fixture_records import REFERENCE_DAY
from cds_service.web.key_sets import KeySet
from cds_service.web.trust import Trust
from tests.web.service import ORDER_SIGN, PATIENT_VIEW, Made, Running, running
from tests.web.tokens import NOW, PUBLIC_URL, bearer, claims, key, public, signed

PATIENTS = Path(__file__).parents[2] / "fhir_fixtures" / "patients"
PATIENT = "bereaved-back-pain"
ORDER_SELECT = "/cds-services/opioid-social-pain-order-select"
FHIR = "http://localhost:8000/fhir"
ORIGIN = "http://localhost:8080"
SUMMARY = "Long-term opioid renewal (300 days): review pain together with mood and social context"
PARTS = ("discovery", "hook", "feedback")

EMPTY_DRAFT = {
    "resourceType": "MedicationRequest",
    "id": "request-123",
    "status": "draft",
    "subject": {"reference": f"Patient/{PATIENT}"},
    "authoredOn": "2026-11-22",
}
DRAFT = EMPTY_DRAFT | {
    "intent": "order",
    "category": {  # an object where R4 has a list
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/medicationrequest-category",
                "code": "community",
            }
        ]
    },
    "medicationCodeableConcept": {
        "text": "Oxycodone Hydrochloride 5 MG Oral Tablet",
        "coding": [
            {
                "display": "Oxycodone Hydrochloride 5 MG Oral Tablet",
                "system": "http://www.nlm.nih.gov/research/umls/rxnorm",
                "code": "1049621",
            }
        ],
    },
    "dosageInstruction": [
        {
            "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
            "doseAndRate": [
                {
                    "doseQuantity": {
                        "value": 2,
                        "system": "http://unitsofmeasure.org",
                        "code": "{pill}",  # and no unit
                    }
                }
            ],
        }
    ],
    "dispenseRequest": {
        "expectedSupplyDuration": {
            "value": 30,
            "unit": "days",
            "system": "http://unitsofmeasure.org",
            "code": "d",
        }
    },
}
WITH_REASON = DRAFT | {
    "reasonCode": {  # an object where R4 has a list
        "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "M54.50"}],
        "text": "Chronic low back pain",
    }
}
IMAGING = {
    "resourceType": "ServiceRequest",
    "id": "example-request-id",
    "status": "draft",
    "intent": "plan",
    "code": {"coding": [{}]},
    "subject": {"reference": f"Patient/{PATIENT}"},
    "reasonCode": [],
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("sandbox")) as started:
        started.client.application.register_blueprint(fhir_blueprint(PATIENTS, REFERENCE_DAY))
        yield started


def prefetch(service: Running, one: Service, patient_id: str) -> dict[str, Any]:
    """Fill the templates as the Sandbox does: reads by GET, searches by POST, sorted, no nulls."""
    filled: dict[str, Any] = {}
    for key_, template in one.discovery_entry()["prefetch"].items():  # type: ignore[attr-defined]
        path, _, query = template.replace("{{context.patientId}}", patient_id).partition("?")
        headers = {"Accept": "application/json+fhir", "Origin": ORIGIN}
        if query:
            form = urlencode(sorted(parse_qsl(query)))
            response = service.client.post(
                f"/fhir/{path}/_search",
                data=form,
                content_type="application/x-www-form-urlencoded",
                headers=headers,
            )
        else:
            response = service.client.get(f"/fhir/{path}", headers=headers)
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        filled[key_] = response.json
    return filled


def request_of(
    service: Running, hook: str, *, patient_id: str = PATIENT, **context: Any
) -> dict[str, Any]:
    """Return a call as the Sandbox writes it, the server named although all data is sent."""
    one = next(each for each in service.parts.catalogue if each.hook == hook)
    return {
        "hookInstance": str(uuid4()),
        "hook": hook,
        "fhirServer": FHIR,
        "context": {
            "patientId": patient_id,
            "userId": "Practitioner/COREPRACTITIONER1",
            **context,
        },
        "prefetch": prefetch(service, one, patient_id),
    }


def drafts(*resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Bundle of the context; it has no type."""
    return {"resourceType": "Bundle", "entry": [{"resource": each} for each in resources]}


def selected(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "selections": [f"{resource['resourceType']}/{resource['id']}"],
        "draftOrders": drafts(resource),
    }


def summaries(response: Any) -> list[str]:
    assert response.status_code == 200
    return [card["summary"] for card in response.json["cards"]]


@pytest.mark.parametrize("part", PARTS)
def test_the_browser_may_ask_with_its_token(part: str, service: Running) -> None:
    path = {"discovery": "/cds-services", "hook": ORDER_SIGN, "feedback": f"{ORDER_SIGN}/feedback"}
    response = service.client.options(
        path[part],
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "GET" if part == "discovery" else "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert "authorization" in allowed  # by name: the Fetch standard leaves it out of *
    assert "content-type" in allowed


def test_the_fhir_endpoint_is_what_the_sandbox_connects_to(service: Running) -> None:
    get = service.client.get
    assert get("/fhir/metadata").json["fhirVersion"] == "4.0.1"
    assert len(get("/fhir/Patient").json["entry"]) == 24
    assert get(f"/fhir/Patient/{PATIENT}").json["name"][0]["given"] == ["Marta"]
    conditions = get(f"/fhir/Condition?patient={PATIENT}").json
    assert conditions["total"] == len(conditions["entry"]) == 3
    assert all(each["resource"]["code"]["text"] for each in conditions["entry"])


def test_opening_the_chart_shows_a_card(service: Running) -> None:
    response = service.call(request_of(service, "patient-view"), PATIENT_VIEW)
    assert summaries(response) == [
        "Long-term opioid therapy (300 days): consider reviewing pain together with mood and "
        "social context"
    ]


def test_entering_rx_view_sends_a_draft_without_a_drug_and_gets_no_card(service: Running) -> None:
    response = service.call(
        request_of(service, "order-select", **selected(EMPTY_DRAFT)), ORDER_SELECT
    )
    assert response.status_code == 200
    assert [card["source"]["topic"]["code"] for card in response.json["cards"]] == []


@pytest.mark.parametrize("draft", [DRAFT, WITH_REASON], ids=["no reason", "reason as an object"])
def test_choosing_a_drug_on_rx_view_shows_a_card(
    draft: Mapping[str, Any], service: Running
) -> None:
    response = service.call(request_of(service, "order-select", **selected(draft)), ORDER_SELECT)
    assert summaries(response) == [SUMMARY]


def test_signing_on_rx_sign_shows_the_warning_with_the_dose(service: Running) -> None:
    response = service.call(request_of(service, "order-sign", draftOrders=drafts(DRAFT)))
    assert summaries(response) == [SUMMARY]
    [card] = response.json["cards"]
    assert card["indicator"] == "warning"
    # 2 pills x 5 mg x twice a day x 1.5 = 30
    assert "Daily dose: 30 MME" in card["detail"]


def test_a_card_has_what_the_sandbox_needs_to_draw_it(service: Running) -> None:
    [card] = service.call(request_of(service, "order-sign", draftOrders=drafts(DRAFT))).json[
        "cards"
    ]
    assert card["uuid"]  # without: no way to dismiss it
    assert card["source"]["label"]  # without: no line for the source
    assert "icon" not in card["source"]  # it would dominate the page
    assert all(each["uuid"] and each["label"] for each in card["suggestions"])
    assert all(each["type"] == "absolute" for each in card["links"])  # smart ones are disabled
    assert all(each["code"] and each["display"] for each in card["overrideReasons"])
    assert "<" not in card["detail"]  # it lets raw HTML live


def test_accepting_never_takes_the_drug_out_of_the_form(service: Running) -> None:
    """It applies the first action that deletes, or that names another medication with a code."""
    [card] = service.call(request_of(service, "order-sign", draftOrders=drafts(DRAFT))).json[
        "cards"
    ]
    actions = [action for each in card["suggestions"] for action in each["actions"]]
    assert {action["type"] for action in actions} == {"create"}
    assert {action["resource"]["resourceType"] for action in actions} == {"ServiceRequest"}


def test_clicking_the_tab_one_is_on_is_refused_and_no_failure(service: Running) -> None:
    refused = service.call(request_of(service, "order-sign"), headers={"Origin": ORIGIN})
    assert refused.status_code == 400
    assert refused.json["issue"][0]["details"]["text"].startswith("/context/draftOrders is missing")
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_hook_without_its_screen_is_refused(service: Running) -> None:
    body = request_of(service, "patient-view") | {"hook": "order-sign"}
    assert service.call(body, PATIENT_VIEW).status_code == 400


def test_an_order_for_imaging_gets_no_card(service: Running) -> None:
    response = service.call(request_of(service, "order-select", **selected(IMAGING)), ORDER_SELECT)
    assert summaries(response) == []


@pytest.mark.parametrize("lost", ["observations", "procedures", "service-requests", "encounters"])
def test_a_key_the_sandbox_dropped_costs_no_card(lost: str, service: Running) -> None:
    body = request_of(service, "order-sign", draftOrders=drafts(DRAFT))
    del body["fhirServer"]
    assert "not available to this check" not in service.call(body).json["cards"][0]["detail"]
    del body["prefetch"][lost]
    response = service.call(body)
    assert summaries(response) == [SUMMARY]
    assert "not available to this check" in response.json["cards"][0]["detail"]


def test_an_outcome_passed_on_as_data_is_no_empty_list(service: Running) -> None:
    body = request_of(service, "order-sign", draftOrders=drafts(DRAFT))
    del body["fhirServer"]
    body["prefetch"]["conditions"] = {"resourceType": "OperationOutcome", "issue": []}
    assert service.call(body).status_code == 412


def test_feedback_is_kept_and_may_come_twice(service: Running) -> None:
    [card] = service.call(request_of(service, "order-sign", draftOrders=drafts(DRAFT))).json[
        "cards"
    ]
    time_sent = {"outcomeTimestamp": "2026-11-22T15:01:16.394Z"}
    accepted = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        **time_sent,
    }
    dismissed = {"card": card["uuid"], "outcome": "overridden", **time_sent}
    reason = copy.deepcopy(card["overrideReasons"][4])
    del reason["display"]  # it sends none
    overridden = dismissed | {
        "outcomeTimestamp": "2026-11-22T15:01:21.916Z",
        "overrideReason": {"reason": reason},
    }
    for entry in (accepted, accepted, dismissed, overridden):
        response = service.call({"feedback": [entry]}, f"{ORDER_SIGN}/feedback")
        assert response.status_code == 200
    kept = list(feedback_given(service.parts.store.engine))
    assert sorted((each.outcome, each.reason or "none given") for each in kept) == [
        ("accepted", "none given"),
        ("overridden", "none given"),
        ("overridden", "patient-declines"),
    ]


def test_its_token_opens_the_hook_and_its_feedback(tmp_path: Path) -> None:
    issuer = sandbox_issuer()
    key_set = KeySet(lambda: public(key("P-384")), monotonic=lambda: 0.0)
    key_set.refresh().result()
    door = Trust(
        {SANDBOX_ISSUER: (issuer, key_set)}.get,
        public_url=PUBLIC_URL,
        is_first=lambda token_hash, *, expires_at: True,
        now=lambda: NOW,
    )

    def token(path: str) -> dict[str, str]:
        payload = claims(iss=SANDBOX_ISSUER, aud=f"{PUBLIC_URL}{path}", exp=NOW + 300)
        return {"Authorization": bearer(signed(payload, header={"jku": issuer.key_set_url}))}

    with running(tmp_path, Made(issuer=issuer, door=door)) as service:
        service.client.application.register_blueprint(fhir_blueprint(PATIENTS, REFERENCE_DAY))
        body = request_of(service, "order-sign", draftOrders=drafts(DRAFT))
        assert service.call(body).status_code == 401
        response = service.call(body, headers=token(ORDER_SIGN))
        assert summaries(response) == [SUMMARY]
        entry = {
            "card": response.json["cards"][0]["uuid"],
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-22T15:01:21.916Z",
        }
        path = f"{ORDER_SIGN}/feedback"
        assert service.call({"feedback": [entry]}, path, headers=token(path)).status_code == 200
        # a token for the hook is none for its feedback: aud is the exact address called
        assert (
            service.call({"feedback": [entry]}, path, headers=token(ORDER_SIGN)).status_code == 401
        )


GUIDE = Path(__file__).parents[2] / "docs" / "sandbox.md"


def test_the_addresses_in_the_guide_lead_where_they_say(service: Running) -> None:
    addresses = re.findall(r"`(http://localhost:8080/\?\S+)`", GUIDE.read_text())
    hooks = set()
    for address in addresses:
        named = dict(parse_qsl(urlsplit(address).query))
        hooks.add(named["hook"])
        assert named["fhirServiceUrl"] == "http://localhost:8000/fhir"
        path = urlsplit(named["serviceDiscoveryURL"]).path
        offered = {each["hook"] for each in service.client.get(path).json["services"]}
        assert named["hook"] in offered
        assert service.client.get(f"/fhir/Patient/{named['patientId']}").status_code == 200
    assert hooks == {"patient-view", "order-select", "order-sign"}


def test_the_patients_in_the_guide_show_what_it_says(service: Running) -> None:
    rows = re.findall(r"^\| (`.+?) \| (.+?) \| (.+?) \|$", GUIDE.read_text(), re.MULTILINE)
    told = [(name, *cells) for names, *cells in rows for name in re.findall(r"`(.+?)`", names)]
    assert len(told) == 8
    for patient_id, opening, signing in told:
        for hook, path, words in (
            ("patient-view", PATIENT_VIEW, opening),
            ("order-sign", ORDER_SIGN, signing),
        ):
            draft = DRAFT | {"subject": {"reference": f"Patient/{patient_id}"}}
            context = {"draftOrders": drafts(draft)} if hook == "order-sign" else {}
            body = request_of(service, hook, patient_id=patient_id, **context)
            cards = service.call(body, path).json["cards"]
            assert bool(cards) == (words != "nothing"), (patient_id, hook)
