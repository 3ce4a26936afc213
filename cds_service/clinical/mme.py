"""The daily dose in morphine milligram equivalents (MME), worked exactly, given in decimals.

What an order means per day in tablets, mL or patches comes from `dosing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from cds_service.clinical.dispensed import as_decimal, as_text
from cds_service.clinical.dosing import daily_intake, units_at_a_time
from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.knowledge import Knowledge, MmeFactor, OpioidProduct
from cds_service.clinical.record import Order
from cds_service.clinical.ucum import Shortfall

# Bounds of a plausible order, not clinical limits: beyond them a number is a slip of the pen.
LEAST_MME_PER_DAY = Fraction(1, 10)
MOST_MME_PER_DAY = Fraction(10_000)

_STRENGTH_UNITS: Mapping[str, frozenset[str]] = {
    "mg": frozenset({"mg", "mg/mL"}),
    "mcg/h": frozenset({"mg/h"}),
}
"""By unit of a factor: the units of strength of products it can be applied to."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Conversion:
    mme_per_day: Fraction
    formula: str


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
    renewals = [(opioid, _renewal(opioid, drafts)) for opioid in current]
    taken = [(opioid, True) for opioid in drafts]
    taken += [(opioid, False) for opioid, renewal in renewals if renewal is None]
    conversions = [_conversion(opioid, knowledge) for opioid, _ in taken]
    converted = [each.mme_per_day for each in conversions if isinstance(each, _Conversion)]
    renewed = tuple(renewal for _, renewal in renewals if renewal is not None)
    lines = (
        _line(opioid, each, is_draft=is_draft)
        for (opioid, is_draft), each in zip(taken, conversions, strict=True)
    )
    return DailyDose(
        mme_per_day=as_decimal(sum(converted, Fraction(0))) if converted else None,
        is_complete=len(converted) == len(taken)
        and not any(renewal.is_form_assumed for renewal in renewed),
        lines=tuple(sorted(lines, key=lambda line: (not line.is_draft, str(line)))),
        edition=knowledge.mme_edition,
        as_of=as_of,
        renewed=tuple(sorted(renewed, key=str)),
    )


def _renewal(current: OpioidOrder, drafts: tuple[OpioidOrder, ...]) -> RenewedOrder | None:
    """Return the current order as renewed when a draft has its ingredient and release form.

    Where the form of either is not known, the same ingredient is enough: one drug counted twice
    is the more likely error. That is marked.
    """
    same = [draft for draft in drafts if draft.drug.ingredient == current.drug.ingredient]
    forms = [(_release_form(draft), _release_form(current)) for draft in same]
    is_known = any(
        of_draft is not None and of_draft == of_current for of_draft, of_current in forms
    )
    if not is_known and not any(None in pair for pair in forms):
        return None
    return RenewedOrder(
        reference=current.order.reference,
        ingredient=current.drug.ingredient,
        is_form_assumed=not is_known,
    )


def _release_form(opioid: OpioidOrder) -> str | None:
    return None if opioid.drug.product is None else opioid.drug.product.release_form


def _line(opioid: OpioidOrder, found: _Conversion | Shortfall, *, is_draft: bool) -> DoseLine:
    return DoseLine(
        reference=opioid.order.reference,
        ingredient=opioid.drug.ingredient,
        is_draft=is_draft,
        mme_per_day=as_decimal(found.mme_per_day) if isinstance(found, _Conversion) else None,
        formula=found.formula if isinstance(found, _Conversion) else "",
        reason=None if isinstance(found, _Conversion) else found.value,
    )


def _conversion(opioid: OpioidOrder, knowledge: Knowledge) -> _Conversion | Shortfall:
    product = opioid.drug.product
    if product is None:
        is_convertible = any(
            row.ingredient == opioid.drug.ingredient and row.factor is not None
            for row in knowledge.mme_factors
        )
        return Shortfall.NO_PRODUCT if is_convertible else Shortfall.NO_FACTOR
    row = _factor(product, knowledge)
    if row is None or row.factor is None:
        return Shortfall.NO_FACTOR
    if row.unit == "mcg/h":
        share = units_at_a_time(opioid.order, product)
        strength = Fraction(product.strength) * _MCG_PER_MG
    else:
        share = daily_intake(opioid.order, product)
        strength = Fraction(product.strength)
    if isinstance(share, Shortfall):
        return share
    factor = Fraction(row.factor)
    mme = share.units * strength * factor
    if not LEAST_MME_PER_DAY <= mme <= MOST_MME_PER_DAY:
        return Shortfall.OUT_OF_BOUNDS
    total = as_text(mme, decimals=2)
    return _Conversion(mme_per_day=mme, formula=f"{share.text} x {as_text(factor)} = {total}")


def _factor(product: OpioidProduct, knowledge: Knowledge) -> MmeFactor | None:
    """Return the row for the product; none where it multiplies another unit than the strength's."""
    return next(
        (
            row
            for row in knowledge.mme_factors
            if row.ingredient == product.ingredient
            and row.release_form == product.release_form
            and product.strength_unit in _STRENGTH_UNITS[row.unit]
        ),
        None,
    )
