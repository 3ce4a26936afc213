"""Dosage instructions: how much, how often, and no more than. Nothing is converted here."""

from __future__ import annotations

from typing import NamedTuple

from cds_service.clinical.record import Dosage, DoseAmount, Quantity, Timing
from cds_service.fhir.reading import values
from cds_service.fhir.reading.concepts import codes
from cds_service.fhir.reading.element import Element

_UNITS_OF_TIME = frozenset({"s", "min", "h", "d", "wk", "mo", "a"})
_GTS_SYSTEMS = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation",
        "http://hl7.org/fhir/v3/GTSAbbreviation",
    }
)
_KINDS = frozenset({"ordered", "calculated"})
_COUNTED = frozenset({"timeOfDay", "when", "dayOfWeek"})
_RATES = frozenset({"rateRatio", "rateQuantity", "rateRange"})
_DOSE_PARTS = ("doseQuantity", "doseRange", "rateQuantity", "rateRange", "rateRatio")
_MOST_PER_PERIOD = 1000
_MOST_TIMES_OF_DAY = 96
_LONGEST_PERIOD = 1000
_DAYS_IN_WEEK = 7


class Instruction(NamedTuple):
    """One dosage instruction, and its `timing.repeat`: what bounds it has are in there."""

    dosage: Dosage
    repeat: Element


def read_instruction(element: Element) -> Instruction:
    """Return one dosage instruction; it is unreadable when any part of the dose was lost."""
    lost_before = len(element.lost)
    element.refuse_modifier_extension()
    limit = element.child("maxDosePerPeriod")
    sequence = element.integer("sequence")
    has_timing = element.has("timing")
    sent_timing = element.child("timing")
    sent_timing.refuse_modifier_extension()
    repeat = sent_timing.child("repeat")
    timing = _timing(repeat, code=sent_timing.value.get("code")) if has_timing else None
    amounts = tuple(_amounts(element))
    maximum, maximum_per = _ratio(limit)
    dosage = Dosage(
        sequence=sequence,
        timing=timing,
        amounts=amounts,
        maximum=maximum,
        maximum_per=maximum_per,
        is_readable=len(element.lost) == lost_before,
    )
    return Instruction(dosage, repeat)


def _timing(repeat: Element, *, code: object) -> Timing:
    is_counted = not _COUNTED.isdisjoint(repeat.value)
    return Timing(
        frequency=repeat.integer("frequency", least=1, most=_MOST_PER_PERIOD),
        frequency_max=repeat.integer("frequencyMax", least=1, most=_MOST_PER_PERIOD),
        period=repeat.positive_number("period", most=_LONGEST_PERIOD),
        period_max=repeat.positive_number("periodMax", most=_LONGEST_PERIOD),
        period_unit=repeat.code("periodUnit", _UNITS_OF_TIME),
        code=None if code is None else _timing_code(code),
        times_of_day=_times_of_day(repeat) if is_counted else 0,
        days_of_week=_count(repeat, "dayOfWeek", most=_DAYS_IN_WEEK) if is_counted else 0,
    )


def _timing_code(concept: object) -> str | None:
    """Return the abbreviation (BID, Q6H) if it is coded as one, else the words, else any code."""
    for holder in values.objects(concept):
        abbreviations = (
            values.code(coding.get("code"))
            for coding in values.objects(holder.get("coding"))
            if values.text(coding.get("system")) in _GTS_SYSTEMS
        )
        for word in (*abbreviations, values.text(holder.get("text")), *sorted(codes(holder))):
            if word is not None:
                return word.upper()
    return None


def _times_of_day(repeat: Element) -> int:
    return max(
        _count(repeat, "timeOfDay", most=_MOST_TIMES_OF_DAY),
        _count(repeat, "when", most=_MOST_TIMES_OF_DAY),
    )


def _count(repeat: Element, name: str, *, most: int) -> int:
    """Count the different times of the day or days of the week."""
    value = repeat.value.get(name)
    if values.is_absent(value):
        return 0
    members = value if isinstance(value, list) else [value]
    words = {word for word in members if isinstance(word, str)}
    if len(words) > most or not all(isinstance(member, str) for member in members):
        repeat.note(name)
        return 0
    return len(words)


def _amounts(element: Element) -> list[DoseAmount]:
    """Return each `doseAndRate`; before R4 its parts are members of the dosage itself."""
    holders = element.children("doseAndRate") or [element]
    return [_amount(holder) for holder in holders if any(map(holder.has, _DOSE_PARTS))]


def _amount(holder: Element) -> DoseAmount:
    kinds = _KINDS & codes(holder.value.get("type")) if holder.has("type") else ()
    has_rate = not _RATES.isdisjoint(holder.value)
    rate, rate_per = _ratio(holder.child("rateRatio")) if has_rate else (None, None)
    amount = holder.quantity("doseQuantity") or upper_end(holder, "doseRange")
    if has_rate:
        rate = rate or holder.quantity("rateQuantity") or upper_end(holder, "rateRange")
    return DoseAmount(amount=amount, kind=min(kinds, default=None), rate=rate, rate_per=rate_per)


def upper_end(holder: Element, name: str) -> Quantity | None:
    """Return the upper end of a Range; one that is open above is unreadable."""
    span = holder.child(name)
    if not span.value:
        return None
    if not span.has("high"):
        span.note("high")
    return span.quantity("high")


def _ratio(ratio: Element) -> tuple[Quantity | None, Quantity | None]:
    if not ratio.value:
        return None, None
    return ratio.quantity("numerator"), ratio.quantity("denominator", is_positive=True)
