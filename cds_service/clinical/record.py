"""The patient's record as the clinical core sees it: immutable, normalised, free of FHIR classes.

`cds_service.fhir.reader` builds it. What could not be read is a `DataGap`, never an absence.
`None` always means unknown. Days are calendar days in the site's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from cds_service.clinical.terminology import Coding


class GapKind(StrEnum):
    """What a gap may hide; the words for each are in `cards/phrases.toml`."""

    ORDER_UNREADABLE = "order-unreadable"
    """A MedicationRequest that cannot be read at all; it may be an opioid order."""
    DRUG_UNRESOLVED = "drug-unresolved"
    """An order whose drug is named nowhere in reach; it may be an opioid."""
    START_UNKNOWN = "start-unknown"
    """An opioid order without any date to place it by."""
    ORDERS_INCOMPLETE = "orders-incomplete"
    """Only part of the orders could be read."""
    CONDITION_UNREADABLE = "condition-unreadable"
    """A Condition that cannot be read at all."""
    CONDITION_UNCODED = "condition-uncoded"
    """A Condition in words only: it was read, and no table can say what it means."""
    CONDITIONS_INCOMPLETE = "conditions-incomplete"
    """Only part of the Conditions could be read."""
    PATIENT_UNREADABLE = "patient-unreadable"
    """Age and vital status could not be checked."""
    OPTIONAL_UNREADABLE = "optional-unreadable"
    """An Observation, Procedure, ServiceRequest, Encounter or Medication that cannot be read."""
    ELEMENT_UNREADABLE = "element-unreadable"
    """One element of a resource was left out; the rest of the resource was used."""


ORDER_GAPS = frozenset(
    {
        GapKind.ORDER_UNREADABLE,
        GapKind.DRUG_UNRESOLVED,
        GapKind.START_UNKNOWN,
        GapKind.ORDERS_INCOMPLETE,
    }
)
"""The gaps that may hide an opioid order."""
CONDITION_GAPS = frozenset({GapKind.CONDITION_UNREADABLE, GapKind.CONDITIONS_INCOMPLETE})
"""The gaps that may hide social pain."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataGap:
    """One thing that could not be read.

    `where` is the resource ("MedicationRequest/17", or its place when it has no id: "entry 3 of
    MedicationRequest"), `element` a FHIR path inside it, `reason` a fixed phrase of ours. None of
    the three ever holds a value of the patient. `is_draft` says the gap is in an order of the
    hook's context, `may_be_treatment` that its drug treats opioid use disorder where that is
    recorded.
    """

    kind: GapKind
    where: str
    reason: str
    element: str | None = None
    is_draft: bool = False
    may_be_treatment: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Drug:
    """What an order says its drug is: all codings, and all words (displays and text)."""

    codings: tuple[Coding, ...]
    words: tuple[str, ...]


class Quantity(NamedTuple):
    """A finite, non-negative number and its unit as written: UCUM code if coded, else the word."""

    value: Decimal
    unit: str | None


class Timing(NamedTuple):
    """How often a dose is taken: FHIR Timing.repeat and Timing.code, untouched but typed.

    `period_unit` is a UCUM unit of time (s min h d wk mo a). `code` is the GTS abbreviation in
    upper case (BID, Q6H ...). `times_of_day` counts `timeOfDay` or `when`, `days_of_week` counts
    `dayOfWeek`.
    """

    frequency: int | None = None
    frequency_max: int | None = None
    period: Decimal | None = None
    period_max: Decimal | None = None
    period_unit: str | None = None
    code: str | None = None
    times_of_day: int = 0
    days_of_week: int = 0


class DoseAmount(NamedTuple):
    """One `doseAndRate` entry. `amount` is doseQuantity, or the upper end of doseRange.

    `kind` is "ordered", "calculated" or None. `rate` is the upper rate as amount per time.
    """

    amount: Quantity | None
    kind: str | None = None
    rate: Quantity | None = None
    rate_per: Quantity | None = None


class Dosage(NamedTuple):
    """One dosageInstruction. `is_readable` is False where a part that changes the dose was lost."""

    sequence: int | None = None
    timing: Timing | None = None
    amounts: tuple[DoseAmount, ...] = ()
    maximum: Quantity | None = None
    maximum_per: Quantity | None = None
    is_readable: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One MedicationRequest, of the record or of the hook's context.

    `drug` is None when it could not be resolved (a gap of kind DRUG_UNRESOLVED says so).
    Supply parts are as written: `expected_supply` and `bounds_duration` (upper end of a range)
    are amounts of time, `quantity` an amount of drug; `repeats_allowed` None means not stated.
    `start_is_imprecise` marks a start known only to the month or year (read as its first day).
    """

    reference: str
    drug: Drug | None
    status: str | None
    intent: str | None = None
    is_inpatient: bool = False
    is_do_not_perform: bool = False
    authored_on: date | None = None
    bounds_start: date | None = None
    bounds_end: date | None = None
    bounds_duration: Quantity | None = None
    validity_start: date | None = None
    start_is_imprecise: bool = False
    expected_supply: Quantity | None = None
    quantity: Quantity | None = None
    repeats_allowed: int | None = None
    dosages: tuple[Dosage, ...] = ()
    is_continuous_therapy: bool = False
    is_labelled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One Condition that meets a row of a code table.

    `onset` is read as its earliest day, `recorded` as its latest, `recorded_from` as its earliest.
    `has_abatement` says some abatement is present; `abatement` is its (earliest) day where one is
    given. `encounter` names the encounter it was coded at. `is_labelled`: a security label asks
    that it is never named.
    """

    reference: str
    codings: tuple[Coding, ...]
    clinical_status: str | None = None
    verification_status: str | None = None
    categories: frozenset[str] = frozenset()
    onset: date | None = None
    recorded: date | None = None
    recorded_from: date | None = None
    has_abatement: bool = False
    abatement: date | None = None
    encounter: str | None = None
    is_labelled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer of an Observation, or of one of its components.

    `number` comes from Quantity, integer or a numeric string; `answers` are coded answers.
    `is_unreadable` marks an answer that is present and could not be read.
    """

    codings: tuple[Coding, ...]
    number: Decimal | None = None
    answers: tuple[Coding, ...] = ()
    is_unreadable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """One Observation that meets a row of a code table.

    `effective` is the latest day it may mean, `effective_from` the earliest.

    `is_labelled`: a security label asks that it is never named.
    """

    reference: str
    status: str | None
    effective: date | None
    answers: tuple[Answer, ...]
    is_labelled: bool = False
    effective_from: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CareEvent:
    """One Procedure, ServiceRequest, CarePlan or Encounter (its type, reason and diagnosis codes).

    `day` is the latest day it is known for, None when undated. `status` says whether it goes on.
    """

    reference: str
    resource_type: str
    codings: tuple[Coding, ...]
    status: str | None
    day: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientRecord:
    """Everything about one patient that the rules may look at.

    `drafts` are the orders being signed, selected or refilled, `drafts_beside` orders that stand
    beside them and are not: they only tell what is on its way already.
    `lists_read` names the resource types whose whole list is known, even when it is empty.
    `unrelated` holds the references of resources that were read and concern no rule.
    """

    patient_id: str
    birth_date: date | None = None
    is_deceased: bool = False
    orders: tuple[Order, ...] = ()
    drafts: tuple[Order, ...] = ()
    drafts_beside: tuple[Order, ...] = ()
    conditions: tuple[Condition, ...] = ()
    observations: tuple[Observation, ...] = ()
    care_events: tuple[CareEvent, ...] = ()
    lists_read: frozenset[str] = frozenset()
    unrelated: tuple[str, ...] = ()
    gaps: tuple[DataGap, ...] = field(default=())
