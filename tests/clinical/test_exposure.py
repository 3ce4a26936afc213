"""Section 3 of the clinical specification, each threshold at one below, at, and one above."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.clinical.exposure import Exposure, crosses, current_orders, exposure
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.orders import OrderReading, draft_reading
from cds_service.clinical.record import Dosage, DoseAmount, Order, Quantity, Timing
from tests.clinical.builders import (
    BUPRENORPHINE_NALOXONE,
    COUGH_SYRUP,
    METHADONE_10,
    MORPHINE_15,
    TODAY,
    TRAMADOL_50,
    days_ago,
    fills,
    named,
    order,
    rxnorm,
    supply,
)


def expose(orders: tuple[Order, ...], knowledge: Knowledge, **more: object) -> Exposure:
    more.setdefault("has_opioid_use_disorder", False)
    return exposure(orders, knowledge, as_of=TODAY, **more)  # type: ignore[arg-type]


def covered_days(orders: tuple[Order, ...], knowledge: Knowledge) -> int:
    return sum(run.covered_days for run in expose(orders, knowledge).runs)


def reading(one: Order, knowledge: Knowledge) -> OrderReading:
    return expose((one,), knowledge).readings[0]


# -- long-term -------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "is_long_term"), [(89, False), (90, False), (91, True)])
def test_more_than_ninety_days_are_long_term_and_exactly_ninety_are_not(
    knowledge: Knowledge, days: int, is_long_term: bool
) -> None:
    seen = expose(fills(count=1, days=days), knowledge)
    assert seen.current_run is not None
    assert seen.current_run.span_days == days
    assert seen.is_long_term is is_long_term


@pytest.mark.parametrize(("covered", "is_long_term"), [(69, False), (70, True), (71, True)])
def test_seventy_percent_of_the_days_must_be_covered(
    knowledge: Knowledge, covered: int, is_long_term: bool
) -> None:
    # A run of 100 days: 30 + 10 + the rest covered, two gaps that make up 100 - covered days.
    first, second, third = 30, 10, covered - 40
    gap = (100 - covered) // 2
    orders = (
        order("MedicationRequest/a", start=days_ago(99), days=first, status="completed"),
        order("MedicationRequest/b", start=days_ago(99 - first - gap), days=second),
        order("MedicationRequest/c", start=days_ago(third - 1), days=third),
    )
    seen = expose(orders, knowledge)
    assert seen.current_run is not None
    assert seen.current_run.span_days == 100
    assert seen.current_run.covered_share == Decimal(covered) / 100
    assert seen.is_long_term is is_long_term


@pytest.mark.parametrize(("gap", "runs"), [(29, 1), (30, 1), (31, 2)])
def test_a_gap_of_thirty_days_joins_a_run_and_thirty_one_break_it(
    knowledge: Knowledge, gap: int, runs: int
) -> None:
    orders = (
        order("MedicationRequest/a", start=days_ago(60 + gap + 10 - 1), days=60),
        order("MedicationRequest/b", start=days_ago(9), days=10),
    )
    assert len(expose(orders, knowledge).runs) == runs


@pytest.mark.parametrize(("ended", "is_current"), [(29, True), (30, True), (31, False)])
def test_a_run_that_ended_thirty_days_ago_is_current_and_thirty_one_is_not(
    knowledge: Knowledge, ended: int, is_current: bool
) -> None:
    seen = expose(fills(count=1, days=120, last_ends=days_ago(ended)), knowledge)
    assert (seen.current_run is not None) is is_current
    assert seen.is_long_term is is_current


def test_a_run_is_counted_to_its_last_covered_day_not_to_the_day_of_the_call(
    knowledge: Knowledge,
) -> None:
    seen = expose(fills(count=1, days=90, last_ends=days_ago(20)), knowledge)
    assert seen.current_run is not None
    assert seen.current_run.span_days == 90
    assert not seen.is_long_term


def test_days_beyond_the_day_of_the_call_do_not_count(knowledge: Knowledge) -> None:
    # Started 59 days ago with 180 days of supply: 60 days so far.
    assert covered_days((order(start=days_ago(59), days=180),), knowledge) == 60


def test_the_sum_of_supplies_is_not_the_exposure(knowledge: Knowledge) -> None:
    # Three orders of 40 days each, all started on one day: 40 days, not 120.
    same = tuple(order(f"MedicationRequest/{i}", start=days_ago(39), days=40) for i in range(3))
    assert covered_days(same, knowledge) == 40


def test_different_opioids_make_one_run(knowledge: Knowledge) -> None:
    orders = (
        order("MedicationRequest/a", start=days_ago(99), days=50, status="completed"),
        order("MedicationRequest/b", start=days_ago(49), days=50, drug=rxnorm(TRAMADOL_50)),
    )
    assert expose(orders, knowledge).is_long_term


# -- which orders count ----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["active", "completed", "stopped", "on-hold"])
def test_an_order_of_the_past_counts_in_each_of_four_statuses(
    knowledge: Knowledge, status: str
) -> None:
    assert reading(order(start=days_ago(10), days=5, status=status), knowledge).counts


@pytest.mark.parametrize("status", ["draft", "cancelled", "entered-in-error", "unknown", None])
def test_an_order_in_any_other_status_never_counts(
    knowledge: Knowledge, status: str | None
) -> None:
    seen = reading(order(start=days_ago(10), days=5, status=status), knowledge)
    assert (seen.counts, seen.why_not) == (False, f"status is {status}")


@pytest.mark.parametrize(
    "intent",
    [None, "order", "original-order", "reflex-order", "filler-order", "instance-order"],
)
def test_an_order_counts_with_an_ordering_intent_or_none(
    knowledge: Knowledge, intent: str | None
) -> None:
    assert reading(order(start=days_ago(10), days=5, intent=intent), knowledge).counts


@pytest.mark.parametrize("intent", ["proposal", "plan", "option"])
def test_a_proposal_or_plan_never_counts(knowledge: Knowledge, intent: str) -> None:
    seen = reading(order(start=days_ago(10), days=5, intent=intent), knowledge)
    assert (seen.counts, seen.why_not) == (False, f"intent is {intent}")


def test_an_inpatient_order_does_not_count(knowledge: Knowledge) -> None:
    seen = reading(order(start=days_ago(10), days=5, is_inpatient=True), knowledge)
    assert (seen.counts, seen.why_not) == (False, "inpatient order")


def test_an_order_not_to_be_performed_does_not_count(knowledge: Knowledge) -> None:
    seen = reading(order(start=days_ago(10), days=5, is_do_not_perform=True), knowledge)
    assert (seen.counts, seen.why_not) == (False, "marked do-not-perform")


def test_an_order_without_any_date_is_not_exposure(knowledge: Knowledge) -> None:
    assert reading(order(days=5), knowledge).why_not == "no start date"


def test_an_order_that_starts_tomorrow_is_not_past_exposure(knowledge: Knowledge) -> None:
    seen = reading(order(start=days_ago(-1), days=5), knowledge)
    assert (seen.counts, seen.why_not) == (False, "starts after the day of the call")


def test_an_order_that_starts_today_covers_today(knowledge: Knowledge) -> None:
    assert covered_days((order(start=TODAY, days=5),), knowledge) == 1


def test_an_unresolved_drug_is_no_exposure_and_says_so(knowledge: Knowledge) -> None:
    from dataclasses import replace

    unresolved = replace(order(start=days_ago(10), days=5), drug=None)
    assert reading(unresolved, knowledge).why_not == "drug could not be resolved"


def test_another_drug_is_not_an_opioid(knowledge: Knowledge) -> None:
    other = order(start=days_ago(10), days=5, drug=named("lisinopril 10 mg"))
    assert reading(other, knowledge).why_not == "not an opioid"


def test_a_cough_syrup_is_no_home_analgesic(knowledge: Knowledge) -> None:
    syrup = order(start=days_ago(10), days=5, drug=rxnorm(COUGH_SYRUP))
    assert reading(syrup, knowledge).why_not == "not a home analgesic: cough/cold"


def test_buprenorphine_with_naloxone_is_treatment_not_exposure(knowledge: Knowledge) -> None:
    moud = order(start=days_ago(100), days=101, drug=rxnorm(BUPRENORPHINE_NALOXONE))
    assert reading(moud, knowledge).why_not == "treatment of opioid use disorder"


@pytest.mark.parametrize("has_oud", [False, True])
def test_methadone_tablets_are_exposure_unless_opioid_use_disorder_is_recorded(
    knowledge: Knowledge, has_oud: bool
) -> None:
    methadone = (order(start=days_ago(99), days=100, drug=rxnorm(METHADONE_10)),)
    seen = expose(methadone, knowledge, has_opioid_use_disorder=has_oud)
    assert seen.is_long_term is not has_oud


# -- start and supply ------------------------------------------------------------------------


def test_the_start_is_the_bounds_then_authored_on_then_validity(knowledge: Knowledge) -> None:
    dates = {"bounds_start": days_ago(30), "validity_start": days_ago(10)}
    assert reading(order(start=days_ago(20), days=5, **dates), knowledge).start == days_ago(30)
    dates["bounds_start"] = None  # type: ignore[assignment]
    assert reading(order(start=days_ago(20), days=5, **dates), knowledge).start == days_ago(20)
    assert reading(order(days=5, **dates), knowledge).start == days_ago(10)


def test_refills_multiply_the_expected_supply(knowledge: Knowledge) -> None:
    # 30 days x (1 + 3 refills) = 120 days
    assert reading(order(start=days_ago(5), days=30, refills=3), knowledge).supply.days == 120


def test_a_stopped_order_counts_without_its_refills(knowledge: Knowledge) -> None:
    stopped = order(start=days_ago(200), days=30, refills=3, status="stopped")
    assert reading(stopped, knowledge).supply.days == 30


@pytest.mark.parametrize(("next_start", "days"), [(81, 20), (80, 21), (60, 30)])
def test_a_stopped_order_ends_at_the_latest_where_the_next_opioid_order_starts(
    knowledge: Knowledge, next_start: int, days: int
) -> None:
    orders = (
        order("MedicationRequest/a", start=days_ago(101), days=30, status="stopped"),
        order("MedicationRequest/b", start=days_ago(next_start), days=1, status="completed"),
    )
    covered = expose(orders, knowledge).readings[0].covered
    assert covered is not None
    assert covered.days == days


def test_a_part_of_a_day_is_a_day(knowledge: Knowledge) -> None:
    half = order(start=days_ago(10), expected_supply=Quantity(value=Decimal("2.5"), unit="d"))
    assert reading(half, knowledge).supply.days == 3


def test_a_whole_number_of_days_in_hours_is_no_day_more(knowledge: Knowledge) -> None:
    # 40 h x (1 + 2 refills) = 120 h = 5 days
    forty_hours = Quantity(value=Decimal(40), unit="h")
    refilled = order(start=days_ago(10), expected_supply=forty_hours, repeats_allowed=2)
    assert reading(refilled, knowledge).supply.days == 5


def test_bounds_are_the_supply_when_none_is_expected_and_refills_do_not_multiply_them(
    knowledge: Knowledge,
) -> None:
    # 22 October to 20 November, both included: 10 + 20 = 30 days
    bounded = order(
        bounds_start=date(2026, 10, 22), bounds_end=date(2026, 11, 20), repeats_allowed=2
    )
    seen = reading(bounded, knowledge).supply
    assert (seen.days, seen.source) == (30, "bounds")


def test_bounds_that_end_before_they_start_say_nothing(knowledge: Knowledge) -> None:
    wrong = order(bounds_start=days_ago(10), bounds_end=days_ago(12))
    assert reading(wrong, knowledge).supply.source == "unknown"


def test_bounds_of_one_day_are_one_day(knowledge: Knowledge) -> None:
    one = order(bounds_start=days_ago(10), bounds_end=days_ago(10))
    assert reading(one, knowledge).supply.days == 1


def test_a_bounds_duration_is_a_supply(knowledge: Knowledge) -> None:
    seen = reading(order(start=days_ago(10), bounds_duration=supply(14)), knowledge).supply
    assert (seen.days, seen.source) == (14, "bounds")


def two_tablets_four_times_a_day() -> Dosage:
    return Dosage(
        timing=Timing(frequency=4, period=Decimal(1), period_unit="d"),
        amounts=(DoseAmount(amount=Quantity(value=Decimal(2), unit="{tbl}")),),
    )


def test_the_quantity_over_the_units_per_day_is_a_supply(knowledge: Knowledge) -> None:
    # 240 tablets / (2 x 4 a day) = 30 days, x (1 + 1 refill) = 60 days
    counted = order(
        start=days_ago(10),
        quantity=Quantity(value=Decimal(240), unit="{tbl}"),
        dosages=(two_tablets_four_times_a_day(),),
        repeats_allowed=1,
    )
    seen = reading(counted, knowledge).supply
    assert (seen.days, seen.source) == (60, "quantity")


def test_the_expected_supply_beats_bounds_and_bounds_beat_quantity(knowledge: Knowledge) -> None:
    everything = {
        "bounds_duration": supply(14),
        "quantity": Quantity(value=Decimal(240), unit="{tbl}"),
        "dosages": (two_tablets_four_times_a_day(),),
    }
    assert reading(order(start=TODAY, days=7, **everything), knowledge).supply.days == 7
    assert reading(order(start=TODAY, **everything), knowledge).supply.days == 14


def test_an_expected_supply_of_zero_is_not_a_supply(knowledge: Knowledge) -> None:
    assert reading(order(start=TODAY, days=0), knowledge).supply.source == "unknown"


# -- unknown supply --------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "days"), [(99, 99), (100, 100), (101, 100)])
def test_an_order_of_unknown_supply_lasts_until_the_next_but_at_most_a_hundred_days(
    knowledge: Knowledge, apart: int, days: int
) -> None:
    orders = (
        order("MedicationRequest/a", start=days_ago(150 + apart), status="completed"),
        order("MedicationRequest/b", start=days_ago(150), days=1),
    )
    covered = expose(orders, knowledge).readings[0].covered
    assert covered is not None
    assert covered.days == days


@pytest.mark.parametrize(
    "never_given",
    [
        {"status": "cancelled"},
        {"is_inpatient": True},
        {"intent": "plan"},
        {"drug": rxnorm(COUGH_SYRUP)},
    ],
    ids=["cancelled", "inpatient", "plan", "cough syrup"],
)
def test_an_order_that_does_not_count_ends_no_other(
    knowledge: Knowledge, never_given: dict[str, Any]
) -> None:
    orders = (
        order("MedicationRequest/a", start=days_ago(60)),
        order("MedicationRequest/b", start=days_ago(50), days=1, **never_given),
    )
    seen = expose(orders, knowledge)
    assert (covered_days(orders, knowledge), seen.readings[0].has_successor) == (61, False)


@pytest.mark.parametrize(("ago", "days"), [(98, 99), (99, 100), (100, 100)])
def test_the_last_active_order_of_unknown_supply_lasts_until_today_but_at_most_a_hundred_days(
    knowledge: Knowledge, ago: int, days: int
) -> None:
    assert covered_days((order(start=days_ago(ago)),), knowledge) == days


@pytest.mark.parametrize(("ago", "days"), [(28, 29), (29, 30), (30, 30)])
def test_the_last_order_of_unknown_supply_that_is_over_lasts_thirty_days(
    knowledge: Knowledge, ago: int, days: int
) -> None:
    assert covered_days((order(start=days_ago(ago), status="completed"),), knowledge) == days


def test_quarterly_renewals_without_supply_are_long_term_and_estimated(
    knowledge: Knowledge,
) -> None:
    # 184, 92 and 0 days ago: 92 + 92 + 1 = 185 days, every one covered
    quarterly = tuple(
        order(f"MedicationRequest/{ago}", start=days_ago(ago)) for ago in (184, 92, 0)
    )
    seen = expose(quarterly, knowledge)
    assert seen.current_run is not None
    assert seen.current_run.covered_days == 185
    assert seen.is_long_term
    assert seen.estimated_orders == 3


def test_an_order_active_for_decades_is_not_current_therapy(knowledge: Knowledge) -> None:
    seen = expose((order(start=date(1978, 10, 3)),), knowledge)
    assert seen.current_run is None
    assert seen.possibly_long_term == ()


def test_only_orders_of_the_current_run_make_it_estimated(knowledge: Knowledge) -> None:
    orders = (
        order("MedicationRequest/old", start=days_ago(900), status="completed"),
        order("MedicationRequest/now", start=days_ago(9), days=10),
    )
    assert expose(orders, knowledge).estimated_orders == 0


def test_a_start_known_to_the_month_only_leaves_the_supply_as_recorded(
    knowledge: Knowledge,
) -> None:
    vague = order(start=days_ago(21), days=30, start_is_imprecise=True)
    seen = expose((vague,), knowledge)
    assert (seen.estimated_orders, seen.imprecise_starts) == (0, 1)


def test_a_start_outside_the_current_run_is_not_told(knowledge: Knowledge) -> None:
    old = order("old", start=days_ago(900), days=30, status="completed", start_is_imprecise=True)
    now = order("now", start=days_ago(9), days=10)
    assert expose((old, now), knowledge).imprecise_starts == 0


# -- possibly long-term ----------------------------------------------------------------------


def chain(*ago: int, last_status: str = "active") -> tuple[Order, ...]:
    return tuple(
        order(
            f"MedicationRequest/{days}",
            start=days_ago(days),
            status=last_status if days == min(ago) else "completed",
        )
        for days in ago
    )


@pytest.mark.parametrize(
    ("ago", "is_chain"),
    [
        ((360, 200, 20), True),
        ((200, 20), False),  # two orders only
        ((822, 421, 21), False),  # 401 days between the first two
        ((821, 421, 21), True),  # 400 and 400
        ((1600, 821, 421, 21), True),  # the oldest stands apart, the other three are a chain
        ((500, 450, 400), True),  # the last 400 days old, the chain 100 days long
        ((501, 451, 401), False),  # the last 401 days old
        ((111, 60, 20), True),  # 91 days from the first to the last
        ((110, 60, 20), False),  # exactly 90
    ],
)
def test_renewals_of_unknown_supply_that_follow_one_another_are_possibly_long_term(
    knowledge: Knowledge, ago: tuple[int, ...], is_chain: bool
) -> None:
    expected = ("renewal-chain",) if is_chain else ()
    assert expose(chain(*ago), knowledge).possibly_long_term == expected


def test_a_chain_whose_last_order_is_over_is_not_possibly_long_term(knowledge: Knowledge) -> None:
    over = chain(360, 200, 150, last_status="completed")
    assert expose(over, knowledge).possibly_long_term == ()


def test_orders_of_one_day_are_one_link_of_a_chain(knowledge: Knowledge) -> None:
    twice = (*chain(200, 20), *chain(200, 20))
    assert expose(twice, knowledge).possibly_long_term == ()


def test_one_active_order_of_the_last_day_keeps_a_chain_active(knowledge: Knowledge) -> None:
    both = (*chain(360, 200, 20, last_status="stopped"), order("b", start=days_ago(20)))
    assert expose(both, knowledge).possibly_long_term == ("renewal-chain",)
    assert expose(both[::-1], knowledge).possibly_long_term == ("renewal-chain",)


def test_orders_with_a_supply_make_no_chain(knowledge: Knowledge) -> None:
    known = tuple(order(f"MedicationRequest/{d}", start=days_ago(d), days=5) for d in (300, 150, 1))
    assert expose(known, knowledge).possibly_long_term == ()


def test_a_current_order_marked_continuous_is_possibly_long_term(knowledge: Knowledge) -> None:
    current = order(start=days_ago(20), days=30, is_continuous_therapy=True)
    assert expose((current,), knowledge).possibly_long_term == ("continuous-therapy",)


def test_a_past_order_marked_continuous_is_not(knowledge: Knowledge) -> None:
    past = order(start=days_ago(100), days=30, is_continuous_therapy=True)
    assert expose((past,), knowledge).possibly_long_term == ()


def test_a_draft_marked_continuous_is_possibly_long_term(knowledge: Knowledge) -> None:
    draft = draft_reading(
        order(is_continuous_therapy=True), knowledge, as_of=TODAY, has_opioid_use_disorder=False
    )
    assert expose((), knowledge, drafts=(draft,)).possibly_long_term == ("continuous-therapy",)


def test_the_code_for_long_term_use_is_possibly_long_term(knowledge: Knowledge) -> None:
    assert expose((), knowledge, has_long_term_code=True).possibly_long_term == ("z79-891",)


def test_a_refill_without_history_is_possibly_long_term(knowledge: Knowledge) -> None:
    seen = expose((), knowledge, is_refill_without_history=True)
    assert seen.possibly_long_term == ("refill-without-history",)


# -- current orders --------------------------------------------------------------------------


def current(one: Order, knowledge: Knowledge) -> bool:
    seen = expose((one,), knowledge)
    return bool(current_orders(seen.readings, knowledge.thresholds, TODAY))


@pytest.mark.parametrize(("ended", "is_current"), [(29, True), (30, True), (31, False)])
def test_an_active_order_of_known_supply_is_current_for_thirty_days_after_its_end(
    knowledge: Knowledge, ended: int, is_current: bool
) -> None:
    assert current(order(start=days_ago(ended + 9), days=10), knowledge) is is_current


@pytest.mark.parametrize(
    ("start", "is_current"),
    [(date(2025, 11, 23), True), (date(2025, 11, 22), True), (date(2025, 11, 21), False)],
)
def test_an_active_order_without_supply_or_successor_is_a_relic_after_twelve_months(
    knowledge: Knowledge, start: date, is_current: bool
) -> None:
    assert current(order(start=start), knowledge) is is_current


def test_an_order_that_is_over_is_never_current(knowledge: Knowledge) -> None:
    assert not current(order(start=days_ago(5), days=30, status="completed"), knowledge)


def test_an_order_without_supply_that_has_a_successor_is_not_kept_current(
    knowledge: Knowledge,
) -> None:
    orders = (
        order("MedicationRequest/a", start=days_ago(300)),
        order("MedicationRequest/b", start=days_ago(180)),
    )
    seen = current_orders(expose(orders, knowledge).readings, knowledge.thresholds, TODAY)
    assert [r.order.reference for r in seen] == ["MedicationRequest/b"]


# -- crossing --------------------------------------------------------------------------------


def draft(knowledge: Knowledge, **more: object) -> OrderReading:
    return draft_reading(
        order("MedicationRequest/draft", status="draft", **more),  # type: ignore[arg-type]
        knowledge,
        as_of=TODAY,
        has_opioid_use_disorder=False,
    )


@pytest.mark.parametrize(("days", "is_crossing"), [(30, False), (31, False), (32, True)])
def test_a_renewal_crosses_when_run_and_draft_together_exceed_ninety_days(
    knowledge: Knowledge, days: int, is_crossing: bool
) -> None:
    # The run has 60 days and ends today, the draft starts today: 60 + 31 - 1 shared day = 90.
    run = expose(fills(count=2, days=30), knowledge).current_run
    assert crosses(run, draft(knowledge, days=days), knowledge.thresholds) is is_crossing


@pytest.mark.parametrize(("days", "is_crossing"), [(89, False), (90, False), (91, True)])
def test_a_first_order_crosses_by_its_own_supply(
    knowledge: Knowledge, days: int, is_crossing: bool
) -> None:
    assert crosses(None, draft(knowledge, days=days), knowledge.thresholds) is is_crossing


def test_the_refills_of_a_first_order_count_towards_crossing(knowledge: Knowledge) -> None:
    # 30 x (1 + 2) = 90 does not cross, 30 x (1 + 3) = 120 does
    assert not crosses(None, draft(knowledge, days=30, refills=2), knowledge.thresholds)
    assert crosses(None, draft(knowledge, days=30, refills=3), knowledge.thresholds)


@pytest.mark.parametrize(("run_days", "is_crossing"), [(89, True), (90, True), (91, False)])
def test_a_run_beyond_ninety_days_is_no_longer_crossing(
    knowledge: Knowledge, run_days: int, is_crossing: bool
) -> None:
    run = expose(fills(count=1, days=run_days), knowledge).current_run
    assert crosses(run, draft(knowledge, days=30), knowledge.thresholds) is is_crossing


def test_a_draft_of_unknown_supply_crosses_nothing(knowledge: Knowledge) -> None:
    run = expose(fills(count=1, days=89), knowledge).current_run
    assert not crosses(run, draft(knowledge), knowledge.thresholds)


@pytest.mark.parametrize(("ends_in", "is_crossing"), [(30, False), (31, True)])
def test_bounds_that_began_earlier_end_where_they_say(
    knowledge: Knowledge, ends_in: int, is_crossing: bool
) -> None:
    # The run has 60 days up to today; bounds from its first day to 30 days ahead make 90 in all.
    run = expose(fills(count=2, days=30), knowledge).current_run
    bounded = draft(knowledge, bounds_start=days_ago(59), bounds_end=days_ago(-ends_in))
    assert (bounded.supply.days, bounded.supply.source) == (ends_in + 1, "bounds")
    assert crosses(run, bounded, knowledge.thresholds) is is_crossing


def test_bounds_that_are_over_are_no_supply(knowledge: Knowledge) -> None:
    over = draft(knowledge, bounds_start=days_ago(59), bounds_end=days_ago(1))
    assert (over.supply.days, over.supply.source) == (None, "unknown")
    last_day = draft(knowledge, bounds_start=days_ago(59), bounds_end=TODAY)
    assert last_day.supply.days == 1


def test_other_supplies_of_a_draft_move_with_its_start(knowledge: Knowledge) -> None:
    lasting = draft(knowledge, start=days_ago(10), bounds_duration=supply(14))
    assert (lasting.supply.days, lasting.supply.source) == (14, "bounds")
    stated = draft(knowledge, days=30, bounds_start=days_ago(10), bounds_end=days_ago(-5))
    assert (stated.supply.days, stated.supply.source) == (30, "expected-supply")


@pytest.mark.parametrize(("days", "is_crossing"), [(90, False), (91, True)])
def test_a_draft_after_a_gap_that_breaks_the_run_stands_alone(
    knowledge: Knowledge, days: int, is_crossing: bool
) -> None:
    run = expose(fills(count=1, days=60), knowledge).current_run
    later = draft(knowledge, days=days, start=days_ago(-32))
    assert crosses(run, later, knowledge.thresholds) is is_crossing


@pytest.mark.parametrize(("ahead", "is_crossing"), [(30, True), (31, True), (32, False)])
def test_a_draft_that_starts_later_belongs_to_the_run_over_a_short_gap_only(
    knowledge: Knowledge, ahead: int, is_crossing: bool
) -> None:
    # The run ends today: a start in 31 days leaves 30 uncovered days between them.
    run = expose(fills(count=1, days=60), knowledge).current_run
    later = draft(knowledge, days=30, start=days_ago(-ahead))
    assert crosses(run, later, knowledge.thresholds) is is_crossing


# -- drafts ----------------------------------------------------------------------------------


def test_a_draft_without_authored_on_starts_on_the_day_of_the_call(knowledge: Knowledge) -> None:
    assert draft(knowledge, days=30).start == TODAY


def test_a_refilled_order_of_long_ago_starts_on_the_day_of_the_call(knowledge: Knowledge) -> None:
    assert draft(knowledge, days=30, start=days_ago(90)).start == TODAY


@pytest.mark.parametrize("status", ["draft", "active", "on-hold", "unknown", None])
def test_a_draft_counts_whatever_its_status(knowledge: Knowledge, status: str | None) -> None:
    seen = draft_reading(
        order(status=status), knowledge, as_of=TODAY, has_opioid_use_disorder=False
    )
    assert seen.counts


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_a_draft_cancelled_or_entered_in_error_does_not_count(
    knowledge: Knowledge, status: str
) -> None:
    seen = draft_reading(
        order(status=status), knowledge, as_of=TODAY, has_opioid_use_disorder=False
    )
    assert (seen.counts, seen.why_not) == (False, f"status is {status}")


# -- what must hold always -------------------------------------------------------------------

statuses = st.sampled_from(["active", "completed", "stopped", "on-hold"])
opioids = st.sampled_from(["1049621", MORPHINE_15, TRAMADOL_50])
any_order = st.builds(
    lambda ago, days, refills, status, code: order(
        f"MedicationRequest/{ago}-{days}-{status}-{code}",
        start=days_ago(ago),
        days=days,
        refills=refills,
        status=status,
        drug=rxnorm(code),
    ),
    st.integers(0, 700),
    st.none() | st.integers(1, 120),
    st.none() | st.integers(0, 5),
    statuses,
    opioids,
)
histories = st.lists(any_order, max_size=12).map(tuple)


@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_prescriptions_is_irrelevant(
    knowledge: Knowledge, orders: tuple[Order, ...], random: object
) -> None:
    shuffled = list(orders)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = expose(orders, knowledge), expose(tuple(shuffled), knowledge)
    assert one.runs == other.runs
    assert one.possibly_long_term == other.possibly_long_term
    assert one.estimated_orders == other.estimated_orders


@given(histories)
def test_a_duplicate_adds_no_days(knowledge: Knowledge, orders: tuple[Order, ...]) -> None:
    once, twice = expose(orders, knowledge), expose(orders + orders, knowledge)
    assert twice.runs == once.runs
    assert twice.possibly_long_term == once.possibly_long_term


@given(
    st.lists(
        any_order.filter(lambda o: o.expected_supply is not None and o.status != "stopped")
    ).map(tuple),
    any_order.filter(lambda o: o.expected_supply is not None),
)
def test_another_opioid_order_never_lowers_exposure_of_known_supply(
    knowledge: Knowledge, orders: tuple[Order, ...], another: Order
) -> None:
    assert covered_days((*orders, another), knowledge) >= covered_days(orders, knowledge)


@given(histories)
@settings(max_examples=200)
def test_runs_are_apart_and_within_the_past(
    knowledge: Knowledge, orders: tuple[Order, ...]
) -> None:
    runs = expose(orders, knowledge).runs
    for earlier, later in pairwise(runs):
        assert (later.first - earlier.last).days - 1 > 30
    for run in runs:
        assert run.last <= TODAY
        assert 0 < run.covered_days <= run.span_days
