"""The ledger of cards: what gives feedback its rule, user, date and place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter

from cds_service.store.schema import CARD
from cds_service.store.write_behind import WriteBehind


@dataclass(frozen=True, kw_only=True, slots=True)
class CardShown:
    """One card that went out, or would have: no patient, no content.

    `suggestions` maps each suggestion's uuid to its name, which is the same on every card of the
    rule; `tenant` and `user_reference` (the hook's userId) are None when unknown; `is_silent`
    means computed and counted but not returned.
    """

    issuer: str
    card_uuid: str
    service_id: str
    hook: str
    rule_id: str
    knowledge_version: str
    shown_at: datetime
    tenant: str | None = None
    user_reference: str | None = None
    is_silent: bool = False
    suggestions: Mapping[str, str] = field(default_factory=dict)


def record_cards(cards: Iterable[CardShown], *, writer: WriteBehind) -> None:
    """Hand cards to the writer; never waits, never fails. A card shown twice is one row."""
    writer.put(CARD, (_row(card) for card in cards))


def _row(card: CardShown) -> dict[str, object]:
    return dict(zip(_COLUMNS, _values(card), strict=True))


_COLUMNS = tuple(CARD.columns.keys())
_values = attrgetter(*_COLUMNS)
