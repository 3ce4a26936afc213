"""Section 4 of the clinical specification: what is evidence of social pain and what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cds_service.clinical.criteria import Evidence, SocialPain, physical_pain, social_pain
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Answer, Condition, Observation
from cds_service.clinical.terminology import ICD_10_CM, LOINC, SNOMED_CT, Coding, coding
from cds_service.hooks.phrases import UNNAMED_SENSITIVITIES
from tests.clinical.builders import TODAY, days_ago, icd, record, screen, snomed

BEREAVEMENT = "Z63.4"  # core, interpersonal loss
DEPRESSION = "F32.A"  # core, depression
LIVES_ALONE_PROBLEM = "Z60.2"  # supporting, isolation
OTHER_SOCIAL_ENVIRONMENT = "Z60.8"  # supporting, isolation
IN_LAWS = "Z63.1"  # supporting, interpersonal loss
STRESS = "Z73.3"  # context
PHQ9 = "44261-6"
LONELY_OR_ISOLATED = "93159-2"
SEES_PEOPLE = "93029-7"
EMOTIONAL_ABUSE_IN_CHILDHOOD = "82814-5"
SAFE_AT_HOME = "93026-3"
NHANES_ISOLATION = "76512-3"


def assess(knowledge: Knowledge, *conditions: Condition) -> SocialPain:
    return social_pain(record(conditions=conditions), knowledge, as_of=TODAY)


def answers(knowledge: Knowledge, *observations: Observation) -> SocialPain:
    return social_pain(record(observations=observations), knowledge, as_of=TODAY)


def only(seen: SocialPain) -> Evidence:
    (item,) = seen.evidence
    return item


# -- the outcome -----------------------------------------------------------------------------


def test_one_core_concept_documents_social_pain(knowledge: Knowledge) -> None:
    assert assess(knowledge, icd(BEREAVEMENT)).status == "documented"


def test_one_supporting_concept_makes_it_possible(knowledge: Knowledge) -> None:
    assert assess(knowledge, icd(LIVES_ALONE_PROBLEM)).status == "possible"


def test_two_supporting_concepts_of_two_domains_document_it(knowledge: Knowledge) -> None:
    assert assess(knowledge, icd(LIVES_ALONE_PROBLEM), icd(IN_LAWS)).status == "documented"


def test_two_supporting_concepts_of_one_domain_count_once(knowledge: Knowledge) -> None:
    seen = assess(knowledge, icd(LIVES_ALONE_PROBLEM), icd(OTHER_SOCIAL_ENVIRONMENT))
    assert seen.status == "possible"


def test_context_never_triggers_however_much_there_is(knowledge: Knowledge) -> None:
    seen = assess(knowledge, icd(STRESS), icd("Z59.0"), icd("Z56.0"), snomed("105529008"))
    assert seen.status == "not documented"
    assert len(seen.evidence) == 4


def test_nothing_recorded_is_not_documented(knowledge: Knowledge) -> None:
    assert assess(knowledge) == SocialPain(status="not documented", evidence=(), was_screened=False)


def test_several_codings_of_one_condition_are_one_piece_at_the_strongest_strength(
    knowledge: Knowledge,
) -> None:
    both = icd(
        LIVES_ALONE_PROBLEM,
        codings=(
            coding(ICD_10_CM, LIVES_ALONE_PROBLEM),
            Coding(SNOMED_CT, "422650009"),
        ),
    )
    seen = only(assess(knowledge, both))
    assert (seen.strength, seen.counts) == ("core", True)


def test_the_most_secret_coding_of_a_condition_decides_how_it_may_be_shown(
    knowledge: Knowledge,
) -> None:
    both = icd(
        "F43.10",
        codings=(
            coding(ICD_10_CM, "F43.10"),
            Coding(SNOMED_CT, "54231004"),
        ),
    )
    assert only(assess(knowledge, both)).sensitivity == "SDV"


ABUSED, CRIME_VICTIM = coding(ICD_10_CM, "T74.11XA"), coding(ICD_10_CM, "Z65.4")
IN_PRISON = Coding(SNOMED_CT, "105568001")


@pytest.mark.parametrize("secret", [ABUSED, CRIME_VICTIM, IN_PRISON])
@pytest.mark.parametrize("other", [DEPRESSION, LIVES_ALONE_PROBLEM, BEREAVEMENT])
@pytest.mark.parametrize("step", [1, -1])
def test_no_coding_beside_it_makes_what_is_never_named_nameable(
    knowledge: Knowledge, secret: Coding, other: str, step: int
) -> None:
    codings = (secret, coding(ICD_10_CM, other))[::step]
    seen = only(assess(knowledge, icd(other, codings=codings)))
    assert seen.sensitivity in UNNAMED_SENSITIVITIES


@pytest.mark.parametrize(
    ("stronger", "weaker", "strength"),
    [
        (BEREAVEMENT, LIVES_ALONE_PROBLEM, "core"),
        (BEREAVEMENT, STRESS, "core"),
        (LIVES_ALONE_PROBLEM, STRESS, "supporting"),
    ],
)
@pytest.mark.parametrize("step", [1, -1])
def test_the_strongest_coding_decides_wherever_it_stands(
    knowledge: Knowledge, stronger: str, weaker: str, strength: str, step: int
) -> None:
    codings = tuple(coding(ICD_10_CM, code) for code in (stronger, weaker)[::step])
    assert only(assess(knowledge, icd(stronger, codings=codings))).strength == strength


@pytest.mark.parametrize("codes", [("F33.1", "Z62.810"), ("Z62.810", "F33.1")])
def test_a_coding_that_stands_is_evidence_beside_one_that_is_too_old(
    knowledge: Knowledge, codes: tuple[str, str]
) -> None:
    years_ago = icd(
        "F33.1",
        codings=tuple(Coding(ICD_10_CM, code) for code in codes),
        clinical_status=None,
        categories=frozenset({"encounter-diagnosis"}),
        recorded=days_ago(1000),
    )
    assert only(assess(knowledge, years_ago)).domain == "abuse_victimisation"
    assert assess(knowledge, years_ago).status == "documented"


def test_of_two_codings_alike_in_strength_the_sequence_does_not_matter(
    knowledge: Knowledge,
) -> None:
    codes = (Coding(ICD_10_CM, LIVES_ALONE_PROBLEM), Coding(ICD_10_CM, IN_LAWS))
    first, second = (
        assess(knowledge, icd(IN_LAWS, codings=both), icd(OTHER_SOCIAL_ENVIRONMENT, "other"))
        for both in (codes, codes[::-1])
    )
    assert first.status == second.status


def test_a_year_to_come_is_not_shown(knowledge: Knowledge) -> None:
    item = only(assess(knowledge, icd(BEREAVEMENT, onset=date(2027, 3, 1))))
    assert (item.counts, item.year) == (True, None)


def test_labelled_evidence_counts_and_is_never_named(knowledge: Knowledge) -> None:
    seen = only(assess(knowledge, icd(DEPRESSION, is_labelled=True)))
    assert (seen.counts, seen.sensitivity) == (True, "SDV")
    answer = replace(screen(PHQ9, number=18), is_labelled=True)
    assert only(answers(knowledge, answer)).sensitivity == "SDV"


@pytest.mark.parametrize(
    "code", ["Z69.010", "Z69.020", "Z69.11", "Z69.81", "Z62.810", "T74.11XA", "Z91.410"]
)
def test_being_harmed_by_others_is_core(knowledge: Knowledge, code: str) -> None:
    assert assess(knowledge, icd(code)).status == "documented"


@pytest.mark.parametrize("code", ["Z69.011", "Z69.021", "Z69.12", "Z69.82"])
def test_codes_for_those_who_harm_never_count(knowledge: Knowledge, code: str) -> None:
    assert assess(knowledge, icd(code)).status == "not documented"


# -- status ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["active", "recurrence", "relapse"])
def test_a_standing_condition_counts(knowledge: Knowledge, status: str) -> None:
    assert assess(knowledge, icd(BEREAVEMENT, clinical_status=status)).status == "documented"


@pytest.mark.parametrize("status", ["inactive", "remission", "resolved"])
def test_a_condition_that_is_over_never_counts(knowledge: Knowledge, status: str) -> None:
    seen = only(assess(knowledge, icd(BEREAVEMENT, clinical_status=status)))
    assert (seen.counts, seen.why_not) == (False, f"clinical status is {status}")


@pytest.mark.parametrize("status", ["refuted", "entered-in-error", "differential"])
def test_a_condition_that_was_denied_never_counts(knowledge: Knowledge, status: str) -> None:
    seen = only(assess(knowledge, icd(BEREAVEMENT, verification_status=status)))
    assert (seen.counts, seen.why_not) == (False, f"verification status is {status}")


@pytest.mark.parametrize("status", ["unconfirmed", "provisional"])
@pytest.mark.parametrize(
    ("code", "outcome"), [(BEREAVEMENT, "possible"), (LIVES_ALONE_PROBLEM, "not documented")]
)
def test_an_uncertain_condition_counts_one_level_lower(
    knowledge: Knowledge, status: str, code: str, outcome: str
) -> None:
    assert assess(knowledge, icd(code, verification_status=status)).status == outcome


def test_an_uncertain_recurrence_counts_one_level_lower(knowledge: Knowledge) -> None:
    uncertain = icd(BEREAVEMENT, clinical_status="recurrence", verification_status="provisional")
    assert assess(knowledge, uncertain).status == "possible"


@pytest.mark.parametrize("status", ["confirmed", None])
def test_an_absent_verification_counts_as_confirmed(
    knowledge: Knowledge, status: str | None
) -> None:
    assert assess(knowledge, icd(BEREAVEMENT, verification_status=status)).status == "documented"


@pytest.mark.parametrize(
    ("days", "outcome"), [(1, "not documented"), (0, "not documented"), (-1, "documented")]
)
def test_a_past_abatement_beats_active(knowledge: Knowledge, days: int, outcome: str) -> None:
    ended = icd(BEREAVEMENT, has_abatement=True, abatement=days_ago(days))
    assert assess(knowledge, ended).status == outcome


def test_an_abatement_without_a_day_is_past(knowledge: Knowledge) -> None:
    seen = only(assess(knowledge, icd(BEREAVEMENT, has_abatement=True)))
    assert (seen.counts, seen.why_not) == (False, "abated")


@pytest.mark.parametrize("status", ["recurrence", "relapse"])
def test_an_abatement_does_not_beat_recurrence_or_relapse(
    knowledge: Knowledge, status: str
) -> None:
    back = icd(BEREAVEMENT, clinical_status=status, has_abatement=True, abatement=days_ago(9))
    assert assess(knowledge, back).status == "documented"


ENCOUNTER = frozenset({"encounter-diagnosis"})


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [
        (date(2025, 11, 23), "documented"),
        (date(2025, 11, 22), "documented"),
        (date(2025, 11, 21), "not documented"),
        (None, "not documented"),
    ],
)
@pytest.mark.parametrize("status", [None, "unknown"])
def test_an_encounter_diagnosis_without_status_counts_for_twelve_months(
    knowledge: Knowledge, status: str | None, recorded: date | None, outcome: str
) -> None:
    seen = icd(BEREAVEMENT, clinical_status=status, categories=ENCOUNTER, recorded=recorded)
    assert assess(knowledge, seen).status == outcome


def test_an_active_encounter_diagnosis_has_no_look_back(knowledge: Knowledge) -> None:
    old = icd(BEREAVEMENT, categories=ENCOUNTER, recorded=date(2010, 1, 1))
    assert assess(knowledge, old).status == "documented"


def test_an_old_encounter_diagnosis_without_status_says_why_it_does_not_count(
    knowledge: Knowledge,
) -> None:
    old = icd(BEREAVEMENT, clinical_status=None, categories=ENCOUNTER, recorded=date(2010, 1, 1))
    seen = only(assess(knowledge, old))
    assert seen.counts is False
    assert seen.why_not == "encounter diagnosis without status, old or undated"


def test_a_condition_of_no_concern_does_not_end_the_search(knowledge: Knowledge) -> None:
    assert assess(knowledge, icd("I10"), icd(BEREAVEMENT)).status == "documented"


def test_without_a_recorded_date_the_onset_tells_the_age(knowledge: Knowledge) -> None:
    seen = icd(
        BEREAVEMENT, clinical_status=None, categories=ENCOUNTER, recorded=None, onset=days_ago(30)
    )
    assert assess(knowledge, seen).status == "documented"


def test_a_lifetime_concept_has_no_look_back(knowledge: Knowledge) -> None:
    history = snomed(
        "313217007", clinical_status=None, categories=ENCOUNTER, recorded=date(1990, 1, 1)
    )
    assert assess(knowledge, history).status == "documented"


@pytest.mark.parametrize(
    "categories",
    [
        frozenset({"problem-list-item"}),
        frozenset({"problem-list-item", "encounter-diagnosis"}),
        frozenset(),
    ],
)
def test_what_is_on_the_problem_list_or_uncategorised_has_no_look_back(
    knowledge: Knowledge, categories: frozenset[str]
) -> None:
    old = icd(BEREAVEMENT, clinical_status=None, categories=categories, recorded=date(2010, 1, 1))
    assert assess(knowledge, old).status == "documented"


def test_a_protective_factor_never_counts(knowledge: Knowledge) -> None:
    seen = only(assess(knowledge, icd(BEREAVEMENT, categories=frozenset({"protective-factor"}))))
    assert (seen.counts, seen.why_not) == (False, "recorded as a protective factor")


def test_the_year_is_that_of_the_onset_else_of_the_record(knowledge: Knowledge) -> None:
    begun = icd(BEREAVEMENT, onset=date(2019, 5, 1), recorded=date(2024, 1, 1))
    assert only(assess(knowledge, begun)).year == 2019
    noted = icd(BEREAVEMENT, recorded=date(2024, 1, 1))
    assert only(assess(knowledge, noted)).year == 2024
    assert only(assess(knowledge, icd(BEREAVEMENT, recorded=None))).year is None


# -- look-alikes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "look_alike",
    [
        icd("T86.11"),  # kidney transplant rejection
        icd("R41.4"),  # neurologic neglect syndrome
        icd("Z81.8"),  # family history of mental disorders
        icd("V49.9XXA"),  # car occupant injured in a traffic accident
        icd("F33.42"),  # major depression in full remission
        icd("F32.5"),
        snomed("161469008"),  # history of depression
        icd("Z65.1"),  # imprisonment
        icd("Z59.41"),  # food insecurity
        snomed("73595000"),  # stress
        snomed("33553000"),  # widowed as a marital status
    ],
)
def test_look_alikes_and_mere_circumstances_do_not_trigger(
    knowledge: Knowledge, look_alike: Condition
) -> None:
    assert assess(knowledge, look_alike).status == "not documented"


def test_words_alone_never_match(knowledge: Knowledge) -> None:
    wordy = Condition(
        reference="Condition/1",
        codings=(Coding("urn:local", "social-isolation"),),
        clinical_status="active",
    )
    assert assess(knowledge, wordy).evidence == ()


# -- screening -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "outcome"), [(9, "not documented"), (10, "possible"), (11, "possible")]
)
def test_a_phq9_of_ten_supports_and_nine_does_not(
    knowledge: Knowledge, score: int, outcome: str
) -> None:
    assert answers(knowledge, screen(PHQ9, number=score)).status == outcome


@pytest.mark.parametrize("score", [0, 27])
def test_a_score_at_an_end_of_its_range_is_an_answer(knowledge: Knowledge, score: int) -> None:
    assert only(answers(knowledge, screen(PHQ9, number=score))).counts is (score == 27)


def test_the_evidence_of_a_screen_says_where_it_comes_from(knowledge: Knowledge) -> None:
    assert only(answers(knowledge, screen(PHQ9, number=18, reference="Observation/7"))) == Evidence(
        reference="Observation/7",
        domain="depression_marker",
        subdomain="screen_PHQ9",
        strength="supporting",
        sensitivity="MH",
        year=2026,
        status="final",
        counts=True,
        why_not=None,
    )


def test_the_evidence_of_a_condition_says_where_it_comes_from(knowledge: Knowledge) -> None:
    begun = icd(BEREAVEMENT, "Condition/7", onset=date(2024, 2, 1), clinical_status="recurrence")
    assert only(assess(knowledge, begun)) == Evidence(
        reference="Condition/7",
        domain="interpersonal_loss_broken_bonds",
        subdomain="bereavement",
        strength="core",
        sensitivity="none",
        year=2024,
        status="recurrence",
        counts=True,
        why_not=None,
    )


@pytest.mark.parametrize(
    ("observation", "why_not"),
    [
        (screen(PHQ9, number=18, status="preliminary"), "not a finished observation"),
        (screen(PHQ9, number=18, days=-1), "in the future"),
        (screen(PHQ9, number=18, days=366), "too old"),
        (replace(screen(PHQ9, number=18), effective=None), "undated"),
        (screen(PHQ9, number=3), "favourable"),
        (screen(PHQ9), "unreadable"),
    ],
)
def test_an_answer_that_does_not_count_says_why(
    knowledge: Knowledge, observation: Observation, why_not: str
) -> None:
    assert only(answers(knowledge, observation)).why_not == why_not


@pytest.mark.parametrize("score", [-1, 28])
def test_a_score_outside_its_range_is_unreadable(knowledge: Knowledge, score: int) -> None:
    assert only(answers(knowledge, screen(PHQ9, number=score))).why_not == "unreadable"


@pytest.mark.parametrize(("score", "counts"), [(0, True), (1, True), (2, False), (4, False)])
def test_an_inverse_scale_is_unfavourable_at_its_low_end(
    knowledge: Knowledge, score: int, counts: bool
) -> None:
    assert only(answers(knowledge, screen(NHANES_ISOLATION, number=score))).counts is counts


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("LA10044-8", "documented"),
        ("LA9933-8", "documented"),
        ("LA10082-8", "not documented"),
        ("LA16644-9", "not documented"),
    ],
)
def test_often_or_always_lonely_documents_and_sometimes_does_not(
    knowledge: Knowledge, answer: str, outcome: str
) -> None:
    assert answers(knowledge, screen(LONELY_OR_ISOLATED, answer=answer)).status == outcome


@pytest.mark.parametrize(("answer", "counts"), [("LA32-8", True), ("LA33-6", False)])
def test_no_is_the_unfavourable_answer_of_an_inverse_item(
    knowledge: Knowledge, answer: str, counts: bool
) -> None:
    assert only(answers(knowledge, screen(SAFE_AT_HOME, answer=answer))).counts is counts


def test_the_newest_answer_of_an_item_is_the_one_that_counts(knowledge: Knowledge) -> None:
    better = answers(knowledge, screen(PHQ9, number=18, days=90), screen(PHQ9, number=4, days=10))
    assert better.status == "not documented"
    assert sorted(str(item.why_not) for item in better.evidence) == [
        "a newer answer exists",
        "favourable",
    ]
    worse = answers(knowledge, screen(PHQ9, number=4, days=90), screen(PHQ9, number=18, days=10))
    assert worse.status == "possible"


@pytest.mark.parametrize(
    ("days", "outcome"), [(4000, "documented"), (30, "documented"), (-1, "not documented")]
)
def test_an_answer_about_a_lifetime_has_no_look_back(
    knowledge: Knowledge, days: int, outcome: str
) -> None:
    childhood = screen(EMOTIONAL_ABUSE_IN_CHILDHOOD, answer="LA33-6", days=days)
    assert answers(knowledge, childhood).status == outcome


def test_an_old_answer_about_a_lifetime_does_not_mean_screened_of_late(
    knowledge: Knowledge,
) -> None:
    childhood = screen(EMOTIONAL_ABUSE_IN_CHILDHOOD, answer="LA33-6", days=4000)
    assert not answers(knowledge, childhood).was_screened


def test_a_newer_answer_about_a_lifetime_overtakes_an_old_one(knowledge: Knowledge) -> None:
    old = screen(EMOTIONAL_ABUSE_IN_CHILDHOOD, answer="LA33-6", days=4000)
    new = screen(EMOTIONAL_ABUSE_IN_CHILDHOOD, answer="LA32-8", days=30)
    assert answers(knowledge, old, new).status == "not documented"


def test_of_two_answers_on_one_day_the_unfavourable_one_is_taken(knowledge: Knowledge) -> None:
    both = (screen(PHQ9, number=18, reference="a"), screen(PHQ9, number=4, reference="b"))
    assert answers(knowledge, *both).status == "possible"
    assert answers(knowledge, *reversed(both)).status == "possible"


@pytest.mark.parametrize("day", [date(2026, 11, 22), date(2026, 11, 30), date(2026, 12, 31)])
def test_an_answer_dated_to_the_current_month_or_year_has_been_given(
    knowledge: Knowledge, day: date
) -> None:
    this_month = replace(screen(PHQ9, number=18), effective=day, effective_from=date(2026, 11, 1))
    assert answers(knowledge, this_month).status == "possible"
    to_come = replace(this_month, effective_from=date(2026, 11, 23), effective=date(2026, 11, 30))
    assert answers(knowledge, to_come).status == "not documented"


def test_an_answer_in_codes_of_another_system_is_unreadable_and_not_a_no(
    knowledge: Knowledge,
) -> None:
    def hark(system: str, code: str, days: int) -> Observation:
        return Observation(
            reference=f"Observation/{days}",
            status="final",
            effective=days_ago(days),
            answers=(Answer(codings=(Coding(LOINC, "76503-2"),), answers=(Coding(system, code),)),),
        )

    newer = hark(SNOMED_CT, "373066001", 5)
    assert only(answers(knowledge, newer)).why_not == "unreadable"
    assert answers(knowledge, newer, hark(LOINC, "LA33-6", 50)).status == "documented"
    assert answers(knowledge, hark(LOINC, "LA32-8", 5)).evidence[0].why_not == "favourable"


def test_an_unreadable_newer_answer_does_not_hide_an_older_one(knowledge: Knowledge) -> None:
    seen = answers(knowledge, screen(PHQ9, number=18, days=90), screen(PHQ9, number=99, days=10))
    assert seen.status == "possible"


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (date(2025, 11, 23), "possible"),
        (date(2025, 11, 22), "possible"),
        (date(2025, 11, 21), "not documented"),
        (date(2026, 11, 22), "possible"),
        (date(2026, 11, 23), "not documented"),
        (None, "not documented"),
    ],
)
def test_an_answer_counts_for_twelve_months(
    knowledge: Knowledge, day: date | None, outcome: str
) -> None:
    seen = answers(knowledge, replace(screen(PHQ9, number=18), effective=day))
    assert seen.status == outcome
    assert seen.was_screened is (outcome == "possible")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("final", "possible"),
        ("amended", "possible"),
        ("corrected", "possible"),
        ("preliminary", "not documented"),
        ("entered-in-error", "not documented"),
        (None, "not documented"),
    ],
)
def test_only_a_finished_observation_counts(
    knowledge: Knowledge, status: str | None, outcome: str
) -> None:
    seen = answers(knowledge, screen(PHQ9, number=18, status=status))
    assert seen.status == outcome
    assert seen.was_screened is (outcome == "possible")


def test_a_favourable_screen_only_means_screened(knowledge: Knowledge) -> None:
    seen = answers(knowledge, screen(PHQ9, number=0))
    assert (seen.status, seen.was_screened) == ("not documented", True)


def test_a_component_is_an_answer_like_any_other(knowledge: Knowledge) -> None:
    prapare = Observation(
        reference="Observation/prapare",
        status="final",
        effective=days_ago(10),
        answers=(
            Answer(codings=(Coding(LOINC, "93025-5"),)),
            Answer(codings=(Coding(LOINC, SEES_PEOPLE),), answers=(Coding(LOINC, "LA27722-0"),)),
        ),
    )
    assert answers(knowledge, prapare).status == "possible"


def test_a_component_of_another_code_makes_a_screen_no_less_one(knowledge: Knowledge) -> None:
    answered = screen(PHQ9, number=0)
    beside = Answer(codings=(Coding(LOINC, "4548-4"),))
    for both in ((*answered.answers, beside), (beside, *answered.answers)):
        assert answers(knowledge, replace(answered, answers=both)).was_screened


@pytest.mark.parametrize(
    "context",
    [
        screen("67875-5", answer="LA17956-6"),  # employment
        screen("71802-3", answer="LA31993-1"),  # housing
        screen("93027-1", answer="LA33-6"),  # refugee status
    ],
)
def test_a_question_about_circumstances_is_no_screen(
    knowledge: Knowledge, context: Observation
) -> None:
    assert not answers(knowledge, context).was_screened


def test_a_score_outside_its_range_shows_no_screening(knowledge: Knowledge) -> None:
    assert not answers(knowledge, screen(PHQ9, number=99)).was_screened


def test_a_panel_with_a_value_of_its_own_shows_that_somebody_was_screened(
    knowledge: Knowledge,
) -> None:
    assert answers(knowledge, screen("44249-1", number=4)).was_screened


def test_a_favourable_answer_of_an_unknown_day_does_not_hide_one_of_that_month(
    knowledge: Knowledge,
) -> None:
    this_month = replace(
        screen(PHQ9, number=3), effective=date(2026, 11, 30), effective_from=date(2026, 11, 1)
    )
    assert answers(knowledge, screen(PHQ9, number=20, days=12), this_month).status == "possible"
    earlier = screen(PHQ9, number=20, days=40)
    assert answers(knowledge, earlier, this_month).status == "not documented"


def test_an_observation_of_another_code_is_no_screen(knowledge: Knowledge) -> None:
    assert answers(knowledge, screen("4548-4", number=7)) == SocialPain(
        status="not documented", evidence=(), was_screened=False
    )


# -- physical pain ---------------------------------------------------------------------------


def test_the_pain_is_named_by_its_standing_conditions(knowledge: Knowledge) -> None:
    pain = physical_pain(
        record(
            conditions=(icd("M54.50"), icd("M79.7"), icd("G43.709", clinical_status="resolved"))
        ),
        knowledge,
        as_of=TODAY,
    )
    assert pain.domains == ("back_neck_pain", "generalised_chronic_pain")
    assert not pain.has_long_term_opioid_code


def test_a_pain_that_is_only_suspected_is_a_pain_all_the_same(knowledge: Knowledge) -> None:
    suspected = record(conditions=(icd("M54.50", verification_status="provisional"),))
    assert physical_pain(suspected, knowledge, as_of=TODAY).domains == ("back_neck_pain",)


def test_the_code_for_long_term_opioid_use_is_a_sign_of_its_own(knowledge: Knowledge) -> None:
    pain = physical_pain(record(conditions=(icd("Z79.891"),)), knowledge, as_of=TODAY)
    assert (pain.domains, pain.has_long_term_opioid_code) == ((), True)


def test_a_resolved_code_for_long_term_opioid_use_is_no_sign(knowledge: Knowledge) -> None:
    over = record(conditions=(icd("Z79.891", clinical_status="resolved"),))
    assert not physical_pain(over, knowledge, as_of=TODAY).has_long_term_opioid_code
