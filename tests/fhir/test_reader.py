"""The record as a whole: nothing is lost in silence, and nobody else's data gets in."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import DataGap, GapKind
from cds_service.errors import PatientMismatch
from tests.fhir.charts import (
    HOSPICE_CARE,
    HYPERTENSION,
    LISINOPRIL,
    PATIENT,
    SUBJECT,
    Json,
    condition,
    event,
    gap_kinds,
    observation,
    only_order,
    order,
    read,
)


def test_an_empty_chart_is_an_empty_record(knowledge: Knowledge) -> None:
    record = read(knowledge)
    assert (record.orders, record.conditions, record.unrelated, record.gaps) == ((), (), (), ())


def test_what_concerns_no_rule_is_listed_by_its_reference(knowledge: Knowledge) -> None:
    record = read(
        knowledge,
        order(id="o1", medicationCodeableConcept=LISINOPRIL),
        condition(id="c1", code=HYPERTENSION),
        {"resourceType": "AllergyIntolerance", "id": "a1", "patient": SUBJECT},
    )
    assert set(record.unrelated) == {
        "MedicationRequest/o1",
        "Condition/c1",
        "AllergyIntolerance/a1",
    }
    assert (record.orders, record.conditions, record.gaps) == ((), (), ())


def test_family_history_is_never_read(knowledge: Knowledge) -> None:
    family = {
        "resourceType": "FamilyMemberHistory",
        "id": "f1",
        "patient": SUBJECT,
        "condition": [{"code": condition()["code"]}],
    }
    record = read(knowledge, family)
    assert record.conditions == ()
    assert record.unrelated == ("FamilyMemberHistory/f1",)


def test_a_resource_without_an_id_is_named_by_its_place(knowledge: Knowledge) -> None:
    record = read(knowledge, order(id="o1"), order(id=None), order(id="../etc"))
    assert [found.reference for found in record.orders] == [
        "MedicationRequest/o1",
        "entry 2 of MedicationRequest",
        "entry 3 of MedicationRequest",
    ]


def test_an_id_with_an_underscore_is_kept(knowledge: Knowledge) -> None:
    assert only_order(read(knowledge, order(id="rx_7"))).reference == "MedicationRequest/rx_7"


def test_the_same_resource_twice_is_read_once(knowledge: Knowledge) -> None:
    record = read(knowledge, order(), order(), condition(), condition())
    assert (len(record.orders), len(record.conditions)) == (1, 1)


def test_different_resources_under_one_id_are_all_kept(knowledge: Knowledge) -> None:
    record = read(knowledge, order(), order(status="stopped"), order(), order(status="stopped"))
    assert [found.status for found in record.orders] == ["active", "stopped"]


def test_an_order_is_kept_beside_the_draft_of_the_same_id(knowledge: Knowledge) -> None:
    record = read(knowledge, order(), drafts=(order(),))
    assert [found.reference for found in record.orders] == ["MedicationRequest/o1"]
    assert [found.reference for found in record.drafts] == ["MedicationRequest/o1"]


def test_lists_and_gaps_of_the_gathering_are_passed_on(knowledge: Knowledge) -> None:
    gap = DataGap(kind=GapKind.ORDERS_INCOMPLETE, where="MedicationRequest", reason="cut")
    record = read(knowledge, lists_read=frozenset({"Condition"}), gaps=(gap,))
    assert record.lists_read == {"Condition"}
    assert record.gaps == (gap,)


class TestPatient:
    def test_age_and_death_are_read(self, knowledge: Knowledge) -> None:
        record = read(knowledge, PATIENT | {"deceasedDateTime": "2020-01-01T10:00:00Z"})
        assert (str(record.birth_date), record.is_deceased) == ("1960-05-17", True)

    @pytest.mark.parametrize(
        ("birth", "read_as"), [("2009", "2009-12-31"), ("2009-02", "2009-02-28")]
    )
    def test_a_partial_birth_date_is_read_as_the_youngest_age(
        self, knowledge: Knowledge, birth: str, read_as: str
    ) -> None:
        assert str(read(knowledge, PATIENT | {"birthDate": birth}).birth_date) == read_as

    @pytest.mark.parametrize(
        ("patient", "element"),
        [
            ({"birthDate": "17/05/1960"}, "birthDate"),
            ({"birthDate": None}, "birthDate"),
            ({"deceasedBoolean": "true"}, "deceasedBoolean"),
            ({"modifierExtension": [{"url": "x"}]}, "modifierExtension"),
        ],
    )
    def test_what_cannot_be_read_of_the_patient_is_a_gap(
        self, knowledge: Knowledge, patient: Json, element: str
    ) -> None:
        (gap,) = read(knowledge, PATIENT | patient).gaps
        assert (gap.kind, gap.where, gap.element) == (
            GapKind.PATIENT_UNREADABLE,
            "Patient/p1",
            element,
        )

    def test_deceased_false_is_alive(self, knowledge: Knowledge) -> None:
        assert read(knowledge, PATIENT | {"deceasedBoolean": False}).is_deceased is False

    def test_of_two_versions_the_youngest_age_and_any_death_count(
        self, knowledge: Knowledge
    ) -> None:
        other = {
            "resourceType": "Patient",
            "id": "p1",
            "birthDate": "1961",
            "deceasedBoolean": True,
        }
        record = read(knowledge, PATIENT, other)
        assert (str(record.birth_date), record.is_deceased) == ("1961-12-31", True)

    def test_no_patient_resource_is_a_gap(self, knowledge: Knowledge) -> None:
        record = read(knowledge, PATIENT | {"meta": {"security": [{"code": "R"}]}})
        (gap,) = record.gaps
        assert (gap.kind, gap.where, gap.element) == (GapKind.PATIENT_UNREADABLE, "Patient", None)
        assert (record.birth_date, record.is_deceased) == (None, False)


class TestOtherPatients:
    @pytest.mark.parametrize(
        "reference",
        [
            "Patient/p2",
            "https://ehr.example/r4/Patient/p2",
            "Patient/p2/_history/1",
            "Patient/p2/",
            "patient/p2",
            "urn:uuid:8a9d7b52-0000-0000-0000-000000000000",
            "p2",
            "Patient/P1",
        ],
    )
    @pytest.mark.parametrize("element", ["subject", "patient"])
    def test_a_resource_of_another_patient_stops_the_advice(
        self, knowledge: Knowledge, element: str, reference: str
    ) -> None:
        stray = {"resourceType": "Immunization", "id": "i", element: {"reference": reference}}
        with pytest.raises(PatientMismatch) as caught:
            read(knowledge, stray)
        assert reference not in str(caught.value)

    def test_a_draft_of_another_patient_stops_the_advice(self, knowledge: Knowledge) -> None:
        with pytest.raises(PatientMismatch):
            read(knowledge, drafts=(order(subject={"reference": "Patient/p2"}),))

    def test_a_labelled_resource_of_another_patient_stops_the_advice(
        self, knowledge: Knowledge
    ) -> None:
        label = {"security": [{"code": "42CFRPart2"}]}
        with pytest.raises(PatientMismatch):
            read(knowledge, order(subject={"reference": "Patient/p2"}, meta=label))

    def test_another_patient_resource_stops_the_advice(self, knowledge: Knowledge) -> None:
        with pytest.raises(PatientMismatch):
            read(knowledge, PATIENT, PATIENT | {"id": "p2"})

    @pytest.mark.parametrize(
        "bystander", [order(subject={"reference": "Patient/p2"}), PATIENT | {"id": "p2"}]
    )
    def test_another_entry_of_the_context_may_not_be_another_patients(
        self, knowledge: Knowledge, bystander: Json
    ) -> None:
        with pytest.raises(PatientMismatch):
            read(knowledge, bystanders=(bystander,))

    def test_what_cannot_be_read_of_a_bystander_is_no_gap(self, knowledge: Knowledge) -> None:
        assert read(knowledge, bystanders=(order(status="Active"),)) == read(knowledge)

    def test_what_another_draft_orders_is_read_and_what_a_label_withholds_is_not(
        self, knowledge: Knowledge
    ) -> None:
        beside = order(id="n", medicationCodeableConcept={"text": "naloxone 4 mg nasal spray"})
        labelled = {**beside, "meta": {"security": [{"code": "42CFRPart2"}]}}
        other = {"resourceType": "ServiceRequest", "id": "s"}
        record = read(knowledge, bystanders=(beside, labelled, other))
        assert len(record.drafts_beside) == 1
        assert (record.drafts, record.gaps, record.unrelated) == ((), (), ())

    @pytest.mark.parametrize("written", ["Patient/p2", [{"reference": "Patient/p2"}]])
    def test_a_subject_of_the_wrong_shape_is_compared_too(
        self, knowledge: Knowledge, written: Any
    ) -> None:
        with pytest.raises(PatientMismatch):
            read(knowledge, order(subject=written))

    def test_a_patient_named_beside_another_subject_is_compared_too(
        self, knowledge: Knowledge
    ) -> None:
        with pytest.raises(PatientMismatch):
            read(
                knowledge,
                order(subject={"reference": "Group/g"}, patient={"reference": "Patient/p2"}),
            )

    @pytest.mark.parametrize(
        "subject",
        [
            {"reference": "Patient/p1"},
            {"reference": "https://ehr.example/r4/Patient/p1"},
            {"reference": "Patient/p1/_history/3"},
            {"reference": "Patient/p1/"},
            {"reference": "patient/p1"},
            {"reference": "https://ehr.example/r4/PATIENT/p1/"},
            {"reference": "urn:uuid:P1"},
            {"reference": "p1"},
            {"reference": "#pat"},
            {"identifier": {"value": "MRN 4711"}},
            {"display": "Somebody"},
            None,
        ],
    )
    def test_the_patient_of_the_call_is_known_by_every_kind_of_reference(
        self, knowledge: Knowledge, subject: Json | None
    ) -> None:
        assert only_order(read(knowledge, order(subject=subject))).status == "active"

    def test_an_order_for_a_group_is_not_this_patients(self, knowledge: Knowledge) -> None:
        record = read(knowledge, order(subject={"reference": "Group/g1"}))
        assert (record.orders, record.unrelated) == ((), ("MedicationRequest/o1",))

    @pytest.mark.parametrize("of_group", ["Group/g1", "group/g1/", "Device/d", "Location/l"])
    def test_what_is_about_another_kind_of_subject_is_no_gap(
        self, knowledge: Knowledge, of_group: str
    ) -> None:
        record = read(knowledge, order(subject={"reference": of_group}))
        assert (record.unrelated, record.gaps) == (("MedicationRequest/o1",), ())

    @pytest.mark.parametrize("reference", ["Patent/p1", "Person/p1", "Encounter/e1", "p1/Patient"])
    @pytest.mark.parametrize(
        ("resource", "kind"),
        [
            (order(), GapKind.ORDER_UNREADABLE),
            (condition(), GapKind.CONDITION_UNREADABLE),
            (observation(valueInteger=12), GapKind.OPTIONAL_UNREADABLE),
            (event("Procedure", code=HOSPICE_CARE), GapKind.OPTIONAL_UNREADABLE),
        ],
    )
    def test_what_concerns_a_rule_and_whose_subject_cannot_be_told_is_a_gap(
        self, knowledge: Knowledge, resource: Json, kind: GapKind, reference: str
    ) -> None:
        record = read(knowledge, resource | {"subject": {"reference": reference}})
        (gap,) = record.gaps
        name = f"{resource['resourceType']}/{resource['id']}"
        assert (gap.kind, gap.where, gap.element) == (kind, name, "subject")
        assert reference not in repr(gap)
        assert (record.orders, record.conditions, record.unrelated) == ((), (), ())
        assert (record.observations, record.care_events) == ((), ())

    def test_a_draft_whose_subject_cannot_be_told_is_a_gap_of_a_draft(
        self, knowledge: Knowledge
    ) -> None:
        (gap,) = read(knowledge, drafts=(order(subject={"reference": "Patent/p1"}),)).gaps
        assert (gap.kind, gap.is_draft) == (GapKind.ORDER_UNREADABLE, True)

    def test_what_concerns_no_rule_is_no_gap_whoever_it_is_about(
        self, knowledge: Knowledge
    ) -> None:
        unknown = {"reference": "Patent/p1"}
        record = read(
            knowledge,
            order(subject=unknown, medicationCodeableConcept=LISINOPRIL),
            condition(subject=unknown, code=HYPERTENSION),
            event("Immunization", subject=unknown),
        )
        assert record.gaps == ()
        assert len(record.unrelated) == 3


class TestLabels:
    @pytest.mark.parametrize("use_labelled", [False, True])
    @pytest.mark.parametrize("label", ["42CFRPart2", "42cfrpart2", "42CFRPart2CD"])
    def test_part_2_data_is_never_used_and_leaves_no_gap(
        self, knowledge: Knowledge, label: str, use_labelled: bool
    ) -> None:
        meta = {"security": [{"system": "urn:x", "code": label}]}
        record = read(knowledge, order(meta=meta), condition(meta=meta), use_labelled=use_labelled)
        assert (record.orders, record.conditions, record.gaps) == ((), (), ())
        assert set(record.unrelated) == {"MedicationRequest/o1", "Condition/c1"}

    @pytest.mark.parametrize("label", ["R", "V", "SDV", "MH", "SUD", "OPIOIDUD"])
    def test_labelled_data_are_used_only_where_the_site_allows(
        self, knowledge: Knowledge, label: str
    ) -> None:
        labelled = condition(meta={"security": [{"code": label}]})
        assert read(knowledge, labelled).unrelated == ("Condition/c1",)
        assert len(read(knowledge, labelled, use_labelled=True).conditions) == 1

    @pytest.mark.parametrize("security", [["R"], {"code": " r "}, "R"])
    def test_a_label_of_the_wrong_shape_is_still_a_label(
        self, knowledge: Knowledge, security: Any
    ) -> None:
        assert read(knowledge, order(meta={"security": security})).orders == ()

    @pytest.mark.parametrize("meta", [{"security": [{"code": "N"}]}, {"security": [7]}, [], "x"])
    def test_a_normal_label_or_none_does_not_matter(self, knowledge: Knowledge, meta: Any) -> None:
        assert len(read(knowledge, order(meta=meta)).orders) == 1

    def test_an_order_for_a_withheld_medication_is_left_alone(self, knowledge: Knowledge) -> None:
        medication = {
            "resourceType": "Medication",
            "id": "m1",
            "meta": {"security": [{"code": "42CFRPart2"}]},
            "code": {"text": "methadone"},
        }
        record = read(
            knowledge,
            medication,
            order(
                medicationCodeableConcept=None,
                medicationReference={"reference": "Medication/m1", "display": "methadone"},
            ),
        )
        assert (record.orders, record.gaps) == ((), ())
        assert set(record.unrelated) == {"Medication/m1", "MedicationRequest/o1"}


class TestDrafts:
    def test_a_draft_becomes_a_draft_and_no_order(self, knowledge: Knowledge) -> None:
        record = read(knowledge, drafts=(order(status="draft", authoredOn=None),))
        assert (len(record.drafts), record.orders, record.gaps) == (1, (), ())

    def test_a_gap_in_a_draft_says_that_it_is_one(self, knowledge: Knowledge) -> None:
        record = read(knowledge, drafts=(order(status="Active", id=None),))
        (gap,) = record.gaps
        assert gap == DataGap(
            kind=GapKind.ORDER_UNREADABLE,
            where="draft order 1",
            reason="an element that decides what the resource means cannot be read",
            element="status",
            is_draft=True,
        )

    @pytest.mark.parametrize("draft", [{}, {"resourceType": 7}, {"id": "x", "status": "draft"}])
    def test_a_draft_that_does_not_say_what_it_is_is_a_gap(
        self, knowledge: Knowledge, draft: Json
    ) -> None:
        (gap,) = read(knowledge, drafts=(draft,)).gaps
        assert (gap.kind, gap.where, gap.is_draft) == (
            GapKind.ORDER_UNREADABLE,
            "draft order 1",
            True,
        )

    def test_a_draft_without_status_is_read(self, knowledge: Knowledge) -> None:
        assert len(read(knowledge, drafts=(order(status=None),)).drafts) == 1

    def test_a_draft_that_names_no_medication_yet_is_no_gap(self, knowledge: Knowledge) -> None:
        blank = order(status="draft", intent=None, medicationCodeableConcept=None)
        record = read(knowledge, drafts=(blank,))
        assert (record.drafts, record.gaps) == ((), ())
        assert record.unrelated == ("MedicationRequest/o1",)

    def test_the_drafts_of_the_public_sandbox_are_read(self, knowledge: Knowledge) -> None:
        draft = order(
            id="request-123",
            status="draft",
            category={"coding": [{"code": "outpatient"}]},
            reasonCode={"text": "pain"},
            dosageInstruction=[
                {
                    "timing": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}},
                    "doseAndRate": [
                        {
                            "doseQuantity": {
                                "value": 1,
                                "system": "http://unitsofmeasure.org",
                                "code": "{pill}",
                            }
                        }
                    ],
                }
            ],
            dispenseRequest={"expectedSupplyDuration": {"value": 30, "unit": "days", "code": "d"}},
        )
        record = read(knowledge, drafts=(draft,))
        (found,) = record.drafts
        assert record.gaps == ()
        assert found.expected_supply is not None
        assert (found.expected_supply.value, found.expected_supply.unit) == (30, "d")
        assert found.dosages[0].amounts[0].amount is not None
        assert found.dosages[0].amounts[0].amount.unit == "{pill}"

    def test_a_draft_of_a_service_is_a_care_event(self, knowledge: Knowledge) -> None:
        referral = {
            "resourceType": "ServiceRequest",
            "id": "r1",
            "status": "draft",
            "intent": "plan",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "306136006"}]},
        }
        record = read(knowledge, drafts=(referral,))
        assert [found.reference for found in record.care_events] == ["ServiceRequest/r1"]

    def test_a_medication_among_the_drafts_names_the_drug(self, knowledge: Knowledge) -> None:
        medication = {"resourceType": "Medication", "id": "m1", "code": {"text": "morphine 15 mg"}}
        draft = order(
            medicationCodeableConcept=None, medicationReference={"reference": "Medication/m1"}
        )
        record = read(knowledge, drafts=(medication, draft))
        (found,) = record.drafts
        assert found.drug is not None
        assert found.drug.words == ("morphine 15 mg",)
        assert (record.unrelated, record.gaps) == ((), ())


def test_every_kind_of_resource_is_accounted_for(knowledge: Knowledge) -> None:
    record = read(
        knowledge,
        order(id="o1"),
        order(id="o2", status="Active"),
        order(id="o3", medicationCodeableConcept=LISINOPRIL),
        condition(id="c1"),
        observation(id="s1", status=None),
    )
    assert [found.reference for found in record.orders] == ["MedicationRequest/o1"]
    assert record.unrelated == ("MedicationRequest/o3",)
    assert gap_kinds(record) == [GapKind.ORDER_UNREADABLE, GapKind.OPTIONAL_UNREADABLE]
