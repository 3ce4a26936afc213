"""Exposure: the calendar days covered by past orders of any opioid analgesic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.record import Order

SupplySource = Literal["expected-supply", "bounds", "quantity", "unknown"]
PossiblyLongTerm = Literal[
    "renewal-chain", "continuous-therapy", "z79-891", "refill-without-history"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """Calendar days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderReading:
    """How one order of the record, or one draft, was understood.

    `counts` says whether it adds covered days; if not, `why_not` says why (a fixed phrase).
    `covered` is clipped to the day of the call. `supply_days` includes refills.
    """

    order: Order
    drug: RecognisedOpioid | None
    is_draft: bool
    start: date | None
    supply_days: int | None
    supply_source: SupplySource
    counts: bool
    why_not: str | None
    covered: Period | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Covered days joined over short gaps. `covered_days` counts each day once."""

    first: date
    last: date
    covered_days: int

    @property
    def span_days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def covered_share(self) -> Decimal:
        return Decimal(self.covered_days) / Decimal(self.span_days)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """Past exposure of one patient up to the day of the call.

    `estimated_orders` counts the orders of the current run (or, without one, of the record) whose
    supply is not recorded. `possibly_long_term` lists the reasons, empty when there is none.
    """

    readings: tuple[OrderReading, ...]
    runs: tuple[Run, ...]
    current_run: Run | None
    is_long_term: bool
    possibly_long_term: tuple[PossiblyLongTerm, ...]
    estimated_orders: int
