"""Section 6 of the clinical specification: dispensed units per day, from every shape of dosage."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.dispensed import Share, as_text
from cds_service.clinical.dosing import daily_intake, days, units_at_a_time, units_per_day
from cds_service.clinical.knowledge import OpioidProduct
from cds_service.clinical.record import Dosage, DoseAmount, Order, Quantity
from cds_service.clinical.ucum import Shortfall
from tests.clinical.dosages import (
    COMBINATION_5,
    PATCH_25,
    SOLUTION_1,
    SPRAY,
    TABLET_5,
    any_dosages,
    coded,
    dosage,
    every,
    ordered,
    prescription,
    product,
    quantities,
    quantity,
)

Q6H = every(6, "h")
DAY = quantity(1, "d")
MONTH = quantity(30, "d")


def taken(*dosages: Dosage, of: OpioidProduct | None = TABLET_5) -> Decimal | None:
    return units_per_day(prescription(*dosages), of)


def why_not(*dosages: Dosage, of: OpioidProduct | None = TABLET_5) -> Share | Shortfall:
    return daily_intake(prescription(*dosages), of)


def text(order: Order, of: OpioidProduct | None = TABLET_5) -> str:
    share = daily_intake(order, of)
    assert isinstance(share, Share)
    return share.text


# Length of time


def test_a_span_is_given_in_days() -> None:
    assert days(quantity(4, "weeks")) == Decimal(28)
    assert days(quantity(36, "h")) == Decimal("1.5")
    assert days(quantity(1, "mo")) == Decimal("30.4375")


def test_a_span_without_a_unit_of_time_is_unknown() -> None:
    assert days(quantity(30, None)) is None
    assert days(quantity(30, "tablet")) is None


def test_a_span_of_zero_is_zero_and_not_unknown() -> None:
    assert days(quantity(0, "d")) == Decimal(0)
    assert days(quantity(0, "mg")) is None


@pytest.mark.parametrize("value", ["-1", "Infinity", "NaN", "sNaN", "1E+308"])
def test_a_span_that_cannot_be_is_unknown(value: str) -> None:
    assert days(Quantity(value=Decimal(value), unit="d")) is None


# Dose x frequency


def test_two_tablets_four_times_a_day_are_eight() -> None:
    assert taken(dosage(2, "{tbl}", Q6H)) == 8


@pytest.mark.parametrize("unit", ["{pill}", "{tbl}", "TAB", "CAP", "1", "capsules", "tablet(s)"])
def test_any_word_for_one_piece_counts_tablets(unit: str) -> None:
    assert taken(dosage(2, unit, Q6H)) == 8


@pytest.mark.parametrize(
    ("value", "unit"), [("10", "mg"), ("0.01", "g"), ("10000", "ug"), ("10000", "mcg")]
)
def test_a_dose_by_mass_becomes_tablets_by_their_strength(value: str, unit: str) -> None:
    assert taken(dosage(value, unit, Q6H)) == 8  # 10 mg / 5 mg x 4


def test_a_dose_by_mass_becomes_millilitres_by_their_strength() -> None:
    assert taken(dosage(5, "mg", Q6H), of=product("2", "mg/mL")) == 10  # 5 / 2 x 4


def test_a_dose_by_volume_counts_millilitres() -> None:
    assert taken(dosage(5, "mL", Q6H), of=SOLUTION_1) == 20


def test_one_patch_every_72_hours_is_a_third_of_a_patch_a_day() -> None:
    per_day = taken(dosage(1, "{patch}", every(72, "h")), of=PATCH_25)
    assert per_day == Decimal("0.3333333333333333333333333334")  # rounded up in the 28th digit
    assert Decimal(10) / per_day <= 30  # ten patches never seem to last into a 31st day


def test_a_patch_dosed_by_its_release_is_one_patch() -> None:
    assert taken(dosage(25, "ug/h", every(1, "d")), of=PATCH_25) == 1
    assert taken(dosage(50, "mcg/h", every(1, "d")), of=PATCH_25) == 2


def test_sprays_count_actuations() -> None:
    assert taken(dosage(2, "{spray}", Q6H), of=SPRAY) == 8
    assert taken(dosage("0.2", "mg", Q6H), of=SPRAY) == 8  # 0.2 / 0.1 x 4


@pytest.mark.parametrize(
    ("unit", "of"),
    [
        ("mL", TABLET_5),
        ("{patch}", TABLET_5),
        ("{spray}", TABLET_5),
        ("ug/h", TABLET_5),
        ("{tbl}", SOLUTION_1),
        ("{pill}", SOLUTION_1),
        ("ug/h", SOLUTION_1),
        ("{tbl}", PATCH_25),
        ("ug", PATCH_25),
        ("mL", PATCH_25),
        ("{tbl}", SPRAY),
        ("mL", SPRAY),
    ],
)
def test_a_unit_that_does_not_fit_the_product_gives_nothing(unit: str, of: OpioidProduct) -> None:
    assert why_not(dosage(2, unit, Q6H), of=of) is Shortfall.UNFIT_UNIT
    assert taken(dosage(2, unit, Q6H), of=of) is None


def test_a_patch_may_be_called_a_unit() -> None:
    assert taken(dosage(1, "1", every(1, "d")), of=PATCH_25) == 1


def test_the_mass_of_a_combination_product_is_never_used() -> None:
    assert why_not(dosage(330, "mg", Q6H), of=COMBINATION_5) is Shortfall.COMBINATION_MASS


def test_tablets_of_a_combination_product_count() -> None:
    assert taken(dosage(2, "{tbl}", Q6H), of=COMBINATION_5) == 8


# Which of several doses


def test_the_ordered_dose_beats_the_calculated_one() -> None:
    amounts = (ordered(10, "mg", "calculated"), ordered(1, "{tbl}", "ordered"))
    assert taken(dosage(timing=Q6H, amounts=amounts)) == 4


def test_a_dose_without_type_beats_the_calculated_one() -> None:
    amounts = (ordered(10, "mg", "calculated"), ordered(1, "{tbl}", None))
    assert taken(dosage(timing=Q6H, amounts=amounts)) == 4


def test_the_ordered_dose_beats_one_without_type() -> None:
    amounts = (ordered(3, "{tbl}", None), ordered(1, "{tbl}", "ordered"))
    assert taken(dosage(timing=Q6H, amounts=amounts)) == 4


def test_a_calculated_dose_alone_counts() -> None:
    assert taken(dosage(timing=Q6H, amounts=(ordered(10, "mg", "calculated"),))) == 8


def test_of_two_doses_of_one_type_the_larger_counts() -> None:
    amounts = (ordered(5, "mg"), ordered(2, "{tbl}"), ordered(1, "{tbl}"))
    assert taken(dosage(timing=Q6H, amounts=amounts)) == 8


def test_an_ordered_dose_that_cannot_be_read_is_not_replaced_by_a_calculated_one() -> None:
    amounts = (ordered(1, None, "ordered"), ordered(5, "mg", "calculated"))
    assert why_not(dosage(timing=Q6H, amounts=amounts)) is Shortfall.NO_UNIT


def test_one_of_two_ordered_doses_that_cannot_be_read_leaves_the_dose_unknown() -> None:
    amounts = (ordered(1, "{tbl}"), ordered(1, "bottle"))
    assert why_not(dosage(timing=Q6H, amounts=amounts)) is Shortfall.UNKNOWN_UNIT


def test_an_entry_that_says_nothing_is_passed_over() -> None:
    amounts = (DoseAmount(amount=None, kind="ordered"), ordered(1, "{tbl}", "calculated"))
    assert taken(dosage(timing=Q6H, amounts=amounts)) == 4


# Rates


def test_a_rate_may_be_one_quantity() -> None:
    rate = DoseAmount(amount=None, rate=quantity(25, "ug/h"))
    assert taken(dosage(timing=every(1, "d"), amounts=(rate,)), of=PATCH_25) == 1


def test_a_rate_may_be_an_amount_over_a_time() -> None:
    rate = DoseAmount(amount=None, rate=quantity(50, "ug"), rate_per=quantity(2, "h"))
    assert taken(dosage(timing=every(1, "d"), amounts=(rate,)), of=PATCH_25) == 1


def test_the_amount_goes_before_the_rate() -> None:
    both = DoseAmount(amount=quantity(1, "{patch}"), rate=quantity(50, "ug/h"))
    assert taken(dosage(timing=every(1, "d"), amounts=(both,)), of=PATCH_25) == 1


def test_a_rate_over_no_time_is_not_known() -> None:
    rate = DoseAmount(amount=None, rate=quantity(25, "ug"), rate_per=quantity(1, None))
    assert why_not(dosage(timing=DAILY, amounts=(rate,)), of=PATCH_25) is Shortfall.UNKNOWN_UNIT


def test_a_rate_that_cannot_be_read_says_so() -> None:
    rate = DoseAmount(amount=None, rate=quantity(25, None), rate_per=quantity(1, "h"))
    assert why_not(dosage(timing=DAILY, amounts=(rate,)), of=PATCH_25) is Shortfall.NO_UNIT


DAILY = every(1, "d")


# maxDosePerPeriod


def test_without_frequency_the_stated_maximum_counts() -> None:
    assert taken(dosage(2, "{tbl}", at_most=quantity(8, "{tbl}"), per=DAY)) == 8


def test_without_dose_the_stated_maximum_counts() -> None:
    assert taken(dosage(None, timing=Q6H, at_most=quantity(30, "mg"), per=DAY)) == 6  # 30 / 5


def test_a_maximum_for_some_hours_is_one_for_the_day() -> None:
    assert taken(dosage(None, at_most=quantity(2, "{tbl}"), per=quantity(6, "h"))) == 8


@pytest.mark.parametrize("tablets", [7, 8, 9])
def test_dose_and_frequency_go_before_the_stated_maximum(tablets: int) -> None:
    stated = dosage(2, "{tbl}", Q6H, at_most=quantity(tablets, "{tbl}"), per=DAY)
    assert taken(stated) == 8


@pytest.mark.parametrize(("tablets", "is_shown"), [(7, True), (8, False), (9, False)])
def test_a_smaller_stated_maximum_is_shown(tablets: int, is_shown: bool) -> None:
    stated = dosage(2, "{tbl}", Q6H, at_most=quantity(tablets, "{tbl}"), per=DAY)
    note = f" [stated maximum {tablets} tablet x 5 mg x 1/day not applied]"
    assert text(prescription(stated)) == "2 tablet x 5 mg x 4/day" + (note if is_shown else "")


@pytest.mark.parametrize(
    ("at_most", "per"),
    [(None, DAY), (quantity(8, "{tbl}"), None), (quantity(8, "{tbl}"), quantity(1, None))],
)
def test_a_maximum_without_number_or_time_is_none(
    at_most: Quantity | None, per: Quantity | None
) -> None:
    assert why_not(dosage(2, "{tbl}", at_most=at_most, per=per)) is Shortfall.NO_FREQUENCY


def test_a_maximum_that_cannot_be_read_says_so() -> None:
    stated = dosage(2, "{tbl}", at_most=quantity(8, "bottle"), per=DAY)
    assert why_not(stated) is Shortfall.UNKNOWN_UNIT


# quantity / supply


def test_without_dosage_quantity_over_supply_counts() -> None:
    order = prescription(amount=quantity(120, "{tbl}"), lasting=MONTH)
    assert units_per_day(order, TABLET_5) == 4
    assert text(order) == "120 tablet x 5 mg / 30 days"


def test_refills_do_not_change_what_one_fill_means_per_day() -> None:
    order = prescription(amount=quantity(120, "{tbl}"), lasting=MONTH, repeats=2)
    assert units_per_day(order, TABLET_5) == 4


@pytest.mark.parametrize(("repeats", "per_day"), [(None, 4), (0, 4), (1, 8), (-1, 4)])
def test_the_bounds_of_an_order_cover_all_its_fills(repeats: int | None, per_day: int) -> None:
    order = replace(
        prescription(amount=quantity(120, "{tbl}"), repeats=repeats), bounds_duration=MONTH
    )
    assert units_per_day(order, TABLET_5) == per_day


def test_the_fills_over_the_bounds_are_shown() -> None:
    order = replace(prescription(amount=quantity(120, "{tbl}"), repeats=2), bounds_duration=MONTH)
    assert text(order) == "3 x 120 tablet x 5 mg / 30 days"


@pytest.mark.parametrize(
    ("last", "per_day"),
    [(date(2026, 1, 1), 60), (date(2026, 1, 30), 2), (date(2025, 12, 31), None)],
)
def test_the_bounds_count_their_first_and_last_day(last: date, per_day: int | None) -> None:
    order = prescription(amount=quantity(60, "{tbl}"))
    order = replace(order, bounds_start=date(2026, 1, 1), bounds_end=last)
    assert units_per_day(order, TABLET_5) == per_day


def test_bounds_with_an_end_only_begin_where_the_order_begins() -> None:
    order = replace(prescription(amount=quantity(60, "{tbl}")), bounds_end=date(2026, 1, 30))
    assert units_per_day(order, TABLET_5) is None
    assert units_per_day(replace(order, authored_on=date(2026, 1, 1)), TABLET_5) == 2


def test_the_stated_supply_goes_before_the_bounds() -> None:
    order = prescription(amount=quantity(120, "{tbl}"), lasting=MONTH)
    assert units_per_day(replace(order, bounds_duration=quantity(60, "d")), TABLET_5) == 4


def test_the_dosage_goes_before_quantity_over_supply() -> None:
    order = prescription(dosage(2, "{tbl}", Q6H), amount=quantity(60, "{tbl}"), lasting=MONTH)
    assert units_per_day(order, TABLET_5) == 8


@pytest.mark.parametrize(
    "stated",
    [
        dosage(1, None, Q6H),
        dosage(1, "{tbl}"),
        dosage(None, timing=Q6H),
        dosage(330, "mg", Q6H),
        dosage(1, "bottle", Q6H),
    ],
)
def test_quantity_over_supply_stands_in_for_a_dosage_that_says_too_little(stated: Dosage) -> None:
    order = prescription(stated, amount=quantity(120, "{tbl}"), lasting=MONTH)
    assert units_per_day(order, COMBINATION_5) == 4


@pytest.mark.parametrize(
    "stated",
    [
        dosage("1E+308", "{tbl}", Q6H),
        dosage(0, "{tbl}", Q6H),
        dosage(1, "{tbl}", every(1, "d", times=0)),
        dosage(1, "{tbl}", Q6H, is_readable=False),
        dosage(0, "{tbl}", Q6H, at_most=quantity(8, "{tbl}"), per=DAY),
        dosage(1, "{tbl}", at_most=quantity(0, "{tbl}"), per=DAY),
    ],
)
def test_nothing_stands_in_for_a_dosage_that_contradicts_itself(stated: Dosage) -> None:
    order = prescription(stated, amount=quantity(120, "{tbl}"), lasting=MONTH)
    assert units_per_day(order, TABLET_5) is None


@pytest.mark.parametrize("amount", [quantity(120, None), quantity(0, "{tbl}"), quantity(1, "box")])
def test_a_quantity_that_is_no_amount_gives_nothing(amount: Quantity) -> None:
    assert units_per_day(prescription(amount=amount, lasting=MONTH), TABLET_5) is None


def test_a_supply_without_a_unit_gives_nothing() -> None:
    order = prescription(amount=quantity(120, "{tbl}"), lasting=quantity(30, None))
    assert daily_intake(order, TABLET_5) is Shortfall.NO_DOSE


# Several dosages


def test_dosages_add_up() -> None:
    assert taken(dosage(1, "{tbl}", coded("AM")), dosage(2, "{tbl}", coded("BED"))) == 3


def test_dosages_of_one_sequence_add_up() -> None:
    morning = dosage(1, "{tbl}", coded("AM"), sequence=1)
    night = dosage(2, "{tbl}", coded("BED"), sequence=1)
    assert taken(morning, night) == 3
    assert text(prescription(morning, night)) == (
        "(1 tablet x 5 mg x 1/day + 2 tablet x 5 mg x 1/day)"
    )


def test_of_dosages_that_follow_each_other_the_largest_counts() -> None:
    steps = (
        dosage(1, "{tbl}", coded("BID"), sequence=1),
        dosage(2, "{tbl}", coded("BID"), sequence=2),
        dosage(1, "{tbl}", coded("TID"), sequence=3),
    )
    assert taken(*steps) == 4
    assert text(prescription(*steps)) == "2 tablet x 5 mg x 2/day [largest of 3 steps]"


def test_a_dosage_without_sequence_goes_on_beside_every_step() -> None:
    steps = (
        dosage(1, "{tbl}", coded("QD"), sequence=1),
        dosage(1, "{tbl}", coded("BED")),
        dosage(2, "{tbl}", coded("QD"), sequence=2),
    )
    assert taken(*steps) == 3  # 1 at bedtime + the larger step of 2


def test_dosages_in_different_units_of_one_product_add_up() -> None:
    assert taken(dosage(1, "{tbl}", coded("AM")), dosage(10, "mg", coded("BED"))) == 3


def test_one_dosage_that_is_unknown_leaves_the_sum_unknown() -> None:
    assert why_not(dosage(1, "{tbl}", Q6H), dosage(None, timing=Q6H)) is Shortfall.NO_DOSE


def test_of_two_gaps_the_first_is_named() -> None:
    assert why_not(dosage(1, "box", Q6H), dosage(1, None, Q6H)) is Shortfall.UNKNOWN_UNIT
    assert why_not(dosage(1, None, Q6H), dosage(1, "box", Q6H)) is Shortfall.NO_UNIT


def test_a_missing_dose_is_named_before_a_missing_frequency() -> None:
    assert why_not(dosage(None)) is Shortfall.NO_DOSE


def test_a_contradiction_is_named_before_a_gap() -> None:
    gap, contradiction = dosage(1, None, Q6H), dosage(0, "{tbl}", Q6H)
    assert why_not(gap, contradiction) is Shortfall.OUT_OF_BOUNDS


def test_a_contradictory_frequency_is_named_before_a_missing_dose() -> None:
    assert why_not(dosage(None, timing=every(0, "h"))) is Shortfall.OUT_OF_BOUNDS


# Reasons


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ((), Shortfall.NO_DOSE),
        ((dosage(None, timing=Q6H),), Shortfall.NO_DOSE),
        ((dosage(1, "{tbl}"),), Shortfall.NO_FREQUENCY),
        ((dosage(1, None, Q6H),), Shortfall.NO_UNIT),
        ((dosage(1, "bottle", Q6H),), Shortfall.UNKNOWN_UNIT),
        ((dosage(0, "{tbl}", Q6H),), Shortfall.OUT_OF_BOUNDS),
        ((dosage(1, "{tbl}", Q6H, is_readable=False),), Shortfall.UNREADABLE),
    ],
)
def test_what_is_missing_is_named(stated: tuple[Dosage, ...], reason: Shortfall) -> None:
    assert why_not(*stated) is reason


# Units of the quantity


def test_units_are_those_of_the_quantity() -> None:
    by_mass = prescription(dosage(2, "{tbl}", Q6H), amount=quantity(600, "mg"))
    assert units_per_day(by_mass, TABLET_5) == 40  # 8 tablets x 5 mg: 600 mg last 15 days
    by_litre = prescription(dosage(5, "mL", Q6H), amount=quantity("0.5", "L"))
    assert units_per_day(by_litre, SOLUTION_1) == Decimal("0.02")  # 20 mL


@pytest.mark.parametrize("unit", ["bottle", None, "mL", "{patch}"])
def test_a_quantity_in_another_unit_gives_no_units_per_day(unit: str | None) -> None:
    order = prescription(dosage(2, "{tbl}", Q6H), amount=quantity(120, unit))
    assert units_per_day(order, TABLET_5) is None


def test_without_a_product_tablets_go_with_tablets() -> None:
    order = prescription(dosage(2, "{tbl}", Q6H), amount=quantity(120, "capsule"))
    assert units_per_day(order, None) == 8


def test_without_a_product_millilitres_go_with_millilitres() -> None:
    order = prescription(dosage(5, "mL", Q6H), amount=quantity("0.5", "L"))
    assert units_per_day(order, None) == Decimal("0.02")


def test_without_a_product_mass_goes_with_mass() -> None:
    order = prescription(dosage(10, "mg", Q6H), amount=quantity("1.2", "g"))
    assert units_per_day(order, None) == Decimal("0.04")  # 40 mg


@pytest.mark.parametrize(
    ("dose", "fill"), [("mg", "{tbl}"), ("mL", "{tbl}"), ("mL", "1"), ("{patch}", "{tbl}")]
)
def test_without_a_product_different_units_give_nothing(dose: str, fill: str) -> None:
    order = prescription(dosage(1, dose, Q6H), amount=quantity(30, fill))
    assert units_per_day(order, None) is None


@pytest.mark.parametrize("word", ["{tbl}", "{patch}", "{spray}", "1"])
def test_without_a_product_a_piece_is_any_piece(word: str) -> None:
    order = prescription(dosage(1, "{pill}", Q6H), amount=quantity(30, word))
    assert units_per_day(order, None) == 4


def test_without_a_product_doses_in_different_units_do_not_add_up() -> None:
    assert why_not(dosage(1, "{tbl}", Q6H), dosage(5, "mg", Q6H), of=None) is Shortfall.UNFIT_UNIT
    two_kinds = (dosage(1, "1", Q6H), dosage(1, "{tbl}", Q6H), dosage(1, "{patch}", Q6H))
    assert why_not(*two_kinds, of=None) is Shortfall.UNFIT_UNIT


@pytest.mark.parametrize(("fill", "per_day"), [("{tbl}", 8), ("1", 8), ("{patch}", None)])
def test_without_a_product_pieces_added_to_tablets_are_tablets(
    fill: str, per_day: int | None
) -> None:
    doses = (dosage(1, "{pill}", Q6H), dosage(1, "{tbl}", Q6H))
    for taken_together in (doses, doses[::-1]):
        order = prescription(*taken_together, amount=quantity(30, fill))
        assert units_per_day(order, None) == per_day


def test_an_order_without_dosage_and_quantity_has_no_units_per_day() -> None:
    assert units_per_day(prescription(), None) is None


# At a time


def test_patches_worn_do_not_depend_on_the_interval() -> None:
    for interval in (None, every(72, "h"), every(48, "h"), every(0, "h")):
        share = units_at_a_time(prescription(dosage(2, "{patch}", interval)), PATCH_25)
        assert isinstance(share, Share)
        assert (share.units, share.text) == (Fraction(2), "2 patch x 25 mcg/h")


def test_patches_of_an_unreadable_dosage_are_unknown() -> None:
    order = prescription(dosage(1, "{patch}", is_readable=False))
    assert units_at_a_time(order, PATCH_25) is Shortfall.UNREADABLE


# Text


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (Fraction(60), "60"),
        (Fraction(100), "100"),
        (Fraction(3, 2), "1.5"),
        (Fraction(1, 3), "0.3333"),
        (Fraction(24, 7), "3.4286"),
        (Fraction(10**12), "1000000000000"),
    ],
)
def test_numbers_are_shown_rounded_and_without_exponent(number: Fraction, shown: str) -> None:
    assert as_text(number) == shown


def test_a_dose_by_mass_is_shown_in_milligrams() -> None:
    assert text(prescription(dosage("0.01", "g", Q6H))) == "10 mg x 4/day"


def test_a_dose_by_volume_is_shown_with_its_strength() -> None:
    order = prescription(dosage(5, "mL", Q6H))
    assert text(order, SOLUTION_1) == "5 mL x 1 mg/mL x 4/day"


# What holds for any order

any_orders = st.builds(
    Order,
    reference=st.just("MedicationRequest/1"),
    drug=st.none(),
    status=st.just("active"),
    dosages=st.lists(any_dosages, max_size=3).map(tuple),
    quantity=st.none() | quantities,
    expected_supply=st.none() | quantities,
    bounds_duration=st.none() | quantities,
    repeats_allowed=st.none() | st.integers(-3, 10**12),
)
any_products = st.sampled_from([None, TABLET_5, COMBINATION_5, SOLUTION_1, PATCH_25, SPRAY])


@given(order=any_orders, of=any_products)
def test_units_per_day_are_unknown_or_a_positive_finite_number(
    order: Order, of: OpioidProduct | None
) -> None:
    per_day = units_per_day(order, of)
    assert per_day is None or (per_day.is_finite() and per_day > 0)


@given(span=quantities)
def test_days_are_unknown_or_a_finite_number_that_is_not_negative(span: Quantity) -> None:
    length = days(span)
    assert length is None or (length.is_finite() and 0 <= length <= 36_525)
