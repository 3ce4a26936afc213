"""How many times a day a dose is taken at most: Timing.repeat, Timing.code, timeOfDay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from cds_service.clinical.record import Timing
from cds_service.clinical.ucum import DAYS_PER_UNIT, Exact, Shortfall, days_of, exact, quotient

MOST_TIMES_PER_DAY = 48
"""Every half hour: a bound of plausible writing, not a clinical limit."""

_DAYS_PER_WEEK = 7

_TIMES_PER_DAY: Mapping[str, Exact] = {
    **dict.fromkeys(("QD", "DAILY", "AM", "QAM", "PM", "QPM", "BED", "QHS", "HS"), 1),
    **dict.fromkeys(("BID",), 2),
    **dict.fromkeys(("TID",), 3),
    **dict.fromkeys(("QID",), 4),
    **dict.fromkeys(("QOD",), Fraction(1, 2)),
    **dict.fromkeys(("WK", "QWK"), quotient(1, DAYS_PER_UNIT["wk"])),
    **dict.fromkeys(("MO", "QMO"), quotient(1, DAYS_PER_UNIT["mo"])),
}
"""Source: HL7 v3 GTSAbbreviation, and the Latin forms in common use."""

_EVERY = re.compile(r"Q(\d{1,3})(?:-(\d{1,3}))?([HD])")
"""Q6H, Q4-6H, Q72H, Q3D."""


def times_per_day(timing: Timing | None) -> Exact | Shortfall:
    """Return the largest number of times a day, more than 0 and at most 48, or why it is unknown.

    The first that is known of: frequency and period, the code, the times of day. As needed counts
    at the maximum. A dose for certain days of the week only is spread over the week.

    Source: clinical.md section 6.
    """
    if timing is None:
        return Shortfall.NO_FREQUENCY
    times = _from_repeat(timing) or _from_code(timing.code) or _from_times_of_day(timing)
    if times is None:
        return Shortfall.NO_FREQUENCY
    if not isinstance(times, Shortfall) and times > MOST_TIMES_PER_DAY:
        return Shortfall.OUT_OF_BOUNDS
    return times


def _from_repeat(timing: Timing) -> Exact | Shortfall | None:
    """Return the upper frequency over the shorter period; no frequency is once a period (FHIR).

    With times of day and no frequency, the times of day say how often.
    """
    stated = [f for f in (timing.frequency, timing.frequency_max) if f is not None]
    periods = [exact(p) for p in (timing.period, timing.period_max) if p is not None]
    if not periods or (not stated and timing.times_of_day):
        return None
    frequency, plausible = max(stated, default=1), [p for p in periods if p is not None]
    if frequency < 1 or len(plausible) < len(periods):
        return Shortfall.OUT_OF_BOUNDS
    length = days_of(min(plausible), timing.period_unit)
    if length is None:
        return None
    times = quotient(frequency, length)
    return _over_week(times, timing) if length <= 1 else times


def _from_code(code: str | None) -> Exact | Shortfall | None:
    if code is None:
        return None
    word = code.removesuffix("PRN").strip()
    every = _EVERY.fullmatch(word)
    if every is None:
        return _TIMES_PER_DAY.get(word)
    interval = min(int(number) for number in every.group(1, 2) if number is not None)
    if interval < 1:
        return Shortfall.OUT_OF_BOUNDS
    return quotient(1, interval * DAYS_PER_UNIT[every[3].lower()])


def _from_times_of_day(timing: Timing) -> Exact | None:
    if not timing.times_of_day:
        return None
    return _over_week(timing.times_of_day, timing)


def _over_week(times: Exact, timing: Timing) -> Exact:
    """Spread over the whole week what is taken on certain days of it only, if any are named."""
    if not timing.days_of_week:
        return times
    return times * Fraction(min(timing.days_of_week, _DAYS_PER_WEEK), _DAYS_PER_WEEK)
