"""Amounts of time and of drug as orders write them: UCUM codes or English words, read exactly.

Numbers are fractions, so that a third of a patch stays a third. What an amount means for a dose
is decided in `dosing`. No unit is guessed: a number without one is no amount.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Literal, TypeVar

from cds_service.clinical.record import Quantity

Meaning = TypeVar("Meaning")

# Bounds of plausible writing, not clinical limits: a number beyond them is a slip or an attack.
# The decimals keep a number with thousands of digits from costing time.
LEAST_NUMBER = Decimal("0.001")
MOST_NUMBER = Decimal(1_000_000)
MOST_DECIMALS = 30
MOST_DAYS = 36_525

DAYS_PER_UNIT: Mapping[str, Fraction] = {
    **dict.fromkeys(("s", "sec", "second"), Fraction(1, 86_400)),
    **dict.fromkeys(("min", "minute"), Fraction(1, 1_440)),
    **dict.fromkeys(("h", "hr", "hour"), Fraction(1, 24)),
    **dict.fromkeys(("d", "day"), Fraction(1)),
    **dict.fromkeys(("wk", "week"), Fraction(7)),
    **dict.fromkeys(("mo", "month"), Fraction("30.4375")),
    **dict.fromkeys(("a", "ann", "yr", "year"), Fraction("365.25")),
}
"""Source: UCUM, tables 5 and 8 (month and year are the mean Julian ones)."""

_MILLIGRAMS: Mapping[str, Fraction] = {
    **dict.fromkeys(("ug", "mcg", "microgram"), Fraction(1, 1_000)),
    **dict.fromkeys(("mg", "milligram"), Fraction(1)),
    **dict.fromkeys(("g", "gm", "gram"), Fraction(1_000)),
}
_MILLILITRES: Mapping[str, Fraction] = {
    **dict.fromkeys(("ml", "milliliter", "millilitre"), Fraction(1)),
    **dict.fromkeys(("l", "liter", "litre"), Fraction(1_000)),
}

Kind = Literal["mass", "volume", "release", "solid", "patch", "spray", "piece"]
"""`piece` counts units of whatever kind is dispensed in pieces."""

_PIECES: Mapping[str, tuple[Kind, str]] = {
    **dict.fromkeys(("tablet", "tab", "tbl", "ortab", "ertab", "caplet"), ("solid", "tablet")),
    **dict.fromkeys(("capsule", "cap", "orcap", "ercap"), ("solid", "capsule")),
    **dict.fromkeys(("film",), ("solid", "film")),
    **dict.fromkeys(("lozenge", "troche"), ("solid", "lozenge")),
    **dict.fromkeys(("suppository", "suppositories", "supp"), ("solid", "suppository")),
    **dict.fromkeys(("patch", "patches", "tpatch"), ("patch", "patch")),
    **dict.fromkeys(("spray", "actuation"), ("spray", "spray")),
    **dict.fromkeys(("1", "unit", "each", "ea", "piece"), ("piece", "unit")),
    **dict.fromkeys(("pill",), ("piece", "pill")),
}

_ANNOTATION = re.compile(r"\{([^{}]*)\}")


class Shortfall(StrEnum):
    """Why no daily dose can be given."""

    NO_DOSE = "the dose is not stated"
    NO_FREQUENCY = "how often it is taken is not stated"
    NO_UNIT = "the dose has no unit"
    UNKNOWN_UNIT = "the unit of the dose is not known"
    UNFIT_UNIT = "the unit of the dose does not fit the product"
    COMBINATION_MASS = "the mass of a combination product does not say how much of it is opioid"
    NO_PRODUCT = "the product is not known"
    NO_FACTOR = "there is no conversion factor"
    UNREADABLE = "part of the dosage could not be read"
    OUT_OF_BOUNDS = "a number of the dosage is out of bounds"

    @property
    def is_fault(self) -> bool:
        """Whether the order contradicts itself, so that nothing else in it is believed either."""
        return self in (Shortfall.UNREADABLE, Shortfall.OUT_OF_BOUNDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """An amount of drug: `value` in mg, mL, mg/h or pieces, as `kind` says.

    `unit` is the word for people: "mg", "mL", "mg/h", "tablet".
    """

    value: Fraction
    kind: Kind
    unit: str


def exact(number: Decimal) -> Fraction | None:
    """Return a written number as a fraction, or None when it is not plausible.

    Zero, infinity and anything outside 0.001 to 1,000,000 (both allowed) are not.
    """
    if not number.is_finite() or not LEAST_NUMBER <= number <= MOST_NUMBER:
        return None
    decimals = -int(number.as_tuple().exponent)
    return Fraction(number) if decimals <= MOST_DECIMALS else None


def length_days(span: Quantity) -> Fraction | None:
    """Return a span of time in days, more than 0; None without a unit of time or beyond bounds.

    >>> length_days(Quantity(value=Decimal(72), unit="h"))
    Fraction(3, 1)
    """
    number = exact(span.value)
    unit = None if span.unit is None else _looked_up(_word(span.unit), DAYS_PER_UNIT)
    if number is None or unit is None:
        return None
    length = number * unit
    return length if length <= MOST_DAYS else None


def amount(quantity: Quantity) -> Amount | Shortfall:
    """Return an amount of drug, or why it is none.

    >>> amount(Quantity(value=Decimal("0.5"), unit="g"))
    Amount(value=Fraction(500, 1), kind='mass', unit='mg')
    >>> amount(Quantity(value=Decimal(2), unit="{tbl}")).unit
    'tablet'
    """
    value = exact(quantity.value)
    if value is None:
        return Shortfall.OUT_OF_BOUNDS
    if quantity.unit is None or not quantity.unit.strip():
        return Shortfall.NO_UNIT
    word = _word(quantity.unit)
    if milligrams := _looked_up(word, _MILLIGRAMS):
        return Amount(value=value * milligrams, kind="mass", unit="mg")
    if millilitres := _looked_up(word, _MILLILITRES):
        return Amount(value=value * millilitres, kind="volume", unit="mL")
    if piece := _looked_up(word, _PIECES):
        return Amount(value=value, kind=piece[0], unit=piece[1])
    return _release(value, quantity.unit)


def released(mass: Amount, time_days: Fraction) -> Amount | Shortfall:
    """Return a mass given off over a time as mg per hour; other amounts have no such rate."""
    if mass.kind != "mass":
        return Shortfall.UNFIT_UNIT
    return Amount(value=mass.value / (time_days * 24), kind="release", unit="mg/h")


def _release(value: Fraction, unit: str) -> Amount | Shortfall:
    numerator, _, denominator = unit.lower().replace(" per ", "/").partition("/")
    milligrams = _looked_up(_word(numerator), _MILLIGRAMS)
    time_days = _looked_up(_word(denominator), DAYS_PER_UNIT)
    if milligrams is None or time_days is None:
        return Shortfall.UNKNOWN_UNIT
    return released(Amount(value=value * milligrams, kind="mass", unit="mg"), time_days)


def _looked_up(word: str, table: Mapping[str, Meaning]) -> Meaning | None:
    """Find what `_word` returned, singular or plural."""
    if word in table:
        return table[word]
    is_plural = len(word) > 2 and word.endswith("s")
    return table.get(word[:-1]) if is_plural else None


def _word(unit: str) -> str:
    """Return a unit as the tables have it: any case, with or without annotation.

    `{tbl}`, `1{tbl}` and ` TBL ` are "tbl", `mg{total}` is "mg", `tablet(s)` is singular.
    """
    text = unit.strip().lower()
    if text.isascii() and text.isalnum():
        return text
    text = text.replace("(s)", "").replace("µ", "u").replace("μ", "u")
    annotation = _ANNOTATION.fullmatch(text.removeprefix("1"))
    return annotation[1].strip() if annotation else _ANNOTATION.sub("", text).strip()
