"""Screening answers in every form, and findings sent as coded answers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Answer, GapKind
from cds_service.clinical.terminology import LOINC, SNOMED_CT
from tests.fhir.charts import (
    Json,
    concept,
    lost_elements,
    observation,
    only_observation,
    read,
)

PHQ_9 = ((LOINC, "44261-6"),)
BODY_WEIGHT = concept(LOINC, "29463-7")
PRAPARE = concept(LOINC, "93025-5")
SAFE_AT_HOME = concept(LOINC, "93026-3")


class TestSelection:
    @pytest.mark.parametrize(
        "members",
        [
            {"code": PRAPARE},
            {"code": BODY_WEIGHT, "component": [{"code": SAFE_AT_HOME}]},
            {"code": BODY_WEIGHT, "valueCodeableConcept": concept(SNOMED_CT, "225444004")},
            {
                "code": BODY_WEIGHT,
                "component": [{"valueCodeableConcept": concept(SNOMED_CT, "225444004")}],
            },
        ],
    )
    def test_a_question_a_part_or_a_coded_answer_may_meet_a_table(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        assert len(read(knowledge, observation(**members)).observations) == 1

    @pytest.mark.parametrize(
        "members",
        [
            {"code": BODY_WEIGHT, "valueQuantity": {"value": 80}},
            {"code": {"text": "PHQ-9"}},
            {"code": None},
            {"code": BODY_WEIGHT, "component": [7, {}, {"code": BODY_WEIGHT}]},
        ],
    )
    def test_any_other_observation_concerns_no_rule(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        record = read(knowledge, observation(**members))
        assert (record.observations, record.unrelated) == ((), ("Observation/s1",))

    @pytest.mark.parametrize(
        ("members", "element"),
        [
            ({"status": "Final"}, "status"),
            ({"status": None}, "status"),
            ({"modifierExtension": [{"url": "x"}]}, "modifierExtension"),
        ],
    )
    def test_one_whose_meaning_cannot_be_read_is_a_gap(
        self, knowledge: Knowledge, members: Json, element: str
    ) -> None:
        record = read(knowledge, observation(**members))
        assert record.observations == ()
        (gap,) = record.gaps
        assert (gap.kind, gap.element) == (GapKind.OPTIONAL_UNREADABLE, element)

    @pytest.mark.parametrize(
        "status",
        [
            "registered",
            "preliminary",
            "final",
            "amended",
            "corrected",
            "cancelled",
            "entered-in-error",
            "unknown",
        ],
    )
    def test_every_status_is_read(self, knowledge: Knowledge, status: str) -> None:
        assert only_observation(read(knowledge, observation(status=status))).status == status


class TestAnswers:
    @pytest.mark.parametrize(
        "value",
        [
            {"valueQuantity": {"value": 12, "unit": "{score}"}},
            {"valueInteger": 12},
            {"valueString": " 12 "},
            {"valueQuantity": {"value": "12"}},
            {"valueCodeableConcept": {"text": "12"}},
        ],
    )
    def test_a_score_is_read_from_every_form_of_number(
        self, knowledge: Knowledge, value: Json
    ) -> None:
        record = read(knowledge, observation(**value))
        assert only_observation(record).answers == (Answer(codings=PHQ_9, number=Decimal(12)),)
        assert record.gaps == ()

    def test_a_coded_answer_is_kept_with_all_its_codings(self, knowledge: Knowledge) -> None:
        sent = concept(LOINC, "LA33-6", "Yes")
        (answer,) = only_observation(
            read(knowledge, observation(valueCodeableConcept=sent))
        ).answers
        assert answer == Answer(codings=PHQ_9, answers=((LOINC, "LA33-6"),))

    @pytest.mark.parametrize(
        "value",
        [
            {"valueString": "moderate"},
            {"valueQuantity": {"value": 12, "comparator": "<"}},
            {"valueQuantity": {"value": -1}},
            {"valueQuantity": {"unit": "{score}"}},
            {"valueInteger": 1e308},
            {"valueBoolean": True},
            {"valueRange": {"low": {"value": 3}}},
            {"valueCodeableConcept": {"text": "moderate"}},
            {"valueCodeableConcept": "LA33-6"},
        ],
    )
    def test_an_answer_that_is_neither_number_nor_code_is_unreadable_and_said(
        self, knowledge: Knowledge, value: Json
    ) -> None:
        record = read(knowledge, observation(**value))
        assert only_observation(record).answers == (Answer(codings=PHQ_9, is_unreadable=True),)
        assert lost_elements(record) == ["value[x]"]

    @pytest.mark.parametrize(
        "value", [{}, {"valueString": ""}, {"dataAbsentReason": {"text": "refused"}}]
    )
    def test_no_answer_is_none_and_no_gap(self, knowledge: Knowledge, value: Json) -> None:
        record = read(knowledge, observation(**value))
        assert (only_observation(record).answers, record.gaps) == ((), ())

    def test_components_are_answers_of_their_own(self, knowledge: Knowledge) -> None:
        sent = observation(
            code=PRAPARE,
            component=[
                {"code": SAFE_AT_HOME, "valueCodeableConcept": concept(LOINC, "LA32-8")},
                {"code": SAFE_AT_HOME},
                {"code": BODY_WEIGHT, "valueString": "heavy"},
            ],
        )
        record = read(knowledge, sent)
        assert only_observation(record).answers == (
            Answer(codings=((LOINC, "93026-3"),), answers=((LOINC, "LA32-8"),)),
            Answer(codings=((LOINC, "29463-7"),), is_unreadable=True),
        )
        assert record.gaps == ()

    def test_a_component_with_a_modifier_extension_is_unreadable(
        self, knowledge: Knowledge
    ) -> None:
        part = {"code": SAFE_AT_HOME, "valueInteger": 1, "modifierExtension": [{"url": "x"}]}
        record = read(knowledge, observation(code=PRAPARE, component=[part]))
        (answer,) = only_observation(record).answers
        assert (answer.is_unreadable, answer.number) == (True, None)
        assert lost_elements(record) == ["component.value[x]"]

    def test_a_component_sent_as_an_object_is_read(self, knowledge: Knowledge) -> None:
        part = {"code": SAFE_AT_HOME, "valueInteger": 1}
        record = read(knowledge, observation(code=PRAPARE, component=part))
        assert len(only_observation(record).answers) == 1


class TestDay:
    @pytest.mark.parametrize(
        ("members", "day"),
        [
            ({"effectiveDateTime": "2026"}, date(2026, 12, 31)),
            ({"effectiveInstant": "2026-03-01T02:00:00Z"}, date(2026, 2, 28)),
            ({"effectivePeriod": {"start": "2026-01-01", "end": "2026-02"}}, date(2026, 2, 28)),
            ({"effectivePeriod": {"start": "2026-01-01"}}, date(2026, 1, 1)),
            ({"issued": "2026-03-01T12:00:00Z"}, date(2026, 3, 1)),
            ({"effectiveTiming": {"event": ["2026-01-01"]}}, None),
            ({}, None),
        ],
    )
    def test_the_day_is_the_latest_it_is_true_for_else_the_day_of_issue(
        self, knowledge: Knowledge, members: Json, day: date | None
    ) -> None:
        sent = observation(**{"effectiveDateTime": None, **members})
        assert only_observation(read(knowledge, sent)).effective == day

    def test_an_unreadable_day_is_left_out_and_said(self, knowledge: Knowledge) -> None:
        value: Any = ["2026-01-01"]
        record = read(knowledge, observation(effectiveDateTime=value))
        assert only_observation(record).effective is None
        assert lost_elements(record) == ["effectiveDateTime"]


SUICIDAL = concept(SNOMED_CT, "6471006")
FINDING = ((SNOMED_CT, "6471006"),)


class TestFindings:
    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"valueBoolean": True},
            {"valueCodeableConcept": concept(SNOMED_CT, "373066001")},
            {"valueCodeableConcept": concept(LOINC, "LA33-6")},
        ],
    )
    def test_a_finding_as_the_code_was_observed(self, knowledge: Knowledge, value: Json) -> None:
        record = read(knowledge, observation(code=SUICIDAL, **value))
        assert only_observation(record).answers == (Answer(codings=FINDING, answers=FINDING),)
        assert record.gaps == ()

    @pytest.mark.parametrize(
        "value",
        [
            {"valueBoolean": False},
            {"valueCodeableConcept": concept(SNOMED_CT, "373067005")},
            {"valueCodeableConcept": concept(SNOMED_CT, "2667000")},
        ],
    )
    def test_a_finding_that_was_denied_is_none(self, knowledge: Knowledge, value: Json) -> None:
        record = read(knowledge, observation(code=SUICIDAL, **value))
        assert only_observation(record).answers == (Answer(codings=FINDING),)
        assert record.gaps == ()

    @pytest.mark.parametrize(
        "value",
        [
            {"valueBoolean": "true"},
            {"valueQuantity": {"value": "many"}},
            {"valueBoolean": True, "modifierExtension": [{"url": "urn:x"}]},
            {"valueBoolean": True, "valueCodeableConcept": concept(SNOMED_CT, "373067005")},
        ],
    )
    def test_whether_it_was_observed_may_be_lost(self, knowledge: Knowledge, value: Json) -> None:
        part = {"code": SUICIDAL, **value}
        record = read(knowledge, observation(code=BODY_WEIGHT, component=[part]))
        assert only_observation(record).answers == (Answer(codings=FINDING, is_unreadable=True),)
        assert [gap.element for gap in record.gaps] == ["component.value[x]"]

    @pytest.mark.parametrize("code", ["6471006", "82313006"])
    def test_a_finding_that_is_the_value_as_well_is_read_as_a_value(
        self, knowledge: Knowledge, code: str
    ) -> None:
        value = concept(SNOMED_CT, code)
        record = read(knowledge, observation(code=SUICIDAL, valueCodeableConcept=value))
        (answer,) = only_observation(record).answers
        assert answer.answers == ((SNOMED_CT, code),)

    def test_a_rated_item_that_is_coded_as_a_finding_too_keeps_its_answer(
        self, knowledge: Knowledge
    ) -> None:
        item_9 = {"coding": [*concept(LOINC, "44260-8")["coding"], *SUICIDAL["coding"]]}
        value = concept(LOINC, "LA6569-3")
        record = read(knowledge, observation(code=item_9, valueCodeableConcept=value))
        (answer,) = only_observation(record).answers
        assert ((LOINC, "44260-8") in answer.codings, answer.answers) == (
            True,
            ((LOINC, "LA6569-3"),),
        )

    def test_a_finding_with_a_value_of_another_kind_is_told_where_nothing_can_be_made_of_it(
        self, knowledge: Knowledge
    ) -> None:
        unknown = concept(SNOMED_CT, "261665006")
        record = read(knowledge, observation(code=SUICIDAL, valueCodeableConcept=unknown))
        assert [gap.element for gap in record.gaps] == ["value[x]"]

    def test_a_finding_without_a_value_that_is_said_to_be_absent_says_nothing(
        self, knowledge: Knowledge
    ) -> None:
        unknown = observation(code=SUICIDAL, dataAbsentReason=concept("urn:x", "unknown"))
        assert only_observation(read(knowledge, unknown)).answers == ()

    def test_a_part_without_a_code_is_no_finding(self, knowledge: Knowledge) -> None:
        part = {"code": {"text": "mood"}, "valueQuantity": {"value": 3}}
        record = read(knowledge, observation(code=PRAPARE, component=[part]))
        assert record.gaps == ()
