"""FHIR dates as calendar days at the site."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.fhir.reading.dates import Days, days

NEW_YORK = ZoneInfo("America/New_York")


def one(year: int, month: int, day: int) -> Days:
    return Days(date(year, month, day), date(year, month, day))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025", Days(date(2025, 1, 1), date(2025, 12, 31))),
        ("2024-02", Days(date(2024, 2, 1), date(2024, 2, 29))),
        ("2025-03-01", one(2025, 3, 1)),
        (" 2025-03-01 ", one(2025, 3, 1)),
        ("1800-01-01", one(1800, 1, 1)),
        ("2200-12-31", one(2200, 12, 31)),
    ],
)
def test_dates_and_partial_dates_are_spans_of_days(written: str, meant: Days) -> None:
    assert days(written, NEW_YORK) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # New York is five hours behind UTC in winter, four in summer.
        ("2025-03-01T04:59:59Z", one(2025, 2, 28)),
        ("2025-03-01T05:00:00Z", one(2025, 3, 1)),
        ("2025-07-01T03:59:59.999+00:00", one(2025, 6, 30)),
        ("2025-07-01T04:00:00+00:00", one(2025, 7, 1)),
        ("2025-03-01T23:30:00-05:00", one(2025, 3, 1)),
        ("2025-03-01T23:30:00-0800", one(2025, 3, 2)),
        ("2025-03-01T04:00Z", one(2025, 2, 28)),
        ("2025-03-01 04:00:00Z", one(2025, 2, 28)),
    ],
)
def test_a_time_with_an_offset_is_the_day_it_was_at_the_site(written: str, meant: Days) -> None:
    assert days(written, NEW_YORK) == meant


@pytest.mark.parametrize(
    "written",
    [
        "2025-03-01T02:00:00",
        "2025-03-01T02:00",
        "2025-03-01T02",
        "2025-03-01 02:00:00",
        "2025-03-01T24:00:00",
        "2025-03-01T24:00:00Z",
        "2025-03-01T23:59:60Z",
        "2025-03-01T02:00:00+99:00",
    ],
)
def test_a_time_without_zone_or_that_no_clock_shows_leaves_the_date_as_written(
    written: str,
) -> None:
    assert days(written, NEW_YORK) == one(2025, 3, 1)


@pytest.mark.parametrize(
    "value",
    [
        "01/02/2026",
        "2026-02-30",
        "2026-13",
        "2026-00",
        "0000",
        "1799-12-31",
        "2201-01-01",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
        "20260102",
        "2026-W01-1",
        "2026-1-2",
        "2026-01-02 to 2026-03-01",
        "2026-01-02T",
        "２０２６-01-02",
        "",
        " ",
        "today",
        2026,
        20260102.0,
        True,
        None,
        ["2026-01-02"],
        {"start": "2026-01-02"},
    ],
)
def test_anything_else_is_no_date(value: Any) -> None:
    assert days(value, NEW_YORK) is None
