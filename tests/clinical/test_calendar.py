"""Calendar arithmetic at the ends of months and of years."""

from __future__ import annotations

from datetime import date

import pytest

from cds_service.clinical.calendar import age_years, months_before


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 11, 22), 12, date(2025, 11, 22)),
        (date(2026, 11, 22), 0, date(2026, 11, 22)),
        (date(2026, 3, 31), 1, date(2026, 2, 28)),  # February has 28 days
        (date(2028, 3, 31), 1, date(2028, 2, 29)),  # and 29 in a leap year
        (date(2026, 5, 31), 1, date(2026, 4, 30)),
        (date(2026, 2, 28), 1, date(2026, 1, 28)),
        (date(2026, 1, 31), 1, date(2025, 12, 31)),
        (date(2026, 12, 31), 1, date(2026, 11, 30)),
        (date(2026, 1, 15), 13, date(2024, 12, 15)),
        (date(2028, 2, 29), 12, date(2027, 2, 28)),
    ],
)
def test_months_before_is_the_same_day_or_the_last_of_a_shorter_month(
    day: date, months: int, expected: date
) -> None:
    assert months_before(day, months) == expected


@pytest.mark.parametrize(
    ("born", "years"),
    [
        (date(2008, 11, 21), 18),
        (date(2008, 11, 22), 18),
        (date(2008, 11, 23), 17),
        (date(2008, 12, 1), 17),
        (date(2008, 10, 31), 18),
    ],
)
def test_a_year_of_life_is_complete_on_the_birthday(born: date, years: int) -> None:
    assert age_years(born, date(2026, 11, 22)) == years
