"""The daily dose in morphine milligram equivalents (MME), worked in decimals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Order


@dataclass(frozen=True, kw_only=True, slots=True)
class OpioidOrder:
    """An order and the opioid it is for."""

    order: Order
    drug: RecognisedOpioid


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseLine:
    """One order's part of the daily dose. `mme_per_day` None: `reason` (ours) says why not."""

    reference: str
    ingredient: str
    is_draft: bool
    mme_per_day: Decimal | None
    formula: str
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DailyDose:
    """The total of the day.

    `mme_per_day` is None when nothing could be converted; with `is_complete` False it is a lower
    bound. `uncounted` are the lines without a number, never dropped silently. `edition` names the
    table of factors.
    """

    mme_per_day: Decimal | None
    is_complete: bool
    lines: tuple[DoseLine, ...]
    edition: str
    as_of: date

    @property
    def uncounted(self) -> tuple[DoseLine, ...]:
        return tuple(line for line in self.lines if line.mme_per_day is None)


def daily_dose(
    *,
    drafts: tuple[OpioidOrder, ...],
    current: tuple[OpioidOrder, ...],
    knowledge: Knowledge,
    as_of: date,
) -> DailyDose:
    """Return drafts plus current orders, less the current orders that a draft renews."""
    raise NotImplementedError
