"""Migrations lead from nothing to the tables the code knows, on both databases."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from cds_service.errors import ConfigurationError, StoreUnavailable
from cds_service.feedback import FeedbackEntry
from cds_service.store.database import connect, needs_upgrade
from cds_service.store.feedback import record_feedback
from cds_service.store.schema import METADATA, REVISIONS
from cds_service.store.upgrade import migrations, upgrade

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_an_empty_database_needs_an_upgrade_and_afterwards_none(empty_url: str) -> None:
    engine = connect(empty_url)
    assert needs_upgrade(engine)
    upgrade(empty_url)
    assert not needs_upgrade(engine)
    assert set(inspect(engine).get_table_names()) == {
        "alembic_version",
        "card",
        "feedback",
        "seen_token",
    }
    engine.dispose()


def test_the_migrated_tables_equal_the_tables_in_the_code(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_code_knows_every_migration_in_order() -> None:
    scripts = ScriptDirectory.from_config(migrations()).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == REVISIONS


def test_upgrading_twice_changes_nothing(url: str) -> None:
    upgrade(url)


def test_three_processes_that_upgrade_at_once_all_succeed(empty_url: str) -> None:
    program = "import sys; from cds_service.store.upgrade import upgrade; upgrade(sys.argv[1])"
    processes = [
        subprocess.Popen([sys.executable, "-c", program, empty_url], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    answers = [(process.communicate()[1], process.returncode) for process in processes]
    assert answers == [(b"", 0)] * 3


def test_a_database_one_migration_ahead_is_used_and_left_alone(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE feedback ADD COLUMN later TEXT"))
        connection.execute(text("ALTER TABLE card ADD COLUMN later TEXT"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    upgrade(url)
    assert not needs_upgrade(engine)
    entry = FeedbackEntry(card="a", outcome="overridden", outcome_at=NOON)
    recorded = record_feedback(engine, [entry], issuer="one", service_id="s", received_at=NOON)
    assert len(recorded.new) == 1


def test_a_database_without_a_recorded_migration_needs_an_upgrade(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
    assert needs_upgrade(engine)


def test_a_new_sqlite_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "store.sqlite3"
    upgrade(f"sqlite:///{file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_place_where_no_file_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")
    with pytest.raises(ConfigurationError, match=r"occupied/store\.sqlite3 cannot be made: "):
        upgrade(f"sqlite:///{tmp_path}/occupied/store.sqlite3")


def test_a_missing_sqlite_file_is_an_outage_and_not_a_new_database(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    engine = connect(f"sqlite:///{file}")
    entry = FeedbackEntry(card="a", outcome="overridden", outcome_at=NOON)
    with pytest.raises(StoreUnavailable):
        record_feedback(engine, [entry], issuer="one", service_id="s", received_at=NOON)
    assert not file.exists()
    engine.dispose()


def test_sqlite_commits_through_a_write_ahead_log_flushed_in_full(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    upgrade(url)
    engine = connect(url)
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    engine.dispose()
    # synchronous: 2 is FULL
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 2000}


@pytest.mark.parametrize(
    "empty_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
def test_postgresql_transactions_wait_two_seconds_at_most_and_commit_to_disk(
    engine: Engine,
) -> None:
    names = ("statement_timeout", "lock_timeout", "synchronous_commit", "TimeZone")
    with engine.begin() as connection:
        settings = [connection.scalar(text(f"SHOW {name}")) for name in names]
    assert settings == ["2s", "500ms", "on", "UTC"]


@pytest.mark.parametrize(
    "url",
    ["mysql://host/database", "sqlite://", "sqlite:///:memory:", "store.sqlite3", "", "odd://x"],
)
def test_any_other_url_is_refused_with_the_two_that_are_taken(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///path/to/file or postgresql://"):
        connect(url)


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        connect("mysql://user:secret@host/database")
    assert "secret" not in str(refusal.value)
