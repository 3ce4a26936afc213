"""Amounts of time and of drug, as codes and words. Bounds at -1, 0, +1."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from cds_service.clinical.record import Quantity
from cds_service.clinical.ucum import Amount, Shortfall, amount, exact, length_days, released
from tests.clinical.dosages import quantity


@pytest.mark.parametrize(
    ("value", "unit", "days"),
    [
        (86_400, "s", Fraction(1)),
        (43_200, "seconds", Fraction(1, 2)),
        (90, "min", Fraction(1, 16)),  # 90 / 1440
        (720, "minutes", Fraction(1, 2)),
        (36, "h", Fraction(3, 2)),
        (8, "hours", Fraction(1, 3)),
        (24, "hrs", Fraction(1)),
        (30, "d", Fraction(30)),
        (30, "day", Fraction(30)),
        (30, "Days", Fraction(30)),
        (30, "DAY(S)", Fraction(30)),
        (30, " days ", Fraction(30)),
        (30, "d{supply}", Fraction(30)),
        (4, "wk", Fraction(28)),
        (4, "weeks", Fraction(28)),
        (1, "mo", Fraction(487, 16)),  # 30.4375
        (3, "months", Fraction(1461, 16)),  # 91.3125
        (1, "a", Fraction(1461, 4)),  # 365.25
        (2, "years", Fraction(1461, 2)),
        (1, "ann", Fraction(1461, 4)),
    ],
)
def test_every_unit_of_time_by_code_and_by_word(value: int, unit: str, days: Fraction) -> None:
    assert length_days(quantity(value, unit)) == days


@pytest.mark.parametrize(
    "unit", [None, "", " ", "mg", "m", "tablet", "Tage", "ds", "hs", "as", "dayss", "{}"]
)
def test_what_is_no_unit_of_time_is_no_length(unit: str | None) -> None:
    assert length_days(quantity(30, unit)) is None


@pytest.mark.parametrize(("days", "is_length"), [(36_524, True), (36_525, True), (36_526, False)])
def test_a_hundred_years_is_the_longest_time(days: int, is_length: bool) -> None:
    assert (length_days(quantity(days, "d")) is not None) == is_length


@pytest.mark.parametrize(
    ("number", "is_plausible"),
    [
        ("0.0009", False),
        ("0.001", True),
        ("0.0011", True),
        ("999999", True),
        ("1000000", True),
        ("1000000.1", False),
        ("1E+308", False),
        ("1E-308", False),
        ("0", False),
        ("-1", False),
        ("NaN", False),
        ("sNaN", False),
        ("Infinity", False),
        ("0." + "1" * 29, True),
        ("0." + "1" * 30, True),
        ("0." + "1" * 31, False),
        ("1." + "0" * 30, True),
        ("1." + "0" * 31, False),
        ("1E+6", True),
    ],
)
def test_numbers_have_bounds_at_both_ends_and_in_their_digits(
    number: str, is_plausible: bool
) -> None:
    assert (exact(Decimal(number)) is not None) == is_plausible


def test_a_plausible_number_is_kept_exactly() -> None:
    assert exact(Decimal("12.50")) == Fraction(25, 2)


@pytest.mark.parametrize(
    ("value", "unit", "milligrams"),
    [
        ("10", "mg", Fraction(10)),
        ("10", "MG", Fraction(10)),
        ("10", "milligrams", Fraction(10)),
        ("10", "mg{opioid}", Fraction(10)),
        ("800", "ug", Fraction(4, 5)),
        ("800", "mcg", Fraction(4, 5)),
        ("800", "µg", Fraction(4, 5)),  # micro sign
        ("800", "μg", Fraction(4, 5)),  # Greek mu
        ("800", "micrograms", Fraction(4, 5)),
        ("0.015", "g", Fraction(15)),
        ("0.015", "gm", Fraction(15)),
        ("0.015", "Gram", Fraction(15)),
    ],
)
def test_masses_are_in_milligrams(value: str, unit: str, milligrams: Fraction) -> None:
    assert amount(quantity(value, unit)) == Amount(value=milligrams, kind="mass", unit="mg")


@pytest.mark.parametrize(
    ("value", "unit", "millilitres"),
    [
        ("5", "mL", Fraction(5)),
        ("5", "ml", Fraction(5)),
        ("5", "milliliters", Fraction(5)),
        ("5", "millilitre", Fraction(5)),
        ("0.5", "L", Fraction(500)),
        ("0.5", "litres", Fraction(500)),
        ("0.5", "liter", Fraction(500)),
    ],
)
def test_volumes_are_in_millilitres(value: str, unit: str, millilitres: Fraction) -> None:
    assert amount(quantity(value, unit)) == Amount(value=millilitres, kind="volume", unit="mL")


@pytest.mark.parametrize(
    ("unit", "kind", "word"),
    [
        ("{pill}", "piece", "pill"),
        ("1", "piece", "unit"),
        ("{each}", "piece", "unit"),
        ("unit(s)", "piece", "unit"),
        ("ea", "piece", "unit"),
        ("1{tbl}", "solid", "tablet"),
        ("{tbl}", "solid", "tablet"),
        ("{ tbl }", "solid", "tablet"),
        ("TAB", "solid", "tablet"),
        ("tablet", "solid", "tablet"),
        ("Tablets", "solid", "tablet"),
        ("tablet(s)", "solid", "tablet"),
        ("ERTAB", "solid", "tablet"),
        ("caplet", "solid", "tablet"),
        ("{capsule}", "solid", "capsule"),
        ("CAP", "solid", "capsule"),
        ("caps", "solid", "capsule"),
        ("film", "solid", "film"),
        ("lozenges", "solid", "lozenge"),
        ("suppositories", "solid", "suppository"),
        ("{patch}", "patch", "patch"),
        ("patches", "patch", "patch"),
        ("{spray}", "spray", "spray"),
        ("actuations", "spray", "spray"),
    ],
)
def test_words_for_one_piece_count_pieces(unit: str, kind: str, word: str) -> None:
    assert amount(quantity(2, unit)) == Amount(value=Fraction(2), kind=kind, unit=word)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("25", "ug/h"),
        ("25", "mcg/h"),
        ("25", "mcg/hr"),
        ("25", "micrograms/hour"),
        ("25", "mcg per hour"),
        ("25", "MCG PER HOUR"),
        ("0.025", "mg/h"),
        ("600", "ug/d"),  # 600 / 24
    ],
)
def test_release_rates_are_in_milligrams_an_hour(value: str, unit: str) -> None:
    assert amount(quantity(value, unit)) == Amount(
        value=Fraction(25, 1000), kind="release", unit="mg/h"
    )


def test_only_a_mass_is_released_over_time() -> None:
    tablets = Amount(value=Fraction(1), kind="solid", unit="tablet")
    assert released(tablets, Fraction(1)) is Shortfall.UNFIT_UNIT


@pytest.mark.parametrize("unit", [None, "", "  "])
def test_no_unit_is_guessed(unit: str | None) -> None:
    assert amount(quantity(10, unit)) is Shortfall.NO_UNIT


@pytest.mark.parametrize(
    "unit",
    ["bottle", "box", "{dose}", "tsp", "mg/mL", "/h", "mg/", "mL/h", "kg", "{}", "10{tablet}", "h"],
)
def test_a_unit_that_is_not_in_the_table_is_not_known(unit: str) -> None:
    assert amount(quantity(10, unit)) is Shortfall.UNKNOWN_UNIT


@pytest.mark.parametrize("value", ["0", "-1", "1E+308", "Infinity", "NaN"])
def test_an_implausible_amount_is_out_of_bounds(value: str) -> None:
    assert amount(Quantity(value=Decimal(value), unit="mg")) is Shortfall.OUT_OF_BOUNDS


def test_only_what_contradicts_itself_is_a_fault() -> None:
    assert {s for s in Shortfall if s.is_fault} == {Shortfall.UNREADABLE, Shortfall.OUT_OF_BOUNDS}
