"""Keep feedback: whatever was acknowledged is committed, and the same feedback is kept once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from cds_service.feedback import FeedbackEntry, Outcome
from cds_service.store.database import insert_unless_present, outage_answered
from cds_service.store.schema import CARD, FEEDBACK


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """What became of a batch, all of it committed.

    `new`: rule id (None where the card is unknown) and outcome of each entry kept for the first
    time; `repeated`: entries that were there already; `unknown_cards`: new entries whose card is
    not in the ledger of this issuer.
    """

    new: tuple[tuple[str | None, Outcome], ...]
    repeated: int

    @property
    def unknown_cards(self) -> int:
        """Count the new entries about cards this issuer was never shown."""
        return sum(rule_id is None for rule_id, _ in self.new)


def content_key(entry: FeedbackEntry, *, issuer: str, service_id: str) -> str:
    """Return what makes two entries the same feedback, as hexadecimal SHA-256.

    >>> from datetime import UTC
    >>> entry = FeedbackEntry(card="a", outcome="overridden", outcome_at=datetime(2026, 3, 1,
    ...     tzinfo=UTC))
    >>> content_key(entry, issuer="one", service_id="s")[:12]
    'de4353537a1a'
    """
    content = (
        issuer,
        service_id,
        entry.card,
        entry.outcome,
        entry.outcome_at.isoformat(timespec="microseconds"),
        entry.accepted_suggestions,
    )
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def record_feedback(
    engine: Engine,
    entries: Sequence[FeedbackEntry],
    *,
    issuer: str,
    service_id: str,
    received_at: datetime,
    comment_characters: int = 0,
) -> Recorded:
    """Commit a batch whole and say what was new; a repeated entry is no error.

    Free text (comment, extension) is kept only up to `comment_characters`: 0 keeps none.
    Raises `StoreUnavailable`, and then nothing of the batch is kept.
    """
    by_key = {content_key(entry, issuer=issuer, service_id=service_id): entry for entry in entries}
    rows = [
        {
            "content_key": key,
            "issuer": issuer,
            "service_id": service_id,
            "received_at": received_at,
            **_columns(entry, comment_characters),
        }
        for key, entry in sorted(by_key.items())  # one order for all: no two batches can deadlock
    ]
    if not rows:
        return Recorded(new=(), repeated=0)
    with outage_answered(), engine.begin() as connection:
        kept = connection.scalars(
            insert_unless_present(connection, FEEDBACK).returning(FEEDBACK.c.content_key), rows
        ).all()
        rules = _rules_of_cards(connection, (by_key[key].card for key in kept), issuer=issuer)
    new = tuple((rules.get(by_key[key].card), by_key[key].outcome) for key in kept)
    return Recorded(new=new, repeated=len(entries) - len(new))


def _columns(entry: FeedbackEntry, comment_characters: int) -> dict[str, object]:
    reason = entry.reason
    is_kept = comment_characters > 0
    return {
        "card_uuid": entry.card,
        "outcome": entry.outcome,
        "outcome_at": entry.outcome_at,
        "accepted_suggestions": list(entry.accepted_suggestions),
        "reason_code": reason.code if reason else None,
        "reason_system": reason.system if reason else None,
        "reason_display": reason.display if reason else None,
        "comment": entry.comment[:comment_characters] if is_kept and entry.comment else None,
        "extension": entry.extension if is_kept else None,
    }


def _rules_of_cards(
    connection: Connection, cards: Iterable[str], *, issuer: str
) -> Mapping[str, str]:
    """Return the rule of each card this issuer was shown; another issuer's card is unknown."""
    shown = select(CARD.c.card_uuid, CARD.c.rule_id).where(
        CARD.c.issuer == issuer, CARD.c.card_uuid.in_(set(cards))
    )
    return {row.card_uuid: row.rule_id for row in connection.execute(shown)}
