"""Amounts of a drug in the units it is dispensed in: tablets, mL, patches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache

from cds_service.clinical.knowledge import OpioidProduct
from cds_service.clinical.ucum import Amount, Exact, Kind, Shortfall, as_exact, quotient

_PIECES: frozenset[Kind | None] = frozenset({"solid", "patch", "spray", "piece"})

_DISPENSED_AS: Mapping[str, frozenset[Kind]] = {
    "mg": frozenset({"solid", "piece"}),
    "mg/mL": frozenset({"volume"}),
    "mg/h": frozenset({"patch", "piece"}),
    "mg/actuation": frozenset({"spray", "piece"}),
}
"""By unit of strength: the kinds of amount that count dispensed units of such a product."""

_MEASURED_AS: Mapping[str, Kind] = {
    "mg": "mass",
    "mg/mL": "mass",
    "mg/h": "release",
    "mg/actuation": "mass",
}
"""By unit of strength: the kind of amount that the strength turns into dispensed units."""

_MCG_PER_MG = 1_000
_DIVISION = Context(prec=28)


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A number of dispensed units, more than 0, at a time or per day.

    `kind` is what the units are; None for units of a known product. `text` is the arithmetic for
    people to check, strength included: "2 tablet x 5 mg x 4/day".
    """

    units: Exact
    kind: Kind | None
    text: str


def dispensed(written: Amount | Shortfall, product: OpioidProduct | None) -> Share | Shortfall:
    """Return an amount in units of the product; without a product, in units of its own kind.

    Source: clinical.md section 6 ("never the mass of a combination product").
    """
    if isinstance(written, Shortfall):
        return written
    own = _text(written.value, written.unit)
    if product is None:
        return Share(units=written.value, kind=written.kind, text=own)
    unit = product.strength_unit
    strength, strength_text = tabled(product.strength, unit)
    if written.kind in _DISPENSED_AS[unit]:
        return Share(units=written.value, kind=None, text=f"{own} x {strength_text}")
    if written.kind != _MEASURED_AS[unit]:
        return Shortfall.UNFIT_UNIT
    if product.is_combination:
        return Shortfall.COMBINATION_MASS
    return Share(units=quotient(written.value, strength), kind=None, text=own)


def agree(shares: Iterable[Share]) -> bool:
    """Say whether the units are the same, so that they can be added, compared and divided.

    A piece of unstated form is one of whatever pieces stand beside it.
    """
    kinds = {share.kind for share in shares}
    return len(kinds) == 1 or (kinds <= _PIECES and len(kinds - {"piece"}) == 1)


def as_decimal(number: Exact) -> Decimal:
    """Return the number to 28 significant digits; exact wherever it ends before."""
    return _DIVISION.divide(Decimal(number.numerator), Decimal(number.denominator))


def as_text(number: Exact, *, decimals: int = 4) -> str:
    """Return the number for people, rounded, without trailing zeros and without exponent.

    >>> as_text(quotient(24, 7)), as_text(60)
    ('3.4286', '60')
    """
    if number.denominator == 1:
        return str(number.numerator)
    return f"{as_decimal(number):.{decimals}f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=1_024)
def tabled(number: Decimal, unit: str | None = None) -> tuple[Exact, str]:
    """Return a number of our own tables, exactly and for people, with its unit if it has one.

    It is kept from call to call, as no number of a patient may be.
    """
    exact = as_exact(number)
    return exact, as_text(exact) if unit is None else _text(exact, unit)


def _text(value: Exact, unit: str) -> str:
    """Return the amount with its unit; release of a patch in mcg/h, as labels have it."""
    if unit == "mg/h":
        return f"{as_text(value * _MCG_PER_MG)} mcg/h"
    return f"{as_text(value)} {unit}"
