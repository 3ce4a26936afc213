"""Calendar arithmetic in whole days and months."""

from __future__ import annotations

import calendar
from datetime import date

_EVERY_MONTH_HAS_DAYS = 28


def months_before(day: date, months: int) -> date:
    """Return the same day of the month `months` earlier, or that month's last day.

    >>> months_before(date(2026, 11, 22), 12)
    datetime.date(2025, 11, 22)
    >>> months_before(date(2026, 3, 31), 1)
    datetime.date(2026, 2, 28)
    """
    year, month0 = divmod(day.year * 12 + day.month - 1 - months, 12)
    if day.day <= _EVERY_MONTH_HAS_DAYS:
        return date(year, month0 + 1, day.day)
    return date(year, month0 + 1, min(day.day, calendar.monthrange(year, month0 + 1)[1]))


def age_years(birth: date, day: date) -> int:
    """Return the completed years of life on `day`.

    >>> age_years(date(2008, 11, 23), date(2026, 11, 22))
    17
    """
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
