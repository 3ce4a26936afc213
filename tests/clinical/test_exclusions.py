"""Section 5 of the clinical specification: who must not get the warning, and who another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cds_service.clinical.exclusions import Exclusions, exclusions
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Answer, Condition, Observation
from cds_service.clinical.terminology import ICD_10_CM, SNOMED_CT, Coding
from tests.clinical.builders import TODAY, days_ago, event, icd, record, screen, snomed

ENCOUNTER = frozenset({"encounter-diagnosis"})
PROSTATE_CANCER = "C61"
HOSPICE = "385763009"
HOSPICE_EDUCATION = "385764003"
ITEM_9 = "44260-8"


def exclude(knowledge: Knowledge, *conditions: Condition, **more: object) -> Exclusions:
    return exclusions(record(conditions=conditions, **more), knowledge, as_of=TODAY)


# -- suppress --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "category"),
    [
        (icd(PROSTATE_CANCER), "active_cancer"),
        (icd("C50.911"), "active_cancer"),
        (icd("G89.3"), "active_cancer"),
        (icd("Z51.5"), "palliative_hospice_eol"),
        (snomed("300936002"), "palliative_hospice_eol"),
        (icd("D57.1"), "sickle_cell_disease"),
        (snomed("127040003"), "sickle_cell_disease"),
        (snomed("1081000119105"), "oud_on_moud"),
    ],
)
def test_what_suppresses_the_advice(
    knowledge: Knowledge, condition: Condition, category: str
) -> None:
    assert exclude(knowledge, condition).suppressed_by == category


@pytest.mark.parametrize(
    "look_alike",
    [
        icd("Z85.3"),  # history of breast cancer
        icd("C44.311"),  # basal cell carcinoma of skin
        icd("D05.10"),  # carcinoma in situ of breast
        snomed("92691004"),
        icd("D57.3"),  # sickle-cell trait
        snomed("16402000"),
        icd("Z66"),  # do not resuscitate
        snomed("304253006"),
        snomed(HOSPICE_EDUCATION),
        snomed("275937001"),  # family history of cancer
        snomed("248541003"),  # relative with terminal illness
        icd("F11.90"),  # opioid use, unspecified
    ],
)
def test_look_alikes_change_nothing(knowledge: Knowledge, look_alike: Condition) -> None:
    seen = exclude(knowledge, look_alike)
    assert seen.suppressed_by is None
    assert not any((seen.is_softened, seen.has_safety_concern, seen.has_opioid_use_disorder))


@pytest.mark.parametrize("status", ["inactive", "remission", "resolved"])
def test_cancer_that_is_over_does_not_suppress(knowledge: Knowledge, status: str) -> None:
    assert exclude(knowledge, icd(PROSTATE_CANCER, clinical_status=status)).suppressed_by is None


def test_one_encounter_code_is_not_active_cancer(knowledge: Knowledge) -> None:
    once = icd(PROSTATE_CANCER, categories=ENCOUNTER, encounter="Encounter/1")
    assert exclude(knowledge, once).suppressed_by is None


def test_two_codes_of_one_encounter_are_one_encounter(knowledge: Knowledge) -> None:
    same = {"categories": ENCOUNTER, "encounter": "Encounter/1"}
    seen = exclude(knowledge, icd(PROSTATE_CANCER, "a", **same), icd("C79.51", "b", **same))
    assert seen.suppressed_by is None


@pytest.mark.parametrize(
    ("older", "suppressed_by"),
    [
        (date(2025, 11, 23), "active_cancer"),
        (date(2025, 11, 22), "active_cancer"),
        (date(2025, 11, 21), None),
    ],
)
def test_two_encounters_coded_within_twelve_months_are_active_cancer(
    knowledge: Knowledge, older: date, suppressed_by: str | None
) -> None:
    seen = exclude(
        knowledge,
        icd(PROSTATE_CANCER, "a", categories=ENCOUNTER, encounter="Encounter/1", recorded=older),
        icd(PROSTATE_CANCER, "b", categories=ENCOUNTER, encounter="Encounter/2"),
    )
    assert seen.suppressed_by == suppressed_by


@pytest.mark.parametrize(("days", "suppressed_by"), [(0, "active_cancer"), (-1, None)])
@pytest.mark.parametrize("dated", ["recorded", "onset"])
def test_an_encounter_of_today_counts_and_one_of_tomorrow_does_not(
    knowledge: Knowledge, days: int, suppressed_by: str | None, dated: str
) -> None:
    def at(encounter: str, days: int) -> Condition:
        day = {"recorded": None, dated: days_ago(days)}
        return icd(PROSTATE_CANCER, encounter, categories=ENCOUNTER, encounter=encounter, **day)

    assert exclude(knowledge, at("a", 10), at("b", days)).suppressed_by == suppressed_by


def test_an_encounter_code_without_any_day_does_not_make_the_second(knowledge: Knowledge) -> None:
    undated = icd(
        PROSTATE_CANCER, "a", categories=ENCOUNTER, encounter="Encounter/1", recorded=None
    )
    dated = icd(PROSTATE_CANCER, "b", categories=ENCOUNTER, encounter="Encounter/2")
    assert exclude(knowledge, undated, dated).suppressed_by is None


def test_an_abated_encounter_code_does_not_make_the_second(knowledge: Knowledge) -> None:
    ended = icd(
        PROSTATE_CANCER,
        "a",
        categories=ENCOUNTER,
        encounter="Encounter/1",
        has_abatement=True,
        abatement=days_ago(1),
    )
    now = icd(PROSTATE_CANCER, "b", categories=ENCOUNTER, encounter="Encounter/2")
    assert exclude(knowledge, ended, now).suppressed_by is None


def test_an_encounter_code_without_status_makes_the_second(knowledge: Knowledge) -> None:
    def at(encounter: str) -> Condition:
        return icd(
            PROSTATE_CANCER,
            encounter,
            categories=ENCOUNTER,
            encounter=encounter,
            clinical_status=None,
        )

    assert exclude(knowledge, at("a"), at("b")).suppressed_by == "active_cancer"


def test_every_finding_says_what_it_is_and_why_it_does_not_count(knowledge: Knowledge) -> None:
    seen = exclude(
        knowledge,
        icd("Z85.3", "Condition/past"),
        icd(PROSTATE_CANCER, "Condition/once", categories=ENCOUNTER, encounter="Encounter/1"),
        icd("D57.1", "Condition/now"),
        care_events=(
            event("Procedure", HOSPICE),
            event("Procedure", HOSPICE_EDUCATION),
            event("ServiceRequest", HOSPICE, days=800),
            event("CarePlan", HOSPICE, status="revoked"),
        ),
        observations=(
            screen(ITEM_9, number=2, days=30),
            screen(ITEM_9, number=0, days=60),
            screen(ITEM_9, number=3, days=90),
        ),
    )
    assert [(f.reference, f.category, f.action, f.counts, f.why_not) for f in seen.findings] == [
        ("Condition/past", "active_cancer", "do_not_exclude", False, "does not exclude"),
        (
            "Condition/once",
            "active_cancer",
            "suppress",
            False,
            "one encounter only, not on the problem list",
        ),
        ("Condition/now", "sickle_cell_disease", "suppress", True, None),
        (f"Observation/{ITEM_9}-30", "suicide_safety", "safety", True, None),
        (f"Observation/{ITEM_9}-60", "suicide_safety", "safety", False, "favourable"),
        (f"Observation/{ITEM_9}-90", "suicide_safety", "safety", False, "a newer answer exists"),
        (f"Procedure/{HOSPICE}", "palliative_hospice_eol", "suppress", True, None),
        (
            f"Procedure/{HOSPICE_EDUCATION}",
            "palliative_hospice_eol",
            "do_not_exclude",
            False,
            "does not exclude",
        ),
        (f"ServiceRequest/{HOSPICE}", "palliative_hospice_eol", "suppress", False, "too old"),
        (
            f"CarePlan/{HOSPICE}",
            "palliative_hospice_eol",
            "suppress",
            False,
            "status is revoked",
        ),
    ]


@pytest.mark.parametrize(
    ("observation", "why_not"),
    [
        (
            Observation(
                reference="o",
                status="registered",
                effective=days_ago(5),
                answers=(Answer(codings=(), answers=(Coding(SNOMED_CT, "300936002"),)),),
            ),
            "not a finished observation",
        ),
        (
            Observation(
                reference="o",
                status="final",
                effective=None,
                answers=(Answer(codings=(), answers=(Coding(SNOMED_CT, "300936002"),)),),
            ),
            "observation is undated",
        ),
    ],
)
def test_a_coded_value_that_cannot_count_says_why(
    knowledge: Knowledge, observation: Observation, why_not: str
) -> None:
    (finding,) = exclude(knowledge, observations=(observation,)).findings
    assert (finding.counts, finding.why_not) == (False, why_not)


def test_encounters_without_a_reference_are_told_apart_by_day(knowledge: Knowledge) -> None:
    def on(days: int) -> Condition:
        return icd(
            PROSTATE_CANCER, f"Condition/{days}", categories=ENCOUNTER, recorded=days_ago(days)
        )

    assert exclude(knowledge, on(10), on(20)).suppressed_by == "active_cancer"
    assert exclude(knowledge, on(10)).suppressed_by is None


def test_a_refuted_encounter_code_does_not_make_the_second(knowledge: Knowledge) -> None:
    seen = exclude(
        knowledge,
        icd(
            PROSTATE_CANCER,
            "a",
            categories=ENCOUNTER,
            encounter="Encounter/1",
            verification_status="refuted",
        ),
        icd(PROSTATE_CANCER, "b", categories=ENCOUNTER, encounter="Encounter/2"),
    )
    assert seen.suppressed_by is None


@pytest.mark.parametrize(
    "other",
    [
        icd(PROSTATE_CANCER, "b", verification_status="provisional"),
        icd(
            PROSTATE_CANCER,
            "b",
            categories=ENCOUNTER,
            encounter="Encounter/2",
            verification_status="unconfirmed",
        ),
    ],
)
def test_an_uncertain_record_does_not_make_the_second_encounter(
    knowledge: Knowledge, other: Condition
) -> None:
    once = icd(PROSTATE_CANCER, "a", categories=ENCOUNTER, encounter="Encounter/1")
    assert exclude(knowledge, once, other).suppressed_by is None


def test_a_favourable_item_nine_of_an_unknown_day_does_not_hide_one_of_that_month(
    knowledge: Knowledge,
) -> None:
    this_month = replace(
        screen(ITEM_9, number=0), effective=date(2026, 11, 30), effective_from=date(2026, 11, 1)
    )
    within = exclude(knowledge, observations=(screen(ITEM_9, number=2, days=12), this_month))
    before = exclude(knowledge, observations=(screen(ITEM_9, number=2, days=40), this_month))
    assert (within.has_safety_concern, before.has_safety_concern) == (True, False)


def test_provisional_cancer_softens_instead_of_suppressing(knowledge: Knowledge) -> None:
    seen = exclude(knowledge, icd(PROSTATE_CANCER, verification_status="provisional"))
    assert (seen.suppressed_by, seen.is_softened) == (None, True)


@pytest.mark.parametrize(
    ("disease", "look_alike"),
    [
        (Coding(ICD_10_CM, "D57.1"), "427306008"),  # hereditary haemoglobinopathy
        (Coding(ICD_10_CM, "D57.00"), "16402000"),  # sickle cell trait
        (Coding(SNOMED_CT, "127040003"), "16402000"),
    ],
)
def test_a_look_alike_beside_a_disease_does_not_undo_it(
    knowledge: Knowledge, disease: Coding, look_alike: str
) -> None:
    codings = (disease, Coding(SNOMED_CT, look_alike))
    for both in (codings, codings[::-1]):
        seen = exclude(knowledge, icd("D57.1", codings=both))
        assert seen.suppressed_by == "sickle_cell_disease"


@pytest.mark.parametrize("generic", ["6525002", "361055000"])
def test_a_general_finding_beside_opioid_use_disorder_does_not_undo_it(
    knowledge: Knowledge, generic: str
) -> None:
    both = (Coding(ICD_10_CM, "F11.20"), Coding(SNOMED_CT, generic))
    assert exclude(knowledge, icd("F11.20", codings=both)).has_opioid_use_disorder


@pytest.mark.parametrize("codes", [("D57", "D57.3"), ("D57.3", "D57")])
def test_a_look_alike_decides_beside_the_category_it_goes_on_from(
    knowledge: Knowledge, codes: tuple[str, str]
) -> None:
    trait = icd("D57.3", codings=tuple(Coding(ICD_10_CM, code) for code in codes))
    assert exclude(knowledge, trait).suppressed_by is None


@pytest.mark.parametrize(
    ("born", "suppressed_by"),
    [
        (date(2008, 11, 23), "age"),
        (date(2008, 11, 22), None),
        (date(2008, 11, 21), None),
        (None, None),
    ],
)
def test_a_patient_under_eighteen_gets_no_advice(
    knowledge: Knowledge, born: date | None, suppressed_by: str | None
) -> None:
    assert exclude(knowledge, birth_date=born).suppressed_by == suppressed_by


def test_a_deceased_patient_gets_no_advice(knowledge: Knowledge) -> None:
    assert exclude(knowledge, is_deceased=True).suppressed_by == "deceased"


@pytest.mark.parametrize(
    ("recorded", "suppressed_by"),
    [(date(2025, 11, 22), "palliative_hospice_eol"), (date(2025, 11, 21), None)],
)
def test_a_palliative_encounter_without_status_suppresses_for_twelve_months(
    knowledge: Knowledge, recorded: date, suppressed_by: str | None
) -> None:
    once = icd("Z51.5", clinical_status=None, categories=ENCOUNTER, recorded=recorded)
    assert exclude(knowledge, once).suppressed_by == suppressed_by


def test_a_labelled_answer_to_item_nine_counts_and_is_not_named(knowledge: Knowledge) -> None:
    labelled = replace(screen(ITEM_9, number=2), is_labelled=True)
    seen = exclude(knowledge, observations=(labelled,))
    assert (seen.has_safety_concern, seen.may_name_safety_concern) == (True, False)


def test_sickle_cell_disease_without_status_has_no_look_back(knowledge: Knowledge) -> None:
    old = icd("D57.1", clinical_status=None, categories=ENCOUNTER, recorded=date(2015, 1, 1))
    assert exclude(knowledge, old).suppressed_by == "sickle_cell_disease"


# -- hospice and the like outside the conditions ---------------------------------------------


@pytest.mark.parametrize(
    ("resource_type", "code"),
    [
        ("Procedure", HOSPICE),
        ("ServiceRequest", HOSPICE),
        ("CarePlan", HOSPICE),
        ("Encounter", "305336008"),
    ],
)
def test_hospice_is_often_no_condition(knowledge: Knowledge, resource_type: str, code: str) -> None:
    seen = exclude(knowledge, care_events=(event(resource_type, code),))
    assert seen.suppressed_by == "palliative_hospice_eol"


@pytest.mark.parametrize(
    ("day", "suppressed_by"),
    [
        (date(2025, 11, 23), "palliative_hospice_eol"),
        (date(2025, 11, 22), "palliative_hospice_eol"),
        (date(2025, 11, 21), None),
        (None, "palliative_hospice_eol"),
    ],
)
def test_hospice_care_is_looked_for_within_twelve_months(
    knowledge: Knowledge, day: date | None, suppressed_by: str | None
) -> None:
    seen = exclude(knowledge, care_events=(replace(event("Procedure", HOSPICE), day=day),))
    assert seen.suppressed_by == suppressed_by


@pytest.mark.parametrize(
    ("resource_type", "status"),
    [
        ("Procedure", "in-progress"),
        ("ServiceRequest", "active"),
        ("CarePlan", "active"),
        ("CarePlan", "on-hold"),
    ],
)
def test_hospice_care_that_goes_on_suppresses_however_long_ago_it_began(
    knowledge: Knowledge, resource_type: str, status: str
) -> None:
    going_on = event(resource_type, HOSPICE, days=800, status=status)
    seen = exclude(knowledge, care_events=(going_on,))
    assert seen.suppressed_by == "palliative_hospice_eol"


@pytest.mark.parametrize(
    ("earliest", "suppressed_by"),
    [(date(2026, 11, 1), "active_cancer"), (date(2026, 11, 23), None)],
)
def test_an_encounter_dated_to_the_current_month_has_taken_place(
    knowledge: Knowledge, earliest: date, suppressed_by: str | None
) -> None:
    this_month = icd(
        PROSTATE_CANCER,
        "a",
        categories=ENCOUNTER,
        encounter="Encounter/1",
        recorded=date(2026, 11, 30),
        recorded_from=earliest,
    )
    before = icd(PROSTATE_CANCER, "b", categories=ENCOUNTER, encounter="Encounter/2")
    assert exclude(knowledge, this_month, before).suppressed_by == suppressed_by


@pytest.mark.parametrize("status", ["not-done", "entered-in-error", "cancelled", "revoked"])
def test_what_never_took_place_does_not_suppress(knowledge: Knowledge, status: str) -> None:
    seen = exclude(knowledge, care_events=(event("Procedure", HOSPICE, status=status),))
    assert seen.suppressed_by is None


def test_hospice_education_is_not_hospice(knowledge: Knowledge) -> None:
    seen = exclude(knowledge, care_events=(event("Procedure", HOSPICE_EDUCATION),))
    assert seen.suppressed_by is None


def test_a_row_for_conditions_is_not_read_from_a_procedure(knowledge: Knowledge) -> None:
    seen = exclude(knowledge, care_events=(event("Procedure", "363346000"),))
    assert seen.findings == ()


def test_a_finding_given_as_the_value_of_an_observation_suppresses(knowledge: Knowledge) -> None:
    terminal = Observation(
        reference="Observation/1",
        status="final",
        effective=days_ago(5),
        answers=(
            Answer(
                codings=(Coding("http://loinc.org", "1-8"),),
                answers=(Coding(SNOMED_CT, "300936002"),),
            ),
        ),
    )
    assert exclude(knowledge, observations=(terminal,)).suppressed_by == "palliative_hospice_eol"


# -- redirect, safety, soften ----------------------------------------------------------------


@pytest.mark.parametrize("code", ["F11.20", "F11.10"])
def test_opioid_use_disorder_is_recognised(knowledge: Knowledge, code: str) -> None:
    assert exclude(knowledge, icd(code)).has_opioid_use_disorder


def test_provisional_opioid_use_disorder_redirects_nothing(knowledge: Knowledge) -> None:
    seen = exclude(knowledge, icd("F11.20", verification_status="provisional"))
    assert not seen.has_opioid_use_disorder


@pytest.mark.parametrize(
    "condition",
    [icd("R45.851"), icd("T14.91XA"), icd("Z91.51"), snomed("6471006"), snomed("161474000")],
)
def test_suicidal_thoughts_or_acts_are_a_safety_concern(
    knowledge: Knowledge, condition: Condition
) -> None:
    assert exclude(knowledge, condition).has_safety_concern


def test_an_uncertain_safety_concern_is_still_one(knowledge: Knowledge) -> None:
    seen = exclude(knowledge, icd("R45.851", verification_status="unconfirmed"))
    assert seen.has_safety_concern


def test_a_history_of_an_attempt_has_no_look_back(knowledge: Knowledge) -> None:
    old = icd("Z91.51", clinical_status=None, categories=ENCOUNTER, recorded=date(2001, 1, 1))
    assert exclude(knowledge, old).has_safety_concern


@pytest.mark.parametrize(
    ("observation", "is_concern"),
    [
        (screen(ITEM_9, answer="LA6568-5"), False),  # not at all
        (screen(ITEM_9, answer="LA6569-3"), True),  # several days
        (screen(ITEM_9, number=0), False),
        (screen(ITEM_9, number=1), True),
        (screen(ITEM_9, number=3), True),
        (screen(ITEM_9, number=1, days=400), False),
        (screen(ITEM_9, number=1, status="preliminary"), False),
    ],
)
def test_any_thought_of_being_better_off_dead_is_a_safety_concern(
    knowledge: Knowledge, observation: Observation, is_concern: bool
) -> None:
    seen = exclude(knowledge, observations=(observation,))
    assert seen.has_safety_concern is is_concern


def test_the_newest_answer_to_item_nine_decides(knowledge: Knowledge) -> None:
    older, newer = screen(ITEM_9, number=2, days=60), screen(ITEM_9, number=0, days=10)
    assert not exclude(knowledge, observations=(older, newer)).has_safety_concern
    older, newer = screen(ITEM_9, number=0, days=60), screen(ITEM_9, number=2, days=10)
    assert exclude(knowledge, observations=(older, newer)).has_safety_concern


@pytest.mark.parametrize("number", [None, 99])
def test_a_newer_answer_that_says_nothing_leaves_the_older_concern(
    knowledge: Knowledge, number: int | None
) -> None:
    older, newer = screen(ITEM_9, number=2, days=60), screen(ITEM_9, number=number, days=10)
    assert exclude(knowledge, observations=(older, newer)).has_safety_concern


@pytest.mark.parametrize("condition", [icd("D47.2"), snomed("788891004"), icd("K72.10")])
def test_what_softens_the_advice(knowledge: Knowledge, condition: Condition) -> None:
    seen = exclude(knowledge, condition)
    assert (seen.suppressed_by, seen.is_softened) == (None, True)


def test_what_is_provisional_and_would_only_soften_does_nothing(knowledge: Knowledge) -> None:
    assert not exclude(knowledge, icd("D47.2", verification_status="provisional")).is_softened
