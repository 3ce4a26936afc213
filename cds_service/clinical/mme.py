"""The daily dose in morphine milligram equivalents (MME), worked exactly, given in decimals.

What an order means per day in tablets, mL or patches comes from `dosing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TypeVar

from cds_service.clinical.dispensed import as_decimal, as_text, tabled
from cds_service.clinical.dosing import daily_intake, units_at_a_time
from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Order
from cds_service.clinical.ucum import Exact, Shortfall, quotient

# Bounds of a plausible order, not clinical limits: beyond them a number is a slip of the pen.
LEAST_MME_PER_DAY = Fraction(1, 10)
MOST_MME_PER_DAY = 10_000

_MCG_PER_MG = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class OpioidOrder:
    """An order and the opioid it is for."""

    order: Order
    drug: RecognisedOpioid


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseLine:
    """One order's part of the daily dose.

    `mme_per_day` None: `reason` (ours) says why not and `formula` is empty. A formula shows
    numbers rounded; `mme_per_day` is not.
    """

    reference: str
    ingredient: str
    is_draft: bool
    mme_per_day: Decimal | None
    formula: str
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RenewedOrder:
    """A current order that is left out because a draft renews it.

    `is_form_assumed`: the release form of one of the two is not known, so that they may be two
    drugs taken side by side; the total is then only a lower bound.
    """

    reference: str
    ingredient: str
    is_form_assumed: bool


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
    renewed: tuple[RenewedOrder, ...] = ()

    @property
    def uncounted(self) -> tuple[DoseLine, ...]:
        """The orders that could not be converted."""
        return tuple(line for line in self.lines if line.mme_per_day is None)


Told = TypeVar("Told", DoseLine, RenewedOrder)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Conversion:
    mme_per_day: Exact
    formula: str


_Worked = tuple[OpioidOrder, _Conversion | Shortfall]


def daily_dose(
    *,
    drafts: tuple[OpioidOrder, ...],
    current: tuple[OpioidOrder, ...],
    knowledge: Knowledge,
    as_of: date,
) -> DailyDose:
    """Return drafts plus current orders, less the current orders that a draft renews.

    A draft renews the current orders of the same ingredient and release form. The sequence in
    which orders are given does not matter; `lines` has drafts first.

    Source: clinical.md section 6; factors: CDC 2022 (`data/mme-factors.csv`).
    """
    drafted = [(opioid, _conversion(opioid, knowledge)) for opioid in drafts]
    worked, renewed = drafted.copy(), []
    for opioid in current:
        renewal = _renewal(opioid, drafted)
        if renewal is None:
            worked.append((opioid, _conversion(opioid, knowledge)))
        else:
            renewed.append(renewal)
    lines = [
        _line(opioid, found, is_draft=place < len(drafts))
        for place, (opioid, found) in enumerate(worked)
    ]
    converted = [found.mme_per_day for _, found in worked if isinstance(found, _Conversion)]
    return DailyDose(
        mme_per_day=as_decimal(sum(converted)) if converted else None,
        is_complete=len(converted) == len(worked)
        and not any(renewal.is_form_assumed for renewal in renewed),
        lines=(*_in_order(lines[: len(drafts)]), *_in_order(lines[len(drafts) :])),
        edition=knowledge.mme_edition,
        as_of=as_of,
        renewed=tuple(_in_order(renewed)),
    )


def _renewal(current: OpioidOrder, drafted: Sequence[_Worked]) -> RenewedOrder | None:
    """Return the current order as renewed when a draft has its ingredient and release form.

    Where the form of either is not known, the same ingredient is enough: one drug counted twice
    is the more likely error. That is marked. But only a draft with a dose of its own may do so:
    a draft in words would leave nothing of a dose that is known.
    """
    ingredient, form = current.drug.ingredient, _release_form(current)
    alike = [(_release_form(d), found) for d, found in drafted if d.drug.ingredient == ingredient]
    is_known = form is not None and any(form == other for other, _ in alike)
    is_assumed = any(
        None in (form, other) and isinstance(found, _Conversion) for other, found in alike
    )
    if not (is_known or is_assumed):
        return None
    return RenewedOrder(
        reference=current.order.reference,
        ingredient=ingredient,
        is_form_assumed=not is_known,
    )


def _release_form(opioid: OpioidOrder) -> str | None:
    return None if opioid.drug.product is None else opioid.drug.product.release_form


def _in_order(items: Sequence[Told]) -> Sequence[Told]:
    """Sort by all that is said of each, so that the sequence of orders does not matter."""
    return sorted(items, key=str) if len(items) > 1 else items


def _line(opioid: OpioidOrder, found: _Conversion | Shortfall, *, is_draft: bool) -> DoseLine:
    return DoseLine(
        reference=opioid.order.reference,
        ingredient=opioid.drug.ingredient,
        is_draft=is_draft,
        mme_per_day=None if isinstance(found, Shortfall) else as_decimal(found.mme_per_day),
        formula="" if isinstance(found, Shortfall) else found.formula,
        reason=found.value if isinstance(found, Shortfall) else None,
    )


def _conversion(opioid: OpioidOrder, knowledge: Knowledge) -> _Conversion | Shortfall:
    product = opioid.drug.product
    if product is None:
        is_convertible = opioid.drug.ingredient in knowledge.convertible_ingredients
        return Shortfall.NO_PRODUCT if is_convertible else Shortfall.NO_FACTOR
    row = knowledge.mme_factor_of(product)
    if row is None or row.factor is None:
        return Shortfall.NO_FACTOR
    strength, _ = tabled(product.strength)
    if row.unit == "mcg/h":
        share = units_at_a_time(opioid.order, product)
        strength *= _MCG_PER_MG
    else:
        share = daily_intake(opioid.order, product)
    if isinstance(share, Shortfall):
        return share
    factor, factor_text = tabled(row.factor)
    mme = quotient(share.units * strength * factor.numerator, factor.denominator)
    if not LEAST_MME_PER_DAY <= mme <= MOST_MME_PER_DAY:
        return Shortfall.OUT_OF_BOUNDS
    total = as_text(mme, decimals=2)
    return _Conversion(mme_per_day=mme, formula=f"{share.text} x {factor_text} = {total}")
