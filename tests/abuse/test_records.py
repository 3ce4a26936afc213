"""Records made to harm: numbers, loops, markup, masses of data, other patients (T22 to T25)."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.abuse.conftest import CANARY, Abused
from tests.process import request_of_today
from tests.web.service import WARNED

pytestmark = pytest.mark.server

NUMBERS = (
    1e308, -1e308, 0, -1, 1e-320, 10**30, "1e308", "NaN", "evil", None, True, [], {}, [1],
    {"value": 1},
)  # fmt: skip
MARKUP = (
    "<script>alert(1)</script>",
    "<img src=https://evil.example/x.png>",
    "![x](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "<iframe srcdoc='<script>1</script>'>",
    "# Heading\n\n---\n| a | b |",
    "\u202eevil\u2066",
    "x" * 100_000,
    "{{ 7 * 7 }}{% raw %}",
    "`````",
)


def request() -> dict[str, Any]:
    return request_of_today(WARNED)


OTHER_LISTS = {
    "observations": "order-sign/phq9-and-living-alone",
    "procedures": "order-sign/hospice-education",
    "service-requests": "order-sign/referral-on-record-is-not-offered-again",
    "encounters": "order-sign/encounter-type-is-no-evidence",
}
KEYS = ("patient", "medication-requests", "conditions", *OTHER_LISTS)


def rich_request() -> dict[str, Any]:
    """Return a request with an entry in every list."""
    body = request()
    for key, scenario in OTHER_LISTS.items():
        body["prefetch"][key] = request_of_today(scenario)["prefetch"][key]
    return body


def orders(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the order being signed and those of the record."""
    return [
        *(entry["resource"] for entry in body["context"]["draftOrders"]["entry"]),
        *(entry["resource"] for entry in body["prefetch"]["medication-requests"]["entry"]),
    ]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_no_number_becomes_an_absurd_one_on_a_card(service: Abused, number: object) -> None:
    body = request()
    for order in orders(body):
        order["dosageInstruction"] = [
            {
                "timing": {"repeat": {"frequency": number, "period": number, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": number, "unit": "mg"}}],
                "maxDosePerPeriod": {"numerator": {"value": number}},
            }
        ]
        order["dispenseRequest"] = {
            "quantity": {"value": number},
            "numberOfRepeatsAllowed": number,
            "expectedSupplyDuration": {"value": number, "code": "d"},
        }
    response = service.send(body)
    assert response.status_code == 200
    for card in response.json()["cards"]:
        said = card["summary"] + card["detail"].partition("knowledge version")[0]
        assert not re.search(r"\binf\b|\bnan\b|\d[eE][+-]?\d|\d{7,}|-\d+ MME", said)


@pytest.mark.parametrize("markup", MARKUP, ids=lambda text: repr(text[:20]))
def test_nothing_of_a_record_becomes_active_on_a_card(service: Abused, markup: str) -> None:
    body = request()
    patient = body["prefetch"].setdefault("patient", {"resourceType": "Patient", "id": "patient-1"})
    patient["name"] = [{"text": markup, "family": CANARY}]
    for order in orders(body):
        order["note"] = [{"text": markup}]
        for concept in (order["medicationCodeableConcept"],):
            concept["text"] = f"oxycodone {markup}"
            concept["coding"][0]["display"] = f"oxycodone {markup}"
    for entry in body["prefetch"]["conditions"]["entry"]:
        entry["resource"]["code"]["text"] = markup
        for coding in entry["resource"]["code"]["coding"]:
            coding["display"] = markup
    response = service.send(body)
    assert response.status_code == 200
    for card in response.json()["cards"]:
        assert len(card["summary"]) < 140
        assert "<" not in card["detail"].replace("&lt;", "")
        assert "](" not in card["detail"]
        assert "evil" not in response.text
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", response.text)


WRONG: tuple[Any, ...] = (None, 7, "evil", [], [7], {}, {"a": []}, True)
ELEMENTS = (
    "resourceType", "id", "meta", "status", "intent", "category", "subject", "authoredOn",
    "medicationCodeableConcept", "medicationReference", "dosageInstruction", "dispenseRequest",
    "contained", "extension", "modifierExtension", "doNotPerform", "courseOfTherapyType",
)  # fmt: skip


@pytest.mark.parametrize("element", ELEMENTS)
def test_an_element_of_the_wrong_kind_costs_the_record_and_not_the_answer(
    service: Abused, element: str
) -> None:
    for value in WRONG:
        body = request()
        for order in orders(body):
            order[element] = value
        assert service.send(body).status_code in {200, 412}


Way = tuple[str | int, ...]


def places(value: Any, way: Way = ()) -> Iterator[Way]:
    """Yield the way to everything in a request, the first two members of each array."""
    if way:
        yield way
    members = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        members = enumerate(value[:2])
    for step, member in members:
        yield from places(member, (*way, step))


EVERYWHERE = (
    None, True, -1, 1e308, 10**30, "", "evil " * 200, "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", [], [[]], {}, {"value": {"value": [{}]}},
)  # fmt: skip


@pytest.mark.parametrize("value", EVERYWHERE, ids=lambda value: repr(value)[:20])
def test_no_value_in_any_place_of_a_request_is_a_failure(service: Abused, value: object) -> None:
    whole = rich_request()
    ways = list(places(whole))
    assert len(ways) > 200
    for way in ways:
        body = copy.deepcopy(whole)
        inner: Any = body
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = value
        response = service.send(body)
        assert response.status_code in {200, 400, 412}, way
        assert "evil" not in response.text
    assert max(service.seconds) < 3


TYPELESS: tuple[Any, ...] = (
    7, "Bundle", True, [], [{}], {}, {"resourceType": None}, {"resourceType": "Practitioner"},
    {"resourceType": "Bundle", "entry": 7}, {"resourceType": "Bundle", "entry": "evil"},
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_prefetch_of_the_wrong_kind_is_as_if_not_sent(service: Abused, key: str) -> None:
    expected = 412 if key in {"medication-requests", "conditions"} else 200
    for value in TYPELESS:
        body = rich_request()
        body["prefetch"][key] = value
        assert service.send(body).status_code == expected, value


def with_words(value: Any, words: str) -> Any:
    """Return the JSON with other words wherever a record has words, and the codes as they were."""
    if isinstance(value, list):
        return [with_words(member, words) for member in value]
    if not isinstance(value, dict):
        return value
    said = {"display", "text", "div", "patientInstruction", "family", "given", "comment"}
    return {
        name: words if name in said and isinstance(member, str) else with_words(member, words)
        for name, member in value.items()
    }


@pytest.mark.parametrize(
    "words",
    [CANARY, f"https://evil.example/{CANARY} www.evil.example", f"**{CANARY}**\n# {CANARY}"],
)
def test_no_word_of_a_record_comes_back_on_a_card(service: Abused, words: str) -> None:
    body = rich_request()
    body["prefetch"]["patient"]["name"] = [{"family": "x", "given": ["x"], "text": "x"}]
    plain = service.send(body).json()
    assert len(plain["cards"]) == 1
    assert service.send(with_words(body, words)).json() == plain


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle", "entry": None},
        {"resourceType": "Bundle", "entry": {"resource": {}}},
        {"resourceType": "Bundle", "entry": [None, 7, "x", [], {}]},
        {"resourceType": "Bundle", "entry": [{"resource": None}, {"resource": []}]},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": 7}}]},
        {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Bundle"}}] * 50},
        {"resourceType": ["Bundle"]},
        {"response": {"status": "200"}, "resource": {"resource": {"resource": {}}}},
    ],
)
def test_a_bundle_of_the_wrong_form_is_never_a_failure(service: Abused, bundle: object) -> None:
    for key in ("medication-requests", "conditions", "patient", "observations"):
        body = request()
        body["prefetch"][key] = bundle
        assert service.send(body).status_code in {200, 412}


def test_contained_resources_that_point_at_each_other_end(service: Abused) -> None:
    body = request()
    for order in orders(body):
        del order["medicationCodeableConcept"]
        order["medicationReference"] = {"reference": "#a"}
        order["contained"] = [
            {"resourceType": "Medication", "id": "a", "ingredient": [
                {"itemReference": {"reference": "#b"}}]},
            {"resourceType": "Medication", "id": "b", "ingredient": [
                {"itemReference": {"reference": "#a"}}]},
        ] * 25  # fmt: skip
    assert service.send(body).status_code == 200
    assert service.seconds[0] < 3


def test_a_resource_that_points_at_itself_ends(service: Abused) -> None:
    body = request()
    for order in orders(body):
        del order["medicationCodeableConcept"]
        order["medicationReference"] = {"reference": f"MedicationRequest/{order.get('id')}"}
        order["basedOn"] = [{"reference": f"MedicationRequest/{order.get('id')}"}]
    assert service.send(body).status_code == 200


@pytest.mark.parametrize(("count", "status"), [(3_000, 200), (5_001, 412)])
def test_masses_of_orders_are_evaluated_or_refused_and_never_cut(
    service: Abused, count: int, status: int
) -> None:
    body = request()
    entry = body["prefetch"]["medication-requests"]["entry"][0]
    small = copy.deepcopy(entry)
    small["resource"].pop("dosageInstruction", None)
    body["prefetch"]["medication-requests"]["entry"] = [
        {"resource": {**small["resource"], "id": f"order-{number}"}} for number in range(count)
    ]
    response = service.send(body)
    assert response.status_code == status
    assert service.seconds[0] < 5
    if status == 412:
        assert response.json()["issue"][0]["code"] == "too-costly"


def test_thousands_of_different_orders_under_one_id_are_evaluated(service: Abused) -> None:
    body = request()
    [entry, *_] = body["prefetch"]["medication-requests"]["entry"]
    body["prefetch"]["medication-requests"]["entry"] = [
        {"resource": {**entry["resource"], "note": [{"text": str(number)}]}}
        for number in range(3_000)
    ]
    assert service.send(body).status_code == 200
    assert service.seconds[0] < 5


@pytest.mark.parametrize("entry", [7, {}, {"resource": {}}, {"resource": {"resourceType": "Task"}}])
def test_masses_of_entries_that_say_nothing_are_refused(service: Abused, entry: object) -> None:
    for way in ("draft", "sent"):
        body = request()
        bundle = body["context"]["draftOrders"]
        if way == "sent":
            bundle = body["prefetch"]["conditions"]
        bundle["entry"] = [entry] * 80_000
        assert service.send(body).status_code == 412
    assert max(service.seconds) < 5


@pytest.mark.parametrize("system", ["http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct"])
def test_a_code_of_a_million_letters_is_no_trouble(service: Abused, system: str) -> None:
    body = request()
    for entry in body["prefetch"]["conditions"]["entry"]:
        entry["resource"]["code"]["coding"] = [{"system": system, "code": "F32." + "9" * 1_000_000}]
    for order in orders(body)[:1]:
        order["medicationCodeableConcept"] = {"text": "oxycodone 5 mg / " * 60_000}
    assert service.send(body).status_code == 200
    assert service.seconds[0] < 2


def test_ten_thousand_codings_and_dosages_in_one_order_are_no_trouble(service: Abused) -> None:
    body = request()
    order = orders(body)[1]
    order["medicationCodeableConcept"]["coding"] *= 10_000
    order["dosageInstruction"] = order.get("dosageInstruction", [{}]) * 5_000
    assert service.send(body).status_code == 200
    assert service.seconds[0] < 5


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/someone-else",
        "Patient/someone-else/_history/2",
        "https://ehr.example.org/r4/Patient/someone-else",
    ],
)
@pytest.mark.parametrize("where", ["draft", "other draft", "unknown key", *KEYS[1:]])
def test_data_of_another_patient_is_never_advised_on(
    service: Abused, where: str, reference: str
) -> None:
    body = rich_request()
    theirs = {"subject": {"reference": reference}}
    if where == "draft":
        orders(body)[0].update(theirs)
    elif where == "other draft":
        task = {"resourceType": "ServiceRequest", "status": "draft", **theirs}
        body["context"]["draftOrders"]["entry"].append({"resource": task})
    elif where == "unknown key":
        condition = {"resourceType": "Condition", "id": "1", **theirs}
        body["prefetch"]["-more"] = {"resourceType": "Bundle", "entry": [{"resource": condition}]}
    else:
        body["prefetch"][where]["entry"][-1]["resource"].update(theirs)
    refuses_the_mixture(service, body)


@pytest.mark.parametrize("key", ["patient", "-more"])
def test_another_patient_is_never_advised_on(service: Abused, key: str) -> None:
    body = rich_request()
    body["prefetch"][key] = {"resourceType": "Patient", "id": "someone-else"}
    refuses_the_mixture(service, body)


def refuses_the_mixture(service: Abused, body: dict[str, Any]) -> None:
    response = service.send(body)
    assert response.status_code == 412
    assert response.json()["issue"][0]["code"] == "conflict"
    assert "someone-else" not in response.text


def test_thousands_of_orders_for_one_medication_of_megabytes_are_no_trouble(
    service: Abused,
) -> None:
    body = request()
    bundle = body["prefetch"]["medication-requests"]
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/patient-1"},
        "medicationReference": {"reference": "Medication/large"},
    }
    large = {"resourceType": "Medication", "id": "large", "code": {"text": "x" * 2_500_000}}
    bundle["entry"] = [{"resource": {**order, "id": f"order-{n}"}} for n in range(4_000)]
    bundle["entry"].append({"resource": large})
    bundle.pop("total", None)
    assert service.send(body).status_code == 200
    assert service.seconds[0] < 2
