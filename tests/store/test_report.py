"""What the report counts, per rule and week."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from cds_service.errors import StoreUnavailable
from cds_service.feedback import EPIC_REASONS, FeedbackEntry, OverrideReason
from cds_service.store.cards import CardShown, record_cards
from cds_service.store.database import connect
from cds_service.store.feedback import record_feedback
from cds_service.store.report import FeedbackGiven, WeekOfRule, feedback_given, report
from cds_service.store.write_behind import WriteBehind

MONDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # of ISO week 10
SUGGESTIONS = {"u1": "referral", "u2": "naloxone"}


def card(uuid: str, **changes: Any) -> CardShown:
    plain: dict[str, Any] = {
        "issuer": "north",
        "card_uuid": uuid,
        "service_id": "s",
        "hook": "order-sign",
        "rule_id": "renewal",
        "knowledge_version": "2026.1",
        "shown_at": MONDAY,
        "suggestions": SUGGESTIONS,
    }
    return CardShown(**(plain | changes))


def accepted(card: str, *suggestions: str, minute: int = 0) -> FeedbackEntry:
    return FeedbackEntry(
        card=card,
        outcome="accepted",
        outcome_at=MONDAY + timedelta(minutes=minute),
        accepted_suggestions=suggestions,
    )


def overridden(card: str, code: str | None = None, *, minute: int = 0) -> FeedbackEntry:
    return FeedbackEntry(
        card=card,
        outcome="overridden",
        outcome_at=MONDAY + timedelta(minutes=minute),
        reason=None if code is None else OverrideReason(code=code),
    )


Record = Callable[..., None]


@pytest.fixture
def record(engine: Engine, writer: WriteBehind) -> Record:
    def record(
        cards: Iterable[CardShown], entries: Iterable[FeedbackEntry] = (), **changes: Any
    ) -> None:
        record_cards(cards, writer=writer)
        writer.close(timeout_seconds=10)
        plain = {"issuer": "north", "service_id": "s", "received_at": MONDAY}
        record_feedback(engine, list(entries), **(plain | changes))

    return record


def week(**changes: Any) -> WeekOfRule:
    plain: dict[str, Any] = {
        "week": "2026-W10",
        "rule_id": "renewal",
        "shown": 0,
        "silent": 0,
        "accepted": 0,
        "accepted_suggestions": (),
        "overridden": 0,
        "override_reasons": (),
        "unanswered": 0,
    }
    return WeekOfRule(**(plain | changes))


def test_an_empty_store_reports_nothing(engine: Engine) -> None:
    assert report(engine) == ()


def test_a_card_without_feedback_is_unanswered(engine: Engine, record: Record) -> None:
    record([card("a"), card("b")])
    assert report(engine) == (week(shown=2, unanswered=2),)


def test_accepted_cards_are_counted_by_suggestion(engine: Engine, record: Record) -> None:
    record(
        [card("a"), card("b"), card("c")],
        [accepted("a", "u1"), accepted("b", "u1", "u2")],
    )
    counts = (("referral", 2), ("naloxone", 1))
    assert report(engine) == (week(shown=3, accepted=2, accepted_suggestions=counts, unanswered=1),)


def test_a_suggestion_pressed_three_times_is_one_card(engine: Engine, record: Record) -> None:
    record([card("a")], [accepted("a", "u1", minute=minute) for minute in range(3)])
    assert report(engine) == (week(shown=1, accepted=1, accepted_suggestions=(("referral", 1),)),)


def test_overridden_cards_are_counted_by_reason(engine: Engine, record: Record) -> None:
    record(
        [card(name) for name in "abcd"],
        [overridden("a", "declines"), overridden("b", "declines"), overridden("c")],
    )
    reasons = (("declines", 2), ("(none given)", 1))
    assert report(engine) == (week(shown=4, overridden=3, override_reasons=reasons, unanswered=1),)


def test_a_reason_of_epic_comes_with_its_title(engine: Engine, record: Record) -> None:
    reason = OverrideReason(code="45", system=EPIC_REASONS, display="Does not meet criteria")
    entry = FeedbackEntry(card="a", outcome="overridden", outcome_at=MONDAY, reason=reason)
    record([card("a")], [entry])
    assert report(engine)[0].override_reasons == (("45 Does not meet criteria", 1),)


def test_a_card_accepted_and_overridden_counts_as_both_and_is_answered(
    engine: Engine, record: Record
) -> None:
    record([card("a")], [accepted("a", "u1"), overridden("a", "declines")])
    (only,) = report(engine)
    assert (only.shown, only.accepted, only.overridden, only.unanswered) == (1, 1, 1, 0)


def test_silent_cards_are_counted_apart_and_are_not_unanswered(
    engine: Engine, record: Record
) -> None:
    record([card("a"), card("b", is_silent=True)])
    assert report(engine) == (week(shown=1, silent=1, unanswered=1),)


def test_a_suggestion_that_was_not_on_the_card_is_unknown(engine: Engine, record: Record) -> None:
    record([card("a")], [accepted("a", "stranger")])
    assert report(engine)[0].accepted_suggestions == (("(unknown)", 1),)


def test_rules_and_weeks_stand_apart_oldest_first(engine: Engine, record: Record) -> None:
    # Sunday 23:59 is still week 10, Monday 00:00 is week 11
    sunday = datetime(2026, 3, 8, 23, 59, tzinfo=UTC)
    record(
        [
            card("a", shown_at=sunday),
            card("b", shown_at=sunday + timedelta(minutes=1)),
            card("c", rule_id="acute"),
        ]
    )
    assert [(row.week, row.rule_id) for row in report(engine)] == [
        ("2026-W10", "acute"),
        ("2026-W10", "renewal"),
        ("2026-W11", "renewal"),
    ]


def test_a_card_counts_in_the_week_it_was_shown_whenever_it_was_answered(
    engine: Engine, record: Record
) -> None:
    record([card("a")], [accepted("a", "u1")], received_at=MONDAY + timedelta(days=14))
    assert [row.week for row in report(engine)] == ["2026-W10"]


def test_the_period_includes_its_start_and_excludes_its_end(engine: Engine, record: Record) -> None:
    second = timedelta(seconds=1)
    record(
        [
            card("before", shown_at=MONDAY - second),
            card("start", shown_at=MONDAY),
            card("last", shown_at=MONDAY + timedelta(days=1) - second),
            card("end", shown_at=MONDAY + timedelta(days=1)),
        ]
    )
    (only,) = report(engine, since=MONDAY, until=MONDAY + timedelta(days=1))
    assert only.shown == 2


def test_feedback_on_unknown_cards_is_counted_without_a_rule(
    engine: Engine, record: Record
) -> None:
    record([], [accepted("x", "u1"), overridden("y", "declines")])
    assert report(engine) == (
        week(
            rule_id=None,
            accepted=1,
            accepted_suggestions=(("(unknown)", 1),),
            overridden=1,
            override_reasons=(("declines", 1),),
        ),
    )


def test_feedback_of_one_issuer_does_not_answer_the_card_of_another(
    engine: Engine, record: Record
) -> None:
    record([card("a", issuer="south")], [accepted("a", "u1")])
    by_rule = {row.rule_id: row for row in report(engine)}
    assert by_rule["renewal"].unanswered == 1
    assert by_rule[None].accepted == 1


def test_each_feedback_is_exported_with_intervention_user_date_and_place(
    engine: Engine, record: Record
) -> None:
    shown = card("a", user_reference="PractitionerRole/7", tenant="clinic-1")
    record([shown], [accepted("a", "u1")])
    assert list(feedback_given(engine)) == [
        FeedbackGiven(
            issuer="north",
            service_id="s",
            hook="order-sign",
            rule_id="renewal",
            knowledge_version="2026.1",
            outcome="accepted",
            outcome_at=MONDAY,
            accepted_suggestions=("referral",),
            reason=None,
            comment=None,
            user_reference="PractitionerRole/7",
            tenant="clinic-1",
        )
    ]


def test_feedback_on_an_unknown_card_is_exported_without_what_the_ledger_would_know(
    engine: Engine, record: Record
) -> None:
    record([], [overridden("x", "declines")])
    (only,) = feedback_given(engine)
    assert (only.rule_id, only.user_reference, only.reason) == (None, None, "declines")


def test_the_export_has_a_period_by_arrival(engine: Engine, record: Record) -> None:
    record([], [overridden("x")], received_at=MONDAY)
    day = timedelta(days=1)
    assert len(list(feedback_given(engine, since=MONDAY, until=MONDAY + day))) == 1
    assert len(list(feedback_given(engine, since=MONDAY - day, until=MONDAY))) == 0


def test_a_report_without_a_database_says_so() -> None:
    with pytest.raises(StoreUnavailable):
        report(connect("postgresql://nobody@/nowhere?host=/nonexistent"))
