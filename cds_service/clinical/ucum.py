"""Amounts of time and of drug as orders write them: UCUM codes or English words, read exactly.

Numbers are exact, so that a third of a patch stays a third. What an amount means for a dose
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

Exact = int | Fraction
"""An exact number; a whole one is an int where it can be, which counts many times faster.

Division is `quotient`: the `/` of two ints would be a float, which mypy does not let pass.
"""

# Bounds of plausible writing, not clinical limits: a number beyond them is a slip or an attack.
# The decimals keep a number with thousands of digits from costing time.
LEAST_NUMBER = Decimal("0.001")
MOST_NUMBER = Decimal(1_000_000)
MOST_DECIMALS = 30
MOST_DAYS = 36_525

DAYS_PER_UNIT: Mapping[str, Exact] = {
    **dict.fromkeys(("s", "sec", "second"), Fraction(1, 86_400)),
    **dict.fromkeys(("min", "minute"), Fraction(1, 1_440)),
    **dict.fromkeys(("h", "hr", "hour"), Fraction(1, 24)),
    **dict.fromkeys(("d", "day"), 1),
    **dict.fromkeys(("wk", "week"), 7),
    **dict.fromkeys(("mo", "month"), Fraction("30.4375")),
    **dict.fromkeys(("a", "ann", "yr", "year"), Fraction("365.25")),
}
"""Source: UCUM, tables 5 and 8 (month and year are the mean Julian ones)."""

_MILLIGRAMS: Mapping[str, Exact] = {
    **dict.fromkeys(("ug", "mcg", "microgram"), Fraction(1, 1_000)),
    **dict.fromkeys(("mg", "milligram"), 1),
    **dict.fromkeys(("g", "gm", "gram"), 1_000),
}
_MILLILITRES: Mapping[str, Exact] = {
    **dict.fromkeys(("ml", "milliliter", "millilitre"), 1),
    **dict.fromkeys(("l", "liter", "litre"), 1_000),
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

_AMOUNTS: Mapping[str, tuple[Exact, Kind, str]] = {
    **{word: (factor, "mass", "mg") for word, factor in _MILLIGRAMS.items()},
    **{word: (factor, "volume", "mL") for word, factor in _MILLILITRES.items()},
    **{word: (1, kind, unit) for word, (kind, unit) in _PIECES.items()},
}
"""By word: what one such unit is in the unit of its kind, the kind, and the word for people."""

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

    value: Exact
    kind: Kind
    unit: str


def as_exact(number: Decimal) -> Exact:
    """Return a finite number that is known to be plausible.

    >>> as_exact(Decimal("2.50")), as_exact(Decimal("10.0"))
    (Fraction(5, 2), 10)
    """
    numerator, denominator = number.as_integer_ratio()
    return numerator if denominator == 1 else Fraction(numerator, denominator)


def quotient(number: Exact, divisor: Exact) -> Exact:
    """Return `number / divisor`.

    >>> quotient(24, 6), quotient(1, 3)
    (4, Fraction(1, 3))
    """
    if divisor == 1:
        return number
    fraction = Fraction(number, divisor)
    return fraction.numerator if fraction.denominator == 1 else fraction


def exact(number: Decimal) -> Exact | None:
    """Return a written number as an exact one, or None when it is not plausible.

    Zero, infinity and anything outside 0.001 to 1,000,000 (both allowed) are not.
    """
    if not number.is_finite() or not LEAST_NUMBER <= number <= MOST_NUMBER:
        return None
    # Number and exponent are taken apart only where the text is long enough for so many decimals.
    if len(str(number)) > MOST_DECIMALS and -int(number.as_tuple().exponent) > MOST_DECIMALS:
        return None
    return as_exact(number)


def length_days(span: Quantity) -> Exact | None:
    """Return a span of time in days, more than 0; None without a unit of time or beyond bounds.

    >>> length_days(Quantity(value=Decimal(72), unit="h"))
    Fraction(3, 1)
    """
    number = exact(span.value)
    return None if number is None else days_of(number, span.unit)


def days_of(number: Exact, unit: str | None) -> Exact | None:
    """Return a plausible number of units of time in days; None like `length_days`."""
    one = None if unit is None else _looked_up(unit, DAYS_PER_UNIT)
    if one is None:
        return None
    length = number * one
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
    known = _looked_up(quantity.unit, _AMOUNTS)
    if known is None:
        return _release(value, quantity.unit)
    factor, kind, unit = known
    return Amount(value=value * factor, kind=kind, unit=unit)


def released(mass: Amount, time_days: Exact) -> Amount | Shortfall:
    """Return a mass given off over a time as mg per hour; other amounts have no such rate."""
    if mass.kind != "mass":
        return Shortfall.UNFIT_UNIT
    return Amount(value=quotient(mass.value, time_days * 24), kind="release", unit="mg/h")


def _release(value: Exact, unit: str) -> Amount | Shortfall:
    numerator, _, denominator = unit.lower().replace(" per ", "/").partition("/")
    milligrams = _looked_up(numerator, _MILLIGRAMS)
    time_days = _looked_up(denominator, DAYS_PER_UNIT)
    if milligrams is None or time_days is None:
        return Shortfall.UNKNOWN_UNIT
    return released(Amount(value=value * milligrams, kind="mass", unit="mg"), time_days)


def _looked_up(unit: str, table: Mapping[str, Meaning]) -> Meaning | None:
    """Find a unit as written, as most are in the table; else its word, or the singular of it."""
    if unit in table:
        return table[unit]
    word = _word(unit)
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
