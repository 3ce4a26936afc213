"""The cheap look at a request never disagrees with its schema, and sees what is ordinary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import MalformedRequest
from cds_service.hooks.shapes import Shape

NAMES = ("request", "patient-view", "order-select", "order-sign", "medication-refill")
SHAPES = {name: Shape.of_file(name) for name in NAMES}
INSTANCE = "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"
ORDINARY = {
    "hook": "order-sign",
    "hookInstance": INSTANCE,
    "fhirServer": "https://ehr.example.org/fhir",
    "fhirAuthorization": {"access_token": "t"},
    "context": {"patientId": "1"},
    "prefetch": {"patient": None},
    "patientId": "Patient/1288992",
    "userId": "Practitioner/abc",
    "selections": ["MedicationRequest/103"],
    "draftOrders": {"resourceType": "Bundle"},
    "medications": {"resourceType": "Bundle"},
}
"""A value for each member of any of the shapes: none of them forbids the members of another."""

IDS = [
    "",
    "1",
    "Patient/1",
    "Patient/",
    "Practitioner/abc",
    "practitioner/abc",
    "A/b",
    "Ab/..",
    ".",
]
ODD = st.sampled_from([*IDS, *(f"{one}\n" for one in IDS), INSTANCE.upper(), f"{INSTANCE}\n"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
REQUESTS = st.dictionaries(st.sampled_from(sorted(ORDINARY)), ANYTHING, max_size=4).flatmap(
    lambda odd: st.sets(st.sampled_from(sorted(ORDINARY)), max_size=2).map(
        lambda gone: {name: (ORDINARY | odd)[name] for name in ORDINARY if name not in gone}
    )
)


@given(name=st.sampled_from(NAMES), value=REQUESTS | ANYTHING)
def test_what_is_plainly_right_is_valid_by_the_schema(name: str, value: object) -> None:
    if SHAPES[name].is_plainly_met(value):
        SHAPES[name].check_by_schema(value, at="")


@given(name=st.sampled_from(NAMES), value=REQUESTS)
def test_what_is_valid_by_these_schemas_is_plainly_right(name: str, value: object) -> None:
    try:
        SHAPES[name].check_by_schema(value, at="")
    except MalformedRequest:
        return
    assert SHAPES[name].is_plainly_met(value)


@pytest.mark.parametrize("name", NAMES)
def test_an_ordinary_request_is_plainly_right(name: str) -> None:
    assert SHAPES[name].is_plainly_met(ORDINARY)


@pytest.mark.parametrize(
    "member",
    [
        {"type": "string", "minLength": 2},
        {"type": "array", "items": {"type": "string", "minLength": 2}},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "integer"},
        {},
    ],
)
@pytest.mark.parametrize("value", ["", "x", [], ["x"], 1.0])
def test_a_schema_that_says_more_than_types_and_patterns_is_left_to_the_validator(
    member: dict[str, object], value: object
) -> None:
    shape = Shape({"type": "object", "properties": {"x": {"description": "x", **member}}})
    assert not shape.is_plainly_met({"x": value})
    assert shape.is_plainly_met({})


@pytest.mark.parametrize("more", [{"minProperties": 1}, {"type": ["object", "null"]}])
def test_a_shape_that_says_more_than_what_it_requires_is_left_to_the_validator(
    more: dict[str, object],
) -> None:
    shape = Shape({"type": "object", "properties": {"x": {"description": "x"}}} | more)
    assert not shape.is_plainly_met({})
    assert not shape.is_plainly_met(None)
