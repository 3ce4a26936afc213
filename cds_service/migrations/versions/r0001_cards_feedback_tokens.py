"""Make the ledger of cards, the feedback and the tokens already used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Add three tables."""
    op.create_table(
        "card",
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("card_uuid", sa.Text, primary_key=True),
        sa.Column("service_id", sa.Text, nullable=False),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("rule_id", sa.Text, nullable=False),
        sa.Column("knowledge_version", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text),
        sa.Column("user_reference", sa.Text),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_silent", sa.Boolean, nullable=False),
        sa.Column("suggestions", sa.JSON, nullable=False),
    )
    op.create_index("card_shown_at", "card", ["shown_at"])
    op.create_table(
        "feedback",
        sa.Column("content_key", sa.String(64), primary_key=True),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("service_id", sa.Text, nullable=False),
        sa.Column("card_uuid", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("outcome_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_suggestions", sa.JSON, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason_system", sa.Text),
        sa.Column("reason_display", sa.Text),
        sa.Column("comment", sa.Text),
        sa.Column("extension", sa.Text),
    )
    op.create_index("feedback_card", "feedback", ["issuer", "card_uuid"])
    op.create_index("feedback_received_at", "feedback", ["received_at"])
    op.create_table(
        "seen_token",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("seen_token_expires_at", "seen_token", ["expires_at"])
