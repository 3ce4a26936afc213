"""Care that excludes, and services already ordered."""

from __future__ import annotations

from datetime import date

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import GapKind
from cds_service.clinical.terminology import ICD_10_CM, SNOMED_CT
from tests.fhir.charts import (
    HOSPICE_CARE,
    HYPERTENSION,
    SUBJECT,
    Json,
    concept,
    event,
    lost_elements,
    only_event,
    read,
)

PALLIATIVE = concept(ICD_10_CM, "Z51.5")


@pytest.mark.parametrize(
    ("resource_type", "members"),
    [
        ("Procedure", {"code": HOSPICE_CARE}),
        ("Procedure", {"reasonCode": [PALLIATIVE]}),
        ("Procedure", {"category": HOSPICE_CARE}),
        ("ServiceRequest", {"code": HOSPICE_CARE}),
        ("ServiceRequest", {"reasonCode": [PALLIATIVE]}),
        ("ServiceRequest", {"category": [HOSPICE_CARE]}),
        ("CarePlan", {"category": [HOSPICE_CARE]}),
        ("Encounter", {"status": "finished", "type": [HOSPICE_CARE]}),
        ("Encounter", {"status": "finished", "reasonCode": PALLIATIVE}),
        ("Encounter", {"status": "finished", "serviceType": HOSPICE_CARE}),
        (
            "Encounter",
            {"status": "finished", "hospitalization": {"dischargeDisposition": HOSPICE_CARE}},
        ),
    ],
)
def test_an_event_is_kept_when_one_of_its_codes_meets_a_table(
    knowledge: Knowledge, resource_type: str, members: Json
) -> None:
    found = only_event(read(knowledge, event(resource_type, **members)))
    assert (found.resource_type, found.reference) == (resource_type, f"{resource_type}/e1")
    assert found.codings in (((SNOMED_CT, "385763009"),), ((ICD_10_CM, "Z51.5"),))


@pytest.mark.parametrize("resource_type", ["Procedure", "CarePlan", "Encounter"])
def test_an_event_that_meets_no_table_concerns_no_rule(
    knowledge: Knowledge, resource_type: str
) -> None:
    sent = event(resource_type, code=HYPERTENSION, category=HYPERTENSION, type=HYPERTENSION)
    record = read(knowledge, sent)
    assert (record.care_events, record.unrelated) == ((), (f"{resource_type}/e1",))


def test_every_coded_order_of_a_service_is_kept(knowledge: Knowledge) -> None:
    referral = event("ServiceRequest", code=concept(SNOMED_CT, "306136006"), status="active")
    assert only_event(read(knowledge, referral)).status == "active"


def test_a_service_without_a_code_concerns_no_rule(knowledge: Knowledge) -> None:
    record = read(knowledge, event("ServiceRequest", code={"text": "refer to pain clinic"}))
    assert (record.care_events, record.unrelated) == ((), ("ServiceRequest/e1",))


@pytest.mark.parametrize(
    ("members", "is_kept"),
    [
        ({"doNotPerform": True}, False),
        ({"doNotPerform": False}, True),
        ({"intent": "proposal"}, False),
        ({"intent": "plan"}, False),
        ({"intent": "option"}, False),
        ({"intent": "directive"}, True),
        ({"intent": "order"}, True),
    ],
)
def test_a_service_forbidden_or_only_proposed_is_not_ordered(
    knowledge: Knowledge, members: Json, is_kept: bool
) -> None:
    record = read(knowledge, event("ServiceRequest", code=HOSPICE_CARE, **members))
    assert bool(record.care_events) is is_kept
    assert record.gaps == ()


def test_a_code_named_twice_is_kept_once(knowledge: Knowledge) -> None:
    sent = event("Procedure", code=HOSPICE_CARE, category=HOSPICE_CARE)
    assert only_event(read(knowledge, sent)).codings == ((SNOMED_CT, "385763009"),)


@pytest.mark.parametrize(
    ("resource_type", "members", "element"),
    [
        ("Procedure", {"status": "done"}, "status"),
        ("Procedure", {"status": None}, "status"),
        ("Procedure", {"status": "active"}, "status"),
        ("ServiceRequest", {"status": "in-progress"}, "status"),
        ("ServiceRequest", {"intent": "Order"}, "intent"),
        ("ServiceRequest", {"doNotPerform": "no"}, "doNotPerform"),
        ("Procedure", {"modifierExtension": [{"url": "x"}]}, "modifierExtension"),
    ],
)
def test_an_event_whose_meaning_cannot_be_read_is_a_gap(
    knowledge: Knowledge, resource_type: str, members: Json, element: str
) -> None:
    record = read(knowledge, event(resource_type, code=HOSPICE_CARE, **members))
    assert record.care_events == ()
    (gap,) = record.gaps
    assert (gap.kind, gap.where, gap.element) == (
        GapKind.OPTIONAL_UNREADABLE,
        f"{resource_type}/e1",
        element,
    )


@pytest.mark.parametrize(
    ("sent", "day"),
    [
        (event("Procedure", code=HOSPICE_CARE, performedDateTime="2026"), date(2026, 12, 31)),
        (
            event(
                "Procedure",
                code=HOSPICE_CARE,
                performedPeriod={"start": "2026-01-01", "end": "2026-01-09"},
            ),
            date(2026, 1, 9),
        ),
        (
            event(
                "ServiceRequest",
                code=HOSPICE_CARE,
                authoredOn="2026-01-01",
                occurrenceDateTime="2026-02-01",
            ),
            date(2026, 2, 1),
        ),
        (event("ServiceRequest", code=HOSPICE_CARE, authoredOn="2026-01-01"), date(2026, 1, 1)),
        (
            event(
                "Encounter",
                status="in-progress",
                type=[HOSPICE_CARE],
                period={"start": "2026-01-05T01:00:00Z"},
            ),
            date(2026, 1, 4),
        ),
        (event("CarePlan", category=[HOSPICE_CARE], period={"end": "2026-03"}), date(2026, 3, 31)),
        (event("CarePlan", category=[HOSPICE_CARE], created="2026-03-02"), date(2026, 3, 2)),
        (
            event("ServiceRequest", code=HOSPICE_CARE, occurrencePeriod={"end": "2026-02-03"}),
            date(2026, 2, 3),
        ),
        (event("Procedure", code=HOSPICE_CARE, performedString="last year"), None),
    ],
)
def test_the_day_is_the_latest_the_event_is_known_for(
    knowledge: Knowledge, sent: Json, day: date | None
) -> None:
    assert only_event(read(knowledge, sent)).day == day


def test_an_unreadable_day_is_left_out_and_said(knowledge: Knowledge) -> None:
    sent = event("Procedure", code=HOSPICE_CARE, performedDateTime="yesterday", subject=SUBJECT)
    record = read(knowledge, sent)
    assert only_event(record).day is None
    assert lost_elements(record) == ["performedDateTime"]


@pytest.mark.parametrize(
    ("resource_type", "codes", "statuses"),
    [
        (
            "Procedure",
            "code",
            "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
        ),
        (
            "ServiceRequest",
            "code",
            "draft active on-hold revoked completed entered-in-error unknown",
        ),
        (
            "CarePlan",
            "category",
            "draft active on-hold revoked completed entered-in-error unknown",
        ),
        (
            "Encounter",
            "type",
            "planned arrived triaged in-progress onleave finished cancelled entered-in-error "
            "unknown",
        ),
    ],
)
def test_every_status_of_the_type_is_read(
    knowledge: Knowledge, resource_type: str, codes: str, statuses: str
) -> None:
    for status in statuses.split():
        sent = event(resource_type, status=status, **{codes: HOSPICE_CARE})
        assert only_event(read(knowledge, sent)).status == status
