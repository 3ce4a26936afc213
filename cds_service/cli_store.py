"""The commands on the store: `db upgrade`, `db purge` and `feedback report`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from cds_service import bootstrap
from cds_service.errors import ConfigurationError, StoreUnavailable
from cds_service.feedback_report import as_csv, as_json, as_table
from cds_service.store.database import connect, database_name
from cds_service.store.report import feedback_given, report
from cds_service.store.retention import Retention, purge

_DEFAULT = Retention()
_DAY = click.DateTime(formats=["%Y-%m-%d"])
_DAYS = click.IntRange(min=1, max=36_500)


@click.group()
def db() -> None:
    """Look after the database of cards and feedback."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the newest version; run it before the new service starts."""
    from cds_service.store.upgrade import upgrade  # slow to import: not for every command

    with _failures_told():
        url = bootstrap.settings_of_environment().database_url
        upgrade(url)
    click.echo(f"The database {database_name(url)} is up to date.")


@db.command("purge")
@click.option("--cards-days", type=_DAYS, default=_DEFAULT.cards.days, show_default=True)
@click.option("--feedback-days", type=_DAYS, default=_DEFAULT.feedback.days, show_default=True)
@click.option("--comments-days", type=_DAYS, default=_DEFAULT.comments.days, show_default=True)
def db_purge(cards_days: int, feedback_days: int, comments_days: int) -> None:
    """Delete what has been kept longer than the days given; run it daily."""
    retention = Retention(
        cards=timedelta(days=cards_days),
        feedback=timedelta(days=feedback_days),
        comments=timedelta(days=comments_days),
    )
    with _database() as engine:
        purged = purge(engine, now=bootstrap.now(), retention=retention)
    click.echo(
        f"Deleted {purged.cards} cards, {purged.feedback} feedback, {purged.tokens} tokens, "
        f"and the free text of {purged.comments} feedback."
    )


@click.group()
def feedback() -> None:
    """Learn from what users did with the cards."""


@feedback.command("report")
@click.option("--since", type=_DAY, help="First day (UTC) that counts.")
@click.option("--until", type=_DAY, help="First day (UTC) that no longer counts.")
@click.option(
    "--format", "form", type=click.Choice(["table", "csv", "json"]), default="table",
    show_default=True, help="json adds every single feedback, for export.",
)  # fmt: skip
def feedback_report(since: datetime | None, until: datetime | None, form: str) -> None:
    """Count cards per rule and week: shown, accepted, overridden, unanswered."""
    start, end = _in_utc(since), _in_utc(until)
    with _database() as engine:
        weeks = report(engine, since=start, until=end)
        if form == "json":
            text = as_json(weeks, feedback_given(engine, since=start, until=end))
        else:
            text = as_csv(weeks) if form == "csv" else as_table(weeks)
    click.echo(text, nl=form != "csv")


@contextmanager
def _database() -> Iterator[Engine]:
    with _failures_told():
        engine = connect(bootstrap.settings_of_environment().database_url, for_maintenance=True)
        try:
            yield engine
        finally:
            engine.dispose()


@contextmanager
def _failures_told() -> Iterator[None]:
    """Tell an operator in one line what is wrong and what to do, and end with the exit code."""
    try:
        yield
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except StoreUnavailable as error:
        cause = error.__cause__
        reason = str(cause.orig if isinstance(cause, DBAPIError) else cause).splitlines()[0]
        click.echo(f"The database cannot be used: {reason}", err=True)
        click.echo("Is it running, and does `cds-service db upgrade` succeed?", err=True)
        sys.exit(1)


def _in_utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)
