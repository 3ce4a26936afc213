"""Section 3 of the clinical specification: when an order starts, how long its bounds last."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cds_service.clinical.record import Order
from cds_service.clinical.span import bounds_days, start_of
from tests.clinical.dosages import prescription, quantity

FIRST = date(2026, 1, 1)
DATED = replace(
    prescription(),
    bounds_start=FIRST,
    authored_on=date(2026, 1, 2),
    validity_start=date(2026, 1, 3),
)


@pytest.mark.parametrize(
    ("order", "start"),
    [
        (DATED, date(2026, 1, 1)),
        (replace(DATED, bounds_start=None), date(2026, 1, 2)),
        (replace(DATED, bounds_start=None, authored_on=None), date(2026, 1, 3)),
        (prescription(), None),
    ],
)
def test_an_order_starts_with_its_bounds_else_when_written_else_when_valid(
    order: Order, start: date | None
) -> None:
    assert start_of(order) == start


@pytest.mark.parametrize(
    ("last", "days"), [(date(2025, 12, 31), None), (FIRST, 1), (date(2026, 1, 2), 2)]
)
def test_bounds_count_their_first_and_last_day(last: date, days: int | None) -> None:
    assert bounds_days(replace(DATED, bounds_end=last)) == days


def test_bounds_without_an_end_have_the_length_they_state() -> None:
    assert bounds_days(replace(DATED, bounds_duration=quantity(4, "wk"))) == 28
    assert bounds_days(DATED) is None


def test_an_end_goes_before_a_stated_length() -> None:
    both = replace(DATED, bounds_end=date(2026, 1, 2), bounds_duration=quantity(4, "wk"))
    assert bounds_days(both) == 2


def test_an_end_without_a_start_leaves_the_stated_length() -> None:
    order = replace(prescription(), bounds_end=FIRST, bounds_duration=quantity(4, "wk"))
    assert bounds_days(order) == 28
