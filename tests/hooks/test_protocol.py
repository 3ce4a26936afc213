"""What a hook request must look like, and what is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.assessment import Hook
from cds_service.errors import MalformedRequest
from cds_service.hooks.catalogue import Service
from cds_service.hooks.protocol import HookRequest, User, read_request

Body = dict[str, object]

INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
HOOKS: tuple[Hook, ...] = ("patient-view", "order-select", "order-sign", "medication-refill")
OPIOID: Body = {"resourceType": "MedicationRequest", "id": "103", "status": "draft"}
IMAGING: Body = {"resourceType": "ServiceRequest", "id": "7", "status": "draft"}
MEDICATION: Body = {"resourceType": "Medication", "id": "m"}


def service(hook: Hook) -> Service:
    return Service(
        id=f"opioid-social-pain-{hook}",
        hook=hook,
        title="title",
        description="description",
        usage_requirements="requirements",
        prefetch=(),
        knowledge="2026.1 (0)",
    )


def bundle(*resources: object) -> Body:
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in resources]}


def context(hook: Hook, **changes: object) -> Body:
    plain: Body = {"userId": "Practitioner/abc", "patientId": "1288992"}
    if hook == "order-select":
        plain["selections"] = ["MedicationRequest/103"]
    if hook in ("order-select", "order-sign"):
        plain["draftOrders"] = bundle(OPIOID)
    if hook == "medication-refill":
        plain["medications"] = bundle(OPIOID)
    return plain | changes


def body(
    hook: Hook, context_changes: Mapping[str, object] | None = None, **changes: object
) -> Body:
    plain: Body = {
        "hook": hook,
        "hookInstance": INSTANCE,
        "context": context(hook, **(context_changes or {})),
    }
    return plain | changes


def read(
    hook: Hook, context_changes: Mapping[str, object] | None = None, **changes: object
) -> HookRequest:
    return read_request(body(hook, context_changes, **changes), service(hook))


def refusal(sent: object, hook: Hook = "patient-view") -> MalformedRequest:
    with pytest.raises(MalformedRequest) as caught:
        read_request(sent, service(hook))
    return caught.value


def without(sent: Body, name: str) -> Body:
    return {key: value for key, value in sent.items() if key != name}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_plain_request_of_each_hook_is_read(hook: Hook) -> None:
    request = read(hook)
    assert request.service_id == f"opioid-social-pain-{hook}"
    assert request.hook == hook
    assert request.hook_instance == INSTANCE
    assert request.patient_id == "1288992"
    assert request.user == User("Practitioner", "abc")
    assert request.orders == (() if hook == "patient-view" else (OPIOID,))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", ["hook", "hookInstance", "context"])
def test_a_missing_member_of_the_envelope_is_named(hook: Hook, name: str) -> None:
    error = refusal(without(body(hook), name), hook)
    assert error.where == f"/{name}"
    assert str(error).startswith(f"/{name} is missing")


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        ("patient-view", "userId"),
        ("patient-view", "patientId"),
        ("order-sign", "userId"),
        ("order-sign", "patientId"),
        ("order-sign", "draftOrders"),
        ("order-select", "userId"),
        ("order-select", "patientId"),
        ("order-select", "selections"),
        ("order-select", "draftOrders"),
        ("medication-refill", "patientId"),
        ("medication-refill", "medications"),
    ],
)
def test_a_missing_member_of_the_context_is_named(hook: Hook, name: str) -> None:
    sent = body(hook, None) | {"context": without(context(hook), name)}
    assert refusal(sent, hook).where == f"/context/{name}"


def test_the_call_of_a_client_that_sends_only_patient_and_user_to_order_select_is_refused() -> None:
    sent = body("order-select") | {
        "context": {"patientId": "1", "userId": "Practitioner/COREPRACTITIONER1"}
    }
    assert refusal(sent, "order-select").where == "/context/selections"


@pytest.mark.parametrize("sent", [None, [], "text", 7, True])
def test_a_body_that_is_no_object_is_refused(sent: object) -> None:
    error = refusal(sent)
    assert str(error) == "The body must be a JSON object."
    assert error.where is None


@pytest.mark.parametrize("instance", ["", "abc", 5, None, f"{INSTANCE}\n", f"urn:uuid:{INSTANCE}"])
def test_a_hook_instance_that_is_no_uuid_is_refused(instance: object) -> None:
    assert refusal(body("patient-view", hookInstance=instance)).where == "/hookInstance"


def test_the_hook_instance_is_the_same_in_capitals() -> None:
    assert read("patient-view", hookInstance=INSTANCE.upper()).hook_instance == INSTANCE


def test_a_call_for_another_hook_is_refused() -> None:
    error = refusal(body("order-sign"), "patient-view")
    assert error.where == "/hook"
    assert "patient-view" in str(error)


@pytest.mark.parametrize(
    "patient_id",
    [
        "",
        "a/b",
        "1&_count=100000",
        "1/../../Practitioner/1",
        "..",
        ".",
        "x" * 65,
        "1\n",
        "é",
        5,
        None,
    ],
)
def test_a_patient_id_that_is_no_fhir_id_is_refused_and_not_quoted(patient_id: object) -> None:
    error = refusal(body("patient-view", {"patientId": patient_id}))
    assert error.where == "/context/patientId"
    if isinstance(patient_id, str) and len(patient_id) > 3:
        assert patient_id not in str(error)


def test_a_patient_id_may_come_with_its_type() -> None:
    assert read("patient-view", {"patientId": "Patient/17"}).patient_id == "17"


def test_a_patient_id_of_sixty_four_characters_is_read() -> None:
    assert read("patient-view", {"patientId": "x" * 64}).patient_id == "x" * 64


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        "abc",
        "practitioner/1",
        "Practitioner/",
        "Practitioner/1/2",
        "Practitioner/..",
        "/1",
        5,
        [],
    ],
)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_malformed_user_is_refused_on_every_hook(hook: Hook, user_id: object) -> None:
    assert refusal(body(hook, {"userId": user_id}), hook).where == "/context/userId"


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("user", ["Practitioner/a", "PractitionerRole/b"])
def test_practitioners_may_see_cards(hook: Hook, user: str) -> None:
    assert read(hook, {"userId": user}).may_see_cards


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    "user",
    ["Patient/1288992", "RelatedPerson/r", "Organization/o", "Device/d", "Person/p", "Group/g"],
)
def test_nobody_but_practitioners_may_see_cards(hook: Hook, user: str) -> None:
    assert not read(hook, {"userId": user}).may_see_cards


@pytest.mark.parametrize("missing", [{}, {"userId": None}])
def test_a_refill_request_needs_no_user(missing: Body) -> None:
    sent = body("medication-refill")
    sent["context"] = without(context("medication-refill"), "userId") | missing
    request = read_request(sent, service("medication-refill"))
    assert request.user is None
    assert request.may_see_cards


def test_unknown_members_are_left_alone_everywhere() -> None:
    extra = {"extension": {"com.example.trigger": 23}, "future": [None]}
    request = read("order-sign", extra, **extra)
    assert request.orders == (OPIOID,)


@pytest.mark.parametrize(
    ("extension", "trigger"),
    [
        ({"com.epic.cdshooks.request.bpa-trigger-action": "60"}, "60"),
        ({"com.epic.cdshooks.request.bpa-trigger-action": "12345"}, None),
        ({"com.epic.cdshooks.request.bpa-trigger-action": "Jane Roe"}, None),
        ({"com.epic.cdshooks.request.bpa-trigger-action": "٦٠"}, None),
        ({"com.epic.cdshooks.request.bpa-trigger-action": 60}, "60"),
        ({"com.epic.cdshooks.request.bpa-trigger-action": True}, None),
        ({"com.example.trigger": "60"}, None),
        ([{"url": "http://example.org"}], None),
        (None, None),
    ],
)
def test_what_made_epic_call_is_a_short_number_or_nothing(
    extension: object, trigger: str | None
) -> None:
    assert read("order-sign", extension=extension).trigger == trigger


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("456", "456"),
        ("Encounter/456", "456"),
        (None, None),
        ("", None),
        ("1/2", None),
        (7, None),
        ("..", None),
    ],
)
def test_an_encounter_that_is_no_fhir_id_counts_as_absent(
    sent: object, expected: str | None
) -> None:
    assert read("patient-view", {"encounterId": sent}).encounter_id == expected


@pytest.mark.parametrize("prefetch", [{}, {"prefetch": None}, {"prefetch": {}}])
def test_prefetch_may_be_absent(prefetch: Body) -> None:
    assert read("patient-view", **prefetch).prefetch == {}


def test_a_prefetch_key_that_is_null_stays_apart_from_one_that_is_missing() -> None:
    assert read("patient-view", prefetch={"conditions": None}).prefetch == {"conditions": None}


@pytest.mark.parametrize("name", ["prefetch", "fhirAuthorization"])
@pytest.mark.parametrize("value", [[], "text", 5, True])
def test_an_ill_typed_part_of_the_envelope_is_refused(name: str, value: object) -> None:
    assert refusal(body("patient-view", **{name: value})).where == f"/{name}"


@pytest.mark.parametrize("value", [[], {}, 5, True])
def test_a_fhir_server_that_is_no_text_is_refused(value: object) -> None:
    assert refusal(body("patient-view", fhirServer=value)).where == "/fhirServer"


def test_the_access_token_is_kept_and_never_shown() -> None:
    request = read(
        "patient-view",
        fhirServer="https://ehr.example/r4",
        fhirAuthorization={"access_token": "s3cret", "token_type": "Bearer", "expires_in": 300},
    )
    assert request.access_token is not None
    assert request.access_token.authorization == "Bearer s3cret"
    assert "s3cret" not in repr(request)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        {},
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "x", "token_type": "MAC"},
        {"access_token": "x", "token_type": 7},
    ],
)
def test_an_authorization_with_gaps_gives_no_token(authorization: object) -> None:
    assert read("patient-view", fhirAuthorization=authorization).access_token is None


def test_a_token_without_its_type_is_a_bearer_token() -> None:
    request = read("patient-view", fhirAuthorization={"access_token": "x"})
    assert request.access_token is not None


def test_the_request_does_not_show_the_patient() -> None:
    request = read("order-sign", prefetch={"patient": {"id": "1288992"}})
    assert "1288992" not in repr(request)
    assert "MedicationRequest" not in repr(request)


def test_a_bundle_needs_no_type_and_no_entries() -> None:
    for empty in ({}, {"resourceType": "Bundle"}, {"entry": []}, {"entry": None}):
        assert read("order-sign", {"draftOrders": empty}).orders == ()


def test_one_bare_order_stands_for_a_bundle() -> None:
    assert read("order-sign", {"draftOrders": OPIOID}).orders == (OPIOID,)
    assert read("medication-refill", {"medications": OPIOID}).orders == (OPIOID,)


def test_entries_that_are_no_medication_orders_are_kept_apart() -> None:
    request = read("order-sign", {"draftOrders": bundle(IMAGING, OPIOID, MEDICATION)})
    assert request.orders == (OPIOID,)
    assert request.other_draft_entries == (IMAGING, MEDICATION)


def test_only_selected_orders_are_being_chosen() -> None:
    other = OPIOID | {"id": "104"}
    request = read("order-select", {"draftOrders": bundle(other, OPIOID, IMAGING)})
    assert request.orders == (OPIOID,)
    assert request.other_draft_entries == (other, IMAGING)


@pytest.mark.parametrize(
    "selection",
    [
        "https://ehr.example/r4/MedicationRequest/103",
        "https://ehr.example/r4/MedicationRequest/103/_history/2",
        "MedicationRequest/103/_history/1",
        "MedicationRequest/103/",
        " MedicationRequest/103 ",
        "103",
        "#103",
        "urn:uuid:103",
    ],
)
def test_a_selection_is_understood_however_it_names_the_order(selection: str) -> None:
    other = OPIOID | {"id": "104"}
    request = read(
        "order-select", {"selections": [selection], "draftOrders": bundle(other, OPIOID)}
    )
    assert request.orders == (OPIOID,)
    assert request.other_draft_entries == (other,)


@pytest.mark.parametrize(
    "selections",
    [
        ["MedicationRequest/999"],
        ["MedicationRequest/103", "MedicationRequest/999"],
        ["NutritionOrder/103"],
        ["MedicationRequest/None"],
        ["MedicationRequest/"],
        [""],
        ["#"],
    ],
)
def test_where_a_selection_names_no_draft_all_drafts_are_being_chosen(
    selections: list[str],
) -> None:
    """What is being chosen is not known then, and silence would say that it is no opioid."""
    nameless: Body = {"resourceType": "MedicationRequest"}
    sent = {"selections": selections, "draftOrders": bundle(OPIOID, nameless, IMAGING, None)}
    request = read("order-select", sent)
    assert request.orders == (OPIOID, nameless, {})
    assert request.other_draft_entries == (IMAGING,)


@pytest.mark.parametrize("selections", [[], ["ServiceRequest/7"]])
def test_selections_of_no_medication_order_choose_none(selections: list[str]) -> None:
    sent = {"selections": selections, "draftOrders": bundle(OPIOID, IMAGING)}
    assert read("order-select", sent).orders == ()


def test_selections_must_be_texts() -> None:
    error = refusal(
        body("order-select", {"selections": ["MedicationRequest/103", 7]}), "order-select"
    )
    assert error.where == "/context/selections/1"


@pytest.mark.parametrize("broken", [None, 5, "text", [], {}, {"resource": None}, {"resource": [1]}])
def test_an_entry_without_a_resource_is_passed_on_as_an_unknown_order(broken: object) -> None:
    draft_orders = {"resourceType": "Bundle", "entry": [broken, {"resource": OPIOID}]}
    assert read("order-sign", {"draftOrders": draft_orders}).orders == ({}, OPIOID)


def test_a_resource_without_a_type_is_passed_on_as_an_unknown_order() -> None:
    untyped: Body = {"id": "1", "status": "draft"}
    assert read("order-sign", {"draftOrders": bundle(untyped)}).orders == (untyped,)


@pytest.mark.parametrize(
    ("full_url", "id_"),
    [
        ("urn:uuid:0c3151bd-1cbf", "0c3151bd-1cbf"),
        ("https://ehr.example/r4/MedicationRequest/103", "103"),
        ("https://ehr.example/r4/MedicationRequest/103/_history/2", "103"),
    ],
)
def test_a_draft_without_an_id_has_that_of_its_full_url(full_url: str, id_: str) -> None:
    nameless = without(OPIOID, "id")
    draft_orders = {"entry": [{"fullUrl": full_url, "resource": nameless}, {"resource": OPIOID}]}
    sent = {"selections": [f"MedicationRequest/{id_}"], "draftOrders": draft_orders}
    assert read("order-select", sent).orders[0] == nameless | {"id": id_}


@pytest.mark.parametrize(
    "full_url", [None, 7, [], "", "urn:uuid:", "103", "https://ehr.example/r4/Condition/103"]
)
def test_a_full_url_that_states_no_id_of_the_type_gives_none(full_url: object) -> None:
    nameless = without(OPIOID, "id")
    entries = [{"fullUrl": full_url, "resource": one} for one in (nameless, MEDICATION)]
    request = read("order-sign", {"draftOrders": {"entry": entries}})
    assert (request.orders, request.other_draft_entries) == ((nameless,), (MEDICATION,))


def test_a_medication_among_the_drafts_is_found_under_its_id_and_under_its_full_url() -> None:
    entries = [
        {"fullUrl": "urn:uuid:x1", "resource": MEDICATION},
        {"fullUrl": "https://ehr.example/r4/Medication/m", "resource": MEDICATION},
        {"fullUrl": "urn:uuid:x2", "resource": without(MEDICATION, "id")},
        {"fullUrl": "urn:uuid:x3", "resource": IMAGING},
    ]
    others = read("order-sign", {"draftOrders": {"entry": entries}}).other_draft_entries
    under = [MEDICATION, MEDICATION | {"id": "x1"}, MEDICATION, MEDICATION | {"id": "x2"}]
    assert others == (*under, IMAGING)


def test_a_urn_is_not_the_id_of_a_patient_among_the_drafts() -> None:
    entry = {"fullUrl": "urn:uuid:x1", "resource": {"resourceType": "Patient"}}
    request = read("order-sign", {"draftOrders": {"entry": [entry]}})
    assert request.other_draft_entries == ({"resourceType": "Patient"},)


@pytest.mark.parametrize("kind", ["MedicationOrder", "MedicationPrescription"])
def test_an_order_of_another_fhir_version_is_an_order(kind: str) -> None:
    older = OPIOID | {"resourceType": kind}
    assert read("order-sign", {"draftOrders": bundle(older, IMAGING)}).orders == (older,)
    chosen = {"selections": [f"{kind}/103"], "draftOrders": bundle(OPIOID, older)}
    assert read("order-select", chosen).orders == (older,)


def test_a_refill_of_several_medications_is_read_whole() -> None:
    second = OPIOID | {"id": "104"}
    request = read("medication-refill", {"medications": bundle(OPIOID, second, MEDICATION)})
    assert request.orders == (OPIOID, second)
    assert request.other_draft_entries == (MEDICATION,)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "Patient/1", "\n"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["entry", "resource", "resourceType"]), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["hook", "hookInstance", "context", "prefetch", "fhirServer", "fhirAuthorization"]
)
PARTS = st.sampled_from(
    ["userId", "patientId", "encounterId", "selections", "draftOrders", "medications"]
)


@given(
    hook=st.sampled_from(HOOKS),
    members=st.dictionaries(MEMBERS, ANYTHING, max_size=3),
    parts=st.dictionaries(PARTS, ANYTHING, max_size=3),
)
def test_any_json_is_read_or_refused_with_a_place_(hook: Hook, members: Body, parts: Body) -> None:
    sent = body(hook, parts) | members
    try:
        request = read_request(sent, service(hook))
    except MalformedRequest as error:
        where = error.where
    else:
        where = "/"
        assert re.fullmatch(r"[A-Za-z0-9.\-]{1,64}", request.patient_id)
        assert all(isinstance(one, dict) for one in (*request.orders, *request.other_draft_entries))
    assert where is not None
    assert where.startswith("/")
