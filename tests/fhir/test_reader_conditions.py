"""Conditions: which are kept, how they stand, and what age they have."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import GapKind
from cds_service.clinical.terminology import ICD_10_CM, SNOMED_CT
from tests.fhir.charts import (
    DEPRESSION,
    HYPERTENSION,
    Json,
    concept,
    condition,
    lost_elements,
    only_condition,
    read,
)

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


class TestSelection:
    @pytest.mark.parametrize(
        "code",
        [
            concept(ICD_10_CM, "F33.1"),
            concept("urn:oid:2.16.840.1.113883.6.90", "f331 "),
            concept(SNOMED_CT, "267076002"),
            concept(ICD_10_CM, "Z79.891"),
            concept(ICD_10_CM, "C50.911"),
            {"coding": [*HYPERTENSION["coding"], *DEPRESSION["coding"]]},
            [HYPERTENSION, DEPRESSION],
        ],
    )
    def test_a_condition_is_kept_when_any_of_its_codes_meets_a_table(
        self, knowledge: Knowledge, code: Any
    ) -> None:
        assert len(read(knowledge, condition(code=code)).conditions) == 1

    def test_all_codings_of_a_kept_condition_are_kept(self, knowledge: Knowledge) -> None:
        both = {"coding": [*HYPERTENSION["coding"], *DEPRESSION["coding"]]}
        assert only_condition(read(knowledge, condition(code=both))).codings == (
            (ICD_10_CM, "I10"),
            (ICD_10_CM, "F33.1"),
        )

    def test_words_never_make_a_match(self, knowledge: Knowledge) -> None:
        code = concept("urn:oid:1.2.3", "77", "severe depression, lonely")
        record = read(knowledge, condition(code=code))
        assert (record.conditions, record.unrelated) == ((), ("Condition/c1",))

    @pytest.mark.parametrize(
        "code",
        [
            None,
            {},
            {"text": "depression"},
            {"coding": [], "text": "depression"},
            {"coding": [{"system": ICD_10_CM}]},
        ],
    )
    def test_a_condition_in_words_only_is_said_to_be_uncoded(
        self, knowledge: Knowledge, code: Any
    ) -> None:
        (gap,) = read(knowledge, condition(code=code)).gaps
        assert (gap.kind, gap.where, gap.element, gap.reason) == (
            GapKind.CONDITION_UNCODED,
            "Condition/c1",
            "code",
            "it carries no code",
        )

    @pytest.mark.parametrize(
        "code",
        [
            "F33.1",
            {"coding": [{"code": "F33.1"}]},
            {"coding": [{"system": ICD_10_CM, "code": ["F33.1"]}]},
        ],
    )
    def test_a_condition_whose_code_is_lost_is_unreadable(
        self, knowledge: Knowledge, code: Any
    ) -> None:
        (gap,) = read(knowledge, condition(code=code)).gaps
        assert (gap.kind, gap.reason) == (
            GapKind.CONDITION_UNREADABLE,
            "its code cannot be read",
        )

    def test_a_condition_without_code_that_never_was_is_no_gap(self, knowledge: Knowledge) -> None:
        never = condition(code=None, verificationStatus=concept(VERIFICATION, "entered-in-error"))
        record = read(knowledge, never)
        assert (record.gaps, record.unrelated) == ((), ("Condition/c1",))


class TestStatus:
    @pytest.mark.parametrize("name", ["clinicalStatus", "verificationStatus"])
    @pytest.mark.parametrize(
        "sent",
        [
            {"coding": [{"system": CLINICAL, "code": "Active"}]},
            {"coding": [{"system": "urn:oid:1.2.3", "code": "active"}]},
            {"coding": [{"system": SNOMED_CT, "code": "55561003"}]},
            {"text": "Active"},
            {"coding": [{"system": CLINICAL}]},
            {"coding": "active"},
            "Active",
            1,
            ["active"],
        ],
    )
    def test_a_status_that_cannot_be_read_makes_the_condition_the_gap(
        self, knowledge: Knowledge, name: str, sent: Any
    ) -> None:
        record = read(knowledge, condition(**{name: sent}))
        assert record.conditions == ()
        (gap,) = record.gaps
        assert (gap.kind, gap.element) == (GapKind.CONDITION_UNREADABLE, name)

    def test_two_statuses_that_disagree_are_unreadable(self, knowledge: Knowledge) -> None:
        codings = [{"system": CLINICAL, "code": code} for code in ("active", "resolved")]
        (gap,) = read(knowledge, condition(clinicalStatus={"coding": codings})).gaps
        assert gap.element == "clinicalStatus"

    @pytest.mark.parametrize(
        ("sent", "read_as"),
        [
            (concept(CLINICAL, "resolved"), "resolved"),
            (concept(CLINICAL, "relapse "), "relapse"),
            (concept("http://hl7.org/fhir/condition-clinical", "inactive"), "inactive"),
            ({"coding": [{"code": "remission"}]}, "remission"),
            ({"coding": {"code": "recurrence"}}, "recurrence"),
            ([concept(CLINICAL, "active")], "active"),
            (
                {
                    "coding": [
                        {"system": "urn:oid:1.2.3", "code": "2"},
                        {"system": CLINICAL, "code": "active"},
                    ]
                },
                "active",
            ),
            ("active", "active"),
            (concept(CLINICAL, "unknown"), None),
            ("unknown", None),
            ({"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/x"}]}, None),
            ({"coding": [], "text": " "}, None),
            (None, None),
            ("", None),
        ],
    )
    def test_a_clinical_status_is_read_in_every_usual_form(
        self, knowledge: Knowledge, sent: Any, read_as: str | None
    ) -> None:
        record = read(knowledge, condition(clinicalStatus=sent))
        assert only_condition(record).clinical_status == read_as
        assert record.gaps == ()

    @pytest.mark.parametrize(
        "status",
        ["unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"],
    )
    def test_every_verification_status_is_read(self, knowledge: Knowledge, status: str) -> None:
        sent = condition(verificationStatus=concept(VERIFICATION, status))
        assert only_condition(read(knowledge, sent)).verification_status == status

    def test_a_modifier_extension_makes_the_condition_the_gap(self, knowledge: Knowledge) -> None:
        record = read(knowledge, condition(modifierExtension=[{"url": "urn:not"}]))
        (gap,) = record.gaps
        assert (gap.kind, gap.element) == (GapKind.CONDITION_UNREADABLE, "modifierExtension")

    def test_an_unrelated_condition_is_no_gap_however_broken(self, knowledge: Knowledge) -> None:
        record = read(knowledge, condition(code=HYPERTENSION, clinicalStatus="Active"))
        assert (record.gaps, record.unrelated) == ((), ("Condition/c1",))


class TestCategories:
    def test_codes_of_all_categories_are_kept(self, knowledge: Knowledge) -> None:
        sent = [{"coding": [{"code": "encounter-diagnosis"}]}, {"coding": [{"code": "sdoh"}]}]
        assert only_condition(read(knowledge, condition(category=sent))).categories == {
            "encounter-diagnosis",
            "sdoh",
        }

    def test_a_category_sent_as_an_object_is_read(self, knowledge: Knowledge) -> None:
        sent = {"coding": {"code": "protective-factor"}}
        assert only_condition(read(knowledge, condition(category=sent))).categories == {
            "protective-factor"
        }

    @pytest.mark.parametrize("sent", [None, "problem-list-item", [7], {}])
    def test_a_category_of_another_form_is_none(self, knowledge: Knowledge, sent: Any) -> None:
        assert only_condition(read(knowledge, condition(category=sent))).categories == frozenset()


class TestDates:
    @pytest.mark.parametrize(
        ("members", "onset"),
        [
            ({"onsetDateTime": "2025"}, date(2025, 1, 1)),
            ({"onsetDateTime": "2025-03-04T23:00:00-05:00"}, date(2025, 3, 4)),
            ({"onsetPeriod": {"start": "2025-03", "end": "2025-06"}}, date(2025, 3, 1)),
            ({"onsetPeriod": {"end": "2025-06"}}, None),
            ({"onsetAge": {"value": 40, "code": "a"}}, None),
            ({"onsetString": "last year"}, None),
            ({"onsetRange": {"low": {"value": 40}}}, None),
            ({}, None),
        ],
    )
    def test_the_onset_is_its_earliest_day(
        self, knowledge: Knowledge, members: Json, onset: date | None
    ) -> None:
        record = read(knowledge, condition(**members))
        assert (only_condition(record).onset, record.gaps) == (onset, ())

    @pytest.mark.parametrize(
        ("members", "recorded"),
        [
            ({"recordedDate": "2025"}, date(2025, 12, 31)),
            ({"recordedDate": "2025-02"}, date(2025, 2, 28)),
            ({"assertedDate": "2025-02-03"}, date(2025, 2, 3)),
            (
                {
                    "extension": [
                        {"url": "urn:other", "valueDateTime": "2024-01-01"},
                        {
                            "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
                            "valueDateTime": "2025-02-03",
                        },
                    ]
                },
                date(2025, 2, 3),
            ),
            ({"recordedDate": "2025-02-04", "assertedDate": "2025-02-03"}, date(2025, 2, 4)),
            ({"extension": "x"}, None),
            ({}, None),
        ],
    )
    def test_the_recording_is_its_latest_day(
        self, knowledge: Knowledge, members: Json, recorded: date | None
    ) -> None:
        assert only_condition(read(knowledge, condition(**members))).recorded == recorded

    @pytest.mark.parametrize(
        ("members", "abatement"),
        [
            ({"abatementDateTime": "2025"}, date(2025, 1, 1)),
            ({"abatementPeriod": {"start": "2025-03", "end": "2025-06"}}, date(2025, 3, 1)),
            ({"abatementPeriod": {"end": "2025-06"}}, None),
            ({"abatementAge": {"value": 40, "code": "a"}}, None),
            ({"abatementRange": {"low": {"value": 40}}}, None),
            ({"abatementString": "better now"}, None),
            ({"abatementBoolean": True}, None),
            ({"abatementBoolean": False, "abatementString": "better now"}, None),
        ],
    )
    def test_every_form_of_abatement_is_one(
        self, knowledge: Knowledge, members: Json, abatement: date | None
    ) -> None:
        record = read(knowledge, condition(**members))
        found = only_condition(record)
        assert (found.has_abatement, found.abatement, record.gaps) == (True, abatement, ())

    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"abatementBoolean": False},
            {"abatementDateTime": None, "_abatementDateTime": {"extension": []}},
            {"abatementString": ""},
            {"abatementPeriod": {}},
        ],
    )
    def test_no_abatement_is_none(self, knowledge: Knowledge, members: Json) -> None:
        record = read(knowledge, condition(**members))
        assert (only_condition(record).has_abatement, record.gaps) == (False, ())

    @pytest.mark.parametrize(
        ("members", "lost"),
        [
            ({"abatementDateTime": "gone"}, "abatementDateTime"),
            ({"abatementBoolean": "true"}, "abatementBoolean"),
        ],
    )
    def test_an_unreadable_abatement_is_still_an_abatement(
        self, knowledge: Knowledge, members: Json, lost: str
    ) -> None:
        record = read(knowledge, condition(**members))
        found = only_condition(record)
        assert (found.has_abatement, found.abatement) == (True, None)
        assert lost_elements(record) == [lost]

    def test_unreadable_dates_are_left_out_and_said(self, knowledge: Knowledge) -> None:
        record = read(knowledge, condition(onsetDateTime="2026-02-30", recordedDate=20260203))
        found = only_condition(record)
        assert (found.onset, found.recorded) == (None, None)
        assert lost_elements(record) == ["onsetDateTime", "recordedDate"]


class TestEncounter:
    @pytest.mark.parametrize(
        "members",
        [
            {"encounter": {"reference": "Encounter/e7"}},
            {"encounter": {"reference": "https://ehr.example/r4/Encounter/e7/_history/2"}},
            {"encounter": {"reference": "urn:uuid:E7"}},
            {"encounter": "Encounter/e7"},
            {"context": {"reference": "Encounter/e7"}},
        ],
    )
    def test_one_encounter_has_one_name_however_it_is_written(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        assert only_condition(read(knowledge, condition(**members))).encounter == "Encounter/e7"

    @pytest.mark.parametrize("sent", [None, {}, {"display": "visit"}, 7, {"reference": 7}])
    def test_no_reference_is_no_encounter(self, knowledge: Knowledge, sent: Any) -> None:
        assert only_condition(read(knowledge, condition(encounter=sent))).encounter is None
