"""What holds for any JSON whatever: reading never raises, and no resource disappears."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import PatientRecord
from cds_service.errors import PatientMismatch
from tests.fhir.charts import (
    HOSPICE_CARE,
    OXYCODONE,
    PATIENT,
    PHQ_9_TOTAL,
    Json,
    condition,
    event,
    observation,
    order,
    read,
)

GTS = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
AMOUNT: Json = {"value": 2, "unit": "tablet", "system": "http://unitsofmeasure.org", "code": "1"}
SPAN: Json = {"start": "2026-03-01", "end": "2026-03-31"}
RATIO: Json = {"numerator": AMOUNT, "denominator": {"value": 1, "code": "d"}}

RICH: tuple[Json, ...] = (
    PATIENT | {"deceasedDateTime": "2026-03-01", "deceasedBoolean": False},
    order(
        id="r1",
        meta={"security": [{"system": "urn:x", "code": "N"}]},
        doNotPerform=False,
        category=[{"coding": [{"system": "urn:x", "code": "community"}]}],
        courseOfTherapyType={"coding": [{"system": "urn:x", "code": "acute"}]},
        contained=[{"resourceType": "Medication", "id": "m", "code": {"text": "oxycodone"}}],
        medicationReference={"reference": "#m", "display": "oxycodone"},
        dosageInstruction=[
            {
                "sequence": 1,
                "timing": {
                    "code": {"coding": [{"system": GTS, "code": "BID"}], "text": "twice"},
                    "repeat": {
                        "boundsPeriod": SPAN,
                        "boundsDuration": AMOUNT,
                        "boundsRange": {"low": AMOUNT, "high": AMOUNT},
                        "frequency": 1,
                        "frequencyMax": 2,
                        "period": 4,
                        "periodMax": 6,
                        "periodUnit": "h",
                        "timeOfDay": ["08:00:00"],
                        "dayOfWeek": ["mon"],
                    },
                },
                "doseAndRate": [
                    {
                        "type": {"coding": [{"code": "ordered"}]},
                        "doseQuantity": AMOUNT,
                        "doseRange": {"high": AMOUNT},
                        "rateRatio": RATIO,
                        "rateRange": {"high": AMOUNT},
                        "rateQuantity": AMOUNT,
                    }
                ],
                "maxDosePerPeriod": RATIO,
            }
        ],
        dispenseRequest={
            "validityPeriod": SPAN,
            "numberOfRepeatsAllowed": 1,
            "quantity": AMOUNT,
            "expectedSupplyDuration": AMOUNT,
        },
    ),
    order(
        id="r2",
        medicationCodeableConcept=None,
        medication={"concept": OXYCODONE, "reference": {"reference": "Medication/r3"}},
    ),
    {
        "resourceType": "Medication",
        "id": "r3",
        "status": "active",
        "code": OXYCODONE,
        "ingredient": [
            {
                "isActive": True,
                "itemCodeableConcept": OXYCODONE,
                "itemReference": {"reference": "Medication/r3"},
                "item": {"concept": OXYCODONE},
            }
        ],
    },
    condition(
        id="r4",
        category=[{"coding": [{"code": "encounter-diagnosis"}]}],
        encounter={"reference": "Encounter/r7"},
        onsetDateTime="2026-03-01",
        onsetPeriod=SPAN,
        recordedDate="2026-03-01T10:00:00Z",
        abatementDateTime="2026-03-01",
        abatementPeriod=SPAN,
        abatementBoolean=False,
        abatementString="over",
        extension=[
            {
                "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                "valueDateTime": "2026-03-01",
            }
        ],
    ),
    observation(
        id="r5",
        valueQuantity=AMOUNT,
        effectivePeriod=SPAN,
        issued="2026-03-01T10:00:00Z",
        component=[
            {"code": PHQ_9_TOTAL, "valueInteger": 3},
            {"code": PHQ_9_TOTAL, "valueCodeableConcept": PHQ_9_TOTAL},
        ],
    ),
    event(
        "ServiceRequest",
        id="r6",
        intent="order",
        doNotPerform=False,
        code=HOSPICE_CARE,
        reasonCode=[HOSPICE_CARE],
        occurrencePeriod=SPAN,
        authoredOn="2026-03-01",
    ),
    event(
        "Encounter",
        id="r7",
        status="finished",
        type=[HOSPICE_CARE],
        hospitalization={"dischargeDisposition": HOSPICE_CARE},
        period=SPAN,
    ),
)

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 1.5, 1e308, 10**40, "", " ", "x", "Active", "NaN", "1e308"),
    *("2026", "2026-02-30", "#m", "42CFRPart2", "a\u202eb", "x" * 5000),
    *([], [[]], [None], [7], ["x"], [{}, {}], {}, {"x": 1}, {"coding": {"code": []}}),
    *([OXYCODONE] * 70, {"value": "NaN"}, {"reference": ["#m"]}, {"extension": [{"url": "x"}]}),
)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and element inside a JSON value."""
    inside: Any = ()
    if isinstance(value, dict):
        inside = value.items()
    elif isinstance(value, list):
        inside = enumerate(value)
    for step, inner in inside:
        yield (*path, step)
        yield from places_in(inner, (*path, step))


def with_other(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return a copy of a JSON value with another value at the place `path`."""
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = with_other(value[path[0]], path[1:], other)
    return copy


def is_accounted_for(record: PatientRecord, resource: Json) -> bool:
    """Say whether a resource is in the record, its unrelated or its gaps."""
    if resource["resourceType"] in ("Patient", "Medication"):
        return True
    name = f"{resource['resourceType']}/{resource['id']}"
    return name in references_in(record) or name in record.unrelated


def references_in(record: PatientRecord) -> set[str]:
    parts = (
        *record.orders,
        *record.drafts,
        *record.conditions,
        *record.observations,
        *record.care_events,
    )
    return {part.reference for part in parts} | {gap.where for gap in record.gaps}


@pytest.mark.parametrize("resource", RICH, ids=lambda resource: resource["resourceType"])
def test_any_value_at_any_place_is_read_and_the_resource_is_accounted_for(
    knowledge: Knowledge, resource: Json
) -> None:
    for path in places_in(resource):
        if path[0] in ("resourceType", "id", "subject"):
            continue
        for odd in ODD:
            broken = with_other(resource, path, odd)
            others = (other for other in RICH if other["id"] != resource["id"])
            record = read(knowledge, broken, *others)
            assert is_accounted_for(record, resource), (path, odd)


@pytest.mark.parametrize("name", ["modifierExtension", "meta", "extension", "vendorField"])
def test_any_value_in_an_added_member_is_read(knowledge: Knowledge, name: str) -> None:
    for resource in RICH:
        for odd in ODD:
            record = read(knowledge, resource | {name: odd})
            assert is_accounted_for(record, resource), (name, odd)


@pytest.mark.parametrize("name", ["subject", "patient"])
def test_any_value_as_the_subject_is_read_or_taken_for_another_patient(
    knowledge: Knowledge, name: str
) -> None:
    for odd in ODD:
        try:
            record = read(knowledge, order(**{name: odd}))
        except PatientMismatch:
            assert odd == ["x"] or isinstance(odd, str)
        else:
            assert is_accounted_for(record, order())


def test_any_value_as_a_whole_draft_member_is_read(knowledge: Knowledge) -> None:
    for name in ("resourceType", "id", "status", "medicationCodeableConcept"):
        for odd in ODD:
            record = read(knowledge, drafts=(order() | {name: odd},))
            assert len(record.drafts) + len(record.gaps) + len(record.unrelated) >= 1, (name, odd)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_PLACES = [
    (number, path)
    for number, resource in enumerate(RICH)
    for path in places_in(resource)
    if path[0] not in ("resourceType", "id", "subject")
]


@st.composite
def charts(draw: st.DrawFn) -> list[Json]:
    """Draw the rich resources with a few places holding anything at all."""
    chart = list(RICH)
    for number, path in draw(st.lists(st.sampled_from(_PLACES), max_size=4)):
        with suppress(KeyError, IndexError, TypeError):  # an earlier value took the place away
            chart[number] = with_other(chart[number], path, draw(anything))
    return chart


@settings(max_examples=150, deadline=None)
@given(chart=charts())
def test_any_json_is_read_and_every_resource_is_accounted_for(
    knowledge: Knowledge, chart: list[Json]
) -> None:
    record = read(knowledge, *chart)
    assert all(is_accounted_for(record, resource) for resource in chart)
    assert references_in(record).isdisjoint(record.unrelated)


@settings(max_examples=75, deadline=None)
@given(chart=charts(), seed=st.randoms(use_true_random=False))
def test_the_order_of_the_resources_is_irrelevant(
    knowledge: Knowledge, chart: list[Json], seed: Random
) -> None:
    other = list(chart)
    seed.shuffle(other)
    assert _sorted(read(knowledge, *chart)) == _sorted(read(knowledge, *other))


@settings(max_examples=75, deadline=None)
@given(chart=charts())
def test_sending_everything_twice_changes_nothing(knowledge: Knowledge, chart: list[Json]) -> None:
    assert read(knowledge, *chart, *chart) == read(knowledge, *chart)


def _sorted(record: PatientRecord) -> PatientRecord:
    return replace(
        record,
        orders=tuple(sorted(record.orders, key=repr)),
        conditions=tuple(sorted(record.conditions, key=repr)),
        observations=tuple(sorted(record.observations, key=repr)),
        care_events=tuple(sorted(record.care_events, key=repr)),
        unrelated=tuple(sorted(record.unrelated)),
        gaps=tuple(sorted(record.gaps, key=repr)),
    )
