"""Which texts can be a code at all: form and check digit, without the list of codes itself.

A code that passes may still not exist; that is left to the people who sign the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cds_service.clinical.terminology import ICD_10_CM, LOINC, RXNORM, SNOMED_CT, Coding

_DIHEDRAL = [
    [int(digit) for digit in row]
    for row in (
        *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
        *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
    )
]
_PERMUTATION = [
    [int(digit) for digit in row]
    for row in (
        *("0123456789", "1576283094", "5803796142", "8916043527"),
        *("9453126870", "4286573901", "2793806415", "7046913258"),
    )
]


def code_fault(coding: Coding) -> str | None:
    """Return what is wrong with a code of a system known here, None where nothing is.

    SNOMED CT, LOINC (answers too), RxNorm and ICD-10-CM are known; a code of any other system
    passes.

    >>> code_fault(Coding(LOINC, "44261-7"))
    "'44261-7' is no LOINC code (digits, hyphen, check digit); copy it anew from its source"
    """
    form = _FORMS.get(coding.system)
    if form is None or (form.pattern.fullmatch(coding.code) and form.is_checked(coding.code)):
        return None
    return f"{coding.code!r} is no {form.name}; copy it anew from its source"


def _has_verhoeff_digit(code: str) -> bool:
    """Say whether the last digit agrees with the others.

    Source: SNOMED CT Release File Specifications, 6.4 "Check-digit".
    """
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = _DIHEDRAL[check][_PERMUTATION[place % len(_PERMUTATION)][int(digit)]]
    return check == 0


def _has_mod_10_digit(code: str) -> bool:
    """Say whether the digit behind the hyphen agrees with what stands before it.

    Letters (LA33-6) count by their place in ASCII after "0". Fourteen deprecated LOINC codes of
    the first years break the rule.

    Source: LOINC Users' Guide, appendix C; OpenMRS, "Check Digit Algorithm".
    """
    body, _, digit = code.partition("-")
    values = [ord(letter) - ord("0") for letter in reversed(body)]
    total = sum(2 * value - value // 5 * 9 for value in values[::2]) + sum(values[1::2])
    return (total + int(digit)) % 10 == 0


class _Form(NamedTuple):
    """What a code of one system is called in a fault, looks like, and is checked with."""

    name: str
    pattern: re.Pattern[str]
    is_checked: Callable[[str], bool] = lambda _: True


_FORMS: Mapping[str, _Form] = {
    SNOMED_CT: _Form(
        "SNOMED CT code (6 to 18 digits, the last a check digit)",
        re.compile(r"[1-9][0-9]{5,17}"),
        _has_verhoeff_digit,
    ),
    LOINC: _Form(
        "LOINC code (digits, hyphen, check digit)",
        re.compile(r"(?:LA)?[1-9][0-9]{0,6}-[0-9]"),
        _has_mod_10_digit,
    ),
    RXNORM: _Form("RxNorm code (digits)", re.compile(r"[1-9][0-9]{0,7}")),
    ICD_10_CM: _Form(
        "ICD-10-CM code (such as F32 or F32.9)",
        re.compile(r"[A-Z][0-9][0-9A-Z](?:\.[0-9A-Z]{1,4})?"),
    ),
}
