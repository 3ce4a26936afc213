"""What is asked of the FHIR server for a call, and what comes of its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import pytest
import responses

from cds_service.clinical.record import DataGap, GapKind
from cds_service.errors import DataUnavailable, TooMuchData
from cds_service.fhir.client import FhirClient, FhirLimits
from cds_service.fhir.gather import Resources, gather
from cds_service.queries import Query
from tests.fhir.asking import (
    CONDITIONS,
    ORDERS,
    QUERIES,
    access,
    bundle,
    client,
    outcome,
    resource,
)

BASE = "https://ehr.example.org/R4"
ORDER = resource("MedicationRequest", "m1")
CONDITION = resource("Condition", "c1")
PATIENT = resource("Patient", "p1")
EMPTY = bundle()

ASKED_FOR_ORDERS = "MedicationRequest?patient=p1&_count=200&_include=MedicationRequest:medication"
ASKED_FOR_CONDITIONS = "Condition?patient=p1"
ASKED_FOR_OBSERVATIONS = "Observation?patient=p1&code=http://loinc.org|44249-1"


@pytest.fixture
def fhir_client() -> Iterator[FhirClient]:
    with client() as made:
        yield made


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as made:
        yield made


def serves(server: responses.RequestsMock, **more: object) -> None:
    """Serve one patient with an order and a condition; `more` gives other bodies by type."""
    bodies = {"MedicationRequest": bundle(ORDER), "Condition": bundle(CONDITION)}
    for kind, body in (bodies | {"Observation": EMPTY} | more).items():
        server.get(f"{BASE}/{kind}", json=body)
    server.get(f"{BASE}/Patient/p1", json=PATIENT)


def gathered(
    to: FhirClient,
    prefetch: Mapping[str, object] | None,
    *,
    queries: tuple[Query, ...] = QUERIES,
    patient_id: str = "p1",
    **more: object,
) -> Resources:
    fhir = access(to, BASE)
    return gather(queries, prefetch=prefetch, patient_id=patient_id, fhir=fhir, **more)  # type: ignore[arg-type]


def asked(server: responses.RequestsMock) -> list[str]:
    urls = (unquote(call.request.url or "") for call in server.calls)
    return sorted(url.removeprefix(f"{BASE}/") for url in urls)


def missing_key(to: FhirClient, prefetch: Mapping[str, object] | None, **more: object) -> str:
    with pytest.raises(DataUnavailable) as refused:
        gathered(to, prefetch, **more)  # type: ignore[arg-type]
    return f"{refused.value.where}: {refused.value}"


def complete(**more: object) -> dict[str, object]:
    return {
        "patient": PATIENT,
        "medicationRequests": bundle(ORDER),
        "conditions": bundle(CONDITION),
        "observations": EMPTY,
        **more,
    }


def without(key: str) -> dict[str, object]:
    prefetch = complete()
    del prefetch[key]
    return prefetch


def test_call_back_and_prefetch_give_the_same(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server)
    fetched, sent = gathered(fhir_client, None), gathered(fhir_client, complete())
    assert fetched == sent
    assert fetched.lists_read == {"Patient", "MedicationRequest", "Condition", "Observation"}


def test_complete_prefetch_needs_no_call(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    gathered(fhir_client, complete())
    assert asked(server) == []


@pytest.mark.parametrize("key", list(complete()))
def test_null_is_known_and_not_asked_for(
    fhir_client: FhirClient, server: responses.RequestsMock, key: str
) -> None:
    gathered(fhir_client, complete(**{key: None}))
    assert asked(server) == []


@pytest.mark.parametrize(
    ("key", "request_made"),
    [
        ("patient", "Patient/p1"),
        ("medicationRequests", ASKED_FOR_ORDERS),
        ("conditions", ASKED_FOR_CONDITIONS),
        ("observations", ASKED_FOR_OBSERVATIONS),
    ],
)
def test_only_the_missing_key_is_asked_for(
    fhir_client: FhirClient, server: responses.RequestsMock, key: str, request_made: str
) -> None:
    serves(server)
    assert gathered(fhir_client, without(key)).gaps == ()
    assert asked(server) == [request_made]


@pytest.mark.parametrize(
    "unproven", ["junk", [], {}, outcome("error"), bundle(outcome("fatal")), bundle(CONDITION)]
)
def test_a_value_that_proves_nothing_is_asked_for(
    fhir_client: FhirClient, server: responses.RequestsMock, unproven: object
) -> None:
    serves(server)
    found = gathered(fhir_client, complete(medicationRequests=unproven))
    assert asked(server) == [ASKED_FOR_ORDERS]
    assert found.by_type["MedicationRequest"] == (ORDER,)
    assert "MedicationRequest" in found.lists_read


def test_an_empty_list_under_an_unknown_key_is_asked_for_and_a_full_one_is_not(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server)
    own = {"meds-user": EMPTY, "problems-user": bundle(CONDITION), "screens-user": None}
    gathered(fhir_client, own)
    assert asked(server) == [ASKED_FOR_ORDERS, ASKED_FOR_OBSERVATIONS, "Patient/p1"]


def test_what_is_fetched_replaces_what_came_with_an_error(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    stale = resource("MedicationRequest", "m1", status="active")
    other = resource("MedicationRequest", "m2")
    fresh = resource("MedicationRequest", "m1", status="stopped")
    serves(server, MedicationRequest=bundle(fresh))
    prefetch = complete(medicationRequests=bundle(stale, other, outcome("error")))
    assert gathered(fhir_client, prefetch).by_type["MedicationRequest"] == (other, fresh)


def test_unreadable_entries_are_no_gap_once_the_list_was_fetched(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server)
    cut = {"resourceType": "Bundle", "total": 9, "entry": [{"resource": CONDITION}, None]}
    found = gathered(fhir_client, complete(conditions=cut))
    assert asked(server) == [ASKED_FOR_CONDITIONS]
    assert found.gaps == ()


def test_unreadable_entries_of_an_answer_are_gaps(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server, Condition={"resourceType": "Bundle", "entry": [None, {"resource": CONDITION}]})
    (gap,) = gathered(fhir_client, without("conditions")).gaps
    assert (gap.kind, gap.where) == (GapKind.CONDITION_UNREADABLE, "entry 1 of Condition")


def test_the_pages_a_prefetched_bundle_leads_to_are_read(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    second, third = resource("MedicationRequest", "m2"), resource("MedicationRequest", "m3")
    server.get(f"{BASE}/page2", json=bundle(second, next_url=f"{BASE}/page3"))
    server.get(f"{BASE}/page3", json=bundle(third))
    first = bundle(ORDER, next_url=f"{BASE}/page2", total=3)
    for key in ("medicationRequests", "own-name"):
        prefetch = without("medicationRequests") | {key: first}
        found = gathered(fhir_client, prefetch)
        assert found.by_type["MedicationRequest"] == (ORDER, second, third)
        assert "MedicationRequest" in found.lists_read
    assert asked(server) == ["page2", "page2", "page3", "page3"]


@pytest.mark.parametrize(("total", "is_known"), [(2, True), (3, False)])
def test_a_total_is_held_against_all_pages(
    fhir_client: FhirClient, server: responses.RequestsMock, total: int, is_known: bool
) -> None:
    server.get(f"{BASE}/page2", json=bundle(resource("Condition", "c2"), total=total))
    first = bundle(CONDITION, next_url=f"{BASE}/page2", total=total)
    found = gathered(fhir_client, complete(conditions=first))
    assert ("Condition" in found.lists_read) is is_known


def test_the_page_that_was_sent_counts_among_the_pages(server: responses.RequestsMock) -> None:
    server.get(f"{BASE}/page2", json=bundle(CONDITION, next_url=f"{BASE}/page3"))
    first = bundle(CONDITION, next_url=f"{BASE}/page2")
    with client(limits=FhirLimits(pages=2)) as made:
        gathered(made, complete(conditions=first))
    assert asked(server) == ["page2"]


def leading_on(number: int) -> dict[str, object]:
    order = resource("MedicationRequest", f"x{number}")
    return bundle(order, next_url=f"{BASE}/MedicationRequest?part={number}")


def test_of_more_lists_than_the_limit_the_rest_is_asked_for_as_one(
    server: responses.RequestsMock,
) -> None:
    serves(server)
    prefetch = without("medicationRequests") | {f"k{n}": leading_on(n) for n in range(50)}
    with client(limits=FhirLimits(continued_lists=3)) as made:
        found = gathered(made, prefetch)
    parts = [f"MedicationRequest?part={number}" for number in range(3)]
    assert asked(server) == [*parts, ASKED_FOR_ORDERS]
    assert "MedicationRequest" in found.lists_read
    assert len(found.by_type["MedicationRequest"]) == 51


def test_lists_beyond_the_limit_are_a_gap_where_they_cannot_be_had(
    server: responses.RequestsMock,
) -> None:
    for number in range(3):
        server.get(f"{BASE}/MedicationRequest?part={number}", json=bundle(ORDER))
    prefetch = without("medicationRequests") | {f"k{n}": leading_on(n) for n in range(4)}
    with client(limits=FhirLimits(continued_lists=3)) as made:
        found = gathered(made, prefetch)
    assert "MedicationRequest" not in found.lists_read
    assert [gap.kind for gap in found.gaps] == [GapKind.ORDERS_INCOMPLETE]


def test_the_list_under_our_key_is_continued_before_those_under_unknown_ones(
    server: responses.RequestsMock,
) -> None:
    serves(server)
    prefetch = {f"k{n}": leading_on(n) for n in range(5)}
    prefetch |= complete(medicationRequests=leading_on(9))
    with client(limits=FhirLimits(continued_lists=1)) as made:
        found = gathered(made, prefetch)
    assert asked(server) == ["MedicationRequest?part=9"]
    assert "MedicationRequest" in found.lists_read


def test_pages_under_an_unknown_key_that_answers_nothing_are_not_read(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    other = bundle(resource("Immunization", "i1"), next_url=f"{BASE}/page2")
    gathered(fhir_client, complete(other=other))
    assert asked(server) == []


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/R4/page2",
        "file:///etc/passwd",
        "",
        f"{BASE}/gone2",
        f"{BASE}/DocumentReference?patient=p2",
        f"{BASE}/Patient/p1/$everything",
    ],
)
def test_a_list_whose_next_page_cannot_be_had_is_a_gap(
    fhir_client: FhirClient, server: responses.RequestsMock, link: str
) -> None:
    server.get(f"{BASE}/gone2", status=410)
    found = gathered(fhir_client, complete(conditions=bundle(CONDITION, next_url=link)))
    assert found.by_type["Condition"] == (CONDITION,)
    assert "Condition" not in found.lists_read
    assert [gap.kind for gap in found.gaps] == [GapKind.CONDITIONS_INCOMPLETE]
    assert set(asked(server)) <= {"gone2"}


def test_a_failure_between_pages_of_an_answer_is_a_gap_and_no_refusal(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server, MedicationRequest=bundle(ORDER, next_url=f"{BASE}/page2"))
    server.get(f"{BASE}/page2", status=500)
    found = gathered(fhir_client, without("medicationRequests"))
    assert found.by_type["MedicationRequest"] == (ORDER,)
    assert found.gaps == (
        DataGap(
            kind=GapKind.ORDERS_INCOMPLETE,
            where="MedicationRequest",
            reason="only part of the list could be read",
        ),
    )


@pytest.mark.parametrize(
    "page", [bundle(outcome("error")), outcome("error"), outcome("warning"), {"hello": "world"}]
)
def test_a_later_page_that_is_no_page_makes_the_list_incomplete(
    fhir_client: FhirClient, server: responses.RequestsMock, page: object
) -> None:
    serves(server, Condition=bundle(CONDITION, next_url=f"{BASE}/page2"))
    server.get(f"{BASE}/page2", json=page)
    found = gathered(fhir_client, without("conditions"))
    assert [gap.kind for gap in found.gaps] == [GapKind.CONDITIONS_INCOMPLETE]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "access-refused"),
        (403, "access-refused"),
        (404, "not-found"),
        (429, "throttled"),
        (500, "server-error"),
        (302, "redirected"),
    ],
)
def test_a_required_list_the_server_does_not_give_is_refused_with_the_reason(
    fhir_client: FhirClient, server: responses.RequestsMock, status: int, why: str
) -> None:
    server.get(f"{BASE}/Condition", status=status)
    refusal = missing_key(fhir_client, without("conditions"))
    assert refusal.startswith("conditions: ")
    assert f"the FHIR server did not give it ({why})" in refusal
    assert "ehr.example.org" not in refusal
    assert "p1" not in refusal


@pytest.mark.parametrize(
    "answer",
    [
        outcome("error"),
        outcome("information"),
        bundle(outcome("error")),
        bundle(resource("Patient", "p1")),
        {"hello": "world"},
    ],
)
def test_an_answer_that_is_no_list_of_the_type_is_refused(
    fhir_client: FhirClient, server: responses.RequestsMock, answer: object
) -> None:
    server.get(f"{BASE}/Condition", json=answer)
    assert missing_key(fhir_client, without("conditions")).startswith("conditions: ")


def test_an_answer_with_no_results_and_a_warning_is_an_empty_list(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    """As Epic answers: total 0 and an OperationOutcome entry."""
    entry = {"resource": outcome("warning"), "search": {"mode": "outcome"}}
    serves(server, Condition={"resourceType": "Bundle", "total": 0, "entry": [entry]})
    found = gathered(fhir_client, without("conditions"))
    assert "Condition" in found.lists_read
    assert "Condition" not in found.by_type


@pytest.mark.parametrize(
    ("key", "kind"), [("patient", "Patient/p1"), ("observations", "Observation")]
)
def test_an_optional_list_the_server_does_not_give_is_only_not_known(
    fhir_client: FhirClient, server: responses.RequestsMock, key: str, kind: str
) -> None:
    server.get(f"{BASE}/{kind}", status=403)
    found = gathered(fhir_client, without(key))
    assert {"MedicationRequest", "Condition"} <= found.lists_read
    assert kind.partition("/")[0] not in found.lists_read
    assert found.gaps == ()


def test_medication_refill_goes_on_without_orders_that_cannot_be_had(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    optional = Query(
        key=ORDERS.key,
        template=ORDERS.template,
        resource_type=ORDERS.resource_type,
        is_required=False,
    )
    server.get(f"{BASE}/MedicationRequest", status=500)
    found = gathered(fhir_client, {"conditions": EMPTY}, queries=(optional, CONDITIONS))
    assert found.lists_read == {"Condition"}


def test_a_server_that_rejects_the_include_is_asked_without_it(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/MedicationRequest", status=400)
    server.get(f"{BASE}/MedicationRequest", json=bundle(ORDER))
    found = gathered(fhir_client, without("medicationRequests"))
    assert found.by_type["MedicationRequest"] == (ORDER,)
    assert asked(server) == ["MedicationRequest?patient=p1&_count=200", ASKED_FOR_ORDERS]


@pytest.mark.parametrize(
    "patient_id", ["1&_count=100000", "1?x=y", "a b", "é", "1#", "%2e%2e", "{{context.userId}}"]
)
def test_a_patient_id_stays_one_value_of_the_query(
    fhir_client: FhirClient, server: responses.RequestsMock, patient_id: str
) -> None:
    serves(server)
    gathered(fhir_client, complete(patient=None) | {"conditions": 0}, patient_id=patient_id)
    (call,) = server.calls
    assert unquote(call.request.url or "") == f"{BASE}/Condition?patient={patient_id}"
    assert call.request.params == {"patient": patient_id}  # type: ignore[attr-defined]


@pytest.mark.parametrize("patient_id", ["..", "../Practitioner/1", "1/../../x", "1/$everything"])
def test_a_patient_id_never_leads_to_another_path(
    fhir_client: FhirClient, server: responses.RequestsMock, patient_id: str
) -> None:
    gathered(fhir_client, without("patient"), patient_id=patient_id)
    assert asked(server) == []


def test_a_query_with_a_token_we_cannot_fill_is_not_asked(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    encounter = Query(
        key="encounter",
        template="Encounter?_id={{context.encounterId}}",
        resource_type="Encounter",
        is_required=False,
    )
    found = gathered(fhir_client, complete(), queries=(*QUERIES, encounter))
    assert asked(server) == []
    assert "Encounter" not in found.lists_read


def pointing_at(reference: object, **more: object) -> dict[str, object]:
    return resource("MedicationRequest", "m1", medicationReference=reference, **more)


MEDICATION = resource("Medication", "d1", code={"text": "x"})


@pytest.mark.parametrize(
    "reference",
    [
        "Medication/d1",
        "Medication/d1/_history/3",
        f"{BASE}/Medication/d1",
        "HTTPS://EHR.example.org:443/R4/Medication/d1",
    ],
)
def test_a_medication_of_the_server_that_an_order_points_at_is_read(
    fhir_client: FhirClient, server: responses.RequestsMock, reference: str
) -> None:
    server.get(f"{BASE}/Medication/d1", json=MEDICATION)
    order = pointing_at({"reference": reference})
    found = gathered(fhir_client, complete(medicationRequests=bundle(order, order)))
    assert asked(server) == ["Medication/d1"]
    assert found.by_type["Medication"] == (MEDICATION,)


def test_the_medication_of_an_order_being_signed_is_read(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/Medication/d1", json=MEDICATION)
    draft = pointing_at({"reference": "Medication/d1"})
    found = gathered(fhir_client, complete(), context=(draft,))
    assert found.by_type["Medication"] == (MEDICATION,)


@pytest.mark.parametrize(
    "reference",
    [
        "#d1",
        "urn:uuid:0f9e",
        "https://evil.example/R4/Medication/d1",
        "https://ehr.example.org/admin/Medication/d1",
        "Substance/d1",
        "d1",
        "Medication/",
        "Medication/..",
        "Medication/d1?_format=xml",
        "Medication/d1/../../Patient/p2",
        "Medication/d 1",
        "",
        7,
        None,
    ],
)
def test_a_reference_to_anything_else_is_not_followed(
    fhir_client: FhirClient, server: responses.RequestsMock, reference: object
) -> None:
    order = pointing_at({"reference": reference})
    found = gathered(fhir_client, complete(medicationRequests=bundle(order)))
    assert asked(server) == []
    assert "Medication" not in found.by_type


def test_medications_that_came_along_are_not_read_again(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    order = pointing_at({"reference": "Medication/d1"})
    included = bundle(order, MEDICATION)
    gathered(fhir_client, complete(medicationRequests=included))
    gathered(fhir_client, complete(medicationRequests=bundle(order)), context=(MEDICATION,))
    assert asked(server) == []
    serves(server, MedicationRequest=included)
    gathered(fhir_client, without("medicationRequests"))
    assert asked(server) == [ASKED_FOR_ORDERS]


@pytest.mark.parametrize(
    "answer", [resource("Medication", "d2"), resource("Patient", "d1"), EMPTY, outcome("error"), {}]
)
def test_an_answer_that_is_not_the_medication_asked_for_is_left_out(
    fhir_client: FhirClient, server: responses.RequestsMock, answer: object
) -> None:
    server.get(f"{BASE}/Medication/d1", json=answer)
    order = pointing_at({"reference": "Medication/d1"})
    found = gathered(fhir_client, complete(medicationRequests=bundle(order)))
    assert found.by_type == {
        "Patient": (PATIENT,),
        "MedicationRequest": (order,),
        "Condition": (CONDITION,),
    }


def test_a_medication_that_cannot_be_read_costs_nothing_else(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    server.get(f"{BASE}/Medication/d1", status=500)
    order = pointing_at({"reference": "Medication/d1"})
    found = gathered(fhir_client, complete(medicationRequests=bundle(order)))
    assert found.by_type["MedicationRequest"] == (order,)
    assert found.gaps == ()


def test_of_too_many_medications_those_without_a_name_are_read_first(
    server: responses.RequestsMock,
) -> None:
    orders = [
        resource(
            "MedicationRequest",
            f"m{number}",
            medicationReference={"reference": f"Medication/d{number}"}
            | ({"display": "oxycodone"} if number < 3 else {}),
        )
        for number in range(5)
    ]
    for number in range(5):
        server.get(f"{BASE}/Medication/d{number}", json=resource("Medication", f"d{number}"))
    with client(limits=FhirLimits(medication_reads=2)) as made:
        gathered(made, complete(medicationRequests=bundle(*orders)))
    assert asked(server) == ["Medication/d3", "Medication/d4"]


def test_a_medication_that_one_of_its_orders_leaves_unnamed_is_read_first(
    server: responses.RequestsMock,
) -> None:
    named = {"reference": "Medication/d1", "display": "oxycodone"}
    orders = [
        resource(
            "MedicationRequest", "m0", medicationReference={**named, "reference": "Medication/d0"}
        ),
        resource("MedicationRequest", "m1", medicationReference={"reference": "Medication/d1"}),
        resource("MedicationRequest", "m2", medicationReference=named),
    ]
    server.get(f"{BASE}/Medication/d1", json=MEDICATION)
    with client(limits=FhirLimits(medication_reads=1)) as made:
        gathered(made, complete(medicationRequests=bundle(*orders)))
    assert asked(server) == ["Medication/d1"]


def test_more_resources_than_the_limit_are_refused_when_fetched_too(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server)
    with pytest.raises(TooMuchData):
        gathered(fhir_client, None, most_resources=2)
    assert gathered(fhir_client, None, most_resources=3).gaps == ()


def test_only_gets_for_listed_types_are_made(
    fhir_client: FhirClient, server: responses.RequestsMock
) -> None:
    serves(server)
    gathered(fhir_client, None)
    assert {call.request.method for call in server.calls} == {"GET"}
    assert asked(server) == [
        ASKED_FOR_CONDITIONS,
        ASKED_FOR_ORDERS,
        ASKED_FOR_OBSERVATIONS,
        "Patient/p1",
    ]
