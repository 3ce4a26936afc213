"""The dosage instructions of an order together: their doses, and the time they limit it to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cds_service.clinical.dosing import days
from cds_service.clinical.record import Dosage, Quantity
from cds_service.fhir.reading.dates import Days
from cds_service.fhir.reading.dosage import Instruction, read_instruction, upper_end
from cds_service.fhir.reading.element import Element


class Bounds(NamedTuple):
    """Start, last day and length; each None where the instructions do not limit it."""

    start: Days | None
    end: date | None
    duration: Quantity | None


_BOUNDS = frozenset({"boundsPeriod", "boundsDuration", "boundsRange"})
_UNBOUNDED = Bounds(start=None, end=None, duration=None)


class Instructions(NamedTuple):
    """Every dosage of an order, its bounds, and the paths of what could not be read."""

    dosages: tuple[Dosage, ...]
    bounds: Bounds
    lost: tuple[str, ...]


def read_instructions(sent: object, time_zone: ZoneInfo) -> Instructions:
    """Return what `dosageInstruction` says.

    An instruction that is no object may be a dose: it is kept as an unreadable one.
    """
    element = Element({"dosageInstruction": sent})
    parts = element.children("dosageInstruction")
    unreadable = [Dosage(is_readable=False) for _ in element.lost]
    read = [read_instruction(part) for part in parts]
    bounds = _bounds(read, time_zone)
    dosages = (*[one.dosage for one in read], *unreadable)
    return Instructions(dosages=dosages, bounds=bounds, lost=tuple(element.lost))


def _bounds(instructions: Sequence[Instruction], time_zone: ZoneInfo) -> Bounds:
    """Return the bounds the instructions of one order give it together.

    The order starts with the earliest and ends with the latest of them; lengths of instructions
    that follow one another add up. Where one with a dose or a timing is not limited, neither is
    the order; instructions in words only have no part in this.
    """
    if all(_BOUNDS.isdisjoint(repeat.value) for _, repeat in instructions):
        return _UNBOUNDED
    scheduled = [
        (dosage, _own_bounds(repeat, time_zone))
        for dosage, repeat in instructions
        if dosage.timing is not None or dosage.amounts
    ]
    starts = [bounds.start for _, bounds in scheduled if bounds.start is not None]
    ends = [bounds.end for _, bounds in scheduled]
    return Bounds(
        start=min(starts, default=None),
        end=max((end for end in ends if end is not None), default=None) if all(ends) else None,
        duration=_together([(dosage.sequence, bounds.duration) for dosage, bounds in scheduled]),
    )


def _own_bounds(repeat: Element, time_zone: ZoneInfo) -> Bounds:
    if _BOUNDS.isdisjoint(repeat.value):
        return _UNBOUNDED
    period = repeat.child("boundsPeriod")
    start, end = period.days("start", time_zone), period.days("end", time_zone)
    if start is not None and end is not None and end.latest < start.earliest:
        period.note("end")
        end = None
    return Bounds(
        start=start,
        end=None if end is None else end.latest,
        duration=repeat.quantity("boundsDuration", is_positive=True)
        or upper_end(repeat, "boundsRange"),
    )


def _together(durations: Sequence[tuple[int | None, Quantity | None]]) -> Quantity | None:
    """Return the sum of lengths in sequence, the longest of others; a single one as written."""
    if len(durations) == 1:
        return durations[0][1]
    lengths = [None if duration is None else days(duration) for _, duration in durations]
    known = [length for length in lengths if length is not None]
    if not known or len(known) < len(lengths):
        return None
    sequences = {sequence for sequence, _ in durations}
    follow = None not in sequences and len(sequences) == len(durations)
    return Quantity(value=sum(known, Decimal(0)) if follow else max(known), unit="d")
