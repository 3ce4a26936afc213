"""The assessment of one record on one day: everything the rules and the cards look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from operator import attrgetter
from typing import Literal

from cds_service.clinical.calendar import months_before
from cds_service.clinical.criteria import PhysicalPain, SocialPain, physical_pain, social_pain
from cds_service.clinical.drugs import DrugKind, DrugKinds
from cds_service.clinical.exclusions import Exclusions, exclusions
from cds_service.clinical.exposure import (
    Exposure,
    coverage,
    crosses,
    current_orders,
    exposure,
)
from cds_service.clinical.knowledge import Knowledge, Thresholds
from cds_service.clinical.mme import DailyDose, OpioidOrder, daily_dose
from cds_service.clinical.orders import OrderReading, draft_reading, is_being_ordered, is_given
from cds_service.clinical.record import ORDER_GAPS, Order, PatientRecord
from cds_service.clinical.span import start_of
from cds_service.clinical.supply import supply_of

Hook = Literal["patient-view", "order-select", "order-sign", "medication-refill"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """What is known about one patient on one day, and what is not.

    `drafts` are all orders of the hook's context, `opioid_drafts` the opioid analgesics among
    them, `crossing_drafts` those that take therapy beyond the long-term limit. `opioid_orders`
    are the opioid analgesics of today: drafts and current orders. `has_moud`: treatment of opioid
    use disorder is being given. `has_benzodiazepine`: one covers the day or is being ordered.
    `needs_naloxone_offer` already knows about naloxone on record.
    """

    record: PatientRecord
    knowledge: Knowledge
    hook: Hook
    as_of: date
    exposure: Exposure
    drafts: tuple[OrderReading, ...]
    opioid_drafts: tuple[OrderReading, ...]
    crossing_drafts: tuple[OrderReading, ...]
    opioid_orders: tuple[OrderReading, ...]
    social_pain: SocialPain
    physical_pain: PhysicalPain
    exclusions: Exclusions
    has_moud: bool
    dose: DailyDose
    has_benzodiazepine: bool
    needs_naloxone_offer: bool

    @property
    def opioid_ingredients(self) -> tuple[str, ...]:
        """The opioids of today that may be named, each once, alphabetically."""
        return tuple(
            sorted(
                {
                    reading.drug.ingredient
                    for reading in self.opioid_orders
                    if reading.drug is not None and not reading.order.is_labelled
                }
            )
        )


def assess(record: PatientRecord, knowledge: Knowledge, *, as_of: date, hook: Hook) -> Assessment:
    """Assess the record on the day `as_of` for the hook. Never raises on data.

    Source: clinical.md sections 2 to 6.
    """
    excluded = exclusions(record, knowledge, as_of=as_of)
    pain = physical_pain(record, knowledge, as_of=as_of)
    drugs = DrugKinds((*record.orders, *record.drafts, *record.drafts_beside), knowledge)
    record = _without_gaps_of_treatment(record, excluded)
    drafts = tuple(
        [
            draft_reading(
                order,
                knowledge,
                as_of=as_of,
                has_opioid_use_disorder=excluded.has_opioid_use_disorder,
                drugs=drugs,
            )
            for order in record.drafts
        ]
    )
    opioid_drafts = tuple([draft for draft in drafts if draft.counts])
    past = exposure(
        _past_orders(record, as_of),
        knowledge,
        as_of=as_of,
        has_opioid_use_disorder=excluded.has_opioid_use_disorder,
        drugs=drugs,
        drafts=opioid_drafts,
        has_long_term_code=pain.has_long_term_opioid_code,
        is_refill_without_history=hook == "medication-refill"
        and not record.orders
        and "MedicationRequest" not in record.lists_read,
    )
    current = current_orders(past.readings, knowledge.thresholds, as_of)
    dose = _dose(record, knowledge, as_of, drafts=opioid_drafts, current=current)
    benzodiazepine = _has_benzodiazepine(record, drugs, knowledge.thresholds, as_of)
    return Assessment(
        record=record,
        knowledge=knowledge,
        hook=hook,
        as_of=as_of,
        exposure=past,
        drafts=drafts,
        opioid_drafts=opioid_drafts,
        crossing_drafts=tuple(
            [
                draft
                for draft in opioid_drafts
                if crosses(past.current_run, draft, knowledge.thresholds)
            ]
        ),
        opioid_orders=(*opioid_drafts, *current),
        social_pain=social_pain(record, knowledge, as_of=as_of),
        physical_pain=pain,
        exclusions=excluded,
        has_moud=_has_moud(record, drugs, excluded, knowledge.thresholds, as_of),
        dose=dose,
        has_benzodiazepine=benzodiazepine,
        needs_naloxone_offer=(_is_high(dose, knowledge.thresholds) or benzodiazepine)
        and not _has_naloxone(record, drugs, knowledge.thresholds, as_of),
    )


def _without_gaps_of_treatment(record: PatientRecord, excluded: Exclusions) -> PatientRecord:
    """Drop what is missing from orders that turn out to treat opioid use disorder.

    Source: clinical.md section 2: an order for such treatment never raises any card.
    """
    if not (excluded.has_opioid_use_disorder and any(gap.may_be_treatment for gap in record.gaps)):
        return record
    return replace(record, gaps=tuple([gap for gap in record.gaps if not gap.may_be_treatment]))


def _past_orders(record: PatientRecord, as_of: date) -> tuple[Order, ...]:
    """Leave out what the context is about: an order that starts today and is being signed."""
    drafted = {draft.reference for draft in record.drafts}
    return tuple(
        [
            order
            for order in record.orders
            if order.reference not in drafted or start_of(order) != as_of
        ]
    )


def _dose(
    record: PatientRecord,
    knowledge: Knowledge,
    as_of: date,
    *,
    drafts: Iterable[OrderReading],
    current: Iterable[OrderReading],
) -> DailyDose:
    """Return the dose of the day; an order that could not be read may add to it."""
    dose = daily_dose(
        drafts=_opioid_orders(drafts),
        current=_opioid_orders([r for r in current if _covers(r, as_of)]),
        knowledge=knowledge,
        as_of=as_of,
    )
    if dose.is_complete and any(gap.kind in ORDER_GAPS for gap in record.gaps):
        return replace(dose, is_complete=False)
    return dose


def _opioid_orders(readings: Iterable[OrderReading]) -> tuple[OpioidOrder, ...]:
    return tuple(
        [
            OpioidOrder(order=reading.order, drug=reading.drug)
            for reading in readings
            if reading.drug is not None
        ]
    )


def _covers(reading: OrderReading, as_of: date) -> bool:
    return reading.covered is not None and reading.covered.last == as_of


def _is_high(dose: DailyDose, thresholds: Thresholds) -> bool:
    return (
        dose.mme_per_day is not None
        and dose.mme_per_day >= thresholds.high_dose_at_least_mme_per_day
    )


def _is_active_on(order: Order, thresholds: Thresholds, as_of: date) -> bool:
    """Say whether an active order other than an opioid analgesic covers the day."""
    start = start_of(order)
    if order.status != "active" or start is None or start > as_of:
        return False
    return coverage(order, start, supply_of(order, None), thresholds, as_of).last == as_of


def _given(
    record: PatientRecord, drugs: DrugKinds, is_wanted: Callable[[DrugKind], bool]
) -> list[Order]:
    return [order for order in drugs.orders_for(is_wanted, record.orders) if is_given(order)]


def _being_ordered(
    drafts: Iterable[Order], drugs: DrugKinds, is_wanted: Callable[[DrugKind], bool]
) -> list[Order]:
    return [draft for draft in drugs.orders_for(is_wanted, drafts) if is_being_ordered(draft)]


def _has_benzodiazepine(
    record: PatientRecord, drugs: DrugKinds, thresholds: Thresholds, as_of: date
) -> bool:
    """Say whether one covers the day or is being ordered; one that a label hides is not named."""
    is_wanted = attrgetter("is_benzodiazepine")
    if not drugs.include(is_wanted):
        return False
    return any(
        not order.is_labelled and _is_active_on(order, thresholds, as_of)
        for order in _given(record, drugs, is_wanted)
    ) or any(not draft.is_labelled for draft in _being_ordered(record.drafts, drugs, is_wanted))


def _has_naloxone(
    record: PatientRecord, drugs: DrugKinds, thresholds: Thresholds, as_of: date
) -> bool:
    is_wanted = attrgetter("is_naloxone")
    if not drugs.include(is_wanted):
        return False
    oldest = months_before(as_of, thresholds.naloxone_within_months)
    drafts = (*record.drafts, *record.drafts_beside)
    return any(
        (start_of(order) or date.min) >= oldest for order in _given(record, drugs, is_wanted)
    ) or bool(_being_ordered(drafts, drugs, is_wanted))


def _has_moud(
    record: PatientRecord,
    drugs: DrugKinds,
    excluded: Exclusions,
    thresholds: Thresholds,
    as_of: date,
) -> bool:
    """Say whether treatment of opioid use disorder is being given or ordered.

    An active order counts while its supply, or the gap that a run may have, lasts; without a
    recorded supply for as long as an active order may be therapy.
    """

    def is_wanted(kind: DrugKind) -> bool:
        return kind.opioid is not None and kind.opioid.is_moud(
            has_opioid_use_disorder=excluded.has_opioid_use_disorder
        )

    if not drugs.include(is_wanted):
        return False
    oldest = months_before(as_of, thresholds.relic_after_months)
    nearest = as_of - timedelta(days=thresholds.run_gap_at_most_days)

    def goes_on(order: Order) -> bool:
        start, supply = start_of(order), supply_of(order, None)
        if order.status != "active" or start is None:
            return False
        if supply.days is None:
            return start >= oldest
        return (nearest - start).days < supply.days

    return any(map(goes_on, _given(record, drugs, is_wanted))) or bool(
        _being_ordered(record.drafts, drugs, is_wanted)
    )
