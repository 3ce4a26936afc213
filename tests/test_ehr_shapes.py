"""What EHRs are known to send and to do with an answer, put to the service over HTTP.

The shapes that are whole requests are scenarios (`epic-draft`, `sandbox-draft`, `stripped-of-its-
data`, `absolute-references`, `inpatient-category-as-an-object`, `several-codes-one-product` ...);
here is what varies them. Which vendor does what, and how sure that is: docs/ehr-registration.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cds_service.issuers import Issuer
from cds_service.store.schema import FEEDBACK
from cds_service.web.key_sets import KeySet
from cds_service.web.trust import OpenDoor, Trust
from tests.scenarios import FOLDER
from tests.web.service import (
    ORDER_SIGN,
    PATIENT_VIEW,
    KeptLog,
    Made,
    Running,
    running,
    scenario_request,
)
from tests.web.tokens import NOW, PUBLIC_URL, bearer, claims, key, public, signed

ORDER_SELECT = "/cds-services/opioid-social-pain-order-select"
RECORDED = sorted(FOLDER.glob("*/*/response.json"))
Json = dict[str, Any]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.fixture
def epic() -> Json:
    """A draft that points at a Medication, which is another entry of draftOrders."""
    return scenario_request("order-sign/epic-draft")


def draft_entries(body: Json) -> list[Json]:
    entries: list[Json] = body["context"]["draftOrders"]["entry"]
    return entries


def medication(body: Json) -> Json:
    resource: Json = draft_entries(body)[1]["resource"]
    assert resource["resourceType"] == "Medication"
    return resource


def the_card(service: Running, body: Json, path: str = ORDER_SIGN) -> Json:
    response = service.call(body, path)
    assert response.status_code == 200
    [card] = response.json["cards"]
    shown: Json = card
    return shown


# Requests


@pytest.mark.parametrize(
    "strength",
    [
        {"numerator": {"value": 15, "unit": "MG/5ML"}, "denominator": {"value": 15, "unit": "MG"}},
        {"numerator": {"value": 50, "unit": "mg"}, "denominator": {"value": 50, "unit": "mg"}},
        {"numerator": {"value": -1}},
        "5 mg",
        None,
    ],
)
def test_the_strength_of_an_ingredient_never_changes_the_dose(
    service: Running, epic: Json, strength: object
) -> None:
    medication(epic)["ingredient"][0]["strength"] = strength
    # by the product: 1 x 4 x 5 mg x 1.5
    assert "Daily dose: 30 MME" in the_card(service, epic)["detail"]


def test_the_order_in_which_codes_are_listed_does_not_matter(service: Running, epic: Json) -> None:
    codes = medication(epic)["code"]["coding"]
    answers = set()
    for order in permutations(codes):
        medication(epic)["code"]["coding"] = list(order)
        answers.add(service.call(epic).data)
    assert len(answers) == 1


def test_without_the_medication_the_name_beside_the_reference_is_read(
    service: Running, epic: Json
) -> None:
    del draft_entries(epic)[1]
    detail = the_card(service, epic)["detail"]
    assert "Ordered or current: oxycodone." in detail
    assert "Daily dose: at least 30 MME" in detail  # of the current order; the draft gives none


@pytest.mark.parametrize("id_", ["another", None])
@pytest.mark.parametrize(
    "full_url",
    ["urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "https://ehr.example.org/r4/Medication/m9"],
)
@pytest.mark.parametrize("where", ["draftOrders", "prefetch"])
def test_the_medication_is_found_by_the_full_url_of_its_entry(
    service: Running, epic: Json, where: str, full_url: str, id_: str | None
) -> None:
    entry = draft_entries(epic)[1]
    entry["fullUrl"] = full_url
    entry["resource"]["id"] = id_
    draft = draft_entries(epic)[0]["resource"]
    draft["medicationReference"] = {"reference": full_url}
    if where == "prefetch":
        epic["prefetch"]["medications"] = {"resourceType": "Bundle", "entry": [entry]}
        del draft_entries(epic)[1]
    assert "Daily dose: 30 MME" in the_card(service, epic)["detail"]


def test_without_any_name_the_card_says_that_the_drug_could_not_be_identified(
    service: Running, epic: Json
) -> None:
    del draft_entries(epic)[1]
    del draft_entries(epic)[0]["resource"]["medicationReference"]["display"]
    card = the_card(service, epic)
    assert card["source"]["topic"]["code"] == "record-incomplete"


@pytest.mark.parametrize("where", ["request", "context", "draft", "prefetch"])
def test_what_vendors_add_changes_nothing(service: Running, epic: Json, where: str) -> None:
    plain = service.call(epic).data
    grown = deepcopy(epic)
    holder = {
        "request": grown,
        "context": grown["context"],
        "draft": draft_entries(grown)[0]["resource"],
        "prefetch": grown["prefetch"]["conditions"],
    }[where]
    holder["extension"] = {"com.epic.cdshooks.request.bpa-trigger-action": "23"}
    assert service.call(grown).data == plain


@pytest.mark.parametrize(
    ("listed", "stated", "count"),
    [
        ((), "23", 1),
        (("60",), "60", 1),
        (("60",), "23", 0),
        (("60", "7"), "7", 1),
        (("60",), None, 1),
    ],
)
def test_patient_view_may_be_limited_to_what_makes_epic_call_it(
    tmp_path: Path, listed: tuple[str, ...], stated: str | None, count: int
) -> None:
    """A call that states nothing is looked at: a card that is missing hides."""
    issuer = Issuer(
        name="epic", issuer="", calls_any_loopback=True, patient_view_triggers=frozenset(listed)
    )
    body = scenario_request("patient-view/long-term-and-bereaved")
    if stated is not None:
        body["extension"] = {"com.epic.cdshooks.request.bpa-trigger-action": stated}
    log = KeptLog()
    with running(tmp_path, Made(issuer=issuer, door=OpenDoor(issuer), log=log)) as service:
        assert len(service.call(body, PATIENT_VIEW).json["cards"]) == count
    assert log.lines[-1].get("trigger") == stated


def test_other_hooks_are_never_limited(tmp_path: Path, epic: Json) -> None:
    epic["extension"] = {"com.epic.cdshooks.request.bpa-trigger-action": "23"}
    issuer = Issuer(
        name="epic", issuer="", calls_any_loopback=True, patient_view_triggers=frozenset({"60"})
    )
    with running(tmp_path, Made(issuer=issuer, door=OpenDoor(issuer))) as service:
        the_card(service, epic)


def test_scopes_are_not_taken_for_an_answer(service: Running, epic: Json) -> None:
    plain = service.call(epic).data
    epic["fhirAuthorization"] = {
        "access_token": "opaque", "token_type": "bearer", "expires_in": 300,
        "scope": "PATIENT.READ (R4) MEDICATIONREQUEST.SEARCH (R4)", "subject": "client-17",
    }  # fmt: skip
    assert service.call(epic).data == plain


def test_a_draft_of_an_older_version_of_fhir_beside_the_order_is_passed_over(
    service: Running, epic: Json
) -> None:
    plain = service.call(epic).data
    older = {"resourceType": "ProcedureRequest", "id": "x", "subject": {"display": "same patient"}}
    draft_entries(epic).append({"resource": older})
    assert service.call(epic).data == plain


def test_an_empty_search_may_be_a_bundle_without_entries(service: Running, epic: Json) -> None:
    epic["prefetch"]["conditions"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    assert service.call(epic).json == {"cards": []}


@pytest.mark.parametrize(
    ("severity", "status"), [("warning", 200), ("information", 200), ("error", 412), ("fatal", 412)]
)
def test_an_outcome_in_a_list_is_no_resource_and_may_say_that_the_list_is_not_known(
    service: Running, epic: Json, severity: str, status: int
) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": severity}]}
    epic["prefetch"]["conditions"] = {
        "resourceType": "Bundle", "type": "searchset", "total": 0,
        "entry": [{"resource": outcome, "search": {"mode": "outcome"}}],
    }  # fmt: skip
    assert service.call(epic).status_code == status


# Tokens


def epic_token(path: str) -> str:
    """A token as Epic documents it: RS384, 15 minutes, valid from 5 minutes ago, with a subject."""
    payload = claims(
        iss=EPIC_BASE, aud=f"{PUBLIC_URL}{path}", sub="client-17", nbf=NOW - 300, exp=NOW + 900
    )
    jku = f"{EPIC_BASE}/.well-known/jwks"
    return bearer(signed(payload, by=key("2048"), alg="RS384", header={"jku": jku}))


EPIC_BASE = "https://ehr.north.example/interconnect/api/FHIR/R4"


def test_a_token_as_epic_documents_it_is_let_in(tmp_path: Path, epic: Json) -> None:
    issuer = Issuer(name="epic", issuer=EPIC_BASE, key_set_url=f"{EPIC_BASE}/.well-known/jwks")
    keys = KeySet(lambda: public(key("2048")), monotonic=lambda: 0.0)
    keys.refresh().result()
    door = Trust(
        {EPIC_BASE: (issuer, keys)}.get,
        public_url=PUBLIC_URL,
        is_first=lambda _hash, *, expires_at: True,
        now=lambda: NOW,
    )
    with running(tmp_path, Made(issuer=issuer, door=door)) as service:
        headers = {"Authorization": epic_token(ORDER_SIGN)}
        assert service.call(epic, headers=headers).status_code == 200


# Cards


def recorded_cards() -> list[Json]:
    bodies = [json.loads(file.read_bytes()) for file in RECORDED]
    return [card for body in bodies for card in body.get("cards", ())]


def test_every_suggestion_has_one_action_whose_words_are_its_label() -> None:
    suggestions = [
        suggestion for card in recorded_cards() for suggestion in card.get("suggestions", ())
    ]
    assert len(suggestions) > 100
    for suggestion in suggestions:
        [action] = suggestion["actions"]
        assert (action["type"], action["description"]) == ("create", suggestion["label"])


def test_any_number_of_suggestions_may_be_taken() -> None:
    behaviors = {card["selectionBehavior"] for card in recorded_cards() if card.get("suggestions")}
    assert behaviors == {"any"}


def test_a_card_says_everything_without_buttons_and_links() -> None:
    for card in recorded_cards():
        assert card["source"]["label"]
        assert "http" not in card["detail"]
        assert "](" not in card["detail"]


def test_topics_are_short_plain_and_one_for_each_rule() -> None:
    topics = {card["source"]["topic"]["code"] for card in recorded_cards()}
    assert len(topics) == 7
    assert all(len(topic) <= 100 and topic.replace("-", "").isalnum() for topic in topics)


def test_choosing_and_signing_one_order_speak_under_one_topic(service: Running, epic: Json) -> None:
    signing = the_card(service, epic)
    reference = "MedicationRequest/" + draft_entries(epic)[0]["resource"]["id"]
    epic["hook"] = "order-select"
    epic["context"]["selections"] = [reference]
    choosing = the_card(service, epic, ORDER_SELECT)
    assert choosing["source"]["topic"] == signing["source"]["topic"]
    assert (choosing["indicator"], signing["indicator"]) == ("info", "warning")


# Feedback


def kept_reason(service: Running, card: str) -> tuple[str, str] | None:
    with service.parts.store.engine.connect() as connection:
        rows = connection.execute(
            select(FEEDBACK.c.reason_system, FEEDBACK.c.reason_code).where(
                FEEDBACK.c.card_uuid == card
            )
        ).all()
    [row] = rows
    return None if row[1] is None else (row[0], row[1])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (
            {"overrideReason": {"reason": {"code": "patient-declines", "system": "urn:ours"}}},
            ("urn:ours", "patient-declines"),
        ),
        (
            {"overrideReasons": {"reason": {"code": "patient-declines", "system": "urn:ours"}}},
            ("urn:ours", "patient-declines"),
        ),
        (
            {
                "overrideReasons": {
                    "extension": {
                        "com.epic.cdshooks.feedback.overrideReason.reasonCategory": "7",
                        "com.epic.cdshooks.feedback.overrideReason.reasonTitle": "Declined",
                    }
                }
            },
            ("com.epic.cdshooks.feedback.overrideReason", "7"),
        ),
        ({}, None),
    ],
)
def test_a_reason_to_override_is_kept_in_each_of_the_forms_it_is_sent(
    service: Running, given: Json, kept: tuple[str, str] | None
) -> None:
    entry = {
        "card": f"any string of the client {len(str(given))}",
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-22T12:00:00Z",
        **given,
    }
    response = service.call({"feedback": [entry]}, f"{ORDER_SIGN}/feedback")
    assert response.status_code == 200
    assert kept_reason(service, entry["card"]) == kept


def test_feedback_on_a_card_without_uuid_is_refused_where_it_is_missing(service: Running) -> None:
    entry = {"outcome": "overridden", "outcomeTimestamp": "2026-11-22T12:00:00Z"}
    response = service.call({"feedback": [entry]}, f"{ORDER_SIGN}/feedback")
    assert response.status_code == 400
    assert "/feedback/0/card" in response.json["issue"][0]["details"]["text"]
