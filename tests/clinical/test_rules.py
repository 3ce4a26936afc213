"""Sections 5 and 7 of the clinical specification: what is said, when, and to how much urgency."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cds_service.clinical.assessment import Assessment, Hook, assess
from cds_service.clinical.knowledge import Knowledge
from cds_service.clinical.record import Condition, DataGap, GapKind, Order, PatientRecord
from cds_service.clinical.rules import RULES, recommend
from tests.clinical.builders import (
    BUPRENORPHINE_NALOXONE,
    METHADONE_10,
    TODAY,
    TRAMADOL_50,
    days_ago,
    event,
    fills,
    icd,
    named,
    order,
    record,
    rxnorm,
    screen,
    snomed,
)

LONG = fills(count=4, days=30)  # 120 days up to today
SHORT = fills(count=1, days=30)
DRAFT = order("MedicationRequest/draft", status="draft", days=30)
GRIEF = icd("Z63.4")  # core
ALONE = icd("Z60.2")  # supporting
OUD = icd("F11.20")
UNCERTAIN_NEOPLASM = icd("D47.2")
CANCER = icd("C61")
LOW_DOSE_NALOXONE = order("MedicationRequest/n", start=days_ago(10), drug=named("Narcan nasal"))

ORDER_HOOKS: tuple[Hook, ...] = ("order-sign", "medication-refill", "order-select")


def look(knowledge: Knowledge, hook: Hook, seen: PatientRecord) -> Assessment:
    return assess(seen, knowledge, as_of=TODAY, hook=hook)


def said(
    knowledge: Knowledge,
    hook: Hook,
    *conditions: Condition,
    orders: tuple[Order, ...] = LONG,
    drafts: tuple[Order, ...] = (DRAFT,),
    **more: object,
) -> tuple[tuple[str, str], ...]:
    if hook == "patient-view":
        drafts = ()
    seen = record(orders=orders, drafts=drafts, conditions=conditions, **more)
    return tuple((r.rule_id, r.indicator) for r in recommend(look(knowledge, hook, seen)))


def test_the_rules_stand_in_the_order_of_the_specification() -> None:
    assert [rule.id for rule in RULES] == [
        "opioid-use-disorder-review",
        "long-term-renewal-social-pain",
        "long-term-renewal-possible",
        "crossing-ninety-days",
        "long-term-therapy-review",
        "social-history-not-recorded",
        "record-incomplete",
    ]


# -- the renewal -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "indicator"),
    [("order-sign", "warning"), ("medication-refill", "warning"), ("order-select", "info")],
)
def test_renewing_long_term_therapy_with_documented_social_pain_is_the_warning(
    knowledge: Knowledge, hook: Hook, indicator: str
) -> None:
    assert said(knowledge, hook, GRIEF) == (("long-term-renewal-social-pain", indicator),)


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_possible_social_pain_is_for_information(knowledge: Knowledge, hook: Hook) -> None:
    assert said(knowledge, hook, ALONE) == (("long-term-renewal-possible", "info"),)


@pytest.mark.parametrize("condition", [GRIEF, ALONE])
@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_therapy_that_may_be_long_term_is_for_information(
    knowledge: Knowledge, hook: Hook, condition: Condition
) -> None:
    seen = said(knowledge, hook, condition, icd("Z79.891"), orders=SHORT)
    assert seen == (("long-term-renewal-possible", "info"),)


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_without_social_pain_nothing_is_said(knowledge: Knowledge, hook: Hook) -> None:
    assert said(knowledge, hook) == ()


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_a_short_course_raises_nothing(knowledge: Knowledge, hook: Hook) -> None:
    assert said(knowledge, hook, GRIEF, orders=fills(count=1, days=20)) == ()


@pytest.mark.parametrize("hook", ["order-sign", "order-select"])
def test_a_new_order_long_after_the_last_run_is_no_renewal(
    knowledge: Knowledge, hook: Hook
) -> None:
    past = fills(count=4, days=30, last_ends=days_ago(31))
    assert said(knowledge, hook, GRIEF, orders=past) == ()


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_another_opioid_than_the_one_taken_is_a_renewal_too(
    knowledge: Knowledge, hook: Hook
) -> None:
    other = order("MedicationRequest/draft", status="draft", drug=rxnorm(TRAMADOL_50))
    ((rule_id, _),) = said(knowledge, hook, GRIEF, drafts=(other,))
    assert rule_id == "long-term-renewal-social-pain"


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_signing_another_drug_raises_nothing(knowledge: Knowledge, hook: Hook) -> None:
    other = order("MedicationRequest/draft", status="draft", drug=named("ibuprofen 400 mg"))
    assert said(knowledge, hook, GRIEF, drafts=(other,)) == ()
    assert said(knowledge, hook, GRIEF, drafts=()) == ()


def test_a_refill_is_a_renewal_even_long_after_the_last_run(knowledge: Knowledge) -> None:
    past = fills(count=4, days=30, last_ends=days_ago(60))
    seen = said(knowledge, "medication-refill", GRIEF, icd("Z79.891"), orders=past)
    assert seen == (("long-term-renewal-possible", "info"),)


def test_a_refill_without_any_order_history_may_be_long_term(knowledge: Knowledge) -> None:
    unread = frozenset({"Condition"})
    seen = said(knowledge, "medication-refill", GRIEF, orders=(), lists_read=unread)
    assert seen == (("long-term-renewal-possible", "info"),)


@pytest.mark.parametrize(
    ("hook", "orders", "signs"),
    [
        ("medication-refill", (), ("refill-without-history",)),
        ("medication-refill", SHORT, ()),  # part of a history is one
        ("order-sign", (), ()),
        ("order-select", (), ()),
        ("patient-view", (), ()),
    ],
)
def test_a_want_of_history_is_a_sign_only_where_a_refill_says_that_there_was_one(
    knowledge: Knowledge, hook: Hook, orders: tuple[Order, ...], signs: tuple[str, ...]
) -> None:
    seen = record(orders=orders, drafts=(DRAFT,), lists_read=frozenset({"Condition"}))
    assert look(knowledge, hook, seen).exposure.possibly_long_term == signs


def test_a_refill_whose_history_was_read_and_is_empty_is_not(knowledge: Knowledge) -> None:
    assert said(knowledge, "medication-refill", GRIEF, orders=()) == ()


def test_an_order_that_starts_today_and_is_being_signed_is_not_its_own_history(
    knowledge: Knowledge,
) -> None:
    signed = order("MedicationRequest/1", start=TODAY, days=91, status="active")
    seen = said(knowledge, "order-sign", GRIEF, orders=(signed,), drafts=(signed,))
    assert seen == (("crossing-ninety-days", "info"),)  # a first order of 91 days, no renewal
    signed = order("MedicationRequest/1", start=TODAY, days=90, status="active")
    assert said(knowledge, "order-sign", GRIEF, orders=(signed,), drafts=(signed,)) == ()


def test_an_order_of_the_past_that_is_refilled_is_history(knowledge: Knowledge) -> None:
    refilled = order("MedicationRequest/1", start=days_ago(100), days=101)
    ((rule_id, _),) = said(
        knowledge, "medication-refill", GRIEF, orders=(refilled,), drafts=(refilled,)
    )
    assert rule_id == "long-term-renewal-social-pain"


# -- crossing --------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", [GRIEF, ALONE])
@pytest.mark.parametrize("hook", ["order-sign", "medication-refill"])
def test_crossing_ninety_days_is_for_information(
    knowledge: Knowledge, hook: Hook, condition: Condition
) -> None:
    seen = said(knowledge, hook, condition, orders=fills(count=2, days=40))
    assert seen == (("crossing-ninety-days", "info"),)


def test_crossing_is_not_said_while_an_order_is_chosen(knowledge: Knowledge) -> None:
    assert said(knowledge, "order-select", GRIEF, orders=fills(count=2, days=40)) == ()


def test_crossing_without_social_pain_raises_nothing(knowledge: Knowledge) -> None:
    assert said(knowledge, "order-sign", orders=fills(count=2, days=40)) == ()


# -- opening the chart -----------------------------------------------------------------------


@pytest.mark.parametrize("condition", [GRIEF, ALONE])
def test_opening_the_chart_of_long_term_therapy_with_social_pain_is_for_information(
    knowledge: Knowledge, condition: Condition
) -> None:
    seen = said(knowledge, "patient-view", condition)
    assert seen == (("long-term-therapy-review", "info"),)


def test_opening_the_chart_of_therapy_that_may_be_long_term_is_for_information(
    knowledge: Knowledge,
) -> None:
    seen = said(knowledge, "patient-view", GRIEF, icd("Z79.891"), orders=SHORT)
    assert seen == (("long-term-therapy-review", "info"),)


def test_opening_the_chart_after_therapy_has_ended_raises_nothing(knowledge: Knowledge) -> None:
    past = fills(count=4, days=30, last_ends=days_ago(31))
    assert said(knowledge, "patient-view", GRIEF, orders=past) == ()


SCREENED = frozenset({"MedicationRequest", "Condition", "Observation"})


def test_long_term_therapy_never_screened_asks_for_a_screen(knowledge: Knowledge) -> None:
    seen = said(knowledge, "patient-view", lists_read=SCREENED)
    assert seen == (("social-history-not-recorded", "info"),)


def test_a_site_can_switch_the_screening_reminder_off(knowledge: Knowledge) -> None:
    seen = look(knowledge, "patient-view", record(orders=LONG, lists_read=SCREENED))
    assert recommend(seen, switched_off=frozenset({"social-history-not-recorded"})) == ()


def test_without_the_reminder_to_screen_unread_conditions_are_still_told(
    knowledge: Knowledge,
) -> None:
    unread = gap(GapKind.CONDITION_UNREADABLE)
    seen = look(knowledge, "patient-view", record(orders=LONG, lists_read=SCREENED, gaps=unread))
    off = frozenset({"social-history-not-recorded"})
    assert [each.rule_id for each in recommend(seen)] == ["social-history-not-recorded"]
    assert [each.rule_id for each in recommend(seen, switched_off=off)] == ["record-incomplete"]


@pytest.mark.parametrize("hook", ORDER_HOOKS)
def test_no_other_card_takes_the_place_of_one_that_is_switched_off(
    knowledge: Knowledge, hook: Hook
) -> None:
    seen = look(knowledge, hook, record(orders=LONG, drafts=(DRAFT,), conditions=(GRIEF,)))
    off = frozenset({"long-term-renewal-social-pain"})
    assert recommend(seen) != recommend(seen, switched_off=off) == ()


@pytest.mark.parametrize("hook", ORDER_HOOKS)
@pytest.mark.parametrize("off", ["long-term-renewal-social-pain", "opioid-use-disorder-review"])
def test_the_other_card_does_not_stand_in_for_one_that_is_switched_off(
    knowledge: Knowledge, hook: Hook, off: str
) -> None:
    seen = look(knowledge, hook, record(orders=LONG, drafts=(DRAFT,), conditions=(GRIEF, OUD)))
    assert recommend(seen, switched_off=frozenset({off})) == ()
    other = frozenset({"long-term-renewal-possible"})
    assert [each.rule_id for each in recommend(seen, switched_off=other)] == [
        "opioid-use-disorder-review"
    ]


@pytest.mark.parametrize(
    "more",
    [
        {},  # the Observations could not be read
        {"lists_read": SCREENED, "observations": (screen("44261-6", number=0),)},
        {"lists_read": SCREENED, "orders": SHORT},
    ],
)
def test_no_screen_is_asked_for_when_unread_done_or_not_long_term(
    knowledge: Knowledge, more: dict[str, object]
) -> None:
    assert said(knowledge, "patient-view", **more) == ()  # type: ignore[arg-type]


def test_a_code_for_long_term_use_without_any_order_of_today_is_no_therapy_under_way(
    knowledge: Knowledge,
) -> None:
    moud = order("m", start=days_ago(5), days=30, drug=rxnorm(BUPRENORPHINE_NALOXONE))
    coded = icd("Z79.891")
    assert said(knowledge, "patient-view", GRIEF, coded, orders=()) == ()
    assert said(knowledge, "patient-view", GRIEF, OUD, coded, orders=(moud,)) == ()


def test_a_chain_of_renewals_is_therapy_under_way(knowledge: Knowledge) -> None:
    chain = tuple(
        order(f"c{ago}", start=days_ago(ago), status="active" if ago == 380 else "completed")
        for ago in (380, 600, 800)
    )
    ((rule_id, _),) = said(knowledge, "patient-view", GRIEF, orders=chain)
    assert rule_id == "long-term-therapy-review"


# -- redirect --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "indicator"),
    [
        ("order-sign", "warning"),
        ("medication-refill", "warning"),
        ("order-select", "info"),
        ("patient-view", "info"),
    ],
)
def test_opioid_use_disorder_without_treatment_gets_its_own_card(
    knowledge: Knowledge, hook: Hook, indicator: str
) -> None:
    assert said(knowledge, hook, GRIEF, OUD) == (("opioid-use-disorder-review", indicator),)


@pytest.mark.parametrize("hook", [*ORDER_HOOKS, "patient-view"])
def test_the_other_card_only_takes_the_place_of_one_that_would_be_shown(
    knowledge: Knowledge, hook: Hook
) -> None:
    assert said(knowledge, hook, OUD) == ()


def test_opioid_use_disorder_in_treatment_gets_the_standard_card(knowledge: Knowledge) -> None:
    treated = (
        *LONG,
        order(
            "MedicationRequest/m", start=days_ago(20), days=30, drug=rxnorm(BUPRENORPHINE_NALOXONE)
        ),
    )
    ((rule_id, _),) = said(knowledge, "order-sign", GRIEF, OUD, orders=treated)
    assert rule_id == "long-term-renewal-social-pain"


def test_treatment_ordered_together_with_the_opioid_is_treatment(knowledge: Knowledge) -> None:
    moud = order("MedicationRequest/m", status="draft", drug=rxnorm(BUPRENORPHINE_NALOXONE))
    ((rule_id, _),) = said(knowledge, "order-sign", GRIEF, OUD, drafts=(DRAFT, moud))
    assert rule_id == "long-term-renewal-social-pain"


@pytest.mark.parametrize("changes", [{"status": "stopped"}, {"authored_on": days_ago(400)}])
def test_treatment_of_the_past_is_not_treatment(
    knowledge: Knowledge, changes: dict[str, object]
) -> None:
    past = order("MedicationRequest/m", start=days_ago(20), drug=rxnorm(BUPRENORPHINE_NALOXONE))
    past = replace(past, **changes)  # type: ignore[arg-type]
    ((rule_id, _),) = said(knowledge, "order-sign", GRIEF, OUD, orders=(*LONG, past))
    assert rule_id == "opioid-use-disorder-review"


def test_a_partial_agonist_is_not_redirected(knowledge: Knowledge) -> None:
    patch = order("MedicationRequest/draft", status="draft", drug=rxnorm("904870"))
    ((rule_id, _),) = said(knowledge, "order-sign", GRIEF, OUD, drafts=(patch,))
    assert rule_id == "long-term-renewal-social-pain"


def test_a_first_order_is_not_redirected(knowledge: Knowledge) -> None:
    first = order("MedicationRequest/draft", status="draft", days=120)
    ((rule_id, _),) = said(knowledge, "order-sign", GRIEF, OUD, orders=(), drafts=(first,))
    assert rule_id == "crossing-ninety-days"


@pytest.mark.parametrize("hook", ORDER_HOOKS)
@pytest.mark.parametrize("drug", [BUPRENORPHINE_NALOXONE, METHADONE_10])
def test_an_order_for_treatment_of_opioid_use_disorder_raises_nothing(
    knowledge: Knowledge, hook: Hook, drug: str
) -> None:
    moud = order("MedicationRequest/draft", status="draft", days=30, drug=rxnorm(drug))
    assert said(knowledge, hook, GRIEF, OUD, drafts=(moud,)) == ()


# -- suppress and soften ---------------------------------------------------------------------


@pytest.mark.parametrize("hook", [*ORDER_HOOKS, "patient-view"])
def test_a_suppressed_patient_gets_nothing_whatever_else_is_recorded(
    knowledge: Knowledge, hook: Hook
) -> None:
    gap = DataGap(kind=GapKind.CONDITION_UNREADABLE, where="Condition/9", reason="unreadable")
    assert said(knowledge, hook, GRIEF, OUD, CANCER, gaps=(gap,)) == ()


def test_softening_turns_a_warning_into_information(knowledge: Knowledge) -> None:
    seen = said(knowledge, "order-sign", GRIEF, UNCERTAIN_NEOPLASM)
    assert seen == (("long-term-renewal-social-pain", "info"),)


# -- what could not be read ------------------------------------------------------------------


def gap(kind: GapKind, *, is_draft: bool = False) -> tuple[DataGap, ...]:
    return (DataGap(kind=kind, where="somewhere", reason="unreadable", is_draft=is_draft),)


CONDITION_GAPS = [GapKind.CONDITION_UNREADABLE, GapKind.CONDITIONS_INCOMPLETE]
ORDER_GAPS = [
    GapKind.ORDER_UNREADABLE,
    GapKind.DRUG_UNRESOLVED,
    GapKind.START_UNKNOWN,
    GapKind.ORDERS_INCOMPLETE,
]
INCOMPLETE = (("record-incomplete", "info"),)


@pytest.mark.parametrize("hook", [*ORDER_HOOKS, "patient-view"])
@pytest.mark.parametrize("kind", CONDITION_GAPS)
def test_unread_conditions_are_spoken_of_when_the_therapy_is_long(
    knowledge: Knowledge, hook: Hook, kind: GapKind
) -> None:
    assert said(knowledge, hook, gaps=gap(kind)) == INCOMPLETE


@pytest.mark.parametrize("hook", [*ORDER_HOOKS, "patient-view"])
@pytest.mark.parametrize("kind", CONDITION_GAPS)
def test_unread_conditions_are_not_spoken_of_when_the_therapy_is_short(
    knowledge: Knowledge, hook: Hook, kind: GapKind
) -> None:
    assert said(knowledge, hook, gaps=gap(kind), orders=SHORT) == ()


def test_unread_conditions_are_not_spoken_of_when_no_opioid_is_ordered(
    knowledge: Knowledge,
) -> None:
    seen = said(knowledge, "order-sign", gaps=gap(GapKind.CONDITION_UNREADABLE), drafts=())
    assert seen == ()


@pytest.mark.parametrize("hook", [*ORDER_HOOKS, "patient-view"])
@pytest.mark.parametrize("kind", ORDER_GAPS)
def test_an_unread_order_is_spoken_of_when_it_may_make_the_therapy_long(
    knowledge: Knowledge, hook: Hook, kind: GapKind
) -> None:
    assert said(knowledge, hook, GRIEF, gaps=gap(kind), orders=SHORT) == INCOMPLETE


@pytest.mark.parametrize("hook", [*ORDER_HOOKS, "patient-view"])
@pytest.mark.parametrize("kind", ORDER_GAPS)
def test_an_unread_order_is_not_spoken_of_without_social_pain(
    knowledge: Knowledge, hook: Hook, kind: GapKind
) -> None:
    assert said(knowledge, hook, gaps=gap(kind), orders=SHORT) == ()


@pytest.mark.parametrize("kind", ORDER_GAPS)
def test_an_unread_order_is_not_spoken_of_without_any_opioid(
    knowledge: Knowledge, kind: GapKind
) -> None:
    assert said(knowledge, "patient-view", GRIEF, gaps=gap(kind), orders=()) == ()
    assert said(knowledge, "order-sign", GRIEF, gaps=gap(kind), orders=(), drafts=()) == ()


def test_a_draft_whose_drug_is_unknown_is_spoken_of_when_it_may_renew_long_term_therapy(
    knowledge: Knowledge,
) -> None:
    unresolved = replace(DRAFT, drug=None)
    seen = gap(GapKind.DRUG_UNRESOLVED, is_draft=True)
    assert said(knowledge, "order-sign", GRIEF, drafts=(unresolved,), gaps=seen) == INCOMPLETE
    assert said(knowledge, "order-sign", drafts=(unresolved,), gaps=seen) == ()
    assert said(knowledge, "order-sign", GRIEF, drafts=(unresolved,), gaps=seen, orders=SHORT) == ()


def test_where_no_drug_at_all_could_be_resolved_the_record_is_said_to_be_incomplete(
    knowledge: Knowledge,
) -> None:
    unresolved = (replace(DRAFT, drug=None),)
    both = (*gap(GapKind.DRUG_UNRESOLVED), *gap(GapKind.DRUG_UNRESOLVED, is_draft=True))
    assert said(knowledge, "order-sign", GRIEF, orders=(), drafts=unresolved, gaps=both) == (
        INCOMPLETE
    )
    assert said(knowledge, "order-sign", orders=(), drafts=unresolved, gaps=both) == ()


@pytest.mark.parametrize("orders", [(), fills(count=1, days=60)])
def test_unread_conditions_are_spoken_of_when_the_order_crosses_ninety_days(
    knowledge: Knowledge, orders: tuple[Order, ...]
) -> None:
    long = (order("MedicationRequest/draft", status="draft", days=120),)
    unread = gap(GapKind.CONDITION_UNREADABLE)
    assert said(knowledge, "order-sign", orders=orders, drafts=long, gaps=unread) == INCOMPLETE


def test_an_incomplete_record_never_stands_beside_another_card(knowledge: Knowledge) -> None:
    seen = said(knowledge, "order-sign", GRIEF, gaps=gap(GapKind.ORDERS_INCOMPLETE))
    assert seen == (("long-term-renewal-social-pain", "warning"),)


def test_a_condition_in_words_only_is_no_reason_for_a_card(knowledge: Knowledge) -> None:
    assert said(knowledge, "order-sign", gaps=gap(GapKind.CONDITION_UNCODED)) == ()


def test_a_disorder_that_a_label_keeps_unnamed_redirects_nothing(knowledge: Knowledge) -> None:
    labelled = replace(OUD, is_labelled=True)
    ((rule_id, _),) = said(knowledge, "order-sign", GRIEF, labelled)
    assert rule_id == "long-term-renewal-social-pain"
    methadone = order("MedicationRequest/draft", status="draft", drug=rxnorm(METHADONE_10))
    assert said(knowledge, "order-sign", GRIEF, labelled, drafts=(methadone,)) == ()


def test_an_optional_gap_is_no_reason_for_a_card(knowledge: Knowledge) -> None:
    assert said(knowledge, "patient-view", gaps=gap(GapKind.OPTIONAL_UNREADABLE)) == ()
    assert (
        said(knowledge, "patient-view", GRIEF, orders=SHORT, gaps=gap(GapKind.ELEMENT_UNREADABLE))
        == ()
    )


# -- benzodiazepine, naloxone, dose ----------------------------------------------------------


def facts(knowledge: Knowledge, *orders: Order, drafts: tuple[Order, ...] = ()) -> Assessment:
    return look(knowledge, "order-sign", record(orders=orders, drafts=drafts))


DIAZEPAM = rxnorm("197591")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (order(start=days_ago(29), days=30, drug=DIAZEPAM), True),
        (order(start=days_ago(30), days=30, drug=DIAZEPAM), False),  # ended yesterday
        (order(start=TODAY, days=30, drug=DIAZEPAM), True),
        (order(start=days_ago(-1), days=30, drug=DIAZEPAM), False),
        (order(start=days_ago(9), days=30, drug=DIAZEPAM, status="completed"), False),
        (order(days=30, drug=DIAZEPAM), False),
        (order(start=days_ago(99), drug=DIAZEPAM), True),
        (order(start=days_ago(100), drug=DIAZEPAM), False),
        (order(start=days_ago(9), drug=named("Lorazepam 1 mg tablets")), True),
    ],
)
def test_a_benzodiazepine_counts_while_an_active_order_covers_the_day(
    knowledge: Knowledge, one: Order, expected: bool
) -> None:
    seen = facts(knowledge, one)
    assert seen.has_benzodiazepine is expected
    assert seen.needs_naloxone_offer is expected


def test_a_benzodiazepine_being_ordered_counts(knowledge: Knowledge) -> None:
    assert facts(knowledge, drafts=(order(status="draft", drug=DIAZEPAM),)).has_benzodiazepine


NALOXONE = rxnorm("1725059")


@pytest.mark.parametrize(
    ("naloxone", "is_offered"),
    [
        (order("n", start=days_ago(10), drug=NALOXONE, status="completed"), False),
        (order("n", start=TODAY.replace(year=2024), drug=NALOXONE), False),
        (order("n", start=TODAY.replace(year=2024, day=21), drug=NALOXONE), True),
        (order("n", drug=NALOXONE), True),
        (order("n", start=days_ago(10), drug=NALOXONE, status="cancelled"), True),
    ],
)
def test_naloxone_is_offered_unless_ordered_within_twenty_four_months(
    knowledge: Knowledge, naloxone: Order, is_offered: bool
) -> None:
    diazepam = order("b", start=days_ago(9), days=30, drug=DIAZEPAM)
    assert facts(knowledge, diazepam, naloxone).needs_naloxone_offer is is_offered


def test_naloxone_being_ordered_now_is_not_offered_again(knowledge: Knowledge) -> None:
    diazepam = order("b", start=days_ago(9), days=30, drug=DIAZEPAM)
    seen = facts(knowledge, diazepam, drafts=(order(status="draft", drug=NALOXONE),))
    assert not seen.needs_naloxone_offer


def test_the_opioids_of_today_are_drafts_and_current_orders_each_named_once(
    knowledge: Knowledge,
) -> None:
    tramadol = order("t", status="draft", drug=rxnorm(TRAMADOL_50))
    seen = facts(knowledge, *LONG, drafts=(tramadol, DRAFT))
    assert seen.opioid_ingredients == ("oxycodone", "tramadol")


def test_hospice_as_a_procedure_suppresses_the_renewal(knowledge: Knowledge) -> None:
    seen = said(knowledge, "order-sign", GRIEF, care_events=(event("Procedure", "385763009"),))
    assert seen == ()


def test_a_sensitive_history_documents_social_pain_like_any_other(knowledge: Knowledge) -> None:
    seen = said(knowledge, "order-sign", snomed("706893006"))
    assert seen == (("long-term-renewal-social-pain", "warning"),)
