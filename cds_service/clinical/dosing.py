"""How much of a drug an order means per day, in dispensed units: tablets, mL, patches.

Units are read in `ucum`, frequencies in `timing`, strengths applied in `dispensed`; what it all
means in morphine is for `mme`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, Context, Decimal

from cds_service.clinical.dispensed import Share, agree, as_decimal, as_text, dispensed
from cds_service.clinical.knowledge import OpioidProduct
from cds_service.clinical.record import Dosage, DoseAmount, Order, Quantity
from cds_service.clinical.span import bounds_days
from cds_service.clinical.timing import times_per_day
from cds_service.clinical.ucum import (
    Amount,
    Exact,
    Shortfall,
    amount,
    as_exact,
    length_days,
    quotient,
    released,
)

_RANK: Mapping[str | None, int] = {"ordered": 0, "calculated": 2}
"""Which of several doseAndRate entries is believed; one without type stands between."""

_ROUNDED_UP = Context(prec=28, rounding=ROUND_CEILING)


def days(span: Quantity) -> Decimal | None:
    """Return a span of time in days; None without a unit of time, or beyond 100 years.

    A month is 30.4375 and a year 365.25 days. Zero is zero.

    >>> days(Quantity(value=Decimal(2), unit="weeks"))
    Decimal('14')

    Source: UCUM, tables 5 and 8.
    """
    if not span.value:
        one = length_days(Quantity(value=Decimal(1), unit=span.unit))
        return None if one is None else Decimal(0)
    length = length_days(span)
    return None if length is None else as_decimal(length)


def units_per_day(order: Order, product: OpioidProduct | None) -> Decimal | None:
    """Return the largest number of dispensed units taken per day, more than 0; None if unknown.

    The units are those of `order.quantity` where it is stated (None if the two do not agree),
    else those of the product. Rounded up in the 28th digit, so that a quantity divided by it
    never lasts longer than it does.

    Source: clinical.md sections 3 and 6.
    """
    intake = daily_intake(order, product)
    if isinstance(intake, Shortfall):
        return None
    units = intake.units
    if order.quantity is not None:
        filled = dispensed(amount(order.quantity), product)
        if isinstance(filled, Shortfall) or not agree((intake, filled)):
            return None
        units *= quotient(as_exact(order.quantity.value), filled.units)
    return _ROUNDED_UP.divide(Decimal(units.numerator), Decimal(units.denominator))


def daily_intake(order: Order, product: OpioidProduct | None) -> Share | Shortfall:
    """Return the largest number of dispensed units taken per day, or why it is not known.

    For each dosage dose x frequency, else maxDosePerPeriod; where that fails, quantity / supply
    of the whole order - unless the order contradicts itself.

    Source: clinical.md section 6.
    """
    taken = _combined(order.dosages, lambda dosage: _taken(dosage, product))
    if isinstance(taken, Share) or taken.is_fault:
        return taken
    return _from_supply(order, product) or taken


def units_at_a_time(order: Order, product: OpioidProduct) -> Share | Shortfall:
    """Return the largest number of units used at a time (patches worn), or why it is unknown."""
    return _combined(
        order.dosages,
        lambda dosage: _dose(dosage, product) if dosage.is_readable else Shortfall.UNREADABLE,
    )


def _combined(
    dosages: Sequence[Dosage], share_of: Callable[[Dosage], Share | Shortfall]
) -> Share | Shortfall:
    """Add up the dosages; of those that follow each other (differing `sequence`), the largest.

    A dosage without `sequence` goes on beside every step.
    """
    if len(dosages) == 1:
        return share_of(dosages[0])
    found = [(dosage.sequence, share_of(dosage)) for dosage in dosages]
    shortfalls = [share for _, share in found if isinstance(share, Shortfall)]
    if shortfalls:
        return next((s for s in shortfalls if s.is_fault), shortfalls[0])
    shares = [(step, share) for step, share in found if isinstance(share, Share)]
    if not shares:
        return Shortfall.NO_DOSE
    if not agree(share for _, share in shares):
        return Shortfall.UNFIT_UNIT
    always = [share for step, share in shares if step is None]
    steps: dict[int, list[Share]] = {}
    for step, share in shares:
        if step is not None:
            steps.setdefault(step, list(always)).append(share)
    sums = [_sum(beside) for beside in steps.values()] or [_sum(always)]
    largest = max(sums, key=lambda share: share.units)
    if len(sums) == 1:
        return largest
    return replace(largest, text=f"{largest.text} [largest of {len(sums)} steps]")


def _sum(shares: Sequence[Share]) -> Share:
    if len(shares) == 1:
        return shares[0]
    return Share(
        units=sum(share.units for share in shares),
        kind=next((share.kind for share in shares if share.kind != "piece"), "piece"),
        text=f"({' + '.join(share.text for share in shares)})",
    )


def _taken(dosage: Dosage, product: OpioidProduct | None) -> Share | Shortfall:
    """Return what one dosage means per day: dose x frequency, else its stated maximum.

    A smaller maximum beside a known frequency is shown and not applied (decision record 0006).
    """
    if not dosage.is_readable:
        return Shortfall.UNREADABLE
    dose, times = _dose(dosage, product), times_per_day(dosage.timing)
    maximum = _maximum(dosage, product)
    if isinstance(dose, Share) and not isinstance(times, Shortfall):
        taken = _times(dose, times)
        if isinstance(maximum, Share) and maximum.units < taken.units:
            return replace(taken, text=f"{taken.text} [stated maximum {maximum.text} not applied]")
        return taken
    shortfalls = [part for part in (dose, times) if isinstance(part, Shortfall)]
    fault = next((shortfall for shortfall in shortfalls if shortfall.is_fault), None)
    return fault or maximum or shortfalls[0]


def _maximum(dosage: Dosage, product: OpioidProduct | None) -> Share | Shortfall | None:
    if dosage.maximum is None or dosage.maximum_per is None:
        return None
    length = length_days(dosage.maximum_per)
    if length is None:
        return None
    dose = dispensed(amount(dosage.maximum), product)
    return dose if isinstance(dose, Shortfall) else _times(dose, quotient(1, length))


def _times(dose: Share, times: Exact) -> Share:
    return Share(
        units=dose.units * times, kind=dose.kind, text=f"{dose.text} x {as_text(times)}/day"
    )


def _dose(dosage: Dosage, product: OpioidProduct | None) -> Share | Shortfall:
    """Return the dose at a time: ordered before calculated, the largest of several alike."""
    if len(dosage.amounts) == 1:
        only = _written(dosage.amounts[0])
        return Shortfall.NO_DOSE if only is None else dispensed(only, product)
    written = [(_RANK.get(entry.kind, 1), _written(entry)) for entry in dosage.amounts]
    stated = [(rank, found) for rank, found in written if found is not None]
    best = min((rank for rank, _ in stated), default=None)
    doses = [dispensed(found, product) for rank, found in stated if rank == best]
    shares = [dose for dose in doses if isinstance(dose, Share)]
    if len(shares) < len(doses):
        return next(dose for dose in doses if isinstance(dose, Shortfall))
    return max(shares, key=lambda share: share.units, default=Shortfall.NO_DOSE)


def _written(entry: DoseAmount) -> Amount | Shortfall | None:
    """Return the amount of an entry, or the rate where it has none; None where it has neither."""
    if entry.amount is not None:
        return amount(entry.amount)
    if entry.rate is None:
        return None
    rate = amount(entry.rate)
    if isinstance(rate, Shortfall) or entry.rate_per is None:
        return rate
    length = length_days(entry.rate_per)
    return Shortfall.UNKNOWN_UNIT if length is None else released(rate, length)


def _from_supply(order: Order, product: OpioidProduct | None) -> Share | None:
    """Return quantity / supply: of one fill, else of all fills over the bounds of the order."""
    if order.quantity is None:
        return None
    fill = dispensed(amount(order.quantity), product)
    fills = 1
    length = None if order.expected_supply is None else length_days(order.expected_supply)
    if length is None:
        fills = 1 + max(order.repeats_allowed or 0, 0)
        length = bounds_days(order)
    if isinstance(fill, Shortfall) or length is None:
        return None
    text = fill.text if fills == 1 else f"{fills} x {fill.text}"
    return Share(
        units=quotient(fill.units * fills, length),
        kind=fill.kind,
        text=f"{text} / {as_text(length)} days",
    )
