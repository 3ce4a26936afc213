"""Short ways to say a record in a test; every default is an ordinary, unremarkable value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from cds_service.clinical.record import (
    Answer,
    CareEvent,
    Condition,
    Drug,
    Observation,
    Order,
    PatientRecord,
    Quantity,
)
from cds_service.clinical.terminology import (
    ICD_10_CM,
    LOINC,
    RXNORM,
    SNOMED_CT,
    Coding,
    coding,
)

TODAY = date(2026, 11, 22)

OXYCODONE_5 = "1049621"
MORPHINE_15 = "892582"
TRAMADOL_50 = "835603"
METHADONE_10 = "864706"
BUPRENORPHINE_NALOXONE = "351266"
COUGH_SYRUP = "857510"


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def rxnorm(code: str, words: str = "") -> Drug:
    return Drug(codings=(Coding(RXNORM, code),), words=(words,) if words else ())


def named(words: str) -> Drug:
    return Drug(codings=(), words=(words,))


def supply(days: int) -> Quantity:
    return Quantity(value=Decimal(days), unit="d")


def order(
    reference: str = "MedicationRequest/1",
    *,
    start: date | None = None,
    days: int | None = None,
    refills: int | None = None,
    drug: Drug | None = None,
    status: str | None = "active",
    **changes: object,
) -> Order:
    """An oxycodone order; `days` None leaves the supply unknown."""
    plain = Order(
        reference=reference,
        drug=drug or rxnorm(OXYCODONE_5),
        status=status,
        intent="order",
        authored_on=start,
        expected_supply=None if days is None else supply(days),
        repeats_allowed=refills,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def fills(*, count: int, days: int, last_ends: date = TODAY, **more: object) -> tuple[Order, ...]:
    """`count` orders of `days` each, end to end, the last day covered being `last_ends`."""
    first = last_ends - timedelta(days=count * days - 1)
    return tuple(
        order(
            f"MedicationRequest/fill-{i}",
            start=first + timedelta(days=i * days),
            days=days,
            status="active" if i == count - 1 else "completed",
            **more,  # type: ignore[arg-type]
        )
        for i in range(count)
    )


def icd(code: str, reference: str = "", **changes: object) -> Condition:
    return _condition(coding(ICD_10_CM, code), reference, changes)


def snomed(code: str, reference: str = "", **changes: object) -> Condition:
    return _condition(coding(SNOMED_CT, code), reference, changes)


def _condition(code: Coding, reference: str, changes: dict[str, object]) -> Condition:
    plain = Condition(
        reference=reference or f"Condition/{code.code}",
        codings=(code,),
        clinical_status="active",
        verification_status="confirmed",
        categories=frozenset({"problem-list-item"}),
        recorded=days_ago(100),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def screen(
    code: str,
    *,
    number: int | str | None = None,
    answer: str | None = None,
    days: int = 30,
    status: str | None = "final",
    reference: str = "",
) -> Observation:
    return Observation(
        reference=reference or f"Observation/{code}-{days}",
        status=status,
        effective=days_ago(days),
        answers=(
            Answer(
                codings=(Coding(LOINC, code),),
                number=None if number is None else Decimal(number),
                answers=() if answer is None else (Coding(LOINC, answer),),
            ),
        ),
    )


def event(
    resource_type: str, code: str, *, days: int | None = 30, status: str = "completed"
) -> CareEvent:
    return CareEvent(
        reference=f"{resource_type}/{code}",
        resource_type=resource_type,
        codings=(coding(SNOMED_CT, code),),
        status=status,
        day=None if days is None else days_ago(days),
    )


def record(
    *,
    orders: Iterable[Order] = (),
    drafts: Iterable[Order] = (),
    conditions: Iterable[Condition] = (),
    **changes: object,
) -> PatientRecord:
    plain = PatientRecord(
        patient_id="p",
        birth_date=date(1970, 1, 1),
        orders=tuple(orders),
        drafts=tuple(drafts),
        conditions=tuple(conditions),
        lists_read=frozenset({"MedicationRequest", "Condition", "Patient"}),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]
