"""What is offered, to whom, and as which resource: clinical.md section 8, "Suggestions"."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Answer, CareEvent, Observation
from cds_service.clinical.terminology import LOINC, RXNORM, SNOMED_CT, Coding
from cds_service.hooks.cards import CardDeck
from cds_service.hooks.protocol import JsonObject
from tests.assessments import ALL_LISTS, TODAY, assessment, evidence
from tests.hooks.builders import Card, card, hook_request, labels, resources

REHABILITATION = "Refer to multidisciplinary pain rehabilitation"
BEHAVIOURAL = "Refer to collaborative care / behavioural health"
COUNSELLING = "Refer for counselling after loss or separation"
GROUP = "Refer to a support group"
SOCIAL_WORK = "Refer to social work"
FOLLOW_UP = "Follow-up with a nurse care manager in 4 weeks"
MOOD = "Offer a mood screen (PHQ-9)"
TRAUMA = "Offer a trauma screen (PC-PTSD-5)"
LONELINESS = "Offer a loneliness screen (three-item scale)"
NALOXONE = "Offer naloxone nasal spray"
TREATMENT = "Refer for assessment and medication treatment"

STANDARD_OFFERS = [REHABILITATION, BEHAVIOURAL, SOCIAL_WORK, FOLLOW_UP, MOOD, TRAUMA, LONELINESS]


def referral(code: str, *, status: str | None = "active") -> CareEvent:
    return CareEvent(
        reference=f"ServiceRequest/{code}",
        resource_type="ServiceRequest",
        codings=(Coding(SNOMED_CT, code),),
        status=status,
        day=TODAY,
    )


def answered(code: str, *, days: int, status: str | None = "final") -> Observation:
    return Observation(
        reference=f"Observation/{code}",
        status=status,
        effective=TODAY - timedelta(days=days),
        answers=(Answer(codings=(Coding(LOINC, code),)),),
    )


def concept(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}


def offered(deck: CardDeck, knowledge: Knowledge, **of_record: object) -> list[str]:
    return labels(card(deck, assessment(knowledge, **of_record)))  # type: ignore[arg-type]


def test_the_standard_card_offers_care_and_the_screens_that_are_missing(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    shown = card(deck, assessment(knowledge))
    assert labels(shown) == STANDARD_OFFERS
    assert shown["selectionBehavior"] == "any"


def test_no_suggestion_changes_or_removes_anything(deck: CardDeck, knowledge: Knowledge) -> None:
    shown = card(deck, assessment(knowledge, needs_naloxone_offer=True))
    for suggestion in shown["suggestions"]:
        (action,) = suggestion["actions"]
        assert action["type"] == "create"
        assert action["description"] == suggestion["label"]
        assert set(action) == {"type", "description", "resource"}
        assert set(suggestion) == {"label", "uuid", "actions"}


def test_a_referral_is_a_draft_about_the_patient(deck: CardDeck, knowledge: Knowledge) -> None:
    first = resources(card(deck, assessment(knowledge)))[0]
    assert first == {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "code": {
            "text": REHABILITATION,
            "coding": [
                {
                    "system": "http://snomed.info/sct",
                    "code": "306265007",
                    "display": "Referral to pain management specialist (procedure)",
                }
            ],
        },
        "subject": {"reference": "Patient/p"},
        "encounter": {"reference": "Encounter/e"},
        "requester": {"reference": "Practitioner/u"},
    }


def test_what_is_not_known_of_the_visit_is_left_out(deck: CardDeck, knowledge: Knowledge) -> None:
    request = hook_request(user=None, encounter_id=None)
    for resource in resources(card(deck, assessment(knowledge), request=request)):
        assert "encounter" not in resource
        assert "requester" not in resource


def test_the_follow_up_is_due_four_weeks_from_the_day_of_the_call(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    # 22 November 2026 and 28 days: 8 days are left of November, so 20 December.
    due = [r.get("occurrenceDateTime") for r in resources(card(deck, assessment(knowledge)))]
    assert due == [None, None, None, "2026-12-20", None, None, None]


def test_naloxone_is_offered_where_the_assessment_asks_for_it(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    shown = card(deck, assessment(knowledge, needs_naloxone_offer=True))
    assert labels(shown) == [NALOXONE, *STANDARD_OFFERS]
    # No `text`: the CDS Hooks Sandbox would put the drug in place of the one being ordered.
    assert resources(shown)[0]["medicationCodeableConcept"] == {
        "coding": [
            {
                "system": RXNORM,
                "code": "1725059",
                "display": "naloxone hydrochloride 40 MG/ML Nasal Spray",
            }
        ]
    }


def test_naloxone_among_drafts_that_are_not_selected_is_not_offered_again(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    # 2540703 is another nasal spray than the one on offer.
    draft: JsonObject = {
        "resourceType": "MedicationRequest",
        "medicationCodeableConcept": concept(RXNORM, "2540703"),
    }
    found = assessment(knowledge, needs_naloxone_offer=True)
    request = hook_request(other_draft_entries=(draft,))
    assert NALOXONE not in labels(card(deck, found, request=request))


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("306265007", REHABILITATION),
        ("390866009", BEHAVIOURAL),
        ("308477009", BEHAVIOURAL),
        ("308440001", SOCIAL_WORK),
        ("428481000124106", SOCIAL_WORK),
        ("425604002", FOLLOW_UP),
        ("464001000124109", FOLLOW_UP),
    ],
)
def test_what_is_active_on_the_record_or_drafted_is_not_offered_again(
    deck: CardDeck, knowledge: Knowledge, code: str, gone: str
) -> None:
    rest = [label for label in STANDARD_OFFERS if label != gone]
    assert offered(deck, knowledge, care_events=(referral(code),)) == rest
    draft: JsonObject = {"resourceType": "ServiceRequest", "code": concept(SNOMED_CT, code)}
    request = hook_request(other_draft_entries=(draft,))
    assert labels(card(deck, assessment(knowledge), request=request)) == rest


@pytest.mark.parametrize("status", ["completed", "revoked", "stopped", "entered-in-error", None])
def test_what_is_over_is_offered_again(
    deck: CardDeck, knowledge: Knowledge, status: str | None
) -> None:
    event = referral("306265007", status=status)
    assert REHABILITATION in offered(deck, knowledge, care_events=(event,))


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "revoked"},
        {"status": "cancelled"},
        {"status": "entered-in-error"},
        {"doNotPerform": True},
    ],
)
def test_a_draft_that_was_taken_back_hinders_no_offer(
    deck: CardDeck, knowledge: Knowledge, changes: JsonObject
) -> None:
    code = concept(SNOMED_CT, "308440001")
    draft: JsonObject = {"resourceType": "ServiceRequest", "code": code, **changes}
    request = hook_request(other_draft_entries=(draft,))
    assert labels(card(deck, assessment(knowledge), request=request)) == STANDARD_OFFERS


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"code": None},
        {"code": "x"},
        {"code": {"coding": None}},
        {"code": {"coding": "x"}},
        {"code": {"coding": [None, {}, {"system": 1, "code": 2}, {"system": "x"}]}},
        {"status": []},
        {"status": {}},
        {"status": 1},
    ],
)
def test_a_broken_draft_hinders_no_offer(
    deck: CardDeck, knowledge: Knowledge, draft: JsonObject
) -> None:
    request = hook_request(orders=(draft,), other_draft_entries=(draft,))
    assert labels(card(deck, assessment(knowledge), request=request)) == STANDARD_OFFERS


@pytest.mark.parametrize(
    ("code", "gone"),
    [
        ("44249-1", MOOD),
        ("44261-6", MOOD),
        ("102010-6", TRAUMA),
        ("102017-1", TRAUMA),
        ("101698-9", TRAUMA),
        ("106418-7", LONELINESS),
        ("106421-1", LONELINESS),
    ],
)
def test_a_screen_answered_of_late_is_not_offered(
    deck: CardDeck, knowledge: Knowledge, code: str, gone: str
) -> None:
    rest = [label for label in STANDARD_OFFERS if label != gone]
    assert offered(deck, knowledge, observations=(answered(code, days=30),)) == rest


# Twelve months before 22 November 2026 is 22 November 2025, 365 days ago.
@pytest.mark.parametrize(("days", "is_offered"), [(364, False), (365, False), (366, True)])
def test_a_screen_is_good_for_twelve_months(
    deck: CardDeck, knowledge: Knowledge, days: int, is_offered: bool
) -> None:
    labels_shown = offered(deck, knowledge, observations=(answered("44261-6", days=days),))
    assert (MOOD in labels_shown) is is_offered


def test_a_screen_that_was_not_finished_is_offered(deck: CardDeck, knowledge: Knowledge) -> None:
    unfinished = answered("44261-6", days=3, status="preliminary")
    undated = replace(answered("44261-6", days=3), effective=None)
    assert MOOD in offered(deck, knowledge, observations=(unfinished, undated))


def test_no_screen_is_called_missing_when_screens_could_not_be_read(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    unread = ALL_LISTS - {"Observation"}
    assert offered(deck, knowledge, lists_read=unread) == [
        REHABILITATION,
        BEHAVIOURAL,
        SOCIAL_WORK,
        FOLLOW_UP,
    ]


LOSS = evidence("interpersonal_loss_broken_bonds")
ISOLATION = evidence("social_isolation_loneliness")
EXCLUSION = evidence("rejection_exclusion_discrimination")
MOOD_CONDITION = evidence("depression_marker", sensitivity="MH")
GRIEF_DISORDER = evidence("interpersonal_loss_broken_bonds", sensitivity="MH")
ABUSE = evidence("abuse_victimisation", sensitivity="SDV")
BULLYING = evidence("rejection_exclusion_discrimination", sensitivity="VIO")
LIVES_ALONE = evidence("social_isolation_loneliness", sensitivity="LIVARG")
CONTEXT = evidence("psychosocial_stress_context", strength="context")
PAST = evidence("depression_marker", sensitivity="MH", counts=False)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ((), BEHAVIOURAL),
        ((LOSS,), COUNSELLING),
        ((LOSS, CONTEXT, PAST), COUNSELLING),
        ((ISOLATION,), GROUP),
        ((EXCLUSION,), GROUP),
        ((ISOLATION, EXCLUSION, LIVES_ALONE), GROUP),
        ((LOSS, ISOLATION), BEHAVIOURAL),
        ((MOOD_CONDITION,), BEHAVIOURAL),
        ((LOSS, MOOD_CONDITION), BEHAVIOURAL),
        ((GRIEF_DISORDER,), BEHAVIOURAL),
        ((ABUSE,), BEHAVIOURAL),
        ((BULLYING,), BEHAVIOURAL),
        ((LOSS, ABUSE), BEHAVIOURAL),
        ((ISOLATION, BULLYING), BEHAVIOURAL),
    ],
)
def test_the_referral_matches_what_is_recorded_unless_that_is_sensitive(
    deck: CardDeck, knowledge: Knowledge, recorded: tuple[object, ...], expected: str
) -> None:
    shown = card(deck, assessment(knowledge, recorded=recorded))  # type: ignore[arg-type]
    assert labels(shown)[1] == expected


def without_the_record(shown: Card) -> Card:
    return {key: value for key, value in shown.items() if key != "detail"}


def test_all_but_the_detail_is_the_same_for_sensitive_history_and_for_low_mood(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    sensitive = card(deck, assessment(knowledge, recorded=[ABUSE]))
    other = card(deck, assessment(knowledge, recorded=[MOOD_CONDITION]))
    assert without_the_record(sensitive) == without_the_record(other)


def test_a_referral_of_the_general_kind_stands_for_the_matched_one(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = assessment(knowledge, recorded=[LOSS], care_events=(referral("390866009"),))
    assert COUNSELLING not in labels(card(deck, found))


def test_each_rule_makes_its_own_offers(deck: CardDeck, knowledge: Knowledge) -> None:
    def of(rule: str) -> list[str]:
        return labels(card(deck, assessment(knowledge, needs_naloxone_offer=True), rule=rule))

    assert of("opioid-use-disorder-review") == [NALOXONE, TREATMENT, FOLLOW_UP]
    assert of("social-history-not-recorded") == [NALOXONE, MOOD, TRAUMA, LONELINESS, FOLLOW_UP]
    assert of("record-incomplete") == []
    for rule in ("long-term-renewal-possible", "crossing-ninety-days", "long-term-therapy-review"):
        assert of(rule) == [NALOXONE, *STANDARD_OFFERS]


def test_the_treatment_referral_names_no_condition(deck: CardDeck, knowledge: Knowledge) -> None:
    shown = card(deck, assessment(knowledge), rule="opioid-use-disorder-review")
    treatment = resources(shown)[0]
    assert treatment["code"] == {"text": TREATMENT}
