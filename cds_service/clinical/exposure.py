"""Exposure: the calendar days covered by past orders of any opioid analgesic.

Which drug an order is for comes from `drugs`, how long its supply lasts from `supply`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from cds_service.clinical.calendar import months_before
from cds_service.clinical.drugs import DrugKinds, RecognisedOpioid
from cds_service.clinical.knowledge import Knowledge, Thresholds
from cds_service.clinical.orders import OrderReading, Period, why_no_history
from cds_service.clinical.record import Order
from cds_service.clinical.span import start_of
from cds_service.clinical.supply import Supply, supply_of

_DAY = timedelta(days=1)

_Understood = tuple[Order, RecognisedOpioid | None, str | None]
"""An order of the record, its opioid, and why it is no evidence; one that is has a start."""

PossiblyLongTerm = Literal[
    "renewal-chain", "continuous-therapy", "z79-891", "refill-without-history"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Covered days joined over short gaps. `covered_days` counts each day once."""

    first: date
    last: date
    covered_days: int

    @property
    def span_days(self) -> int:
        """All days from first to last, both included."""
        return (self.last - self.first).days + 1

    @property
    def covered_share(self) -> Decimal:
        """Covered days over all days of the run, more than 0, at most 1."""
        return Decimal(self.covered_days) / Decimal(self.span_days)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """Past exposure of one patient up to the day of the call.

    Of the orders of the current run (without one: of the record) `estimated_orders` counts those
    whose supply is not recorded, `imprecise_starts` those that began in a month or a year.
    """

    readings: tuple[OrderReading, ...]
    runs: tuple[Run, ...]
    current_run: Run | None
    is_long_term: bool
    possibly_long_term: tuple[PossiblyLongTerm, ...]
    estimated_orders: int
    imprecise_starts: int = 0


def exposure(
    orders: Sequence[Order],
    knowledge: Knowledge,
    *,
    as_of: date,
    has_opioid_use_disorder: bool,
    drugs: DrugKinds | None = None,
    drafts: Sequence[OrderReading] = (),
    has_long_term_code: bool = False,
    is_refill_without_history: bool = False,
) -> Exposure:
    """Return the exposure from the orders of the record, whatever their sequence.

    `drugs`: recognised already, those of the orders among them. `drafts` and the two flags only
    decide whether the therapy is possibly long-term.

    Source: clinical.md section 3.
    """
    thresholds = knowledge.thresholds
    drugs = drugs or DrugKinds(orders, knowledge)
    understood = [
        (
            order,
            opioid := drugs.opioid(order),
            why_no_history(
                order, opioid, as_of=as_of, has_opioid_use_disorder=has_opioid_use_disorder
            ),
        )
        for order in orders
    ]
    readings = _readings(understood, thresholds, as_of)
    counted = [reading for reading in readings if reading.counts]
    runs = _runs((r.covered for r in counted if r.covered is not None), thresholds)
    current = _current(runs, thresholds, as_of)
    possibly: list[PossiblyLongTerm] = []
    if _is_renewal_chain(counted, thresholds, as_of):
        possibly.append("renewal-chain")
    if _is_continuous(counted, drafts, thresholds, as_of):
        possibly.append("continuous-therapy")
    if has_long_term_code:
        possibly.append("z79-891")
    if is_refill_without_history:
        possibly.append("refill-without-history")
    return Exposure(
        readings=readings,
        runs=runs,
        current_run=current,
        is_long_term=current is not None and _is_long_term(current, thresholds),
        possibly_long_term=tuple(possibly),
        estimated_orders=sum(r.supply.source == "unknown" for r in _of_run(counted, current)),
        imprecise_starts=sum(r.order.start_is_imprecise for r in _of_run(counted, current)),
    )


def current_orders(
    readings: Iterable[OrderReading], thresholds: Thresholds, as_of: date
) -> tuple[OrderReading, ...]:
    """Return the active orders that are therapy today.

    With a known supply: covered to within a run's gap of the day. Without: the last order, and
    not older than a relic (12 months) - such an order may be current though it covers no day.

    Source: clinical.md section 3, last paragraph.
    """
    nearest = as_of - timedelta(days=thresholds.run_gap_at_most_days)
    oldest = months_before(as_of, thresholds.relic_after_months)

    def is_current(reading: OrderReading) -> bool:
        if reading.order.status != "active" or reading.covered is None:
            return False
        if reading.covered.last >= nearest:
            return True
        return (
            reading.supply.source == "unknown"
            and not reading.has_successor
            and reading.covered.first >= oldest
        )

    return tuple([reading for reading in readings if is_current(reading)])


def crosses(run: Run | None, draft: OrderReading, thresholds: Thresholds) -> bool:
    """Say whether the draft's supply, refills included, takes the run beyond the long-term limit.

    The run and the draft are one union of days; without a run, or after a gap that breaks it, the
    draft stands alone. A run that is already beyond the limit does not cross it. Unknown supply
    crosses nothing.

    Source: clinical.md section 3, "Crossing".
    """
    if draft.supply.days is None or draft.start is None:
        return False
    limit = thresholds.long_term_more_than_days
    if run is None:
        return draft.supply.days > limit
    uncovered = (draft.start - run.last).days - 1
    if uncovered > thresholds.run_gap_at_most_days:
        return draft.supply.days > limit
    if run.span_days > limit:
        return False
    return (draft.start - run.first).days + draft.supply.days > limit


def _readings(
    understood: Sequence[_Understood], thresholds: Thresholds, as_of: date
) -> tuple[OrderReading, ...]:
    """Return the readings with their covered days, each seeing the next later start."""
    starts = {
        start
        for order, _, why_not in understood
        if why_not is None and (start := start_of(order)) is not None
    }
    next_start = dict(pairwise(sorted(starts)))
    readings = []
    for order, opioid, why_not in understood:
        start, supply = start_of(order), supply_of(order, opioid)
        covered, successor = None, None
        if why_not is None and start is not None:
            successor = next_start.get(start)
            covered = coverage(order, start, supply, thresholds, as_of, successor=successor)
        reading = OrderReading(
            order=order,
            drug=opioid,
            start=start,
            supply=supply,
            counts=why_not is None,
            why_not=why_not,
            covered=covered,
            has_successor=successor is not None,
        )
        readings.append(reading)
    return tuple(readings)


def coverage(
    order: Order,
    start: date,
    supply: Supply,
    thresholds: Thresholds,
    as_of: date,
    *,
    successor: date | None = None,
) -> Period:
    """Return the days an order covers, clipped to the day of the call.

    `start` is at most `as_of`; `successor` is the start of the next order of the same kind.

    Source: clinical.md section 3, "Supply" and "Unknown supply".
    """
    if supply.days is not None:
        days = supply.days
        ends_before = successor if order.status == "stopped" else None
    else:
        is_open = successor is not None or order.status == "active"
        days = (
            thresholds.unknown_supply_at_most_days
            if is_open
            else thresholds.unknown_supply_last_inactive_days
        )
        ends_before = successor
    is_over = days <= (as_of - start).days
    last = start + timedelta(days - 1) if is_over else as_of
    return Period(first=start, last=last if ends_before is None else min(last, ends_before - _DAY))


def _runs(covered: Iterable[Period], thresholds: Thresholds) -> tuple[Run, ...]:
    """Join periods whose gap of uncovered days is short enough; each day counts once."""
    periods = sorted([(period.first, period.last) for period in covered])
    if not periods:
        return ()
    runs: list[Run] = []
    run_first, run_last = periods[0]
    covered_days = (run_last - run_first).days + 1
    for first, last in periods[1:]:
        if (first - run_last).days - 1 > thresholds.run_gap_at_most_days:
            runs.append(Run(first=run_first, last=run_last, covered_days=covered_days))
            run_first, run_last, covered_days = first, last, (last - first).days + 1
        elif last > run_last:
            covered_days += (last - max(first - _DAY, run_last)).days
            run_last = last
    return (*runs, Run(first=run_first, last=run_last, covered_days=covered_days))


def _current(runs: Sequence[Run], thresholds: Thresholds, as_of: date) -> Run | None:
    if runs and (as_of - runs[-1].last).days <= thresholds.run_gap_at_most_days:
        return runs[-1]
    return None


def _is_long_term(run: Run, thresholds: Thresholds) -> bool:
    return (
        run.span_days > thresholds.long_term_more_than_days
        and run.covered_share >= thresholds.covered_share_at_least
    )


def _is_renewal_chain(counted: Iterable[OrderReading], thresholds: Thresholds, as_of: date) -> bool:
    """Say whether orders of unknown supply follow one another up to a recent, active one.

    Orders of one day are one link.

    Source: clinical.md section 3, "Possibly long-term" (a).
    """
    links: dict[date, bool] = {}
    for r in counted:
        if r.supply.source == "unknown" and r.start is not None:
            links[r.start] = links.get(r.start, False) or r.order.status == "active"
    if not links:
        return False
    chain = sorted(links.items())
    last, last_is_active = chain[-1]
    length, first = 1, last
    for start, _ in reversed(chain[:-1]):
        if (first - start).days > thresholds.chain_step_at_most_days:
            break
        length, first = length + 1, start
    return (
        last_is_active
        and length >= thresholds.chain_orders_at_least
        and (last - first).days > thresholds.long_term_more_than_days
        and (as_of - last).days <= thresholds.chain_step_at_most_days
    )


def _is_continuous(
    counted: Iterable[OrderReading],
    drafts: Iterable[OrderReading],
    thresholds: Thresholds,
    as_of: date,
) -> bool:
    """Say whether a current order or a draft is marked as continuous therapy."""
    marked = [r for r in counted if r.order.is_continuous_therapy]
    is_current = bool(marked and current_orders(marked, thresholds, as_of))
    return is_current or any(draft.order.is_continuous_therapy for draft in drafts)


def _of_run(counted: Iterable[OrderReading], current: Run | None) -> list[OrderReading]:
    """Return the orders that reach into the current run; all of them without one."""
    return [
        r
        for r in counted
        if current is None or (r.covered is not None and r.covered.last >= current.first)
    ]
