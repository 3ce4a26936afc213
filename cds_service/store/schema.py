"""The tables, as the newest migration leaves them; a test holds the two equal on both databases.

Texts have no length limit: SQLite would not hold it and PostgreSQL would, so the limits are set
where texts come in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Index,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect

REVISIONS: Final = ("0001",)
"""Every migration this version knows, oldest first."""


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time with zone, kept as UTC; SQLite knows no zones and would drop them."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse a time without zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without zone cannot be kept")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give back UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA: Final = MetaData()

CARD: Final = Table(
    "card",
    METADATA,
    Column("issuer", Text, primary_key=True),
    Column("card_uuid", Text, primary_key=True),
    Column("service_id", Text, nullable=False),
    Column("hook", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("knowledge_version", Text, nullable=False),
    Column("tenant", Text),
    Column("user_reference", Text),
    Column("shown_at", UtcDateTime, nullable=False),
    Column("is_silent", Boolean, nullable=False),
    Column("suggestions", JSON, nullable=False),
    Index("card_shown_at", "shown_at"),
)

FEEDBACK: Final = Table(
    "feedback",
    METADATA,
    Column("content_key", String(64), primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("card_uuid", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("outcome_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("accepted_suggestions", JSON, nullable=False),
    Column("reason_code", Text),
    Column("reason_system", Text),
    Column("reason_display", Text),
    Column("comment", Text),
    Column("extension", Text),
    Index("feedback_card", "issuer", "card_uuid"),
    Index("feedback_received_at", "received_at"),
)

SEEN_TOKEN: Final = Table(
    "seen_token",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("seen_token_expires_at", "expires_at"),
)
