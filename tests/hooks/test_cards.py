"""What each card says, and what it leaves unsaid: clinical.md sections 7 to 9."""

from __future__ import annotations

import pytest

from cds_service.clinical.exposure import PossiblyLongTerm
from cds_service.clinical.knowledge import Knowledge, Sensitivity
from cds_service.clinical.record import GapKind
from cds_service.clinical.rules import RULES
from cds_service.hooks.cards import CardDeck
from tests.assessments import ALL_LISTS, assessment, dose, evidence, gap, opioid_draft
from tests.hooks.builders import STANDARD, Card, card, hook_request, labels, paragraph

RULE_IDS = [rule.id for rule in RULES]
SENSITIVE = "sensitive history on file - open the chart in private"


def record_part(shown: Card) -> str:
    return paragraph(shown, "In this record")


def unknown_part(shown: Card) -> str:
    return paragraph(shown, "Not known")


def test_the_warning_card_reads_like_this(deck: CardDeck, knowledge: Knowledge) -> None:
    shown = card(
        deck,
        assessment(
            knowledge,
            recorded=[evidence(year=2025), evidence("depression_marker", year=2024)],
            pain=("back_neck_pain",),
        ),
    )
    # 300 days to 22 November 2026, both ends included: the first is 27 January 2026.
    assert shown["summary"] == (
        "Long-term opioid renewal (300 days): review pain together with mood and social context"
    )
    assert shown["indicator"] == "warning"
    assert shown["detail"].split("\n\n") == [
        "**In this record:** Opioid therapy for 300 days (long-term: more than 90), since "
        "2026-01-27. Ordered or current: oxycodone. Daily dose: 40 MME (CDC 2022 factors). "
        "Recorded: loss or separation (2025); depression or low mood (2024). Pain named: back or "
        "neck pain.",
        "**What the authors argue:** Where physical and social pain coexist, long-term opioid "
        'therapy is "more likely to harm than help", and pain ratings are "not a good guide".',
        "**What can help:** Multimodal pain care, multidisciplinary pain rehabilitation, a nurse "
        "care manager or collaborative care, treatment of the recorded condition, social work.",
        "**Do not stop or rapidly reduce the opioid because of this card:** Discontinuation "
        '"has been associated with suicide and all-cause mortality". The person is not to blame. '
        "If a taper is ever chosen: jointly, and slowly.",
        "**Not known:** nothing found missing in the records used.",
        "Expert essay (Sullivan & Ballantyne 2021), not a guideline. This service reports what is "
        "recorded, for the prescriber's judgement; knowledge version "
        f"{knowledge.version} ({knowledge.digest}).",
    ]


@pytest.mark.parametrize(
    ("rule", "days", "summary"),
    [
        (
            "opioid-use-disorder-review",
            300,
            "Opioid therapy (300 days): review together with a condition recorded in this chart",
        ),
        (
            "opioid-use-disorder-review",
            None,
            "Opioid therapy: review together with a condition recorded in this chart",
        ),
        (
            "long-term-renewal-possible",
            300,
            "Long-term opioid renewal (300 days): consider reviewing pain together with mood and "
            "social context",
        ),
        (
            "long-term-renewal-possible",
            60,
            "Opioid renewal, possibly long-term: consider reviewing pain together with mood and "
            "social context",
        ),
        (
            "crossing-ninety-days",
            80,
            "This opioid order goes beyond 90 days: a good moment to review pain, mood and social "
            "context",
        ),
        (
            "long-term-therapy-review",
            300,
            "Long-term opioid therapy (300 days): consider reviewing pain together with mood and "
            "social context",
        ),
        (
            "long-term-therapy-review",
            None,
            "Opioid therapy, possibly long-term: consider reviewing pain together with mood and "
            "social context",
        ),
        (
            "social-history-not-recorded",
            300,
            "Long-term opioid therapy (300 days): no mood or social screen found in the last 12 "
            "months",
        ),
        (
            "record-incomplete",
            None,
            "Part of the record could not be read: the check of opioid therapy and social context "
            "is incomplete",
        ),
    ],
)
def test_each_rule_has_its_summary(
    deck: CardDeck, knowledge: Knowledge, rule: str, days: int | None, summary: str
) -> None:
    assert card(deck, assessment(knowledge, run_days=days), rule=rule)["summary"] == summary


@pytest.mark.parametrize("rule", RULE_IDS)
def test_every_card_says_not_to_stop_and_what_it_is_based_on(
    deck: CardDeck, knowledge: Knowledge, rule: str
) -> None:
    for concern in (False, True):
        detail = card(deck, assessment(knowledge, has_safety_concern=concern), rule=rule)["detail"]
        assert "Do not stop or rapidly reduce the opioid because of this card" in detail
        assert '"has been associated with suicide and all-cause mortality"' in detail
        assert "The person is not to blame." in detail
        assert "Expert essay (Sullivan & Ballantyne 2021), not a guideline." in detail
        assert knowledge.version in detail


@pytest.mark.parametrize("rule", RULE_IDS)
def test_a_safety_concern_adds_its_sentence_and_takes_away_every_word_about_tapering(
    deck: CardDeck, knowledge: Knowledge, rule: str
) -> None:
    plain = card(deck, assessment(knowledge), rule=rule)
    careful = card(deck, assessment(knowledge, has_safety_concern=True), rule=rule)
    if rule != "opioid-use-disorder-review":
        assert "taper" in plain["detail"]
    assert "A safety concern is on file: ask about it today." in careful["detail"]
    rest = careful["detail"].replace("Do not stop or rapidly reduce", "")
    for word in ("taper", "reduc", "slowly", "lower"):
        assert word not in rest.lower()
    assert careful["overrideReasons"] == plain["overrideReasons"]


def test_where_treatment_of_the_disorder_comes_first_no_dose_is_spoken_of(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    shown = card(
        deck,
        assessment(knowledge, has_opioid_use_disorder=True),
        rule="opioid-use-disorder-review",
    )
    assert record_part(shown).startswith(
        "Opioid use disorder is recorded; no medication treatment for it was found."
    )
    assert "offering or arranging treatment with medication" in shown["detail"]
    rest = shown["detail"].replace("Do not stop or rapidly reduce", "")
    for word in ("taper", "reduc", "MME", "more likely to harm"):
        assert word not in rest


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (dose("60"), "60 MME (CDC 2022 factors)"),
        (dose("60.00"), "60 MME (CDC 2022 factors)"),
        (dose("37.5"), "37.5 MME (CDC 2022 factors)"),
        (dose("49.99"), "49.9 MME (CDC 2022 factors)"),  # rounded down: "at least" stays true
        (dose("100"), "100 MME (CDC 2022 factors)"),
        (dose("9999.5"), "9999.5 MME (CDC 2022 factors)"),
        (dose("60", unconverted=1), "at least 60 MME (CDC 2022 factors)"),
        (dose("60", is_form_assumed=True), "at least 60 MME (CDC 2022 factors)"),
        (dose(None, unconverted=1), "not computable from what is recorded"),
        (dose("0", unconverted=1), "not computable from what is recorded"),
    ],
)
def test_the_daily_dose_is_a_number_at_least_a_number_or_not_computable(
    deck: CardDeck, knowledge: Knowledge, found: object, expected: str
) -> None:
    shown = card(deck, assessment(knowledge, daily_dose=found))  # type: ignore[arg-type]
    assert f"Daily dose: {expected}." in record_part(shown)


def test_without_an_opioid_order_no_dose_is_spoken_of(deck: CardDeck, knowledge: Knowledge) -> None:
    assert "dose" not in record_part(card(deck, assessment(knowledge, daily_dose=dose(None))))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (dose("60", unconverted=1), "the daily dose of 1 opioid order"),
        (dose("60", unconverted=2), "the daily doses of 2 opioid orders"),
        (
            dose("60", is_form_assumed=True),
            "whether this order replaces a current one of the same opioid or adds to it",
        ),
    ],
)
def test_why_a_dose_is_only_a_lower_bound_is_told(
    deck: CardDeck, knowledge: Knowledge, found: object, expected: str
) -> None:
    shown = card(deck, assessment(knowledge, daily_dose=found))  # type: ignore[arg-type]
    assert unknown_part(shown) == f"{expected}."


def test_several_opioids_are_named_once_each(deck: CardDeck, knowledge: Knowledge) -> None:
    drafts = (opioid_draft("tramadol"), opioid_draft("meperidine"), opioid_draft("tramadol"))
    shown = card(deck, assessment(knowledge, drafts=drafts))
    assert "Ordered or current: meperidine (pethidine), tramadol." in record_part(shown)


def test_a_category_is_named_once_with_its_latest_year_and_the_latest_first(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = [
        evidence("social_isolation_loneliness", year=None),
        evidence("depression_marker", year=2019),
        evidence("interpersonal_loss_broken_bonds", year=2021),
        evidence("interpersonal_loss_broken_bonds", year=2025),
        evidence("interpersonal_loss_broken_bonds", year=None),
    ]
    assert (
        "Recorded: loss or separation (2025); depression or low mood (2019); "
        "isolation or loneliness."
    ) in record_part(card(deck, assessment(knowledge, recorded=found)))


def test_what_does_not_count_and_mere_context_are_not_named(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = [evidence(counts=False), evidence("depression_marker", strength="context")]
    assert "Recorded" not in card(deck, assessment(knowledge, recorded=found))["detail"]


@pytest.mark.parametrize("sensitivity", ["SDV", "VIO"])
@pytest.mark.parametrize("rule", RULE_IDS)
def test_sensitive_history_is_one_phrase_without_year_count_or_kind(
    deck: CardDeck, knowledge: Knowledge, rule: str, sensitivity: Sensitivity
) -> None:
    few = [evidence("abuse_victimisation", year=2025, sensitivity=sensitivity)]
    many = [
        evidence("psychological_trauma_ptsd_ace", year=1999, sensitivity=sensitivity),
        evidence("rejection_exclusion_discrimination", year=None, sensitivity=sensitivity),
        evidence("abuse_victimisation", year=2001, sensitivity=sensitivity, strength="supporting"),
    ]
    first = card(deck, assessment(knowledge, recorded=few), rule=rule)
    second = card(deck, assessment(knowledge, recorded=many), rule=rule)
    assert first == second
    assert f"Recorded: {SENSITIVE}." in record_part(first)
    assert "2025" not in first["detail"]


def test_sensitive_history_stands_beside_what_may_be_named(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = [evidence("abuse_victimisation", sensitivity="SDV"), evidence(year=2024)]
    shown = card(deck, assessment(knowledge, recorded=found))
    assert f"Recorded: loss or separation (2024); {SENSITIVE}." in record_part(shown)


@pytest.mark.parametrize("rule", RULE_IDS)
def test_a_mental_health_condition_is_named_in_the_detail_only(
    deck: CardDeck, knowledge: Knowledge, rule: str
) -> None:
    found = [evidence("depression_marker", sensitivity="MH")]
    shown = card(deck, assessment(knowledge, recorded=found), rule=rule)
    assert "depression or low mood" in shown.pop("detail")
    assert "depress" not in str(shown).lower()


def test_pain_is_named_in_our_words_and_a_label_that_explains_it_away_never(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    pain = ("headache", "pain_disorder_psychological_label", "visceral_pelvic_pain")
    shown = card(deck, assessment(knowledge, pain=pain))
    assert "Pain named: headache, abdominal or pelvic pain." in record_part(shown)
    only_label = card(deck, assessment(knowledge, pain=("pain_disorder_psychological_label",)))
    assert "Pain named" not in only_label["detail"]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (("renewal-chain",), "repeated orders whose supply length is not recorded"),
        (("continuous-therapy",), "an order marked as continuous therapy"),
        (("z79-891",), "a recorded code for long-term opioid use"),
        (("refill-without-history",), "a refill request, without past orders to look at"),
        (
            ("renewal-chain", "z79-891"),
            "repeated orders whose supply length is not recorded; a recorded code for long-term "
            "opioid use",
        ),
    ],
)
def test_why_therapy_is_thought_long_term_is_told_when_no_run_shows_it(
    deck: CardDeck, knowledge: Knowledge, reasons: tuple[PossiblyLongTerm, ...], expected: str
) -> None:
    uncertain = assessment(knowledge, run_days=None, possibly_long_term=reasons)
    shown = card(deck, uncertain, rule="long-term-renewal-possible")
    assert record_part(shown).startswith(f"Possibly long-term: {expected}.")
    certain = assessment(knowledge, run_days=300, possibly_long_term=reasons)
    assert "Possibly" not in record_part(card(deck, certain, rule="long-term-renewal-possible"))


def test_a_crossing_order_tells_how_far_it_reaches(deck: CardDeck, knowledge: Knowledge) -> None:
    # A run of 80 days to today; 30 days from today on: the first day is 79 days before the draft
    # starts, so 79 + 30 = 109 days.
    draft = opioid_draft(days=30)
    renewing = assessment(knowledge, run_days=80, drafts=(draft,), crossing_drafts=(draft,))
    shown = card(deck, renewing, rule="crossing-ninety-days", indicator="info")
    assert "With this order the therapy reaches 109 days." in record_part(shown)
    assert record_part(shown).startswith("Opioid therapy for 80 days (long-term: more than 90)")


def test_a_first_order_that_crosses_tells_its_own_length(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    short, long = opioid_draft(days=100), opioid_draft("morphine", days=120)
    first = assessment(
        knowledge, run_days=None, drafts=(short, long), crossing_drafts=(short, long)
    )
    shown = card(deck, first, rule="crossing-ninety-days", indicator="info")
    assert record_part(shown).startswith("With this order the therapy reaches 120 days.")


def test_high_dose_benzodiazepine_and_naloxone_have_their_lines(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = assessment(
        knowledge,
        daily_dose=dose("50"),
        has_benzodiazepine=True,
        needs_naloxone_offer=True,
    )
    assert paragraph(card(deck, found), "Safety") == (
        "A benzodiazepine is current as well; CDC 2022 asks for particular caution with both. "
        "The daily dose is 50 MME or more. "
        "Consider offering naloxone: no order of the last 24 months was found."
    )


@pytest.mark.parametrize(("mme", "is_said"), [("49.9", False), ("50", True), ("50.1", True)])
def test_fifty_mme_is_a_high_dose(
    deck: CardDeck, knowledge: Knowledge, mme: str, is_said: bool
) -> None:
    shown = card(deck, assessment(knowledge, daily_dose=dose(mme)))
    assert ("50 MME or more" in shown["detail"]) is is_said


def test_without_a_reason_nothing_is_said_about_safety(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    shown = card(deck, assessment(knowledge, daily_dose=dose("20")))
    assert "**Safety" not in shown["detail"]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (1, "supply length not recorded; estimated from 1 order."),
        (3, "supply length not recorded; estimated from 3 orders."),
    ],
)
def test_an_estimated_supply_is_told(
    deck: CardDeck, knowledge: Knowledge, orders: int, expected: str
) -> None:
    shown = card(deck, assessment(knowledge, estimated_orders=orders))
    assert unknown_part(shown) == expected


@pytest.mark.parametrize(
    ("orders", "expected"),
    [(1, "the day on which 1 order began."), (2, "the days on which 2 orders began.")],
)
def test_a_start_without_a_day_is_told_and_no_missing_supply(
    deck: CardDeck, knowledge: Knowledge, orders: int, expected: str
) -> None:
    shown = card(deck, assessment(knowledge, imprecise_starts=orders))
    assert unknown_part(shown) == expected


@pytest.mark.parametrize(
    ("kind", "one", "two"),
    [
        (
            GapKind.ORDER_UNREADABLE,
            "1 medication order could not be read",
            "2 medication orders could not be read",
        ),
        (
            GapKind.DRUG_UNRESOLVED,
            "the drug of 1 order could not be identified",
            "the drugs of 2 orders could not be identified",
        ),
        (
            GapKind.START_UNKNOWN,
            "1 opioid order has no date",
            "2 opioid orders have no date",
        ),
        (
            GapKind.ORDERS_INCOMPLETE,
            "only part of the medication orders could be read",
            "only part of the medication orders could be read",
        ),
        (
            GapKind.CONDITION_UNREADABLE,
            "1 condition could not be read",
            "2 conditions could not be read",
        ),
        (
            GapKind.CONDITIONS_INCOMPLETE,
            "only part of the conditions could be read",
            "only part of the conditions could be read",
        ),
        (
            GapKind.PATIENT_UNREADABLE,
            "age and vital status could not be checked",
            "age and vital status could not be checked",
        ),
        (
            GapKind.OPTIONAL_UNREADABLE,
            "part of the screening results, procedures, referrals or encounters could not be read",
            "part of the screening results, procedures, referrals or encounters could not be read",
        ),
        (
            GapKind.ELEMENT_UNREADABLE,
            "1 detail of an entry could not be read and was left out",
            "2 details of entries could not be read and were left out",
        ),
    ],
)
@pytest.mark.parametrize("rule", RULE_IDS)
def test_every_kind_of_gap_has_its_words_on_every_card(
    deck: CardDeck, knowledge: Knowledge, rule: str, kind: GapKind, one: str, two: str
) -> None:
    single = assessment(knowledge, gaps=(gap(kind),))
    double = assessment(knowledge, gaps=(gap(kind), gap(kind, is_draft=True)))
    assert unknown_part(card(deck, single, rule=rule)) == f"{one}."
    assert unknown_part(card(deck, double, rule=rule)) == f"{two}."


def test_lists_that_were_not_to_be_had_are_named_in_one_line(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    known = ALL_LISTS - {"Observation", "Procedure", "Encounter"}
    shown = card(deck, assessment(knowledge, lists_read=known))
    assert unknown_part(shown) == (
        "not available to this check: screening results, procedures, encounters."
    )


def test_a_list_that_a_gap_speaks_of_is_not_named_twice(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = assessment(
        knowledge,
        lists_read=ALL_LISTS - {"Patient"},
        gaps=(gap(GapKind.PATIENT_UNREADABLE),),
    )
    assert unknown_part(card(deck, found)) == "age and vital status could not be checked."


def test_the_source_is_named_with_a_topic_that_is_the_rule(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    assert card(deck, assessment(knowledge))["source"] == {
        "label": "Sullivan & Ballantyne 2021, expert essay (Ann Fam Med)",
        "url": "https://cds.example.org/about",
        "topic": {
            "system": "urn:cds-service:opioid-social-pain:topic",
            "code": STANDARD,
            "display": "Long-term opioid renewal with recorded social pain",
        },
    }


@pytest.mark.parametrize("rule", RULE_IDS)
def test_the_links_lead_to_the_paper_the_guideline_and_our_own_page(
    deck: CardDeck, knowledge: Knowledge, rule: str
) -> None:
    links = card(deck, assessment(knowledge), rule=rule)["links"]
    assert [link["url"] for link in links] == [
        "https://doi.org/10.1370/afm.2591",
        "https://www.cdc.gov/mmwr/volumes/71/rr/rr7103a1.htm",
        f"https://cds.example.org/about#{rule}",
    ]
    assert {link["type"] for link in links} == {"absolute"}


@pytest.mark.parametrize("rule", RULE_IDS)
def test_the_override_reasons_are_the_same_on_every_card(
    deck: CardDeck, knowledge: Knowledge, rule: str
) -> None:
    reasons = card(deck, assessment(knowledge), rule=rule)["overrideReasons"]
    assert {reason["system"] for reason in reasons} == {
        "urn:cds-service:opioid-social-pain:override-reason"
    }
    assert [reason["display"] for reason in reasons] == [
        "Benefit outweighs harm, discussed with the patient",
        "Already in multimodal or multidisciplinary care",
        "Cancer, palliative or sickle cell care not visible here",
        "Taper or change already planned",
        "Patient declines",
        "Will address at a coming visit",
        "Record wrong or outdated",
        "Not my patient, or triggered in error",
    ]


def test_override_reasons_map_to_the_codes_that_cds_hooks_suggests(deck: CardDeck) -> None:
    assert {reason.code: reason.standard_code for reason in deck.override_reasons} == {
        "benefit-outweighs-harm": "risk-benefit-ratio",
        "multimodal-care-in-place": "action-completed",
        "cancer-palliative-sickle-cell": "patient-ineligible",
        "change-planned": "mitigate-risk-negative-outcome",
        "patient-declines": "patient-refuses",
        "coming-visit": "limited-time",
        "record-wrong": "cds-not-applicable",
        "triggered-in-error": "inappropriate-recipient",
    }
    assert deck.override_standard_system == (
        "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
    )


def test_the_same_call_gets_the_same_card(deck: CardDeck, knowledge: Knowledge) -> None:
    found = assessment(knowledge, recorded=[evidence()])
    assert card(deck, found) == card(deck, found)


def test_uuids_differ_by_call_service_rule_and_suggestion(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    found = assessment(knowledge)
    shown = [
        card(deck, found),
        card(
            deck, found, request=hook_request(hook_instance="00000000-0000-4000-8000-000000000000")
        ),
        card(deck, found, request=hook_request(service_id="opioid-social-pain-order-select")),
        card(deck, found, rule="long-term-renewal-possible"),
    ]
    uuids = [one["uuid"] for one in shown]
    uuids += [suggestion["uuid"] for one in shown for suggestion in one["suggestions"]]
    assert len(set(uuids)) == len(uuids)


def test_the_indicator_is_that_of_the_recommendation(deck: CardDeck, knowledge: Knowledge) -> None:
    assert card(deck, assessment(knowledge), indicator="info")["indicator"] == "info"


def test_a_card_without_suggestions_has_no_selection_behaviour(
    deck: CardDeck, knowledge: Knowledge
) -> None:
    shown = card(deck, assessment(knowledge), rule="record-incomplete")
    assert labels(shown) == []
    assert "selectionBehavior" not in shown
    assert "suggestions" not in shown
