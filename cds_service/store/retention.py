"""Forget what has been kept long enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Engine, Table, delete, or_, select, update

from cds_service.store.database import outage_answered
from cds_service.store.schema import CARD, FEEDBACK, SEEN_TOKEN

BATCH_ROWS: Final = 2_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long each kind is kept; free text of users by far the shortest.

    Source: 45 CFR 164.316(b)(2) for six years, as usually read; comments 90 days by our choice.
    """

    cards: timedelta = timedelta(days=6 * 366)
    feedback: timedelta = timedelta(days=6 * 366)
    comments: timedelta = timedelta(days=90)


@dataclass(frozen=True, kw_only=True, slots=True)
class Purged:
    """How many rows went; `comments` counts feedback that stays without its free text."""

    cards: int
    feedback: int
    comments: int
    tokens: int


def purge(engine: Engine, *, now: datetime, retention: Retention) -> Purged:
    """Delete what is older than its retention, in short transactions beside a running service.

    Raises `StoreUnavailable`; what was deleted until then stays deleted.
    """
    has_free_text = or_(FEEDBACK.c.comment.is_not(None), FEEDBACK.c.extension.is_not(None))
    with outage_answered():
        return Purged(
            comments=_forget(
                engine,
                FEEDBACK,
                (FEEDBACK.c.received_at < now - retention.comments) & has_free_text,
                keeps_row=True,
            ),
            feedback=_forget(engine, FEEDBACK, FEEDBACK.c.received_at < now - retention.feedback),
            cards=_forget(engine, CARD, CARD.c.shown_at < now - retention.cards),
            tokens=_forget(engine, SEEN_TOKEN, SEEN_TOKEN.c.expires_at < now),
        )


def _forget(
    engine: Engine, target: Table, is_old: ColumnElement[bool], *, keeps_row: bool = False
) -> int:
    """Delete the old rows, or only their free text, a batch at a time; return how many."""
    key = target.primary_key.columns.values()[-1]
    is_in_batch = key.in_(select(key).where(is_old).limit(BATCH_ROWS)) & is_old
    statement = (
        update(target).values(comment=None, extension=None).where(is_in_batch)
        if keeps_row
        else delete(target).where(is_in_batch)
    )
    forgotten = 0
    while True:
        with engine.begin() as connection:
            rows = connection.execute(statement).rowcount
        if not rows:
            return forgotten
        forgotten += rows
