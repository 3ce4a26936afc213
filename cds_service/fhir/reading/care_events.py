"""Procedures, ServiceRequests, CarePlans and Encounters: care that a rule or a card looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cds_service.clinical.record import CareEvent, GapKind
from cds_service.fhir.reading import orders, values
from cds_service.fhir.reading.element import Element
from cds_service.fhir.reading.parts import NOTHING, Reading, Source, Surroundings
from cds_service.fhir.reading.values import JsonObject

_EVENT = {"preparation", "in-progress", "not-done", "on-hold", "stopped", "completed"}
_REQUEST = {"draft", "active", "on-hold", "revoked", "completed"}
_ALWAYS = {"entered-in-error", "unknown"}
_PROPOSED = frozenset({"proposal", "plan", "option"})
_INTENTS = orders.INTENTS | {"directive"}


class _Shape(NamedTuple):
    """Where a type keeps its codes (as paths) and dates, and which status it may have.

    Dates are tried in the order written, then of each period the end, else the start.
    """

    concepts: tuple[tuple[str, ...], ...]
    statuses: frozenset[str]
    dates: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()


SHAPES: Mapping[str, _Shape] = {
    "Procedure": _Shape(
        concepts=(("code",), ("reasonCode",), ("category",)),
        statuses=frozenset(_EVENT | _ALWAYS),
        dates=("performedDateTime",),
        periods=("performedPeriod",),
    ),
    "ServiceRequest": _Shape(
        concepts=(("code",), ("reasonCode",), ("category",)),
        statuses=frozenset(_REQUEST | _ALWAYS),
        dates=("occurrenceDateTime", "authoredOn"),
        periods=("occurrencePeriod",),
    ),
    "CarePlan": _Shape(
        concepts=(("category",),),
        statuses=frozenset(_REQUEST | _ALWAYS),
        dates=("created",),
        periods=("period",),
    ),
    "Encounter": _Shape(
        concepts=(
            ("type",),
            ("reasonCode",),
            ("serviceType",),
            ("hospitalization", "dischargeDisposition"),
        ),
        statuses=frozenset(
            {"planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled"}
            | _ALWAYS
        ),
        periods=("period",),
    ),
}


def read_care_event(source: Source, surroundings: Surroundings) -> Reading[CareEvent]:
    """Return the event, when one of its codes meets a table; of ServiceRequests every coded one.

    A card offers no referral that is already ordered, so every order of a service is kept. One
    not to be performed, or only proposed, orders nothing. An event without a readable status, or
    with a modifierExtension, is a gap.

    Source: clinical.md sections 5 and 8.
    """
    is_request = source.resource_type == "ServiceRequest"
    shape = SHAPES[source.resource_type]
    coded = [surroundings.concepts.coded(concept) for concept in _concepts(source.resource, shape)]
    codings = tuple(dict.fromkeys([coding for one in coded for coding in one.codings]))
    if not codings or not (is_request or any(one.is_in_tables for one in coded)):
        return NOTHING
    element = source.opened()
    status = element.code("status", shape.statuses)
    if status is None and not element.lost:
        element.note("status")
    is_ordered = not is_request or _is_ordered(element, is_draft=source.is_draft)
    if element.lost:
        return source.unreadable(GapKind.OPTIONAL_UNREADABLE, element)
    if not is_ordered:
        return NOTHING
    event = CareEvent(
        reference=source.reference,
        resource_type=source.resource_type,
        codings=codings,
        status=status,
        day=_day(element, shape, surroundings.time_zone),
    )
    return Reading(event, source.left_out(element))


def _concepts(event: JsonObject, shape: _Shape) -> Iterator[object]:
    for *outer, name in shape.concepts:
        holders = [event]
        for step in outer:
            holders = [inner for holder in holders for inner in values.objects(holder.get(step))]
        for holder in holders:
            yield holder.get(name)


def _is_ordered(element: Element, *, is_draft: bool) -> bool:
    """Say whether a request asks for the service; a draft does, whatever its intent."""
    intent = element.code("intent", _INTENTS)
    return not element.boolean("doNotPerform") and (is_draft or intent not in _PROPOSED)


def _day(element: Element, shape: _Shape, time_zone: ZoneInfo) -> date | None:
    for name in shape.dates:
        day = element.days(name, time_zone)
        if day is not None:
            return day.latest
    for name in shape.periods:
        period = element.child(name)
        day = period.days("end", time_zone) or period.days("start", time_zone)
        if day is not None:
            return day.latest
    return None
