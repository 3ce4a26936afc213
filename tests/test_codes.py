"""A code that its system cannot have is told; one digit off is enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.terminology import ICD_10_CM, LOINC, RXNORM, SNOMED_CT, Coding
from cds_service.codes import code_fault


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (SNOMED_CT, "306227000"),
        (SNOMED_CT, "428481000124106"),
        (LOINC, "44261-6"),
        (LOINC, "102010-6"),
        (LOINC, "12345-5"),  # the worked example of the LOINC Users' Guide
        (LOINC, "LA33-6"),
        (LOINC, "LA30190-5"),
        (RXNORM, "1049621"),
        (ICD_10_CM, "R51"),
        (ICD_10_CM, "T74.11XA"),
        (ICD_10_CM, "C4A.9"),
        ("urn:oid:2.16.840.1.113883.6.238", "any text"),
    ],
)
def test_a_code_that_can_be_passes(system: str, code: str) -> None:
    assert code_fault(Coding(system, code)) is None


@pytest.mark.parametrize(
    ("system", "code", "name"),
    [
        (SNOMED_CT, "12345", "SNOMED CT code (6 to 18 digits, the last a check digit)"),
        (SNOMED_CT, "306227001", "SNOMED CT code (6 to 18 digits, the last a check digit)"),
        (SNOMED_CT, "036227000", "SNOMED CT code (6 to 18 digits, the last a check digit)"),
        (SNOMED_CT, "12AB", "SNOMED CT code (6 to 18 digits, the last a check digit)"),
        (SNOMED_CT, "٣٠٦٢٢٧٠٠٠", "SNOMED CT code (6 to 18 digits, the last a check digit)"),
        (LOINC, "44261-7", "LOINC code (digits, hyphen, check digit)"),
        (LOINC, "442616", "LOINC code (digits, hyphen, check digit)"),
        (LOINC, "44261-6&_count=9 X", "LOINC code (digits, hyphen, check digit)"),
        (LOINC, "44261-6\n", "LOINC code (digits, hyphen, check digit)"),
        (LOINC, "LA33_6", "LOINC code (digits, hyphen, check digit)"),
        (LOINC, "LA33-5", "LOINC code (digits, hyphen, check digit)"),
        (RXNORM, "1049621x", "RxNorm code (digits)"),
        (RXNORM, "", "RxNorm code (digits)"),
        (ICD_10_CM, "12AB", "ICD-10-CM code (such as F32 or F32.9)"),
        (ICD_10_CM, "F32.", "ICD-10-CM code (such as F32 or F32.9)"),
        (ICD_10_CM, "F32.90000", "ICD-10-CM code (such as F32 or F32.9)"),
    ],
)
def test_a_code_that_cannot_be_is_told(system: str, code: str, name: str) -> None:
    told = code_fault(Coding(system, code))
    assert told == f"{code!r} is no {name}; copy it anew from its source"


def test_one_wrong_digit_in_a_snomed_ct_or_loinc_code_of_ours_is_always_found(
    knowledge: Knowledge,
) -> None:
    codes = [
        code
        for table in (knowledge.social_pain, knowledge.exclusions, knowledge.physical_pain)
        for code in table.exact
        if code.system in (SNOMED_CT, LOINC)
    ]
    assert len(codes) > 300
    for system, code in codes:
        last = str((int(code[-1]) + 1) % 10)
        assert code_fault(Coding(system, code[:-1] + last)) is not None


@given(st.sampled_from([SNOMED_CT, LOINC, RXNORM, ICD_10_CM]), st.text())
def test_any_text_passes_or_is_told_but_never_breaks(system: str, code: str) -> None:
    told = code_fault(Coding(system, code))
    assert told is None or repr(code) in told
