"""What became of the cards: per rule and week, and entry by entry for export.

A card counts in the week (ISO 8601, UTC) in which it was shown, whenever it was answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, select

from cds_service.feedback import EPIC_REASONS
from cds_service.store.database import outage_answered, reading
from cds_service.store.schema import CARD, FEEDBACK

UNKNOWN: Final = "(unknown)"
NO_REASON: Final = "(none given)"

_OF_THE_CARD = and_(CARD.c.issuer == FEEDBACK.c.issuer, CARD.c.card_uuid == FEEDBACK.c.card_uuid)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeekOfRule:
    """One rule in one week, in cards; `rule_id` is None for feedback on unknown cards.

    `shown` leaves out `silent` ones. A card may count as accepted and as overridden, and under
    several suggestions or reasons; it is `unanswered` when it has no feedback at all.
    """

    week: str
    rule_id: str | None
    shown: int
    silent: int
    accepted: int
    accepted_suggestions: tuple[tuple[str, int], ...]
    overridden: int
    override_reasons: tuple[tuple[str, int], ...]
    unanswered: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedbackGiven:
    """One piece of feedback with what the ledger knows of its card.

    Members of the card are None where the card is unknown. Source: 45 CFR 170.315(b)(11)(ii)(C).
    """

    issuer: str
    service_id: str
    hook: str | None
    rule_id: str | None
    knowledge_version: str | None
    outcome: str
    outcome_at: datetime
    accepted_suggestions: tuple[str, ...]
    reason: str | None
    comment: str | None = field(repr=False)
    user_reference: str | None
    tenant: str | None


@dataclass(kw_only=True, slots=True)
class _Tally:
    """Counts of one rule in one week while they grow."""

    cards: Counter[str] = field(default_factory=Counter)
    suggestions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, card: list[Row[Any]]) -> None:
        """Count one card, given as its rows of feedback (one row of nothing if unanswered)."""
        outcomes = {row.outcome for row in card if row.outcome is not None}
        self.cards.update(outcomes or {"unanswered"})
        self.suggestions.update({name for row in card for name in _accepted(row)})
        self.reasons.update(
            {_reason(row) or NO_REASON for row in card if row.outcome == "overridden"}
        )


def report(
    engine: Engine, *, since: datetime | None = None, until: datetime | None = None
) -> tuple[WeekOfRule, ...]:
    """Count the cards shown from `since` (included) to `until` (excluded), oldest week first.

    Feedback on unknown cards counts in the week it came. Raises `StoreUnavailable`.
    """
    tallies: dict[tuple[str, str], _Tally] = {}
    for card in _answers_by_card(engine, since, until):
        first = card[0]
        key = (_iso_week(first.at), first.rule_id or "")
        tally = tallies.setdefault(key, _Tally())
        if first.is_silent:
            tally.cards["silent"] += 1
        else:
            tally.cards["shown"] += first.rule_id is not None
            tally.add(card)
    return tuple(_week_of_rule(week, rule, tallies[week, rule]) for week, rule in sorted(tallies))


def feedback_given(
    engine: Engine, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[FeedbackGiven]:
    """Yield feedback that came from `since` (included) to `until` (excluded), oldest first.

    Raises `StoreUnavailable`.
    """
    statement = (
        select(FEEDBACK, *_CARD_COLUMNS)
        .outerjoin(CARD, _OF_THE_CARD)
        .where(*_within(FEEDBACK.c.received_at, since, until))
        .order_by(FEEDBACK.c.received_at, FEEDBACK.c.content_key)
    )
    for row in _stream(engine, statement):
        yield FeedbackGiven(
            issuer=row.issuer,
            service_id=row.service_id,
            hook=row.hook,
            rule_id=row.rule_id,
            knowledge_version=row.knowledge_version,
            outcome=row.outcome,
            outcome_at=row.outcome_at,
            accepted_suggestions=_accepted(row),
            reason=_reason(row),
            comment=row.comment,
            user_reference=row.user_reference,
            tenant=row.tenant,
        )


_CARD_COLUMNS = (
    CARD.c.hook,
    CARD.c.rule_id,
    CARD.c.knowledge_version,
    CARD.c.suggestions,
    CARD.c.user_reference,
    CARD.c.tenant,
    CARD.c.is_silent,
)
_FEEDBACK_COLUMNS = (
    FEEDBACK.c.outcome,
    FEEDBACK.c.accepted_suggestions,
    FEEDBACK.c.reason_code,
    FEEDBACK.c.reason_system,
    FEEDBACK.c.reason_display,
)


def _answers_by_card(
    engine: Engine, since: datetime | None, until: datetime | None
) -> Iterator[list[Row[Any]]]:
    """Yield each card's rows of feedback: first the cards in the ledger, then the unknown ones."""
    in_ledger = (
        select(CARD, CARD.c.shown_at.label("at"), *_FEEDBACK_COLUMNS)
        .outerjoin(FEEDBACK, _OF_THE_CARD)
        .where(*_within(CARD.c.shown_at, since, until))
        .order_by(CARD.c.issuer, CARD.c.card_uuid)
    )
    unknown = (
        select(FEEDBACK, FEEDBACK.c.received_at.label("at"), *_CARD_COLUMNS)
        .outerjoin(CARD, _OF_THE_CARD)
        .where(CARD.c.issuer.is_(None), *_within(FEEDBACK.c.received_at, since, until))
        .order_by(FEEDBACK.c.issuer, FEEDBACK.c.card_uuid, FEEDBACK.c.received_at)
    )
    for statement in (in_ledger, unknown):
        by_card = groupby(_stream(engine, statement), key=attrgetter("issuer", "card_uuid"))
        for _, rows in by_card:
            yield list(rows)


def _stream(engine: Engine, statement: Select[Any]) -> Iterator[Row[Any]]:
    with outage_answered(), reading(engine).begin() as connection:
        yield from connection.execute(statement, execution_options={"yield_per": 1_000})


def _within(
    column: ColumnElement[datetime], since: datetime | None, until: datetime | None
) -> tuple[ColumnElement[bool], ...]:
    after = () if since is None else (column >= since,)
    before = () if until is None else (column < until,)
    return (*after, *before)


def _accepted(row: Row[Any]) -> tuple[str, ...]:
    """Return the names of the accepted suggestions; ids that were not on the card have none."""
    names = row.suggestions or {}
    return tuple(sorted(names.get(uuid, UNKNOWN) for uuid in row.accepted_suggestions or ()))


def _reason(row: Row[Any]) -> str | None:
    """Name a reason by its code; Epic's are numbered by site, so their title comes along."""
    if row.reason_system == EPIC_REASONS and row.reason_display:
        return f"{row.reason_code} {row.reason_display}"
    return cast(str | None, row.reason_code)


def _iso_week(at: datetime) -> str:
    """Name the ISO week of a time in UTC.

    >>> from datetime import UTC
    >>> _iso_week(datetime(2027, 1, 3, 23, 59, tzinfo=UTC))
    '2026-W53'
    """
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02}"


def _week_of_rule(week: str, rule_id: str, tally: _Tally) -> WeekOfRule:
    return WeekOfRule(
        week=week,
        rule_id=rule_id or None,
        shown=tally.cards["shown"],
        silent=tally.cards["silent"],
        accepted=tally.cards["accepted"],
        accepted_suggestions=_most_first(tally.suggestions),
        overridden=tally.cards["overridden"],
        override_reasons=_most_first(tally.reasons),
        unanswered=tally.cards["unanswered"],
    )


def _most_first(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
