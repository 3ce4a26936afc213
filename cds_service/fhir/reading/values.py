"""Total functions over raw JSON: a value of the wrong type is no value, and nothing ever raises.

What an absence means is decided by the callers; `element` remembers where one was lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

JsonObject: TypeAlias = Mapping[str, Any]
"""An object of parsed JSON; at run time always a dict."""

LARGEST_NUMBER = 100_000
"""No dose, supply, count or score of a real record is larger; beyond, a number is unreadable."""
SMALLEST_NUMBER = Decimal("0.000001")
"""No positive number of a real record is smaller; below, a number is unreadable."""

_NUMBER = (int, float)
"""What is something though it is 0; False among them."""
_LONGEST_CODE_AS_NUMBER = 10**18
_LONGEST_NUMERAL = 32
_NUMERAL = re.compile(r"\d+(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)


def is_absent(value: object) -> bool:
    """Say whether a member holds nothing: null, blank text, an empty object or array.

    >>> [is_absent(value) for value in (None, " ", {}, [], 0, False)]
    [True, True, True, True, False, False]
    """
    if value:
        return isinstance(value, str) and not value.strip()
    return not isinstance(value, _NUMBER)


def objects(value: object) -> list[JsonObject]:
    """Return the objects of an array, or a bare object where an array belongs, as a list."""
    if isinstance(value, list):
        if len(value) == 1:  # as most arrays of FHIR
            return value if isinstance(value[0], dict) else []
        return [member for member in value if isinstance(member, dict)]
    return [value] if value and isinstance(value, dict) else []


def text(value: object) -> str | None:
    """Return text without the white space around it, or None where there is none."""
    return (value.strip() or None) if isinstance(value, str) else None


def code(value: object) -> str | None:
    """Return a code; one sent as a whole number is read as its digits.

    >>> code("1049621 "), code(1049621), code(True)
    ('1049621', '1049621', None)
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 <= value < _LONGEST_CODE_AS_NUMBER else None
    return None


def number(value: object) -> Decimal | None:
    """Return a number of 0 or more, also from a string that is one, or None when out of bounds.

    >>> number("1"), number(2.5), number(1e308), number(-1), number("NaN")
    (Decimal('1'), Decimal('2.5'), None, None, None)
    """
    if type(value) is int:
        return Decimal(value) if 0 <= value <= LARGEST_NUMBER else None
    if isinstance(value, str):
        numeral = value.strip()
        if len(numeral) > _LONGEST_NUMERAL or not _NUMERAL.fullmatch(numeral):
            return None
        found = Decimal(numeral)
    elif isinstance(value, float) and 0 <= value <= LARGEST_NUMBER:
        found = Decimal(str(value))
    else:
        return None
    is_within = found == 0 or SMALLEST_NUMBER <= found <= LARGEST_NUMBER
    return found if is_within else None


def integer(value: object) -> int | None:
    """Return a whole number of 0 or more, or None.

    >>> integer(2), integer("2"), integer(2.0), integer(2.5)
    (2, 2, 2, None)
    """
    if type(value) is int:
        return value if 0 <= value <= LARGEST_NUMBER else None
    found = number(value)
    return int(found) if found is not None and found == int(found) else None
