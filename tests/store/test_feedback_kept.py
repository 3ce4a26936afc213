"""Feedback is kept once, whole batches at a time, and only for the issuer that got the card."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select, text

from cds_service.errors import StoreUnavailable
from cds_service.feedback import FeedbackEntry, OverrideReason, read_feedback
from cds_service.store.cards import CardShown, record_cards
from cds_service.store.database import connect
from cds_service.store.feedback import Recorded, content_key, record_feedback
from cds_service.store.schema import FEEDBACK
from cds_service.store.write_behind import WriteBehind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DISMISSED = FeedbackEntry(card="c1", outcome="overridden", outcome_at=NOON)


def record(engine: Engine, *entries: FeedbackEntry, **changes: Any) -> Recorded:
    arguments = {"issuer": "north", "service_id": "s", "received_at": NOON} | changes
    return record_feedback(engine, entries, **arguments)


def row_count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(FEEDBACK)) or 0


def kept(engine: Engine) -> dict[str, Any]:
    with engine.connect() as connection:
        return dict(connection.execute(select(FEEDBACK)).mappings().one())


def shown(writer: WriteBehind, *, issuer: str, card: str = "c1") -> None:
    card_shown = CardShown(
        issuer=issuer, card_uuid=card, service_id="s", hook="order-sign", rule_id="renewal",
        knowledge_version="2026.1", shown_at=NOON,
    )  # fmt: skip
    record_cards([card_shown], writer=writer)
    writer.close(timeout_seconds=10)


def test_every_member_is_kept_but_free_text(engine: Engine) -> None:
    entry = FeedbackEntry(
        card="c1", outcome="overridden", outcome_at=NOON, comment="Jane Roe", extension='["Jane"]',
        reason=OverrideReason(code="declines", system="urn:x", display="Patient declines"),
    )  # fmt: skip
    record(engine, entry)
    assert kept(engine) == {
        "content_key": content_key(entry, issuer="north", service_id="s"),
        "issuer": "north",
        "service_id": "s",
        "card_uuid": "c1",
        "outcome": "overridden",
        "outcome_at": NOON,
        "received_at": NOON,
        "accepted_suggestions": [],
        "reason_code": "declines",
        "reason_system": "urn:x",
        "reason_display": "Patient declines",
        "comment": None,
        "extension": None,
    }


def test_free_text_is_kept_when_switched_on_and_cut_to_its_limit(engine: Engine) -> None:
    entry = FeedbackEntry(
        card="c1", outcome="overridden", outcome_at=NOON, comment="x" * 501, extension="[{}]"
    )
    record(engine, entry, comment_characters=500)
    assert (kept(engine)["comment"], kept(engine)["extension"]) == ("x" * 500, "[{}]")


def test_a_time_comes_back_as_the_same_instant_in_utc(engine: Engine) -> None:
    east = read_feedback(
        {"feedback": [{"card": "c", "outcome": "overridden",
                       "outcomeTimestamp": "2026-03-02T17:30:00.123456+05:30"}]}
    )  # fmt: skip
    record(engine, *east)
    assert kept(engine)["outcome_at"] == datetime(2026, 3, 2, 12, 0, 0, 123_456, UTC)
    assert kept(engine)["outcome_at"].utcoffset() == timedelta(0)


@pytest.mark.parametrize("sent", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_ends_of_the_calendar_are_kept(engine: Engine, sent: str) -> None:
    item = {"card": "c", "outcome": "overridden", "outcomeTimestamp": sent}
    (entry,) = read_feedback({"feedback": [item]})
    record(engine, entry)
    assert kept(engine)["outcome_at"] == entry.outcome_at


@pytest.mark.parametrize("word", ["'; DROP TABLE feedback; --", "Zoë 💊", "%s %(a)s :a ?", "\\"])
def test_hostile_text_is_only_text(engine: Engine, word: str) -> None:
    entry = FeedbackEntry(
        card=word, outcome="accepted", outcome_at=NOON, accepted_suggestions=(word,)
    )
    record(engine, entry)
    assert (kept(engine)["card_uuid"], kept(engine)["accepted_suggestions"]) == (word, [word])


def test_the_same_feedback_again_is_repeated_and_not_new(engine: Engine) -> None:
    assert record(engine, DISMISSED) == Recorded(new=((None, "overridden"),), repeated=0)
    assert record(engine, DISMISSED) == Recorded(new=(), repeated=1)
    assert row_count(engine) == 1


def test_an_entry_twice_in_one_batch_is_one_row(engine: Engine) -> None:
    recorded = record(engine, DISMISSED, DISMISSED)
    assert (len(recorded.new), recorded.repeated, row_count(engine)) == (1, 1, 1)


def test_no_feedback_at_all_is_recorded_without_asking_the_database() -> None:
    away = connect("postgresql://nobody@/nowhere?host=/nonexistent")
    assert record(away) == Recorded(new=(), repeated=0)


@pytest.mark.parametrize(
    "other",
    [
        {"card": "c2"},
        {"outcome_at": NOON + timedelta(milliseconds=1)},
        {"outcome": "accepted"},
        {"accepted_suggestions": ("a",)},
    ],
)
def test_feedback_that_differs_is_kept_beside(engine: Engine, other: dict[str, Any]) -> None:
    plain = {"card": "c1", "outcome": "overridden", "outcome_at": NOON}
    record(engine, DISMISSED, FeedbackEntry(**(plain | other)))
    assert row_count(engine) == 2


def test_two_issuers_and_two_services_keep_their_own_feedback(engine: Engine) -> None:
    for issuer, service_id in (("north", "s"), ("south", "s"), ("north", "t")):
        record(engine, DISMISSED, issuer=issuer, service_id=service_id)
    assert row_count(engine) == 3


def test_twenty_at_once_make_one_row(engine: Engine) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: record(engine, DISMISSED), range(20)))
    assert sum(len(answer.new) for answer in answers) == 1
    assert sum(answer.repeated for answer in answers) == 19
    assert row_count(engine) == 1


def test_batches_that_overlap_in_opposite_order_both_succeed(engine: Engine) -> None:
    entries = [
        FeedbackEntry(card=f"c{number}", outcome="overridden", outcome_at=NOON)
        for number in range(200)
    ]
    with ThreadPoolExecutor(4) as pool:
        orders = (entries, entries[::-1], entries, entries[::-1])
        answers = list(pool.map(lambda order: record(engine, *order), orders))
    # 4 batches of 200 entries, of which each is new once
    assert sum(len(answer.new) for answer in answers) == 200
    assert sum(answer.repeated for answer in answers) == 600


def test_a_batch_with_one_row_no_database_takes_leaves_nothing(engine: Engine) -> None:
    """`read_feedback` refuses such a text; should one come by, the batch still is all or none."""
    good = [FeedbackEntry(card=f"c{n}", outcome="overridden", outcome_at=NOON) for n in range(20)]
    bad = FeedbackEntry(card="a\ud800", outcome="overridden", outcome_at=NOON)
    with pytest.raises((StoreUnavailable, UnicodeEncodeError)):
        record(engine, *good, bad)
    assert row_count(engine) == 0


def test_a_card_of_the_issuer_gives_its_rule(engine: Engine, writer: WriteBehind) -> None:
    shown(writer, issuer="north")
    recorded = record(engine, DISMISSED)
    assert (recorded.new, recorded.unknown_cards) == ((("renewal", "overridden"),), 0)


def test_a_card_of_another_issuer_is_as_unknown_as_one_never_shown(
    engine: Engine, writer: WriteBehind
) -> None:
    shown(writer, issuer="south")
    of_another = record(engine, DISMISSED)
    never_shown = record(engine, FeedbackEntry(card="x", outcome="overridden", outcome_at=NOON))
    assert of_another == never_shown
    assert of_another.unknown_cards == 1


def test_a_transaction_that_fails_at_its_end_is_not_acknowledged(engine: Engine) -> None:
    def fail(connection: object) -> None:
        raise StoreUnavailable("no commit today")

    event.listen(engine, "commit", fail)
    with pytest.raises(StoreUnavailable):
        record(engine, DISMISSED)
    event.remove(engine, "commit", fail)
    assert row_count(engine) == 0


def test_an_outage_says_when_to_come_back_and_nothing_of_the_data(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE feedback"))
    entry = FeedbackEntry(
        card="Jane-Roe", outcome="overridden", outcome_at=NOON, comment="Jane-Roe"
    )
    with pytest.raises(StoreUnavailable) as outage:
        record(engine, entry, comment_characters=500)
    assert outage.value.retry_after_seconds == 5
    assert "Jane-Roe" not in str(outage.value)
    assert "Jane-Roe" not in str(outage.value.__cause__)
