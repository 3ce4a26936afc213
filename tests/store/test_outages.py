"""A database that is away, locked, full or read-only stops feedback with 503 and nothing else."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, event, func, select, text

from cds_service.errors import StoreUnavailable
from cds_service.feedback import FeedbackEntry
from cds_service.store.cards import CardShown, record_cards
from cds_service.store.database import connect, needs_upgrade, reading
from cds_service.store.feedback import record_feedback
from cds_service.store.schema import CARD, FEEDBACK
from cds_service.store.upgrade import upgrade
from cds_service.store.write_behind import CAPACITY, WriteBehind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def card(number: int = 0, **changes: Any) -> CardShown:
    plain: dict[str, Any] = {
        "issuer": "north",
        "card_uuid": f"c{number}",
        "service_id": "s",
        "hook": "order-sign",
        "rule_id": "renewal",
        "knowledge_version": "2026.1",
        "shown_at": NOON,
    }
    return CardShown(**(plain | changes))


def give_feedback(engine: Engine, *, cards: int = 1, comment: str | None = None) -> None:
    entries = [
        FeedbackEntry(card=f"c{n}", outcome="overridden", outcome_at=NOON, comment=comment)
        for n in range(cards)
    ]
    record_feedback(
        engine, entries, issuer="north", service_id="s", received_at=NOON, comment_characters=10_000
    )


def row_count(engine: Engine, table: Table) -> int:
    with reading(engine).connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def until(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "store.sqlite3"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_engine(file: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{file}")
    yield engine
    engine.dispose()


def test_cards_reach_the_ledger_a_moment_later(engine: Engine, writer: WriteBehind) -> None:
    record_cards([card(1, suggestions={"u": "referral"}), card(2)], writer=writer)
    assert until(lambda: row_count(engine, CARD) == 2)
    with engine.connect() as connection:
        row = connection.execute(select(CARD).where(CARD.c.card_uuid == "c1")).mappings().one()
    assert dict(row) == {
        "issuer": "north",
        "card_uuid": "c1",
        "service_id": "s",
        "hook": "order-sign",
        "rule_id": "renewal",
        "knowledge_version": "2026.1",
        "tenant": None,
        "user_reference": None,
        "shown_at": NOON,
        "is_silent": False,
        "suggestions": {"u": "referral"},
    }


def test_the_same_card_of_a_repeated_call_is_one_row(
    engine: Engine, writer: WriteBehind, losses: Any
) -> None:
    record_cards([card(1), card(1)], writer=writer)
    writer.close(timeout_seconds=10)
    assert (row_count(engine, CARD), losses.rows) == (1, {})


def test_closing_writes_what_is_waiting(engine: Engine, writer: WriteBehind, losses: Any) -> None:
    record_cards((card(n) for n in range(1_234)), writer=writer)
    writer.close(timeout_seconds=10)
    assert (row_count(engine, CARD), losses.rows) == (1_234, {})


@pytest.mark.parametrize(
    "bad", [{"user_reference": "a\ud800"}, {"shown_at": NOON.replace(tzinfo=None)}]
)
def test_a_row_no_database_takes_costs_its_neighbours_nothing(
    engine: Engine, writer: WriteBehind, losses: Any, bad: dict[str, Any]
) -> None:
    record_cards([card(1), card(2, **bad), card(3)], writer=writer)
    writer.close(timeout_seconds=10)
    assert (row_count(engine, CARD), losses.rows) == (2, {"card": 1})


def test_with_the_database_away_cards_cost_no_time_and_the_overflow_is_counted(
    losses: Any,
) -> None:
    away = connect("postgresql://nobody@/nowhere?host=/nonexistent")
    writer = WriteBehind(away, on_loss=losses)
    started = time.monotonic()
    record_cards((card(n) for n in range(CAPACITY + 700)), writer=writer)
    assert time.monotonic() - started < 2  # 10,700 cards; one connection attempt a second fails
    assert until(lambda: writer.is_degraded)
    # at most one batch of 500 has left the queue, so at least 200 found no place
    assert 200 <= losses.rows["card"] <= 700
    writer.close(timeout_seconds=20)
    assert losses.rows == {"card": CAPACITY + 700}


def test_with_the_database_away_feedback_is_answered_503_at_once() -> None:
    away = connect("postgresql://nobody@/nowhere?host=/nonexistent")
    with pytest.raises(StoreUnavailable) as outage:
        give_feedback(away)
    assert (outage.value.status, outage.value.retry_after_seconds) == (503, 5)
    with pytest.raises(StoreUnavailable):
        needs_upgrade(away)


@pytest.mark.postgresql
def test_a_postgresql_that_crashes_and_comes_back_gets_the_cards_and_the_feedback(
    cluster: Any, losses: Any
) -> None:
    url = cluster.new_database()
    upgrade(url)
    engine = connect(url)
    give_feedback(engine, cards=1)
    cluster.stop("immediate")
    writer = WriteBehind(engine, on_loss=losses)
    record_cards([card()], writer=writer)
    with pytest.raises(StoreUnavailable):
        give_feedback(engine, cards=2)
    assert until(lambda: writer.is_degraded)
    cluster.start()
    give_feedback(engine, cards=2)
    assert row_count(engine, FEEDBACK) == 2
    assert until(lambda: row_count(engine, CARD) == 1)
    assert until(lambda: not writer.is_degraded)
    assert losses.rows == {}
    writer.close(timeout_seconds=10)
    engine.dispose()


def test_a_locked_table_is_waited_for_two_seconds_at_most(url: str, engine: Engine) -> None:
    blocker = connect(url)
    with blocker.begin() as connection:  # on SQLite this alone holds the only write lock
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE"))
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            give_feedback(engine)
        assert time.monotonic() - started < 4
    give_feedback(engine)
    assert row_count(engine, FEEDBACK) == 1
    blocker.dispose()


def test_readers_do_not_keep_feedback_waiting(url: str, engine: Engine) -> None:
    other = connect(url)
    with reading(other).begin() as connection:
        connection.execute(select(FEEDBACK)).all()
        give_feedback(engine)
    assert row_count(engine, FEEDBACK) == 1
    other.dispose()


def test_a_read_only_sqlite_stops_feedback_and_only_feedback(
    sqlite_engine: Engine, losses: Any
) -> None:
    def read_only(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    event.listen(sqlite_engine, "connect", read_only)
    sqlite_engine.dispose()
    writer = WriteBehind(sqlite_engine, on_loss=losses)
    record_cards([card()], writer=writer)
    with pytest.raises(StoreUnavailable):
        give_feedback(sqlite_engine)
    assert row_count(sqlite_engine, FEEDBACK) == 0
    assert until(lambda: writer.is_degraded)
    event.remove(sqlite_engine, "connect", read_only)
    sqlite_engine.dispose()
    give_feedback(sqlite_engine)
    assert until(lambda: row_count(sqlite_engine, CARD) == 1)
    writer.close(timeout_seconds=10)
    assert losses.rows == {}


@pytest.mark.postgresql
def test_a_read_only_postgresql_stops_feedback(cluster: Any) -> None:
    url = cluster.new_database()
    upgrade(url)
    engine = connect(url)
    with engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    engine.dispose()
    with pytest.raises(StoreUnavailable):
        give_feedback(engine)
    assert row_count(engine, FEEDBACK) == 0
    engine.dispose()


def test_a_full_disk_leaves_nothing_of_the_batch(sqlite_engine: Engine) -> None:
    def limit(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=40")  # 40 pages of 4 KiB

    event.listen(sqlite_engine, "connect", limit)
    with pytest.raises(StoreUnavailable):
        give_feedback(sqlite_engine, cards=100, comment="x" * 9_000)  # 900 kB
    assert row_count(sqlite_engine, FEEDBACK) == 0
    give_feedback(sqlite_engine)
    assert row_count(sqlite_engine, FEEDBACK) == 1


def test_a_damaged_sqlite_file_is_an_outage(file: Path, sqlite_engine: Engine) -> None:
    file.write_bytes(b"not a database, " * 512)
    file.with_name("store.sqlite3-wal").unlink(missing_ok=True)
    with pytest.raises(StoreUnavailable):
        give_feedback(sqlite_engine)
    with pytest.raises(StoreUnavailable):
        needs_upgrade(sqlite_engine)


def test_a_backup_taken_beside_a_writer_is_whole(
    file: Path, sqlite_engine: Engine, tmp_path: Path
) -> None:
    give_feedback(sqlite_engine, cards=500)
    backup = tmp_path / "backup.sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    record_feedback(
        sqlite_engine,
        [FeedbackEntry(card="after", outcome="overridden", outcome_at=NOON + timedelta(days=1))],
        issuer="north",
        service_id="s",
        received_at=NOON,
    )
    sqlite_engine.dispose()
    shutil.copy(backup, file)
    for leftover in ("-wal", "-shm"):
        file.with_name(file.name + leftover).unlink(missing_ok=True)
    assert not needs_upgrade(sqlite_engine)
    assert row_count(sqlite_engine, FEEDBACK) == 500
