"""What prefetch alone proves, and what it does not."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.clinical.record import DataGap, GapKind
from cds_service.errors import DataUnavailable, TooMuchData
from cds_service.fhir.client import Refusal
from cds_service.fhir.gather import Resources, gather
from cds_service.queries import Query
from tests.fhir.asking import (
    CONDITIONS,
    OBSERVATIONS,
    ORDERS,
    QUERIES,
    bundle,
    outcome,
    resource,
)

ORDER = resource("MedicationRequest", "m1")
CONDITION = resource("Condition", "c1")
PATIENT = resource("Patient", "p1")
EMPTY = bundle()


def gathered(
    prefetch: Mapping[str, object] | None,
    *,
    queries: tuple[Query, ...] = QUERIES,
    fhir: Refusal = Refusal.NOT_SENT,
    **more: object,
) -> Resources:
    return gather(queries, prefetch=prefetch, patient_id="p1", fhir=fhir, **more)  # type: ignore[arg-type]


def with_lists(**more: object) -> dict[str, object]:
    """Prefetch in which both required lists are known to be empty, unless told otherwise."""
    return {"medicationRequests": EMPTY, "conditions": EMPTY, **more}


def missing_key(prefetch: Mapping[str, object] | None, **more: object) -> str | None:
    with pytest.raises(DataUnavailable) as refused:
        gathered(prefetch, **more)  # type: ignore[arg-type]
    return refused.value.where


def test_bundles_and_single_resources_are_sorted_by_type() -> None:
    found = gathered(
        {
            "patient": PATIENT,
            "medicationRequests": bundle(ORDER, resource("Medication", "d1")),
            "conditions": bundle(CONDITION),
            "observations": EMPTY,
        }
    )
    assert found.by_type == {
        "Patient": (PATIENT,),
        "MedicationRequest": (ORDER,),
        "Medication": (resource("Medication", "d1"),),
        "Condition": (CONDITION,),
    }
    assert found.lists_read == {"Patient", "MedicationRequest", "Condition", "Observation"}
    assert found.gaps == ()


@pytest.mark.parametrize("key", ["medicationRequests", "conditions"])
def test_null_means_that_there_are_none(key: str) -> None:
    found = gathered(with_lists(**{key: None}))
    assert {"MedicationRequest", "Condition"} <= found.lists_read
    assert found.by_type == {}


@pytest.mark.parametrize(
    "empty",
    [
        {"resourceType": "Bundle"},
        {"resourceType": "Bundle", "type": "searchset", "total": 0},
        {"resourceType": "Bundle", "type": "searchset", "entry": []},
        {"resourceType": "Bundle", "type": "searchset", "entry": None},
        {"resourceType": "Bundle", "link": [{"relation": "self", "url": "x"}]},
    ],
)
def test_a_bundle_without_entries_means_that_there_are_none(empty: object) -> None:
    assert "MedicationRequest" in gathered(with_lists(medicationRequests=empty)).lists_read


@pytest.mark.parametrize("key", ["medicationRequests", "conditions"])
def test_a_required_key_that_is_missing_is_named(key: str) -> None:
    prefetch = with_lists()
    del prefetch[key]
    assert missing_key(prefetch) == key


@pytest.mark.parametrize("key", ["patient", "observations"])
def test_an_optional_key_may_be_missing_and_then_its_list_is_not_known(key: str) -> None:
    prefetch = with_lists(patient=PATIENT, observations=EMPTY)
    del prefetch[key]
    found = gathered(prefetch)
    known = {"patient": "Observation", "observations": "Patient"}[key]
    assert found.lists_read == {"MedicationRequest", "Condition", known}
    assert found.gaps == ()


@pytest.mark.parametrize(
    "ill_typed",
    [
        "",
        "Bundle",
        0,
        7.5,
        True,
        [],
        [ORDER],
        {},
        {"entry": []},
        {"resourceType": ""},
        {"resourceType": None},
        {"resourceType": ["Bundle"]},
        {"resourceType": "Bundle", "entry": {}},
        {"resourceType": "Bundle", "entry": "none"},
    ],
)
def test_an_ill_typed_value_is_as_if_it_were_missing(ill_typed: object) -> None:
    assert missing_key(with_lists(medicationRequests=ill_typed)) == "medicationRequests"


def test_a_single_resource_of_the_type_satisfies_its_key() -> None:
    found = gathered(with_lists(medicationRequests=ORDER))
    assert found.by_type == {"MedicationRequest": (ORDER,)}
    assert "MedicationRequest" in found.lists_read


def test_resources_of_another_type_are_used_but_do_not_satisfy_the_key() -> None:
    wrong = bundle(CONDITION)
    assert missing_key(with_lists(medicationRequests=wrong)) == "medicationRequests"
    found = gathered(with_lists(observations=wrong))
    assert found.by_type == {"Condition": (CONDITION,)}
    assert "Observation" not in found.lists_read
    assert missing_key({"medicationRequests": EMPTY, "observations": wrong}) == "conditions"


@pytest.mark.parametrize(
    "wrapper",
    [
        {"response": {"status": "200 OK"}, "resource": bundle(ORDER)},
        {"response": {"status": 200}, "resource": bundle(ORDER)},
        {"response": {}, "resource": bundle(ORDER)},
        {"resource": bundle(ORDER)},
    ],
)
def test_the_legacy_wrapper_is_unwrapped(wrapper: object) -> None:
    found = gathered(with_lists(medicationRequests=wrapper))
    assert found.by_type == {"MedicationRequest": (ORDER,)}


@pytest.mark.parametrize(
    "wrapper",
    [
        {"response": {"status": "404 Not Found"}, "resource": bundle(ORDER)},
        {"response": {"status": "500"}},
        {"response": {"status": "200 OK"}},
        {"response": {"status": "200 OK"}, "resource": None},
        {"response": "200", "resource": "none"},
    ],
)
def test_a_wrapper_of_a_failure_or_of_nothing_is_as_if_it_were_missing(wrapper: object) -> None:
    assert missing_key(with_lists(medicationRequests=wrapper)) == "medicationRequests"


@pytest.mark.parametrize("severities", [("information",), ("warning",), ("warning", "information")])
def test_an_outcome_that_only_says_no_results_means_that_there_are_none(
    severities: tuple[str, ...],
) -> None:
    said = outcome(*severities)
    for value in (said, bundle(said), {"response": {"status": "200"}, "resource": said}):
        found = gathered(with_lists(conditions=value))
        assert "Condition" in found.lists_read
        assert found.by_type == {}


@pytest.mark.parametrize("severities", [("error",), ("fatal",), ("warning", "error"), (), ("odd",)])
def test_an_outcome_of_an_error_means_that_the_list_is_not_known(
    severities: tuple[str, ...],
) -> None:
    said = outcome(*severities)
    assert missing_key(with_lists(conditions=said)) == "conditions"
    assert missing_key(with_lists(conditions=bundle(said))) == "conditions"
    assert missing_key(with_lists(conditions=bundle(CONDITION, said))) == "conditions"


@pytest.mark.parametrize("issue", [None, {}, "error", [None], [{"severity": ["warning"]}]])
def test_an_unreadable_outcome_counts_as_an_error(issue: object) -> None:
    said = {"resourceType": "OperationOutcome", "issue": issue}
    assert missing_key(with_lists(conditions=bundle(said))) == "conditions"


def test_an_outcome_is_never_a_resource() -> None:
    found = gathered(with_lists(conditions=bundle(CONDITION, outcome("warning"))))
    assert found.by_type == {"Condition": (CONDITION,)}


def test_resources_that_came_with_an_error_are_used_all_the_same() -> None:
    prefetch = with_lists(observations=bundle(resource("Observation", "o1"), outcome("error")))
    found = gathered(prefetch)
    assert found.by_type == {"Observation": (resource("Observation", "o1"),)}
    assert "Observation" not in found.lists_read


def test_keys_of_the_clients_own_naming_are_used_by_what_they_hold() -> None:
    found = gathered(
        {"meds-user": bundle(ORDER), "problems-user": bundle(CONDITION), "pat-user": PATIENT}
    )
    assert found.by_type == {
        "MedicationRequest": (ORDER,),
        "Condition": (CONDITION,),
        "Patient": (PATIENT,),
    }
    assert found.lists_read == {"MedicationRequest", "Condition", "Patient"}


@pytest.mark.parametrize("nothing", [None, EMPTY, outcome("information")])
def test_an_empty_list_under_an_unknown_key_proves_nothing(nothing: object) -> None:
    assert missing_key({"conditions": EMPTY, "meds-user": nothing}) == "medicationRequests"


def test_one_order_under_an_unknown_key_is_used_but_is_no_list() -> None:
    assert missing_key({"conditions": EMPTY, "theOrder": ORDER}) == "medicationRequests"
    found = gathered(with_lists(theOrder=ORDER))
    assert found.by_type == {"MedicationRequest": (ORDER,)}


def test_an_error_under_an_unknown_key_is_ignored() -> None:
    found = gathered(with_lists(extra=outcome("fatal"), other="junk", more=[1, 2]))
    assert found.by_type == {}
    assert {"MedicationRequest", "Condition"} <= found.lists_read


def test_one_bundle_of_the_whole_record_satisfies_every_type_it_holds() -> None:
    found = gathered({"everything": bundle(PATIENT, ORDER, CONDITION)})
    assert found.lists_read == {"Patient", "MedicationRequest", "Condition"}


@pytest.mark.parametrize("keys", [("inpatient", "outpatient"), ("outpatient", "inpatient")])
@pytest.mark.parametrize("key_map", [{}, dict.fromkeys(("inpatient", "outpatient"), ORDERS.key)])
def test_of_two_lists_one_of_which_is_cut_the_whole_is_not_known(
    keys: tuple[str, str], key_map: dict[str, str]
) -> None:
    cut = bundle(resource("MedicationRequest", "m2"), total=2)
    prefetch = {"conditions": EMPTY} | dict(zip(keys, (bundle(ORDER), cut), strict=True))
    found = gathered(prefetch, key_map=key_map)
    assert "MedicationRequest" not in found.lists_read
    assert [gap.kind for gap in found.gaps] == [GapKind.ORDERS_INCOMPLETE]


def test_a_cut_list_under_an_unknown_key_takes_nothing_from_a_whole_one_under_ours() -> None:
    cut = bundle(resource("MedicationRequest", "m2"), total=2)
    found = gathered(with_lists(medicationRequests=bundle(ORDER), recent=cut))
    assert "MedicationRequest" in found.lists_read
    assert found.gaps == ()


def test_a_mapped_key_is_as_good_as_ours() -> None:
    key_map = {"meds-user": "medicationRequests", "problems-user": "conditions"}
    found = gathered({"meds-user": None, "problems-user": EMPTY}, key_map=key_map)
    assert found.lists_read == {"MedicationRequest", "Condition"}


def test_an_empty_list_proves_nothing_where_the_query_has_another_token() -> None:
    """The public Sandbox sends tokens it cannot resolve literally, and passes on what it gets."""
    at_encounter = Query(
        key="conditions",
        template="Condition?encounter={{context.encounterId}}&patient={{context.patientId}}",
        resource_type="Condition",
        is_required=True,
    )
    assert missing_key({"conditions": EMPTY}, queries=(at_encounter,)) == "conditions"
    found = gathered({"conditions": bundle(CONDITION)}, queries=(at_encounter,))
    assert found.lists_read == {"Condition"}


def test_a_type_is_known_only_if_all_its_queries_are_answered() -> None:
    screens = Query(
        key="screens",
        template="Observation?patient={{context.patientId}}&category=survey",
        resource_type="Observation",
        is_required=False,
    )
    queries = (*QUERIES, screens)
    assert "Observation" not in gathered(with_lists(observations=EMPTY), queries=queries).lists_read
    both = with_lists(observations=EMPTY, screens=EMPTY)
    assert "Observation" in gathered(both, queries=queries).lists_read


@pytest.mark.parametrize(
    ("key", "kind", "resource_type"),
    [
        ("medicationRequests", GapKind.ORDERS_INCOMPLETE, "MedicationRequest"),
        ("conditions", GapKind.CONDITIONS_INCOMPLETE, "Condition"),
        ("observations", GapKind.OPTIONAL_UNREADABLE, "Observation"),
    ],
)
@pytest.mark.parametrize(
    "cut",
    [
        {"next_url": "https://ehr.example.org/R4?page=2"},
        {"next_url": 7},
        {"link": {"relation": "next", "url": "https://ehr.example.org/R4?page=2"}},
        {"total": 2},
        {"total": "2"},
    ],
)
def test_a_list_with_more_to_come_and_no_server_is_a_gap(
    key: str, kind: GapKind, resource_type: str, cut: dict[str, object]
) -> None:
    value = bundle(resource(resource_type, "x1"), **cut)  # type: ignore[arg-type]
    found = gathered(with_lists(**{key: value}))
    assert found.by_type == {resource_type: (resource(resource_type, "x1"),)}
    assert resource_type not in found.lists_read
    assert found.gaps == (
        DataGap(kind=kind, where=resource_type, reason="only part of the list could be read"),
    )


def test_a_total_that_agrees_or_is_too_small_or_unreadable_cuts_nothing() -> None:
    for total in (1, 0, "1", None, 9.5, True):
        found = gathered(with_lists(conditions=bundle(CONDITION, total=total)))
        assert "Condition" in found.lists_read


def test_included_resources_and_outcomes_do_not_count_towards_the_total() -> None:
    entries = [
        {"resource": ORDER, "search": {"mode": "match"}},
        {"resource": resource("Medication", "d1"), "search": {"mode": "include"}},
        {"resource": outcome("warning"), "search": {"mode": "outcome"}},
    ]
    value = {"resourceType": "Bundle", "total": 2, "entry": entries}
    assert "MedicationRequest" not in gathered(with_lists(medicationRequests=value)).lists_read
    value["total"] = 1
    assert "MedicationRequest" in gathered(with_lists(medicationRequests=value)).lists_read


def test_a_count_without_resources_is_no_list() -> None:
    value = {"resourceType": "Bundle", "type": "searchset", "total": 12}
    assert missing_key(with_lists(medicationRequests=value)) == "medicationRequests"


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "x",
        [],
        {},
        {"fullUrl": "urn:uuid:1"},
        {"resource": None},
        {"resource": []},
        {"resource": {"id": "1"}},
        {"resource": {"resourceType": 7}},
        {"resource": {"resourceType": "Bundle", "entry": [{"resource": ORDER}]}},
    ],
)
@pytest.mark.parametrize(
    ("key", "good", "kind"),
    [
        ("medicationRequests", ORDER, GapKind.ORDER_UNREADABLE),
        ("conditions", CONDITION, GapKind.CONDITION_UNREADABLE),
        ("patient", PATIENT, GapKind.PATIENT_UNREADABLE),
        ("observations", resource("Observation", "o1"), GapKind.OPTIONAL_UNREADABLE),
    ],
)
def test_an_entry_without_a_readable_resource_is_a_gap(
    entry: object, key: str, good: dict[str, object], kind: GapKind
) -> None:
    value = {"resourceType": "Bundle", "entry": [{"resource": good}, entry]}
    found = gathered(with_lists(**{key: value}))
    assert found.gaps == (
        DataGap(
            kind=kind,
            where=f"entry 2 of {good['resourceType']}",
            reason="the entry holds no resource that can be read",
        ),
    )


def test_entries_none_of_which_can_be_read_are_no_empty_list() -> None:
    value = {"resourceType": "Bundle", "entry": [None]}
    assert missing_key(with_lists(conditions=value)) == "conditions"


def test_an_unreadable_entry_of_a_whole_record_is_one_gap_for_the_worst_it_may_hide() -> None:
    entries = [{"resource": each} for each in (PATIENT, CONDITION, ORDER)]
    found = gathered({"all": {"resourceType": "Bundle", "entry": [*entries, None]}})
    assert [gap.kind for gap in found.gaps] == [GapKind.ORDER_UNREADABLE]


def test_a_resource_sent_twice_is_one() -> None:
    found = gathered(with_lists(medicationRequests=bundle(ORDER, ORDER), other=bundle(ORDER)))
    assert found.by_type == {"MedicationRequest": (ORDER,)}


def test_resources_that_share_an_id_and_differ_are_both_kept() -> None:
    first = resource("MedicationRequest", "m1", status="active")
    second = resource("MedicationRequest", "m1", status="completed")
    found = gathered(with_lists(medicationRequests=bundle(first, second)))
    assert found.by_type == {"MedicationRequest": (first, second)}


def test_thousands_that_share_an_id_and_differ_are_kept_in_a_second() -> None:
    dosages = [{"text": str(number)} for number in range(40)]
    orders = [
        resource("MedicationRequest", "m1", dosageInstruction=dosages, note=str(number))
        for number in range(4000)
    ]
    orders = json.loads(json.dumps(orders))  # no two of them share a part, as when they are sent
    started = time.perf_counter()
    found = gathered(with_lists(medicationRequests=bundle(*orders)))
    assert time.perf_counter() - started < 1
    assert len(found.by_type["MedicationRequest"]) == 4000


@pytest.mark.parametrize("odd_id", [None, 7, [], {}])
def test_resources_without_an_id_are_all_kept(odd_id: object) -> None:
    order = {"resourceType": "MedicationRequest", "id": odd_id}
    found = gathered(with_lists(medicationRequests=bundle(order, dict(order))))
    assert len(found.by_type["MedicationRequest"]) == 2


def test_a_medication_of_the_hooks_context_joins_the_resources() -> None:
    medication = resource("Medication", "d1")
    found = gathered(with_lists(), context=(ORDER, medication, {"resourceType": None}, {}))
    assert found.by_type == {"Medication": (medication,)}


def test_five_thousand_resources_are_evaluated_and_not_one_more() -> None:
    orders = [resource("MedicationRequest", str(number)) for number in range(4999)]
    found = gathered(with_lists(medicationRequests=bundle(*orders), conditions=bundle(CONDITION)))
    assert len(found.by_type["MedicationRequest"]) == 4999
    too_many = with_lists(
        medicationRequests=bundle(*orders),
        conditions=bundle(CONDITION, resource("Condition", "c2")),
    )
    with pytest.raises(TooMuchData):
        gathered(too_many)


def test_the_limit_of_resources_is_the_sites() -> None:
    prefetch = with_lists(medicationRequests=bundle(ORDER), conditions=bundle(CONDITION))
    assert gathered(prefetch, most_resources=2).gaps == ()
    with pytest.raises(TooMuchData):
        gathered(prefetch, most_resources=1)


def test_entries_that_cannot_be_read_and_those_of_the_context_count_like_any_other() -> None:
    entries = {"resourceType": "Bundle", "entry": [{"resource": CONDITION}, None, 7]}
    prefetch = with_lists(conditions=entries)
    assert len(gathered(prefetch, context=({}, ORDER), most_resources=5).gaps) == 2
    with pytest.raises(TooMuchData):
        gathered(prefetch, context=({}, ORDER), most_resources=4)


def test_medication_refill_may_do_without_the_orders() -> None:
    orders = Query(
        key=ORDERS.key,
        template=ORDERS.template,
        resource_type=ORDERS.resource_type,
        is_required=False,
    )
    found = gathered({"conditions": EMPTY}, queries=(orders, CONDITIONS))
    assert found.lists_read == {"Condition"}


def refusal_text(prefetch: Mapping[str, object] | None, fhir: Refusal) -> str:
    with pytest.raises(DataUnavailable) as refused:
        gathered(prefetch, fhir=fhir)
    return str(refused.value)


def test_the_refusal_says_what_is_missing_why_and_what_to_do() -> None:
    assert refusal_text({"conditions": EMPTY}, Refusal.NOT_SENT) == (
        "The MedicationRequest list of prefetch key 'medicationRequests' was neither sent nor "
        "obtainable: no fhirServer was sent to read them from. Send the key as discovery states "
        "it, or fhirServer with fhirAuthorization."
    )


@pytest.mark.parametrize("refusal", list(Refusal))
def test_the_refusal_says_why_there_is_no_server(refusal: Refusal) -> None:
    assert refusal.value in refusal_text({"conditions": EMPTY}, refusal)


@pytest.mark.parametrize("prefetch", [None, {}, {"medicationRequests": "stripped"}])
def test_a_call_stripped_of_all_data_gets_a_hint_about_the_registered_address(
    prefetch: Mapping[str, object] | None,
) -> None:
    hint = "not exactly the one registered"
    assert hint in refusal_text(prefetch, Refusal.NOT_SENT)
    assert hint not in refusal_text(prefetch, Refusal.NOT_ALLOWED)
    assert hint not in refusal_text({"conditions": EMPTY}, Refusal.NOT_SENT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "entry",
                    "resource",
                    "link",
                    "relation",
                    "url",
                    "issue",
                    "severity",
                ]
            )
            | st.sampled_from(["response", "status", "search", "mode", "total", "id"]),
            inner | st.sampled_from(["Bundle", "MedicationRequest", "OperationOutcome", "next"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*(query.key for query in QUERIES), "other"]), json_values))
def test_no_json_whatsoever_raises_anything_but_a_412(prefetch: dict[str, object]) -> None:
    try:
        known = gathered(prefetch).lists_read
    except DataUnavailable:
        known = frozenset()
    assert known <= {query.resource_type for query in QUERIES}


kinds = st.sampled_from(["MedicationRequest", "Condition", "Patient", "Medication", "Unheard"])


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*(query.key for query in QUERIES), "other", "another"]),
        st.lists(st.tuples(kinds, st.integers(0, 9)), max_size=6),
    )
)
def test_every_resource_sent_is_gathered_whatever_its_key(
    sent: dict[str, list[tuple[str, int]]],
) -> None:
    optional = tuple(
        Query(key=q.key, template=q.template, resource_type=q.resource_type, is_required=False)
        for q in QUERIES
    )
    values = {
        key: bundle(*(resource(kind, str(number)) for kind, number in held))
        for key, held in sent.items()
    }
    found = gathered(values, queries=optional)
    gathered_names = {(kind, r["id"]) for kind, all_ in found.by_type.items() for r in all_}
    assert gathered_names == {(kind, str(n)) for held in sent.values() for kind, n in held}


def test_reprs_show_nothing_of_the_patient() -> None:
    found = gathered(with_lists(medicationRequests=bundle(resource("MedicationRequest", "s3cret"))))
    assert "s3cret" not in repr(found)


def test_the_order_of_the_keys_makes_no_difference() -> None:
    prefetch = {
        "patient": PATIENT,
        "medicationRequests": bundle(ORDER),
        "conditions": bundle(CONDITION),
        "observations": EMPTY,
        "other": bundle(resource("Procedure", "x1")),
    }
    turned = dict(reversed(prefetch.items()))
    one, other = gathered(prefetch), gathered(turned)
    assert (one.by_type, one.lists_read) == (other.by_type, other.lists_read)


def test_every_query_is_named_by_its_own_key() -> None:
    assert [missing_key({}, queries=(query,)) for query in (ORDERS, CONDITIONS)] == [
        "medicationRequests",
        "conditions",
    ]
    assert gathered({}, queries=(OBSERVATIONS,)).lists_read == frozenset()
