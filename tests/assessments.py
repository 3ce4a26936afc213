"""Assessments made by hand, for tests of what is said rather than of how it is found out.

`assessment` gives an ordinary positive case; every part can be changed by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from cds_service.clinical.assessment import Assessment, Hook
from cds_service.clinical.criteria import Evidence, PhysicalPain, SocialPain, SocialPainStatus
from cds_service.clinical.drugs import RecognisedOpioid
from cds_service.clinical.exclusions import Exclusions
from cds_service.clinical.exposure import Exposure, PossiblyLongTerm, Run
from cds_service.clinical.knowledge import Knowledge, Sensitivity, Strength
from cds_service.clinical.mme import DailyDose, DoseLine, RenewedOrder
from cds_service.clinical.orders import OrderReading
from cds_service.clinical.record import DataGap, GapKind, Order, PatientRecord
from cds_service.clinical.supply import Supply

TODAY = date(2026, 11, 22)
ALL_LISTS = frozenset(
    {
        "Patient",
        "MedicationRequest",
        "Condition",
        "Observation",
        "Procedure",
        "ServiceRequest",
        "Encounter",
    }
)


def run(days: int, *, last: date = TODAY) -> Run:
    """A run of `days` covered days without a gap that ends on `last`."""
    return Run(first=last - timedelta(days=days - 1), last=last, covered_days=days)


def evidence(
    domain: str = "interpersonal_loss_broken_bonds",
    *,
    year: int | None = 2025,
    strength: Strength = "core",
    sensitivity: Sensitivity = "none",
    counts: bool = True,
) -> Evidence:
    return Evidence(
        reference=f"Condition/{domain}",
        domain=domain,
        subdomain="x",
        strength=strength,
        sensitivity=sensitivity,
        year=year,
        status="active",
        counts=counts,
    )


def opioid_draft(ingredient: str = "oxycodone", *, days: int | None = 30) -> OrderReading:
    """A draft for an opioid that starts today; `days` None leaves the supply unknown."""
    return OrderReading(
        order=Order(reference=f"MedicationRequest/{ingredient}", drug=None, status="draft"),
        drug=RecognisedOpioid(by="ingredient", ingredient=ingredient, use="analgesic"),
        start=TODAY,
        supply=Supply(days=days, source="unknown" if days is None else "expected-supply"),
        counts=True,
    )


def dose(
    mme_per_day: str | None, *, unconverted: int = 0, is_form_assumed: bool = False
) -> DailyDose:
    """A daily dose of one converted order (none when None) and `unconverted` others."""
    numbers = [] if mme_per_day is None else [Decimal(mme_per_day)]
    lines = tuple(
        DoseLine(
            reference=f"MedicationRequest/{i}",
            ingredient="oxycodone",
            is_draft=False,
            mme_per_day=number,
            formula="",
            reason=None if number is not None else "no dosage",
        )
        for i, number in enumerate([*numbers, *([None] * unconverted)])
    )
    renewed = RenewedOrder(
        reference="MedicationRequest/r", ingredient="oxycodone", is_form_assumed=is_form_assumed
    )
    return DailyDose(
        mme_per_day=numbers[0] if numbers else None,
        is_complete=bool(numbers) and not unconverted and not is_form_assumed,
        lines=lines,
        edition="CDC 2022",
        as_of=TODAY,
        renewed=(renewed,),
    )


def gap(kind: GapKind, *, is_draft: bool = False) -> DataGap:
    return DataGap(kind=kind, where=f"{kind}/1", reason="could not be read", is_draft=is_draft)


def assessment(
    knowledge: Knowledge,
    *,
    hook: Hook = "order-sign",
    run_days: int | None = 300,
    possibly_long_term: tuple[PossiblyLongTerm, ...] = (),
    estimated_orders: int = 0,
    imprecise_starts: int = 0,
    drafts: tuple[OrderReading, ...] = (),
    crossing_drafts: tuple[OrderReading, ...] = (),
    status: SocialPainStatus = "documented",
    recorded: Iterable[Evidence] = (),
    pain: tuple[str, ...] = (),
    has_opioid_use_disorder: bool = False,
    has_moud: bool = False,
    has_safety_concern: bool = False,
    daily_dose: DailyDose | None = None,
    has_benzodiazepine: bool = False,
    needs_naloxone_offer: bool = False,
    **of_record: object,
) -> Assessment:
    """An assessment of 300 days of oxycodone; `of_record` changes parts of the PatientRecord."""
    current_run = None if run_days is None else run(run_days)
    record = PatientRecord(patient_id="p", lists_read=ALL_LISTS)
    return Assessment(
        record=replace(record, **of_record),  # type: ignore[arg-type]
        knowledge=knowledge,
        hook=hook,
        as_of=TODAY,
        exposure=Exposure(
            readings=(),
            runs=() if current_run is None else (current_run,),
            current_run=current_run,
            is_long_term=run_days is not None and run_days > 90,
            possibly_long_term=possibly_long_term,
            estimated_orders=estimated_orders,
            imprecise_starts=imprecise_starts,
        ),
        drafts=drafts,
        opioid_drafts=drafts,
        crossing_drafts=crossing_drafts,
        opioid_orders=(*drafts, *crossing_drafts) or (opioid_draft(),),
        social_pain=SocialPain(status=status, evidence=tuple(recorded), was_screened=False),
        physical_pain=PhysicalPain(domains=pain, has_long_term_opioid_code=False),
        exclusions=Exclusions(
            findings=(),
            suppressed_by=None,
            has_opioid_use_disorder=has_opioid_use_disorder,
            may_name_opioid_use_disorder=has_opioid_use_disorder,
            has_safety_concern=has_safety_concern,
            may_name_safety_concern=has_safety_concern,
            is_softened=False,
        ),
        has_moud=has_moud,
        dose=daily_dose or dose("40"),
        has_benzodiazepine=has_benzodiazepine,
        needs_naloxone_offer=needs_naloxone_offer,
    )
