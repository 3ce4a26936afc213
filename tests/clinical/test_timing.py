"""How many times a day at most. Every source, their order, and their bounds at -1, 0, +1."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from cds_service.clinical.record import Timing
from cds_service.clinical.timing import times_per_day
from cds_service.clinical.ucum import Shortfall
from tests.clinical.dosages import coded, every


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        (every(6, "h"), Fraction(4)),
        (every(1, "d", times=4), Fraction(4)),
        (every(72, "h"), Fraction(1, 3)),
        (every(3, "d"), Fraction(1, 3)),
        (every(1, "wk", times=7), Fraction(1)),
        (every(1, "wk"), Fraction(1, 7)),
        (every(2, "wk", times=7), Fraction(1, 2)),
        (every(90, "min"), Fraction(16)),  # 1440 / 90
        (every(43_200, "s"), Fraction(2)),  # 86400 / 43200
        (every(1, "mo", times=487), Fraction(16)),  # 487 / 30.4375
        (every(1, "a", times=1461), Fraction(4)),  # 1461 / 365.25
        (every("1.5", "d"), Fraction(2, 3)),
        (every(7, "h"), Fraction(24, 7)),
    ],
)
def test_frequency_over_period_in_any_unit(timing: Timing, times: Fraction) -> None:
    assert times_per_day(timing) == times


def test_the_upper_frequency_counts() -> None:
    assert times_per_day(every(1, "d", times=2, times_max=4)) == 4


def test_the_upper_frequency_counts_also_when_the_two_are_swapped() -> None:
    assert times_per_day(every(1, "d", times=4, times_max=2)) == 4


def test_up_to_twice_counts_as_twice() -> None:
    assert times_per_day(every(1, "d", times=0, times_max=2)) == 2


def test_the_shorter_period_counts() -> None:
    assert times_per_day(every(4, "h", period_max=6)) == 6  # 24 / 4


def test_the_shorter_period_counts_also_when_the_two_are_swapped() -> None:
    assert times_per_day(every(6, "h", period_max=4)) == 6


def test_without_a_frequency_it_is_once_a_period() -> None:
    assert times_per_day(every(8, "h", times=None)) == 3


def test_a_lone_longest_period_counts() -> None:
    assert times_per_day(Timing(frequency=1, period_max=Decimal(12), period_unit="h")) == 2


@pytest.mark.parametrize(
    ("code", "times"),
    [
        ("QD", Fraction(1)),
        ("DAILY", Fraction(1)),
        ("AM", Fraction(1)),
        ("PM", Fraction(1)),
        ("BED", Fraction(1)),
        ("QHS", Fraction(1)),
        ("BID", Fraction(2)),
        ("TID", Fraction(3)),
        ("QID", Fraction(4)),
        ("QOD", Fraction(1, 2)),
        ("WK", Fraction(1, 7)),
        ("MO", Fraction(16, 487)),  # 1 / 30.4375
        ("Q1H", Fraction(24)),
        ("Q2H", Fraction(12)),
        ("Q3H", Fraction(8)),
        ("Q4H", Fraction(6)),
        ("Q6H", Fraction(4)),
        ("Q8H", Fraction(3)),
        ("Q12H", Fraction(2)),
        ("Q24H", Fraction(1)),
        ("Q72H", Fraction(1, 3)),
        ("Q4-6H", Fraction(6)),
        ("Q6-4H", Fraction(6)),
        ("Q3D", Fraction(1, 3)),
        ("Q6H PRN", Fraction(4)),
        ("BIDPRN", Fraction(2)),
    ],
)
def test_codes_for_how_often(code: str, times: Fraction) -> None:
    assert times_per_day(coded(code)) == times


@pytest.mark.parametrize("code", ["", "PRN", "Q6", "QH", "Q1000H", "Q6HX", "XQ6H", "C", "Q6M"])
def test_a_code_that_is_not_known_says_nothing(code: str) -> None:
    assert times_per_day(coded(code)) is Shortfall.NO_FREQUENCY


def test_every_zero_hours_is_out_of_bounds() -> None:
    assert times_per_day(coded("Q0H")) is Shortfall.OUT_OF_BOUNDS


def test_times_of_day_are_counted() -> None:
    assert times_per_day(Timing(times_of_day=3)) == 3


def test_times_of_day_on_some_days_are_spread_over_the_week() -> None:
    assert times_per_day(Timing(times_of_day=2, days_of_week=3)) == Fraction(6, 7)


@pytest.mark.parametrize(("days", "times"), [(6, Fraction(6, 7)), (7, 1), (8, 1)])
def test_a_week_has_seven_days(days: int, times: Fraction) -> None:
    assert times_per_day(Timing(times_of_day=1, days_of_week=days)) == times


def test_a_daily_frequency_on_some_days_is_spread_over_the_week() -> None:
    assert times_per_day(every(1, "d", times=2, days_of_week=3)) == Fraction(6, 7)


def test_a_weekly_frequency_already_knows_its_days() -> None:
    assert times_per_day(every(1, "wk", days_of_week=1)) == Fraction(1, 7)


@pytest.mark.parametrize(
    ("hours", "times"),
    [(23, Fraction(24 * 3, 23 * 7)), (24, Fraction(3, 7)), (25, Fraction(24, 25))],
)
def test_days_of_the_week_matter_up_to_a_period_of_one_day(hours: int, times: Fraction) -> None:
    assert times_per_day(every(hours, "h", days_of_week=3)) == times


def test_days_of_the_week_alone_do_not_say_how_often() -> None:
    assert times_per_day(Timing(days_of_week=3)) is Shortfall.NO_FREQUENCY


def test_frequency_and_period_come_before_the_code() -> None:
    timing = Timing(frequency=1, period=Decimal(1), period_unit="d", code="QID", times_of_day=3)
    assert times_per_day(timing) == 1


def test_the_code_comes_before_times_of_day() -> None:
    assert times_per_day(Timing(code="QID", times_of_day=3)) == 4


def test_times_of_day_say_how_often_when_a_period_stands_without_frequency() -> None:
    assert times_per_day(every(1, "d", times=None, times_of_day=3)) == 3


@pytest.mark.parametrize("unit", [None, "mg"])
def test_a_period_without_a_unit_of_time_is_passed_over(unit: str | None) -> None:
    assert times_per_day(every(6, unit)) is Shortfall.NO_FREQUENCY


def test_a_frequency_without_period_is_passed_over_for_the_code() -> None:
    assert times_per_day(Timing(frequency=4, code="BID")) == 2


def test_nothing_said_is_nothing_known() -> None:
    assert times_per_day(None) is Shortfall.NO_FREQUENCY
    assert times_per_day(Timing()) is Shortfall.NO_FREQUENCY


@pytest.mark.parametrize(
    ("times", "expected"), [(-1, Shortfall.OUT_OF_BOUNDS), (0, Shortfall.OUT_OF_BOUNDS), (1, 1)]
)
def test_less_than_once_is_out_of_bounds(times: int, expected: object) -> None:
    assert times_per_day(every(1, "d", times=times)) == expected


@pytest.mark.parametrize(("times", "expected"), [(47, 47), (48, 48), (49, Shortfall.OUT_OF_BOUNDS)])
def test_every_half_hour_is_the_most_often(times: int, expected: object) -> None:
    assert times_per_day(every(1, "d", times=times)) == expected


@pytest.mark.parametrize("period", ["0", "-1", "1E+308", "NaN", "Infinity"])
def test_an_implausible_period_is_out_of_bounds(period: str) -> None:
    assert times_per_day(every(period, "d")) is Shortfall.OUT_OF_BOUNDS
    assert times_per_day(every(1, "d", period_max=period)) is Shortfall.OUT_OF_BOUNDS
