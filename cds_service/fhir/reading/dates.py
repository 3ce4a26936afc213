"""Dates as FHIR writes them, read as calendar days in the site's time zone.

A date known to the month or year is a span of days; which end of it counts is the caller's choice.
"""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

_EARLIEST_YEAR, _LATEST_YEAR = 1800, 2200

_DAY_LENGTH = len("2026-11-22")
_MONTH = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)
_TIME = re.compile(r"[T ]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


class Days(NamedTuple):
    """The calendar days a date may mean, both ends included; one day for a full date."""

    earliest: date
    latest: date

    @property
    def is_exact(self) -> bool:
        """Say whether the date names one day."""
        return self.earliest == self.latest


def days(value: object, time_zone: ZoneInfo) -> Days | None:
    """Return the days a FHIR date, dateTime or instant may mean, or None when it is none.

    A time with an offset becomes the day it was at the site; a time without one, or with one that
    no clock shows (24:00), leaves the date as written. Years outside 1800 to 2200 are unreadable.

    >>> days("2025-03", ZoneInfo("UTC"))
    Days(earliest=datetime.date(2025, 3, 1), latest=datetime.date(2025, 3, 31))
    >>> days("2025-03-01T02:00:00Z", ZoneInfo("America/New_York")).earliest
    datetime.date(2025, 2, 28)
    """
    if not isinstance(value, str):
        return None
    written = value.strip()
    try:
        found = _day(written, time_zone) or _span(written)
    except (ValueError, OverflowError):
        return None
    is_within = found is not None and _EARLIEST_YEAR <= found.earliest.year <= _LATEST_YEAR
    return found if is_within else None


def _day(written: str, time_zone: ZoneInfo) -> Days | None:
    """Return the one day of a full date, with or without a time; ValueError when there is none."""
    if len(written) < _DAY_LENGTH or written[4] != "-" or written[7] != "-":
        return None
    day = date.fromisoformat(written[:_DAY_LENGTH])
    if len(written) > _DAY_LENGTH:
        time = _TIME.fullmatch(written, _DAY_LENGTH)
        if time is None:
            return None
        if time.group(1) is not None:
            day = _day_at_site(written, time_zone) or day
    return Days(day, day)


def _span(written: str) -> Days | None:
    """Return the days of a month or a year."""
    match = _MONTH.fullmatch(written)
    if match is None:
        return None
    year, month = int(match.group(1)), match.group(2)
    first, last = (1, 12) if month is None else (int(month), int(month))
    return Days(date(year, first, 1), date(year, last, calendar.monthrange(year, last)[1]))


def _day_at_site(written: str, time_zone: ZoneInfo) -> date | None:
    try:
        return datetime.fromisoformat(written).astimezone(time_zone).date()
    except ValueError:
        return None
