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

_DATE_TIME = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?)?)?",
    re.ASCII,
)


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
    match = _DATE_TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, zone = match.group("year", "month", "day", "zone")
    if not _EARLIEST_YEAR <= int(year) <= _LATEST_YEAR:
        return None
    try:
        if day is None:
            return _span(int(year), None if month is None else int(month))
        written = date(int(year), int(month), int(day))
    except ValueError:
        return None
    found = written if zone is None else _day_at_site(match.group(), time_zone) or written
    return Days(found, found)


def _span(year: int, month: int | None) -> Days:
    first, last = (1, 12) if month is None else (month, month)
    return Days(date(year, first, 1), date(year, last, calendar.monthrange(year, last)[1]))


def _day_at_site(written: str, time_zone: ZoneInfo) -> date | None:
    try:
        return datetime.fromisoformat(written).astimezone(time_zone).date()
    except ValueError:
        return None
