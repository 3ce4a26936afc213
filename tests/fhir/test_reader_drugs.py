"""The drug of an order, wherever it is named."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.clinical.drugs import recognised_opioid
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Drug, GapKind
from cds_service.clinical.terminology import RXNORM
from tests.fhir.charts import (
    LISINOPRIL,
    OXYCODONE,
    Json,
    concept,
    gap_kinds,
    only_order,
    order,
    read,
)

NDC = "http://hl7.org/fhir/sid/ndc"


def drug_of(knowledge: Knowledge, *others: Json, **members: Any) -> Drug | None:
    members.setdefault("medicationCodeableConcept", None)
    return only_order(read(knowledge, order(**members), *others)).drug


def medication(id_: str, **members: Any) -> Json:
    return {"resourceType": "Medication", "id": id_, **members}


def words_of(drug: Drug | None) -> tuple[str, ...]:
    assert drug is not None
    return drug.words


def test_codings_displays_and_text_are_all_read(knowledge: Knowledge) -> None:
    drug = drug_of(
        knowledge,
        medicationCodeableConcept={
            "coding": [
                {"system": RXNORM, "code": "1049621", "display": "oxycodone 5 MG Oral Tablet"},
                {"system": "urn:oid:1.2.3", "code": "4711", "display": "OXY 5"},
            ],
            "text": "oxycodone 5 MG Oral Tablet",
        },
    )
    assert drug == Drug(
        codings=((RXNORM, "1049621"), ("urn:oid:1.2.3", "4711")),
        words=("oxycodone 5 MG Oral Tablet", "OXY 5"),
    )


@pytest.mark.parametrize("code", ["1049621 ", " 1049621", 1049621])
def test_a_code_with_blanks_or_as_a_number_is_the_code(knowledge: Knowledge, code: Any) -> None:
    drug = drug_of(knowledge, medicationCodeableConcept={"coding": [concept_coding(code)]})
    assert drug == Drug(codings=((RXNORM, "1049621"),), words=())


def concept_coding(code: Any) -> Json:
    return {"system": "urn:oid:2.16.840.1.113883.6.88", "code": code}


@pytest.mark.parametrize("bad", [True, 7.5, [], {}, None, "", 10**30])
def test_a_code_of_another_type_is_no_code(knowledge: Knowledge, bad: Any) -> None:
    record = read(knowledge, order(medicationCodeableConcept={"coding": [concept_coding(bad)]}))
    assert gap_kinds(record) == [GapKind.DRUG_UNRESOLVED]


@pytest.mark.parametrize("bad", [{"coding": OXYCODONE["coding"][0]}, [OXYCODONE]])
def test_an_object_where_an_array_belongs_is_read_and_the_reverse(
    knowledge: Knowledge, bad: Any
) -> None:
    drug = drug_of(knowledge, medicationCodeableConcept=bad)
    assert drug is not None
    assert drug.codings == ((RXNORM, "1049621"),)


class TestReferences:
    @pytest.mark.parametrize(
        "reference",
        [
            "Medication/m1",
            "https://ehr.example/r4/Medication/m1",
            "Medication/m1/_history/4",
            "urn:uuid:M1",
        ],
    )
    def test_a_medication_sent_beside_the_order_names_the_drug(
        self, knowledge: Knowledge, reference: str
    ) -> None:
        record = read(
            knowledge,
            order(medicationCodeableConcept=None, medicationReference={"reference": reference}),
            medication("m1", code=OXYCODONE),
        )
        assert words_of(only_order(record).drug) == (OXYCODONE["text"],)
        assert (record.unrelated, record.gaps) == ((), ())

    def test_a_medication_that_no_order_of_the_record_names_is_unrelated(
        self, knowledge: Knowledge
    ) -> None:
        record = read(
            knowledge,
            order(medicationCodeableConcept=None, medicationReference={"reference": "m2"}),
            medication("m1", code=OXYCODONE),
            medication("m2", code=LISINOPRIL),
        )
        assert set(record.unrelated) == {"Medication/m1", "Medication/m2", "MedicationRequest/o1"}

    def test_a_contained_medication_names_the_drug(self, knowledge: Knowledge) -> None:
        drug = drug_of(
            knowledge,
            contained=[medication("x", code=LISINOPRIL), medication("m", code=OXYCODONE)],
            medicationReference={"reference": "#m"},
        )
        assert words_of(drug) == (OXYCODONE["text"],)

    def test_fifty_contained_medications_under_one_id_are_one(self, knowledge: Knowledge) -> None:
        drug = drug_of(
            knowledge,
            contained=[medication("m", code=OXYCODONE)] * 50,
            medicationReference={"reference": "#m"},
        )
        assert words_of(drug) == (OXYCODONE["text"],)

    def test_of_different_medications_under_one_id_none_is_lost(self, knowledge: Knowledge) -> None:
        drug = drug_of(
            knowledge,
            medication("m1", code=LISINOPRIL),
            medication("m1", code=OXYCODONE),
            medicationReference={"reference": "Medication/m1"},
        )
        assert words_of(drug) == (LISINOPRIL["text"], OXYCODONE["text"])

    def test_a_display_names_the_drug_where_the_reference_leads_nowhere(
        self, knowledge: Knowledge
    ) -> None:
        drug = drug_of(
            knowledge,
            medicationReference={"reference": "Medication/gone", "display": "Tramadol 50 mg"},
        )
        assert words_of(drug) == ("Tramadol 50 mg",)

    def test_a_display_alone_names_the_drug(self, knowledge: Knowledge) -> None:
        drug = drug_of(knowledge, medicationReference={"display": "morphine ER"})
        assert words_of(drug) == ("morphine ER",)

    def test_both_forms_of_the_drug_are_read(self, knowledge: Knowledge) -> None:
        drug = drug_of(
            knowledge,
            medicationCodeableConcept=concept("urn:oid:1.2.3", "7", "pain tablet"),
            medicationReference={"display": "oxycodone"},
        )
        assert words_of(drug) == ("pain tablet", "oxycodone")

    def test_the_codeable_reference_of_r5_names_the_drug(self, knowledge: Knowledge) -> None:
        by_concept = drug_of(knowledge, medication={"concept": OXYCODONE})
        by_reference = drug_of(
            knowledge,
            medication("m1", code=OXYCODONE),
            medication={"reference": {"reference": "Medication/m1"}},
        )
        assert by_concept == by_reference
        assert words_of(by_concept) == (OXYCODONE["text"],)

    def test_epics_several_rxnorm_codes_still_name_the_product(self, knowledge: Knowledge) -> None:
        sent = {
            "coding": [
                {"system": RXNORM, "code": "7804", "display": "oxycodone"},
                {"system": RXNORM, "code": "1049621"},
            ]
        }
        drug = drug_of(
            knowledge,
            medication("m1", code=sent),
            medicationReference={"reference": "Medication/m1"},
        )
        assert drug is not None
        opioid = recognised_opioid(drug, knowledge)
        assert opioid is not None
        assert opioid.product is knowledge.products["1049621"]


class TestIngredients:
    def test_an_ingredient_names_the_drug_where_the_code_does_not(
        self, knowledge: Knowledge
    ) -> None:
        compound = medication(
            "m1",
            code={"text": "compound 12"},
            ingredient=[
                {"itemCodeableConcept": {"text": "ketamine"}},
                {"itemCodeableConcept": {"text": "morphine"}, "isActive": True},
                {"itemCodeableConcept": {"text": "codeine"}, "isActive": False},
                "starch",
            ],
        )
        drug = drug_of(knowledge, compound, medicationReference={"reference": "Medication/m1"})
        assert words_of(drug) == ("compound 12", "ketamine", "morphine")

    def test_the_codeable_references_of_r5_name_ingredients(self, knowledge: Knowledge) -> None:
        drug = drug_of(
            knowledge,
            medication("m1", ingredient=[{"item": {"concept": {"text": "morphine"}}}, {"item": 7}]),
            medicationReference={"reference": "Medication/m1"},
        )
        assert words_of(drug) == ("morphine",)

    def test_an_ingredient_may_be_a_medication_two_steps_away(self, knowledge: Knowledge) -> None:
        first = medication("m1", ingredient=[{"itemReference": {"reference": "Medication/m2"}}])
        second = medication("m2", ingredient=[{"itemReference": {"reference": "Medication/m3"}}])
        third = medication(
            "m3", code=OXYCODONE, ingredient=[{"itemReference": {"reference": "Medication/m4"}}]
        )
        fourth = medication("m4", code={"text": "fentanyl"})
        drug = drug_of(
            knowledge,
            first,
            second,
            third,
            fourth,
            medicationReference={"reference": "Medication/m1"},
        )
        assert words_of(drug) == (OXYCODONE["text"],)

    def test_a_contained_medication_finds_its_ingredients_beside_it(
        self, knowledge: Knowledge
    ) -> None:
        drug = drug_of(
            knowledge,
            contained=[
                medication("m", ingredient=[{"itemReference": {"reference": "#i"}}]),
                {"resourceType": "Substance", "id": "i", "code": {"text": "morphine"}},
            ],
            medicationReference={"reference": "#m"},
        )
        assert words_of(drug) == ("morphine",)

    def test_a_separate_medication_finds_its_ingredients_inside_itself(
        self, knowledge: Knowledge
    ) -> None:
        drug = drug_of(
            knowledge,
            medication(
                "m1",
                contained=[{"resourceType": "Substance", "id": "i", "code": {"text": "morphine"}}],
                ingredient=[{"itemReference": {"reference": "#i"}}],
            ),
            medicationReference={"reference": "Medication/m1"},
        )
        assert words_of(drug) == ("morphine",)

    def test_medications_in_a_circle_end(self, knowledge: Knowledge) -> None:
        first = medication("m1", ingredient=[{"itemReference": {"reference": "Medication/m2"}}])
        second = medication(
            "m2",
            code=OXYCODONE,
            ingredient=[{"itemReference": {"reference": "Medication/m1"}}],
        )
        drug = drug_of(knowledge, first, second, medicationReference={"reference": "Medication/m1"})
        assert words_of(drug) == (OXYCODONE["text"],)


class TestUnresolved:
    @pytest.mark.parametrize(
        "members",
        [
            {},
            {"medicationCodeableConcept": {}},
            {"medicationCodeableConcept": "oxycodone"},
            {"medicationCodeableConcept": concept(NDC, "00406-0552-01")},
            {"medicationCodeableConcept": {"coding": [{"code": "1049621"}]}},
            {"medicationReference": {"reference": "Medication/gone"}},
            {"medicationReference": {"identifier": {"value": "7"}}},
            {"medicationReference": "Medication/m1"},
            {"medicationReference": {"reference": "#gone"}, "contained": "m"},
            {"medication": "R5"},
        ],
    )
    def test_an_order_whose_drug_is_named_nowhere_is_kept_and_is_a_gap(
        self, knowledge: Knowledge, members: Json
    ) -> None:
        record = read(knowledge, order(**{"medicationCodeableConcept": None, **members}))
        assert only_order(record).drug is None
        (gap,) = record.gaps
        assert (gap.kind, gap.where) == (GapKind.DRUG_UNRESOLVED, "MedicationRequest/o1")

    @pytest.mark.parametrize(
        "useless",
        [
            medication("m1", code=OXYCODONE, status="entered-in-error"),
            medication("m1", code=OXYCODONE, modifierExtension=[{"url": "x"}]),
            medication("m1"),
        ],
    )
    def test_a_medication_that_may_not_be_believed_names_nothing(
        self, knowledge: Knowledge, useless: Json
    ) -> None:
        assert (
            drug_of(knowledge, useless, medicationReference={"reference": "Medication/m1"}) is None
        )

    def test_an_unknown_rxnorm_code_is_a_drug_that_concerns_no_rule(
        self, knowledge: Knowledge
    ) -> None:
        record = read(knowledge, order(medicationCodeableConcept=concept(RXNORM, "999999999")))
        assert (record.orders, record.gaps) == ((), ())

    @pytest.mark.parametrize(
        ("members", "why"),
        [
            ({"status": "cancelled"}, "was never given"),
            ({"status": "entered-in-error"}, "never was"),
            ({"status": "draft"}, "was never signed"),
            ({"intent": "proposal"}, "orders nothing"),
            ({"doNotPerform": True}, "forbids"),
        ],
    )
    def test_an_unresolved_order_that_would_not_count_anyway_is_no_gap(
        self, knowledge: Knowledge, members: Json, why: str
    ) -> None:
        record = read(knowledge, order(medicationCodeableConcept=None, **members))
        assert (record.orders, record.gaps) == ((), ()), why
        assert record.unrelated == ("MedicationRequest/o1",)

    @pytest.mark.parametrize("status", ["draft", "active", "unknown", None])
    def test_an_unresolved_draft_is_a_gap_whatever_its_status(
        self, knowledge: Knowledge, status: str | None
    ) -> None:
        draft = order(status=status, medicationCodeableConcept={"text": " "})
        assert gap_kinds(read(knowledge, drafts=(draft,))) == [GapKind.DRUG_UNRESOLVED]

    @pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
    def test_an_unresolved_draft_that_was_withdrawn_is_no_gap(
        self, knowledge: Knowledge, status: str
    ) -> None:
        draft = order(status=status, medicationCodeableConcept={"text": " "})
        assert read(knowledge, drafts=(draft,)).gaps == ()


class TestHostileMedications:
    """What names no one drug is unresolved, a gap, and costs little however often it is shared."""

    def unresolved(self, knowledge: Knowledge, *others: Json, **members: Any) -> bool:
        members.setdefault("medicationCodeableConcept", None)
        record = read(knowledge, order(**members), *others)
        return gap_kinds(record) == [GapKind.DRUG_UNRESOLVED]

    def test_sixty_four_names_are_a_drug_and_sixty_five_are_not(self, knowledge: Knowledge) -> None:
        def named(count: int) -> Json:
            return {"coding": [{"display": f"oxycodone {n}"} for n in range(count)]}

        assert not self.unresolved(knowledge, medicationCodeableConcept=named(64))
        assert self.unresolved(knowledge, medicationCodeableConcept=named(65))

    def test_sixty_four_names_may_come_from_several_medications(self, knowledge: Knowledge) -> None:
        def named(count: int) -> list[Json]:
            return [medication("m1", code={"text": f"oxycodone {n}"}) for n in range(count)]

        reference = {"reference": "Medication/m1"}
        assert not self.unresolved(knowledge, *named(64), medicationReference=reference)
        assert self.unresolved(knowledge, *named(65), medicationReference=reference)

    def test_four_thousand_letters_are_a_drug_and_one_more_are_not(
        self, knowledge: Knowledge
    ) -> None:
        name = "oxycodone "
        exactly = name + "x" * (4000 - len(name))
        assert not self.unresolved(knowledge, medicationCodeableConcept={"text": exactly})
        assert self.unresolved(knowledge, medicationCodeableConcept={"text": exactly + "x"})

    def test_a_medication_of_endless_parts_is_no_drug(self, knowledge: Knowledge) -> None:
        # An order makes 4 statements (three elements, the display of its reference), a Medication
        # 3 and each ingredient 1: 4 + 3 + 249 = 256 are read, one more is not.
        def made_of(count: int) -> Json:
            return medication("m1", code={"text": "oxycodone"}, ingredient=["sugar"] * count)

        reference = {"reference": "Medication/m1"}
        assert not self.unresolved(knowledge, made_of(249), medicationReference=reference)
        assert self.unresolved(knowledge, made_of(250), medicationReference=reference)

    def test_a_crowd_of_contained_resources_is_not_searched(self, knowledge: Knowledge) -> None:
        def crowd(count: int) -> list[Json]:
            return [medication("m", code=OXYCODONE)] + [medication("x")] * (count - 1)

        reference = {"reference": "#m"}
        assert not self.unresolved(knowledge, contained=crowd(64), medicationReference=reference)
        assert self.unresolved(knowledge, contained=crowd(65), medicationReference=reference)
