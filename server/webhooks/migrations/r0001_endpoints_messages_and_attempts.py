"""Create the tables of endpoints, messages and attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "webhooks_0001"
down_revision = None
branch_labels = ("webhooks",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "webhooks",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("api_version", sa.String(length=10), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_valid_until", Instant(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("disabled_reason", sa.String(length=16), nullable=True),
        sa.Column("disabled_at", Instant(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("last_success_at", Instant(), nullable=True),
        sa.Column("last_delivery", Json, nullable=True),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        *resource_columns(),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook_id", sa.String(length=64), sa.ForeignKey("webhooks.id"), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("event_type", sa.String(length=100), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("next_at", Instant(), nullable=True),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=32), nullable=True),
        sa.Column("delivered_at", Instant(), nullable=True),
        *resource_columns(),
    )
    op.create_index(
        "ix_webhook_deliveries_webhook_id_created_at",
        "webhook_deliveries",
        ["webhook_id", "created_at"],
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column(
            "delivery_id",
            sa.String(length=64),
            sa.ForeignKey("webhook_deliveries.id"),
            nullable=False,
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=32), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        tenant_column(),
    )
    op.create_index(op.f("ix_webhook_attempts_delivery_id"), "webhook_attempts", ["delivery_id"])


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("webhook_attempts")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
