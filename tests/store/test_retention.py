"""What is old enough goes, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from cds_service.errors import StoreUnavailable
from cds_service.feedback import FeedbackEntry
from cds_service.store.cards import CardShown, record_cards
from cds_service.store.database import connect
from cds_service.store.feedback import record_feedback
from cds_service.store.retention import BATCH_ROWS, Purged, Retention, purge
from cds_service.store.schema import CARD, FEEDBACK
from cds_service.store.tokens import SeenTokens
from cds_service.store.upgrade import upgrade
from cds_service.store.write_behind import WriteBehind

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
RETENTION = Retention(
    cards=timedelta(days=300), feedback=timedelta(days=200), comments=timedelta(days=90)
)
SECOND = timedelta(seconds=1)


def give_feedback(engine: Engine, card: str, age: timedelta) -> None:
    entry = FeedbackEntry(
        card=card, outcome="overridden", outcome_at=NOW, comment="Jane Roe", extension="[1]"
    )
    record_feedback(
        engine, [entry], issuer="north", service_id="s", received_at=NOW - age,
        comment_characters=500,
    )  # fmt: skip


def card(uuid: str, age: timedelta) -> CardShown:
    return CardShown(
        issuer="north", card_uuid=uuid, service_id="s", hook="order-sign", rule_id="renewal",
        knowledge_version="2026.1", shown_at=NOW - age,
    )  # fmt: skip


def test_comments_older_than_ninety_days_go_and_their_feedback_stays(engine: Engine) -> None:
    give_feedback(engine, "at-the-limit", timedelta(days=90))
    give_feedback(engine, "past-it", timedelta(days=90) + SECOND)
    assert purge(engine, now=NOW, retention=RETENTION) == Purged(
        cards=0, feedback=0, comments=1, tokens=0
    )
    with engine.connect() as connection:
        columns = (FEEDBACK.c.card_uuid, FEEDBACK.c.comment, FEEDBACK.c.extension)
        rows = {tuple(row) for row in connection.execute(select(*columns))}
    assert rows == {("at-the-limit", "Jane Roe", "[1]"), ("past-it", None, None)}


def test_feedback_and_cards_go_after_their_own_time(engine: Engine, writer: WriteBehind) -> None:
    for name, age in (("young", 200), ("old", 201)):
        give_feedback(engine, name, timedelta(days=age))
    record_cards(
        [card("young", timedelta(days=300)), card("old", timedelta(days=301))], writer=writer
    )
    writer.close(timeout_seconds=10)
    assert purge(engine, now=NOW, retention=RETENTION) == Purged(
        cards=1, feedback=1, comments=2, tokens=0
    )
    with engine.connect() as connection:
        assert connection.scalars(select(FEEDBACK.c.card_uuid)).all() == ["young"]
        assert connection.scalars(select(CARD.c.card_uuid)).all() == ["young"]


def test_tokens_go_when_they_have_expired(engine: Engine, writer: WriteBehind) -> None:
    tokens = SeenTokens(writer=writer, on_loss=lambda table, number: None)
    for name, expires_at in (("gone", NOW - SECOND), ("now", NOW), ("later", NOW + SECOND)):
        tokens.first_seen(name, expires_at=expires_at, now=NOW - timedelta(hours=1))
    writer.close(timeout_seconds=10)
    assert purge(engine, now=NOW, retention=RETENTION).tokens == 1


def test_more_rows_than_one_batch_all_go(engine: Engine, writer: WriteBehind) -> None:
    number = BATCH_ROWS + 7
    record_cards((card(f"c{n}", timedelta(days=301)) for n in range(number)), writer=writer)
    writer.close(timeout_seconds=10)
    assert purge(engine, now=NOW, retention=RETENTION).cards == number


def test_a_purge_again_finds_nothing(engine: Engine) -> None:
    give_feedback(engine, "old", timedelta(days=201))
    purge(engine, now=NOW, retention=RETENTION)
    assert purge(engine, now=NOW, retention=RETENTION) == Purged(
        cards=0, feedback=0, comments=0, tokens=0
    )


def test_a_purged_comment_is_not_left_in_the_sqlite_file(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    upgrade(f"sqlite:///{file}")
    engine = connect(f"sqlite:///{file}")
    give_feedback(engine, "old", timedelta(days=91))
    with engine.connect() as connection:
        connection.rollback()
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"Jane Roe" in file.read_bytes()
    purge(engine, now=NOW, retention=RETENTION)
    engine.dispose()  # the last connection folds the log into the file
    assert b"Jane Roe" not in file.read_bytes()
    assert not file.with_name("store.sqlite3-wal").exists()


def test_a_purge_without_a_database_says_so() -> None:
    with pytest.raises(StoreUnavailable):
        purge(
            connect("postgresql://nobody@/nowhere?host=/nonexistent"), now=NOW, retention=RETENTION
        )
