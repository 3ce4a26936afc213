"""The commands on the store, run as an operator runs them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli_store import db, feedback
from cds_service.feedback import FeedbackEntry
from cds_service.store.database import connect, database_name
from cds_service.store.feedback import record_feedback

JUNE_2020 = datetime(2020, 6, 1, 12, 0, tzinfo=UTC)  # Monday of ISO week 23


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite3'}"


def run(url: str, *words: str) -> Result:
    group = {"db": db, "feedback": feedback}[words[0]]
    return CliRunner().invoke(group, words[1:], env={"CDS_SERVICE_DATABASE_URL": url})


def give_feedback(url: str, card: str = "c1", comment: str | None = "Jane Roe") -> None:
    engine = connect(url)
    entry = FeedbackEntry(card=card, outcome="overridden", outcome_at=JUNE_2020, comment=comment)
    record_feedback(
        engine, [entry], issuer="north", service_id="s", received_at=JUNE_2020,
        comment_characters=500,
    )  # fmt: skip
    engine.dispose()


def test_upgrade_makes_the_database_and_says_so_each_time(url: str) -> None:
    for _ in range(2):
        result = run(url, "db", "upgrade")
        assert (result.exit_code, result.output) == (0, f"The database {url} is up to date.\n")


def test_upgrade_names_a_file_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("", "db", "upgrade")
    file = tmp_path / "var" / "cds-service.sqlite3"
    assert result.output == f"The database sqlite:///{file} is up to date.\n"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:secret@db.example/cds", "postgresql://u:***@db.example/cds"),
        ("postgresql+psycopg://u@db:5433/cds?password=secret", "postgresql://u@db:5433/cds"),
        (
            "postgresql://u@/cds?host=/run/pg&sslpassword=secret",
            "postgresql://u@/cds?host=%2Frun%2Fpg",
        ),
    ],
)
def test_the_name_of_a_database_holds_no_password(url: str, name: str) -> None:
    assert database_name(url) == name


def test_the_report_is_a_table_by_default(url: str) -> None:
    run(url, "db", "upgrade")
    give_feedback(url)
    result = run(url, "feedback", "report")
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split() == [
        "2020-W23", "(card", "unknown)", "0", "0", "0", "1", "0",
    ]  # fmt: skip


def test_the_report_as_csv_ends_with_its_last_line(url: str) -> None:
    run(url, "db", "upgrade")
    give_feedback(url)
    result = run(url, "feedback", "report", "--format", "csv")
    assert result.output.splitlines()[-1] == "2020-W23,(card unknown),reason,(none given),1"
    assert not result.output.endswith("\n\n")


@pytest.mark.parametrize(
    ("since", "until", "number"),
    [("2020-06-01", "2020-06-02", 1), ("2020-05-31", "2020-06-01", 0), ("2020-06-02", None, 0)],
)
def test_the_report_as_json_holds_the_feedback_of_the_period(
    url: str, since: str, until: str | None, number: int
) -> None:
    run(url, "db", "upgrade")
    give_feedback(url)
    period = ["--since", since, *(["--until", until] if until else [])]
    result = run(url, "feedback", "report", "--format", "json", *period)
    report = json.loads(result.output)
    assert (len(report["weeks"]), len(report["feedback"])) == (number, number)


def test_purge_deletes_what_is_older_than_the_days_given(url: str) -> None:
    run(url, "db", "upgrade")
    give_feedback(url)
    kept_for_ever = ["--feedback-days", "36500"]
    assert run(url, "db", "purge", *kept_for_ever).output == (
        "Deleted 0 cards, 0 feedback, 0 tokens, and the free text of 1 feedback.\n"
    )
    assert "Jane Roe" not in run(url, "feedback", "report", "--format", "json").output
    assert run(url, "db", "purge", "--feedback-days", "1").output == (
        "Deleted 0 cards, 1 feedback, 0 tokens, and the free text of 0 feedback.\n"
    )


@pytest.mark.parametrize("words", [("db", "purge"), ("feedback", "report")])
def test_without_a_database_a_command_says_what_to_do_and_fails(
    url: str, words: tuple[str, ...]
) -> None:
    result = run(url, *words)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "The database cannot be used: unable to open database file",
        "Is it running, and does `cds-service db upgrade` succeed?",
    ]


def test_an_url_that_is_not_understood_is_a_fault_of_the_settings() -> None:
    result = run("mysql://user:secret@host/x", "db", "upgrade")
    assert result.exit_code == 2
    assert "sqlite:///path/to/file or postgresql://user@host/database" in result.output
    assert "secret" not in result.output
