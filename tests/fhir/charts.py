"""Raw FHIR JSON for the reader's tests: a chart of one patient, and what is read from it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from zoneinfo import ZoneInfo

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import (
    CareEvent,
    Condition,
    DataGap,
    GapKind,
    Observation,
    Order,
    PatientRecord,
)
from cds_service.clinical.terminology import ICD_10_CM, LOINC, RXNORM, SNOMED_CT
from cds_service.fhir.gather import Resources
from cds_service.fhir.reader import read_record

Json = dict[str, Any]

NEW_YORK = ZoneInfo("America/New_York")
PATIENT: Json = {"resourceType": "Patient", "id": "p1", "birthDate": "1960-05-17"}
SUBJECT: Json = {"reference": "Patient/p1"}


def concept(system: str, code: str, text: str | None = None) -> Json:
    coding = {"system": system, "code": code}
    return {"coding": [coding]} if text is None else {"coding": [coding], "text": text}


OXYCODONE = concept(RXNORM, "1049621", "oxycodone hydrochloride 5 MG Oral Tablet")
LISINOPRIL = concept(RXNORM, "314076", "lisinopril 10 MG Oral Tablet")
LONELINESS = concept(SNOMED_CT, "267076002")
DEPRESSION = concept(ICD_10_CM, "F33.1")
HYPERTENSION = concept(ICD_10_CM, "I10")
PHQ_9_TOTAL = concept(LOINC, "44261-6")
HOSPICE_CARE = concept(SNOMED_CT, "385763009")


def order(**members: Any) -> Json:
    """Return an active order for oxycodone; a member given as None is left out."""
    return _made(
        {
            "resourceType": "MedicationRequest",
            "id": "o1",
            "status": "active",
            "intent": "order",
            "subject": SUBJECT,
            "medicationCodeableConcept": OXYCODONE,
            "authoredOn": "2026-03-01",
        },
        members,
    )


def condition(**members: Any) -> Json:
    """Return an active, confirmed depression; a member given as None is left out."""
    system = "http://terminology.hl7.org/CodeSystem/"
    return _made(
        {
            "resourceType": "Condition",
            "id": "c1",
            "clinicalStatus": concept(f"{system}condition-clinical", "active"),
            "verificationStatus": concept(f"{system}condition-ver-status", "confirmed"),
            "code": DEPRESSION,
            "subject": SUBJECT,
        },
        members,
    )


def observation(**members: Any) -> Json:
    """Return a final PHQ-9 total without a value; a member given as None is left out."""
    return _made(
        {
            "resourceType": "Observation",
            "id": "s1",
            "status": "final",
            "code": PHQ_9_TOTAL,
            "subject": SUBJECT,
            "effectiveDateTime": "2026-02-01",
        },
        members,
    )


def event(resource_type: str, **members: Any) -> Json:
    """Return a completed event without codes; a member given as None is left out."""
    return _made(
        {"resourceType": resource_type, "id": "e1", "status": "completed", "subject": SUBJECT},
        members,
    )


def _made(resource: Json, members: Json) -> Json:
    return {name: value for name, value in (resource | members).items() if value is not None}


def read(
    knowledge: Knowledge,
    *resources: Json,
    drafts: tuple[Json, ...] = (),
    lists_read: frozenset[str] = frozenset(),
    gaps: tuple[DataGap, ...] = (),
    use_labelled: bool = False,
    bystanders: tuple[Json, ...] = (),
) -> PatientRecord:
    """Read resources of any type, and a Patient unless one is among them."""
    by_type: defaultdict[str, list[Json]] = defaultdict(list)
    for resource in resources:
        by_type[resource["resourceType"]].append(resource)
    by_type.setdefault("Patient", [PATIENT])
    return read_record(
        Resources(
            by_type={kind: tuple(found) for kind, found in by_type.items()},
            lists_read=lists_read,
            gaps=gaps,
        ),
        patient_id="p1",
        drafts=drafts,
        knowledge=knowledge,
        time_zone=NEW_YORK,
        use_labelled=use_labelled,
        bystanders=bystanders,
    )


def only_order(record: PatientRecord) -> Order:
    (found,) = record.orders
    return found


def only_condition(record: PatientRecord) -> Condition:
    (found,) = record.conditions
    return found


def only_observation(record: PatientRecord) -> Observation:
    (found,) = record.observations
    return found


def only_event(record: PatientRecord) -> CareEvent:
    (found,) = record.care_events
    return found


def gap_kinds(record: PatientRecord) -> list[GapKind]:
    return [gap.kind for gap in record.gaps]


def lost_elements(record: PatientRecord) -> list[str | None]:
    """Return the elements left out of resources that were otherwise used."""
    return [gap.element for gap in record.gaps if gap.kind is GapKind.ELEMENT_UNREADABLE]
