"""The assessment of one record on one day: everything the rules and the cards look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from cds_service.clinical.criteria import Exclusions, PhysicalPain, SocialPain
from cds_service.clinical.exposure import Exposure, OrderReading
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.mme import DailyDose
from cds_service.clinical.record import PatientRecord

Hook = Literal["patient-view", "order-select", "order-sign", "medication-refill"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """What is known about one patient on one day, and what is not.

    `opioid_drafts` are the analgesic opioid orders being signed, selected or refilled.
    `opioid_ingredients` are the names of the opioids of drafts and current orders, each once.
    `needs_naloxone_offer` already knows about naloxone on record. `active_requests` are the codes
    of referrals and screens already ordered or recorded, so that none is offered twice.
    """

    record: PatientRecord
    knowledge: Knowledge
    hook: Hook
    as_of: date
    exposure: Exposure
    opioid_drafts: tuple[OrderReading, ...]
    social_pain: SocialPain
    physical_pain: PhysicalPain
    exclusions: Exclusions
    dose: DailyDose
    has_benzodiazepine: bool
    needs_naloxone_offer: bool


def assess(record: PatientRecord, knowledge: Knowledge, *, as_of: date, hook: Hook) -> Assessment:
    """Assess the record on the day `as_of` for the hook. Never raises on data."""
    raise NotImplementedError
