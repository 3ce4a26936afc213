"""MedicationRequests: what decides whether they count, and their dates and supply."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import GapKind, Quantity
from tests.fhir.charts import (
    LISINOPRIL,
    Json,
    gap_kinds,
    lost_elements,
    only_order,
    order,
    read,
)

UCUM = "http://unitsofmeasure.org"


def repeated(*repeats: Json, **members: Any) -> Json:
    """Return an order with one dosage instruction for each `timing.repeat`."""
    return order(dosageInstruction=[{"timing": {"repeat": r}} for r in repeats], **members)


COUGH_SYRUP = {"text": "guaifenesin-codeine syrup"}


class TestModifiers:
    @pytest.mark.parametrize(
        ("members", "element"),
        [
            ({"status": "Active"}, "status"),
            ({"status": "ended"}, "status"),
            ({"status": "act ive"}, "status"),
            ({"status": 1}, "status"),
            ({"status": ["active"]}, "status"),
            ({"status": None}, "status"),
            ({"status": ""}, "status"),
            ({"status": None, "_status": {"extension": [{"url": "absent"}]}}, "status"),
            ({"intent": "Order"}, "intent"),
            ({"intent": {"code": "order"}}, "intent"),
            ({"doNotPerform": "true"}, "doNotPerform"),
            ({"doNotPerform": 1}, "doNotPerform"),
            ({"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "modifierExtension"),
            ({"modifierExtension": "x"}, "modifierExtension"),
        ],
    )
    def test_an_order_whose_meaning_cannot_be_read_is_the_gap(
        self, knowledge: Knowledge, members: Json, element: str
    ) -> None:
        broken = {name: value for name, value in order().items() if name not in members}
        broken |= {name: value for name, value in members.items() if value is not None}
        record = read(knowledge, broken)
        assert record.orders == ()
        (gap,) = record.gaps
        assert (gap.kind, gap.where, gap.element) == (
            GapKind.ORDER_UNREADABLE,
            "MedicationRequest/o1",
            element,
        )

    @pytest.mark.parametrize(
        "members",
        [{"subject": {"reference": "Patent/p1"}}, {"modifierExtension": [{"url": "urn:x"}]}],
    )
    def test_an_order_without_a_status_is_the_gap_whatever_else_cannot_be_read(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        record = read(knowledge, order(status=None) | members)
        assert gap_kinds(record) == [GapKind.ORDER_UNREADABLE]

    @pytest.mark.parametrize(
        "members",
        [
            {"status": "active "},
            {"doNotPerform": False},
            {"modifierExtension": []},
            {"intent": None},
            {"intent": " "},
            {"_status": {"extension": [{"url": "x"}]}},
            {"vendorField": {"x": 1}},
        ],
    )
    def test_an_order_whose_meaning_is_plain_counts(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        record = read(knowledge, order(**members))
        assert (only_order(record).status, record.gaps) == ("active", ())

    @pytest.mark.parametrize(
        "status",
        [
            "active",
            "on-hold",
            "cancelled",
            "completed",
            "entered-in-error",
            "stopped",
            "draft",
        ],
    )
    def test_every_status_is_read(self, knowledge: Knowledge, status: str) -> None:
        assert only_order(read(knowledge, order(status=status))).status == status

    def test_an_order_of_unknown_status_is_a_gap(self, knowledge: Knowledge) -> None:
        (gap,) = read(knowledge, order(status="unknown")).gaps
        assert (gap.kind, gap.element) == (GapKind.ORDER_UNREADABLE, "status")

    @pytest.mark.parametrize(
        "intent",
        [
            "proposal",
            "plan",
            "order",
            "original-order",
            "reflex-order",
            "filler-order",
            "instance-order",
            "option",
        ],
    )
    def test_every_intent_is_read(self, knowledge: Knowledge, intent: str) -> None:
        assert only_order(read(knowledge, order(intent=intent))).intent == intent

    def test_an_absent_intent_is_unknown(self, knowledge: Knowledge) -> None:
        assert only_order(read(knowledge, order(intent=None))).intent is None

    def test_do_not_perform_is_kept(self, knowledge: Knowledge) -> None:
        assert only_order(read(knowledge, order(doNotPerform=True))).is_do_not_perform

    @pytest.mark.parametrize("broken", [{"status": "unknown"}, {"modifierExtension": "x"}])
    @pytest.mark.parametrize(
        "words",
        [
            "diazepam 5 mg tablet",
            "naloxone 4 mg nasal spray",
            "buprenorphine/naloxone 8-2 mg sublingual film",
        ],
    )
    def test_an_order_that_can_be_no_opioid_analgesic_leaves_a_detail_unread(
        self, knowledge: Knowledge, words: str, broken: Json
    ) -> None:
        record = read(knowledge, order(medicationCodeableConcept={"text": words}, **broken))
        assert (record.orders, gap_kinds(record)) == ((), [GapKind.ELEMENT_UNREADABLE])

    @pytest.mark.parametrize("broken", [{"status": "ACTIV"}, {"authoredOn": None}])
    @pytest.mark.parametrize(
        ("words", "may_be_treatment"),
        [("methadone 10 mg tablet", True), ("oxycodone 5 mg tablet", False)],
    )
    def test_the_gap_of_an_opioid_order_says_whether_it_may_be_treatment(
        self, knowledge: Knowledge, words: str, broken: Json, *, may_be_treatment: bool
    ) -> None:
        record = read(knowledge, order(medicationCodeableConcept={"text": words}, **broken))
        assert [gap.may_be_treatment for gap in record.gaps] == [may_be_treatment]

    @pytest.mark.parametrize(
        "members",
        [
            {"status": "unknown", "medicationCodeableConcept": COUGH_SYRUP},
            {"modifierExtension": "x", "medicationCodeableConcept": COUGH_SYRUP},
            {"authoredOn": None, "medicationCodeableConcept": COUGH_SYRUP},
            {"status": "unknown", "intent": "proposal"},
            {"status": None, "doNotPerform": True},
            {"status": "unknown", "category": [{"coding": [{"code": "inpatient"}]}]},
            {"intent": "Order", "status": "cancelled"},
        ],
    )
    def test_an_order_that_never_counts_is_no_gap_whatever_else_cannot_be_read(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        assert read(knowledge, order(**members)).gaps == ()

    def test_an_order_for_another_drug_is_no_gap_however_broken(self, knowledge: Knowledge) -> None:
        record = read(
            knowledge,
            order(medicationCodeableConcept=LISINOPRIL, status="Active", modifierExtension=[1]),
        )
        assert (record.gaps, record.unrelated) == ((), ("MedicationRequest/o1",))


@pytest.mark.parametrize("kind", ["MedicationOrder", "MedicationPrescription"])
class TestOtherVersions:
    """DSTU2 and DSTU1 have other types for an order, with other elements."""

    @pytest.mark.parametrize(
        "medication",
        [
            {},
            {"medicationCodeableConcept": None, "medicationReference": {"reference": "#x"}},
            {"medicationCodeableConcept": None, "medication": {"reference": "Medication/m1"}},
        ],
    )
    def test_an_order_of_another_version_is_the_gap(
        self, knowledge: Knowledge, kind: str, medication: Json
    ) -> None:
        older = order(**medication) | {"resourceType": kind}
        draft = read(knowledge, drafts=(older,))
        assert [(gap.kind, gap.where, gap.element, gap.is_draft) for gap in draft.gaps] == [
            (GapKind.ORDER_UNREADABLE, f"{kind}/o1", "resourceType", True)
        ]
        assert gap_kinds(read(knowledge, older)) == [GapKind.ORDER_UNREADABLE]
        assert draft.drafts == read(knowledge, older).orders == ()

    @pytest.mark.parametrize(
        "members",
        [
            {"medicationCodeableConcept": LISINOPRIL},
            {"medicationCodeableConcept": None},
            {"status": "entered-in-error"},
        ],
    )
    def test_one_for_another_drug_or_for_none_yet_is_no_gap(
        self, knowledge: Knowledge, kind: str, members: Json
    ) -> None:
        older = order(**members) | {"resourceType": kind}
        assert read(knowledge, drafts=(older,)).gaps == ()


class TestCategory:
    @pytest.mark.parametrize(
        ("codes", "is_inpatient"),
        [
            (["inpatient"], True),
            (["Inpatient"], True),
            (["inpatient", "discharge"], False),
            (["community"], False),
            (["outpatient"], False),
            ([], False),
        ],
    )
    def test_only_an_order_for_hospital_alone_is_inpatient(
        self, knowledge: Knowledge, codes: list[str], is_inpatient: bool
    ) -> None:
        category = [{"coding": [{"code": code}]} for code in codes]
        assert only_order(read(knowledge, order(category=category))).is_inpatient is is_inpatient

    def test_a_category_sent_as_an_object_is_read(self, knowledge: Knowledge) -> None:
        sent = {"coding": {"code": "inpatient"}}
        assert only_order(read(knowledge, order(category=sent))).is_inpatient

    def test_continuous_therapy_is_told_by_its_code(self, knowledge: Knowledge) -> None:
        system = "http://terminology.hl7.org/CodeSystem/medicationrequest-course-of-therapy"

        def course(system: str, code: str) -> bool:
            sent = {"coding": [{"system": system, "code": code}]}
            return only_order(
                read(knowledge, order(courseOfTherapyType=sent))
            ).is_continuous_therapy

        assert course(system, "continuous")
        assert not course(system, "acute")
        assert not course("urn:other", "continuous")


class TestStart:
    def test_each_date_is_kept_on_its_own(self, knowledge: Knowledge) -> None:
        found = only_order(
            read(
                knowledge,
                repeated(
                    {"boundsPeriod": {"start": "2026-03-05"}},
                    authoredOn="2026-03-01T23:30:00-05:00",
                    dispenseRequest={"validityPeriod": {"start": "2026-03-09"}},
                ),
            )
        )
        assert (found.bounds_start, found.authored_on, found.validity_start) == (
            date(2026, 3, 5),
            date(2026, 3, 1),
            date(2026, 3, 9),
        )
        assert not found.start_is_imprecise

    @pytest.mark.parametrize(
        ("written", "read_as"), [("2026", date(2026, 1, 1)), ("2026-02", date(2026, 2, 1))]
    )
    def test_a_partial_start_is_its_first_day_and_imprecise(
        self, knowledge: Knowledge, written: str, read_as: date
    ) -> None:
        found = only_order(read(knowledge, order(authoredOn=written)))
        assert (found.authored_on, found.start_is_imprecise) == (read_as, True)

    def test_the_date_that_decides_the_start_decides_whether_it_is_precise(
        self, knowledge: Knowledge
    ) -> None:
        exact = repeated({"boundsPeriod": {"start": "2026-03-05"}}, authoredOn="2026")
        rough = repeated({"boundsPeriod": {"start": "2026"}}, authoredOn="2026-03-05")
        assert not only_order(read(knowledge, exact)).start_is_imprecise
        assert only_order(read(knowledge, rough)).start_is_imprecise

    def test_an_opioid_order_without_any_date_is_a_gap(self, knowledge: Knowledge) -> None:
        record = read(knowledge, order(authoredOn=None))
        assert only_order(record).authored_on is None
        assert gap_kinds(record) == [GapKind.START_UNKNOWN]

    @pytest.mark.parametrize(
        "dated",
        [
            order(authoredOn=None, dispenseRequest={"validityPeriod": {"start": "2026"}}),
            repeated({"boundsPeriod": {"start": "2026"}}, authoredOn=None),
        ],
    )
    def test_any_date_places_an_order(self, knowledge: Knowledge, dated: Json) -> None:
        assert read(knowledge, dated).gaps == ()

    def test_an_order_that_would_not_count_needs_no_date(self, knowledge: Knowledge) -> None:
        assert read(knowledge, order(authoredOn=None, status="cancelled")).gaps == ()

    def test_a_benzodiazepine_without_a_date_is_said_to_have_none(
        self, knowledge: Knowledge
    ) -> None:
        record = read(
            knowledge,
            order(authoredOn=None, medicationCodeableConcept={"text": "diazepam 5 mg tablet"}),
        )
        assert len(record.orders) == 1
        assert [(gap.kind, gap.element) for gap in record.gaps] == [
            (GapKind.ELEMENT_UNREADABLE, "authoredOn")
        ]

    @pytest.mark.parametrize(
        "members",
        [
            {"medicationCodeableConcept": {"text": "guaifenesin-codeine syrup"}},
            {"medicationCodeableConcept": {"text": "buprenorphine/naloxone 8-2 mg film"}},
            {"category": [{"coding": [{"code": "inpatient"}]}]},
        ],
    )
    def test_an_order_that_is_no_exposure_is_no_opioid_order_without_a_date(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        record = read(knowledge, order(authoredOn=None, **members))
        assert GapKind.START_UNKNOWN not in gap_kinds(record)

    def test_an_unreadable_date_is_left_out_and_said(self, knowledge: Knowledge) -> None:
        record = read(knowledge, order(authoredOn="01/02/2026"))
        assert lost_elements(record) == ["authoredOn"]
        assert GapKind.START_UNKNOWN in gap_kinds(record)


class TestSupply:
    def test_duration_quantity_and_refills_are_kept_as_written(self, knowledge: Knowledge) -> None:
        found = only_order(
            read(
                knowledge,
                order(
                    dispenseRequest={
                        "expectedSupplyDuration": {"value": 30, "unit": "days"},
                        "quantity": {"value": "120", "unit": "tablet"},
                        "numberOfRepeatsAllowed": "2",
                    }
                ),
            )
        )
        assert found.expected_supply == Quantity(value=Decimal(30), unit="days")
        assert found.quantity == Quantity(value=Decimal(120), unit="tablet")
        assert found.repeats_allowed == 2

    @pytest.mark.parametrize(
        ("quantity", "unit"),
        [
            ({"system": UCUM, "code": "d", "unit": "days"}, "d"),
            ({"code": "d", "unit": "days"}, "d"),
            ({"system": UCUM, "unit": "days"}, "days"),
            ({"system": "urn:oid:1.2.3", "code": "5002", "unit": "tablet"}, "tablet"),
            ({"system": "urn:oid:1.2.3", "code": "5002"}, "5002"),
            (
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm",
                    "code": "TAB",
                },
                "TAB",
            ),
            ({}, None),
        ],
    )
    def test_the_unit_is_the_coded_one_where_the_code_is_of_a_known_system(
        self, knowledge: Knowledge, quantity: Json, unit: str | None
    ) -> None:
        sent = {"quantity": {"value": 1, **quantity}}
        found = only_order(read(knowledge, order(dispenseRequest=sent))).quantity
        assert found == Quantity(value=Decimal(1), unit=unit)

    @pytest.mark.parametrize(
        ("value", "is_read"),
        [
            (0, True),
            (100_000, True),
            (100_001, False),
            (0.000001, True),
            (0.0000009, False),
            (-1, False),
            (1e308, False),
            ("1e99", False),
            ("NaN", False),
            ("-5", False),
            ("1_000", False),
            ("９", False),
            ("0" * 33, False),
            (True, False),
            ([], False),
            (None, False),
        ],
    )
    def test_a_number_out_of_bounds_is_unreadable(
        self, knowledge: Knowledge, value: Any, is_read: bool
    ) -> None:
        record = read(knowledge, order(dispenseRequest={"quantity": {"value": value, "unit": "t"}}))
        assert (only_order(record).quantity is not None) is is_read
        assert lost_elements(record) == ([] if is_read else ["dispenseRequest.quantity"])

    def test_an_amount_with_a_comparator_is_not_that_amount(self, knowledge: Knowledge) -> None:
        sent = {"quantity": {"value": 30, "comparator": "<"}}
        record = read(knowledge, order(dispenseRequest=sent))
        assert only_order(record).quantity is None
        assert lost_elements(record) == ["dispenseRequest.quantity"]

    @pytest.mark.parametrize(
        ("repeats", "read_as"), [(0, 0), (99, 99), (100, None), (1.0, 1), (1.5, None), (-1, None)]
    )
    def test_refills_are_a_whole_number_up_to_99(
        self, knowledge: Knowledge, repeats: Any, read_as: int | None
    ) -> None:
        record = read(knowledge, order(dispenseRequest={"numberOfRepeatsAllowed": repeats}))
        assert only_order(record).repeats_allowed == read_as
        assert bool(record.gaps) is (read_as is None)

    def test_a_dispense_request_with_a_modifier_extension_is_not_used(
        self, knowledge: Knowledge
    ) -> None:
        sent = {"quantity": {"value": 30}, "modifierExtension": [{"url": "x"}]}
        record = read(knowledge, order(dispenseRequest=sent))
        assert only_order(record).quantity is None
        assert lost_elements(record) == ["dispenseRequest.modifierExtension"]

    @pytest.mark.parametrize("sent", [None, {}, [], "", " "])
    def test_nothing_in_an_element_is_no_gap(self, knowledge: Knowledge, sent: Any) -> None:
        record = read(knowledge, order() | {"dispenseRequest": sent, "dosageInstruction": sent})
        assert (only_order(record).dosages, record.gaps) == ((), ())

    @pytest.mark.parametrize("sent", ["30 days", 30, [{}, {}]])
    def test_an_element_of_the_wrong_type_is_left_out_and_said(
        self, knowledge: Knowledge, sent: Any
    ) -> None:
        record = read(knowledge, order(dispenseRequest=sent))
        assert lost_elements(record) == ["dispenseRequest"]

    def test_an_array_of_one_where_an_object_belongs_is_read(self, knowledge: Knowledge) -> None:
        record = read(knowledge, order(dispenseRequest=[{"quantity": {"value": 30}}]))
        assert only_order(record).quantity == Quantity(value=Decimal(30), unit=None)


class TestBounds:
    def test_the_order_starts_with_the_earliest_and_ends_with_the_latest_instruction(
        self, knowledge: Knowledge
    ) -> None:
        found = only_order(
            read(
                knowledge,
                repeated(
                    {"boundsPeriod": {"start": "2026-03-08", "end": "2026-03-31"}},
                    {"boundsPeriod": {"start": "2026-03-01", "end": "2026-03-07"}},
                ),
            )
        )
        assert (found.bounds_start, found.bounds_end) == (date(2026, 3, 1), date(2026, 3, 31))

    def test_an_instruction_without_an_end_leaves_the_order_open(
        self, knowledge: Knowledge
    ) -> None:
        found = only_order(
            read(
                knowledge,
                repeated(
                    {"boundsPeriod": {"start": "2026-03-01", "end": "2026-03-07"}},
                    {"frequency": 1, "period": 1, "periodUnit": "d"},
                ),
            )
        )
        assert (found.bounds_start, found.bounds_end) == (date(2026, 3, 1), None)

    def test_an_instruction_in_words_only_has_no_part_in_the_bounds(
        self, knowledge: Knowledge
    ) -> None:
        timed = {"timing": {"repeat": {"boundsPeriod": {"end": "2026-03-07"}}}}
        found = only_order(read(knowledge, order(dosageInstruction=[timed, {"text": "with food"}])))
        assert found.bounds_end == date(2026, 3, 7)

    def test_a_partial_end_is_its_last_day(self, knowledge: Knowledge) -> None:
        found = only_order(read(knowledge, repeated({"boundsPeriod": {"end": "2026-02"}})))
        assert found.bounds_end == date(2026, 2, 28)

    @pytest.mark.parametrize(
        ("end", "read_as"),
        [("2026-02-28", None), ("2026-03-01", date(2026, 3, 1)), ("2026", date(2026, 12, 31))],
    )
    def test_an_end_before_the_start_is_unreadable(
        self, knowledge: Knowledge, end: str, read_as: date | None
    ) -> None:
        record = read(knowledge, repeated({"boundsPeriod": {"start": "2026-03-01", "end": end}}))
        assert only_order(record).bounds_end == read_as
        lost = [] if read_as else ["dosageInstruction.timing.repeat.boundsPeriod.end"]
        assert lost_elements(record) == lost

    @pytest.mark.parametrize(
        "repeat",
        [
            {"boundsDuration": {"value": 2, "unit": "weeks", "code": "wk", "system": UCUM}},
            {"boundsRange": {"low": {"value": 1}, "high": {"value": 2, "unit": "wk"}}},
        ],
    )
    def test_a_single_length_is_kept_as_written(self, knowledge: Knowledge, repeat: Json) -> None:
        found = only_order(read(knowledge, repeated(repeat)))
        assert found.bounds_duration == Quantity(value=Decimal(2), unit="wk")

    def test_lengths_in_sequence_add_up(self, knowledge: Knowledge) -> None:
        # 2 weeks, then 7 days: 14 + 7 = 21
        sent = [
            {"sequence": 1, "timing": {"repeat": {"boundsDuration": {"value": 2, "code": "wk"}}}},
            {"sequence": 2, "timing": {"repeat": {"boundsDuration": {"value": 7, "code": "d"}}}},
        ]
        found = only_order(read(knowledge, order(dosageInstruction=sent)))
        assert found.bounds_duration == Quantity(value=Decimal(21), unit="d")

    @pytest.mark.parametrize("sequences", [(1, 1), (None, None), (1, None)])
    def test_of_lengths_side_by_side_the_longest_counts(
        self, knowledge: Knowledge, sequences: tuple[int | None, ...]
    ) -> None:
        lengths = ({"value": 2, "code": "wk"}, {"value": 7, "code": "d"})
        sent = [
            {"sequence": sequence, "timing": {"repeat": {"boundsDuration": length}}}
            for sequence, length in zip(sequences, lengths, strict=True)
        ]
        found = only_order(read(knowledge, order(dosageInstruction=sent)))
        assert found.bounds_duration == Quantity(value=Decimal(14), unit="d")

    @pytest.mark.parametrize("other", [{"frequency": 1}, {"boundsDuration": {"value": 7}}])
    def test_a_length_that_is_open_or_without_unit_leaves_the_order_open(
        self, knowledge: Knowledge, other: Json
    ) -> None:
        sent = repeated({"boundsDuration": {"value": 2, "code": "wk"}}, other)
        assert only_order(read(knowledge, sent)).bounds_duration is None

    @pytest.mark.parametrize(
        ("repeat", "lost"),
        [
            ({"boundsDuration": {"value": 0, "code": "d"}}, "boundsDuration"),
            ({"boundsRange": {"low": {"value": 5}}}, "boundsRange.high"),
            ({"boundsPeriod": {"start": "soon"}}, "boundsPeriod.start"),
        ],
    )
    def test_bounds_that_cannot_be_read_are_left_out_and_said(
        self, knowledge: Knowledge, repeat: Json, lost: str
    ) -> None:
        record = read(knowledge, repeated(repeat))
        found = only_order(record)
        assert (found.bounds_start, found.bounds_end, found.bounds_duration) == (None, None, None)
        assert lost_elements(record) == [f"dosageInstruction.timing.repeat.{lost}"]
        assert found.dosages[0].is_readable
