"""A captured call becomes a case: what it is about stays, what tells whose it was does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.cli import main
from cds_service.clinical.terminology import ICD_10_CM, RXNORM
from cds_service.errors import MalformedRequest, PatientMismatch
from cds_service.hooks.catalogue import services
from cds_service.scenario_capture import captured_case
from cds_service.scenario_capture.disguise import Disguise, drug_words
from tests.fhir.charts import HYPERTENSION, LISINOPRIL, OXYCODONE, concept, condition, order
from tests.fhir.test_reader_synthea import FILES, chart
from tests.record_scenarios import record
from tests.scenarios import (
    Answered,
    Scenario,
    answer_to,
    answered,
    read_scenario,
    scenario_site,
    scenarios,
    texts,
)

TODAY = date(2026, 11, 22)
CAPTURED_ON = date(2026, 9, 30)
LATER = TODAY - CAPTURED_ON
UTC = ZoneInfo("UTC")
Json = dict[str, Any]

MADE_BY_HAND = {"another-patient-resource", "condition-of-another-patient", "user-missing",
                "draft-for-another-patient", "order-of-another-patient", "user-malformed",
                "referral-of-another-patient"}  # fmt: skip
"""Scenarios about a call that no case is made from."""
ALL = [each for each in scenarios() if each.folder.name not in MADE_BY_HAND]


def case_of(
    body: Mapping[str, Any],
    *,
    as_of: date = CAPTURED_ON,
    time_zone: ZoneInfo = UTC,
    keep: tuple[str, ...] = (),
) -> Json:
    site = scenario_site()
    return captured_case(
        body,
        next(each for each in services(site.knowledge) if each.hook == body["hook"]),
        name="a-case",
        disguise=Disguise(
            as_of=as_of, moved_to=TODAY, time_zone=time_zone, drug_words=known_drug_words()
        ),
        knowledge=site.knowledge,
        deck=site.deck,
        keep=keep,
    )


@cache
def known_drug_words() -> frozenset[str]:
    return drug_words(scenario_site().knowledge)


def chart_opened(*resources: Json, **lists: Any) -> Json:
    """A call of patient-view with these resources, sorted under our keys; and lists as given."""
    keys = {"MedicationRequest": "medication-requests", "Condition": "conditions"}
    prefetch: Json = {key: {"resourceType": "Bundle", "entry": []} for key in keys.values()}
    for resource in resources:
        key = keys.get(resource["resourceType"], resource["resourceType"].lower())
        bundle = prefetch.setdefault(key, {"resourceType": "Bundle", "entry": []})
        bundle["entry"].append({"resource": resource})
    return {
        "hook": "patient-view",
        "hookInstance": "0f8f4b6e-5b0c-4b58-9a33-6f5ed6b7f0a1",
        "context": {"userId": "Practitioner/dr-no", "patientId": "p1"},
        "prefetch": prefetch | lists,
    }


def only(case: Json, key: str) -> Json:
    [entry] = case["prefetch"][key]["entry"]
    resource: Json = entry["resource"]
    return resource


def seen(answer: Answered) -> object:
    """What a clinician sees of an answer, without the uuids, which hang on the hookInstance."""
    return answer.status, [
        {
            **{name: card.get(name) for name in ("summary", "indicator", "detail")},
            "suggestions": [each["label"] for each in card.get("suggestions", ())],
        }
        for card in answer.cards
    ]


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_the_service_answers_a_case_as_it_answered_the_call(scenario: Scenario) -> None:
    case = case_of(scenario.request, as_of=scenario.as_of)
    answer = answer_to(case, scenario.hook, scenario_site(), as_of=TODAY)
    assert seen(answer) == seen(answered(scenario, scenario_site()))


SECRETS = (
    "Zorblatt",
    "Eleanor Zorblatt, 12 Elm Street",
    "zorblatt@example.org",
    "https://fhir.zorblatt.example/r4/Patient/zorblatt-1",
    "urn:uuid:zorblatt",
    "Patient feels unsafe at home with Zorblatt.",
    "oxycodone for Zorblatt",
    "mg{Zorblatt}",
    "ZORBLATT-7",
    "1931-07-04-zorblatt",
    "MRN 990017734",
    "990017734",
    "902139",
)
TELLTALES = ("zorblatt", "eleanor", "elm street", "unsafe", "990017734", "902139")


def planted(value: Any, random: Random, name: str = "") -> Any:
    """Put a secret in the place of one text in ten, and beside the members of most objects.

    A number in the place of a code is left alone: under RxNorm it is a code.
    """
    if isinstance(value, list):
        return [planted(member, random, name) for member in value]
    if isinstance(value, dict):
        if set(value) == {"reference"} and str(value["reference"]).startswith("Patient/"):
            return {**value, "display": random.choice(SECRETS)}
        grown = {member: planted(part, random, member) for member, part in value.items()}
        for place in random.sample(PLACES, k=2):
            secret = random.choice(SECRETS[:-2] if place == "code" else SECRETS)
            grown.setdefault(place, random.choice((secret, [SECRETS[0]], {"z": 1})))
        return grown
    if isinstance(value, str) and random.random() < 0.1:
        return random.choice(SECRETS[:-2] if name == "code" else SECRETS)
    return value


PLACES = [
    "text", "display", "name", "note", "extension", "identifier", "id", "unit", "title", "comment",
    "patientInstruction", "zorblatt", "valueString", "code", "system", "status", "category", "url",
    "issued", "authoredOn", "onsetDateTime", "meta", "coding", "contained", "reference",
]  # fmt: skip


@given(st.sampled_from(ALL), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_nothing_planted_anywhere_survives(scenario: Scenario, random: Random) -> None:
    body = scenario.request
    body["fhirServer"] = SECRETS[3]
    body["fhirAuthorization"] = {"access_token": "zorblatt-token", "scope": "zorblatt"}
    body["extension"] = {"zorblatt": "zorblatt"}
    body["context"]["zorblatt"] = SECRETS[0]
    for holder, name in ((body, "prefetch"), (body["context"], "draftOrders")):
        if name in holder:
            holder[name] = {key: planted(part, random) for key, part in holder[name].items()}
            holder[name]["zorblatt"] = SECRETS[0]
    try:
        case = case_of(body)
    except (PatientMismatch, MalformedRequest):
        return  # nothing is written
    written = json.dumps(case).lower()
    assert [word for word in TELLTALES if word in written] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers()
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["resourceType", "entry", "resource", "code", "coding", "id", "text",
                         "medicationCodeableConcept", "status", "response", "subject"]),
        inner | st.sampled_from(["Bundle", "Condition", "MedicationRequest", "Medication"]),
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON, JSON)
@settings(max_examples=200, deadline=None)
def test_any_json_is_cleaned_or_refused(value: Any, other: Any) -> None:
    body = chart_opened(order(), condition(), conditions=value, notes=other)
    with suppress(PatientMismatch):
        case_of(body)


@pytest.mark.skipif(not FILES, reason="the synthetic sample is not here")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.split(".")[0])
def test_of_a_whole_chart_no_name_no_id_and_no_free_text_survives(file: Path) -> None:
    by_type = chart(file)
    body = chart_opened(*(each for group in by_type.values() for each in group))
    body["context"]["patientId"] = by_type["Patient"][0]["id"]
    body["prefetch"]["patient"] = by_type["Patient"][0]
    case = case_of(body)
    coded = {value for name, value in leaves(case) if name in {"code", "system"}}
    survived = set(texts(case)) & set(texts(body)) - coded
    assert {text for text in survived if len(text) > LONGEST_CLOSED_WORD} == set()
    assert len(json.dumps(case)) < len(json.dumps(body)) / 2


LONGEST_CLOSED_WORD = len("encounter-diagnosis")


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, name)


def test_dates_move_together_and_lose_their_time() -> None:
    body = chart_opened(
        order(authoredOn="2026-07-01T23:30:00-05:00"), condition(onsetDateTime="2026-06-01")
    )
    case = case_of(body)
    # 30 September becomes 22 November: 53 days later; half past eleven at night in New York is
    # the 2nd in UTC
    assert timedelta(days=53) == LATER
    assert only(case, "medication-requests")["authoredOn"] == "2026-08-24"
    assert only(case, "conditions")["onsetDateTime"] == "2026-07-24"


def test_a_time_is_the_day_it_was_at_the_site() -> None:
    body = chart_opened(order(authoredOn="2026-07-01T23:30:00-04:00"))
    case = case_of(body, time_zone=ZoneInfo("America/New_York"))
    assert only(case, "medication-requests")["authoredOn"] == "2026-08-23"


@pytest.mark.parametrize(
    ("written", "moved"),
    [
        ("2025-03", "2025-05"),  # 16 March + 53 days is 8 May
        ("2024", "2024"),  # 1 July 2024 + 53 days
        ("last spring", "unreadable"),
        ("2026-13-01", "unreadable"),
        (17, 17),
        (None, None),
    ],
)
def test_a_date_keeps_its_precision_and_an_unreadable_one_stays_so(
    written: object, moved: object
) -> None:
    case = case_of(chart_opened(condition(onsetDateTime=written, onsetPeriod={"start": "2020"})))
    assert only(case, "conditions").get("onsetDateTime") == moved


@pytest.mark.parametrize(
    ("born", "stands_as"),
    [
        ("1960-05-17", "1960-11-22"),  # 66 years old on 30 September: 2026 - 66
        ("1960-10-01", "1961-11-22"),  # not yet 66
        ("2008-09-30", "2008-11-22"),  # eighteen that day
        ("1920-01-01", "1936-11-22"),  # 106 stands as 90
        ("2030-01-01", "unreadable"),
    ],
)
def test_of_a_birth_date_the_age_in_years_remains(born: str, stands_as: str) -> None:
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": born, "gender": "other",
               "name": [{"family": "Roe"}], "address": [{"city": "Salem"}]}  # fmt: skip
    case = case_of(chart_opened(patient=patient))
    assert case["prefetch"]["patient"] == {
        "resourceType": "Patient", "id": "patient-1", "birthDate": stands_as,
    }  # fmt: skip


def test_of_a_death_only_the_fact_remains() -> None:
    patient = {"resourceType": "Patient", "id": "p1", "deceasedDateTime": "2026-08-01T04:10:00Z"}
    case = case_of(chart_opened(patient=patient))
    assert "2026-0" not in json.dumps(case)
    [card_or_none] = [answer_to(case, "patient-view", scenario_site(), as_of=TODAY).cards]
    assert card_or_none == []


def test_an_id_becomes_the_same_new_one_in_every_form_of_reference() -> None:
    drug = {"resourceType": "Medication", "id": "eMed.7", "code": OXYCODONE}
    orders = [
        order(id=f"eOrder{place}", medicationCodeableConcept=None,
              medicationReference={"reference": reference})
        for place, reference in enumerate(
            ["Medication/eMed.7", "https://ehr.zorblatt.example/r4/Medication/eMed.7/_history/3"]
        )
    ]  # fmt: skip
    case = case_of(chart_opened(*orders, drug))
    listed = case["prefetch"]["medication-requests"]["entry"]
    assert [entry["resource"]["medicationReference"]["reference"] for entry in listed] == [
        "Medication/medication-1",
        "https://ehr.example.org/r4/Medication/medication-1",
    ]
    assert [entry["resource"]["id"] for entry in listed] == [
        "medicationrequest-1",
        "medicationrequest-2",
    ]
    assert only(case, "client-key-3")["id"] == "medication-1"


def test_a_contained_drug_and_a_urn_still_lead_to_their_drug() -> None:
    inside = order(
        id="a", medicationCodeableConcept=None, medicationReference={"reference": "#drug"},
        contained=[{"resourceType": "Medication", "id": "drug", "code": OXYCODONE}],
    )  # fmt: skip
    uuid = "5b0d2a8e-4c1f-4a55-8a1b-0a57cf6b9e11"
    beside = order(
        id="b", medicationCodeableConcept=None,
        medicationReference={"reference": f"urn:uuid:{uuid.upper()}"},
    )  # fmt: skip
    drug = {"resourceType": "Medication", "id": uuid, "code": OXYCODONE}
    case = case_of(chart_opened(inside, beside, drug, condition()))
    text = json.dumps(case)
    assert text.count("1049621") == 2
    assert '"#item-1"' in text
    assert '"id": "item-1"' in text


def test_what_leads_to_the_server_is_left_out() -> None:
    body = chart_opened(order()) | {
        "fhirServer": "https://ehr.north.example/r4",
        "fhirAuthorization": {"access_token": "secret", "subject": "client"},
    }
    assert case_of(body).keys() == {"hook", "hookInstance", "context", "prefetch"}


def test_prefetch_keys_of_the_client_are_counted() -> None:
    body = chart_opened()
    bundle = {"resourceType": "Bundle", "entry": [{"resource": order()}]}
    body["prefetch"] = {"-meds at North Clinic": bundle, "conditions": None}
    assert list(case_of(body)["prefetch"]) == ["client-key-1", "conditions"]


def test_resources_that_no_rule_looks_at_are_left_out_and_no_longer_counted() -> None:
    conditions = [condition(id=f"c{n}", code=HYPERTENSION) for n in range(3)]
    bundle = {
        "resourceType": "Bundle", "total": 4,
        "entry": [{"resource": each} for each in (condition(id="grief"), *conditions)],
    }  # fmt: skip
    case = case_of(chart_opened(conditions=bundle))
    assert case["prefetch"]["conditions"]["total"] == 1
    assert only(case, "conditions")["id"] == "condition-1"


def test_a_list_of_nothing_but_such_resources_does_not_become_an_empty_one() -> None:
    case = case_of(chart_opened(condition(code=HYPERTENSION), order(), order(id="o2")))
    assert "I10" not in json.dumps(case)
    assert only(case, "conditions")["code"] == {"coding": [{"system": "urn:oid:2.999",
                                                           "code": "other"}]}  # fmt: skip


def test_an_order_of_another_drug_stands_in_for_itself_without_its_name() -> None:
    body = chart_opened(condition())
    draft = order(id="d1", status="draft", medicationCodeableConcept=LISINOPRIL)
    body |= {"hook": "order-select"}
    body["context"] |= {
        "selections": ["MedicationRequest/d1"],
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]},
    }
    context = case_of(body)["context"]
    assert context["selections"] == ["MedicationRequest/medicationrequest-1"]
    assert context["draftOrders"]["entry"][0]["resource"] == {
        "resourceType": "MedicationRequest", "id": "medicationrequest-1", "status": "draft",
        "intent": "order", "subject": {"reference": "Patient/patient-1"},
        "medicationCodeableConcept": {"text": "another drug"},
    }  # fmt: skip


def test_what_is_asked_to_be_kept_stays_with_its_code() -> None:
    unknown = order(id="missed", medicationCodeableConcept=concept(RXNORM, "99999999", "Zorbl"))
    body = chart_opened(unknown, order())
    assert "99999999" not in json.dumps(case_of(body))
    kept = json.dumps(case_of(body, keep=("MedicationRequest/missed",)))
    assert "99999999" in kept
    assert "Zorbl" not in kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("oxyCODONE (ROXICODONE) 5 mg tablet for Jane Roe", "oxycodone roxicodone"),
        ("Jane's own tablets", "another drug"),
    ],
)
def test_of_a_drug_name_the_words_remain_by_which_it_is_known(written: str, kept: str) -> None:
    named = order(medicationCodeableConcept={"text": written})
    case = case_of(chart_opened(named, order(id="o2")), keep=("MedicationRequest/o1",))
    entry = case["prefetch"]["medication-requests"]["entry"][0]
    assert entry["resource"]["medicationCodeableConcept"] == {"text": kept}


def test_a_code_of_a_local_system_becomes_one_that_tells_nothing() -> None:
    code = {
        "coding": [
            {"system": ICD_10_CM, "code": "F33.1", "display": "Depression, says Dr Roe"},
            {"system": "urn:oid:1.2.840.114350.1.13.861.1.7.2", "code": "ROE-17"},
        ],
        "text": "low since Jim left",
    }
    case = case_of(chart_opened(condition(code=code)))
    assert only(case, "conditions")["code"] == {
        "coding": [
            {"system": ICD_10_CM, "code": "F33.1"},
            {"system": "urn:oid:2.999", "code": "item-1"},
        ],
        "text": "a text that was left out",
    }


@pytest.mark.parametrize(
    ("unit", "kept"),
    [("mg", "mg"), ("Tablet(s)", "tablet"), ("mg{Roe}", "mg"), ("per Jane", "unreadable")],
)
def test_a_unit_stays_when_it_is_one(unit: str, kept: str) -> None:
    dosage = [{"doseAndRate": [{"doseQuantity": {"value": 5, "unit": unit}}]}]
    case = case_of(chart_opened(order(dosageInstruction=dosage)))
    [instruction] = only(case, "medication-requests")["dosageInstruction"]
    assert instruction["doseAndRate"][0]["doseQuantity"] == {"value": 5, "unit": kept}


def test_the_encounter_becomes_one_of_its_own_id() -> None:
    body = chart_opened(condition(encounter={"reference": "Encounter/eVisit"}))
    body["context"]["encounterId"] = "eVisit"
    case = case_of(body)
    assert case["context"]["encounterId"] == "encounter-1"
    assert only(case, "conditions")["encounter"] == {"reference": "Encounter/encounter-1"}


def test_a_date_that_would_leave_the_calendar_is_unreadable() -> None:
    case = case_of(chart_opened(condition(onsetDateTime="1900-01-01")), as_of=date(9999, 1, 1))
    assert only(case, "conditions")["onsetDateTime"] == "unreadable"


def test_the_wrapper_of_old_clients_stays_and_what_is_in_it_is_pruned() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": condition()}, {"resource": condition(id="c2", code=HYPERTENSION)}],
    }
    wrapped = {"response": {"status": "200 OK"}, "resource": bundle}
    case = case_of(chart_opened(conditions=wrapped))
    assert case["prefetch"]["conditions"]["response"] == {"status": "200"}
    assert len(case["prefetch"]["conditions"]["resource"]["entry"]) == 1


def test_data_of_two_patients_make_no_case() -> None:
    with pytest.raises(PatientMismatch):
        case_of(chart_opened(order(), condition(subject={"reference": "Patient/p2"})))


# The command


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    file = tmp_path / "captured.json"
    file.write_text(json.dumps(read_scenario(WARNED).request))
    return file


WARNED = next(each.folder for each in ALL if each.name == "order-sign/ninety-one-days")


def run(capture: Path, *words: str, name: str = "my-case", as_of: str = "2026-11-22") -> Result:
    into = str(capture.parent / "scenarios")
    return CliRunner().invoke(
        main, ["new-scenario", str(capture), name, "--as-of", as_of, "--into", into, *words]
    )


def test_the_command_writes_a_folder_and_says_what_the_service_answers(capture: Path) -> None:
    result = run(capture)
    assert result.exit_code == 0, result.output
    folder = capture.parent / "scenarios" / "order-sign" / "my-case"
    assert {file.name for file in folder.iterdir()} == {"request.json", "scenario.toml"}
    assert (
        "answers the case as it answered the call: long-term-renewal-social-pain (warning)."
        in result.output
    )
    assert "python -m tests.record_scenarios order-sign/my-case" in result.output


def test_the_answer_is_not_recorded_before_a_person_has_said_what_must_hold(capture: Path) -> None:
    run(capture)
    folder = capture.parent / "scenarios" / "order-sign" / "my-case"
    sheet = folder / "scenario.toml"
    assert record(read_scenario(folder), scenario_site()) == [
        "rules ['long-term-renewal-social-pain'] instead of ?"
    ]
    sheet.write_text(sheet.read_text().replace("?", "long-term-renewal-social-pain"))
    assert record(read_scenario(folder), scenario_site()) == []


def test_the_command_says_when_the_case_is_answered_differently(capture: Path) -> None:
    body = json.loads(capture.read_text())
    body["prefetch"]["medication-requests"]["entry"][0]["resource"]["authoredOn"] = "2026-08"
    capture.write_text(json.dumps(body))
    # From 1 August to 31 October are 92 days. Moved by 22 days, the middle of August is
    # 7 September: from the 1st to 22 November are 83.
    result = run(capture, as_of="2026-10-31")
    assert "answers the call with long-term-renewal-social-pain (warning), the case with" in (
        result.output
    )
    assert "crossing-ninety-days" in result.output


def test_a_call_without_data_becomes_a_case_of_its_error(capture: Path) -> None:
    body = json.loads(capture.read_text())
    del body["prefetch"]
    capture.write_text(json.dumps(body))
    assert "answers the case as it answered the call: 412 incomplete." in run(capture).output


def test_the_command_takes_the_hook_from_the_command_line_where_the_body_has_none(
    capture: Path,
) -> None:
    body = json.loads(capture.read_text())
    del body["hook"]
    capture.write_text(json.dumps(body))
    assert "hook must be one of" in run(capture).output
    assert run(capture, "--hook", "order-sign").exit_code == 0


def test_the_command_overwrites_nothing_and_wants_a_plain_name(capture: Path) -> None:
    assert run(capture).exit_code == 0
    assert "is there already" in run(capture).output
    assert "small letters, digits and hyphens" in run(capture, name="Jane Roe").output


def test_a_call_that_is_malformed_is_refused(capture: Path) -> None:
    capture.write_text('{"hook": "order-sign"}')
    result = run(capture)
    assert result.exit_code == 1
    assert "/hookInstance is missing" in result.output
