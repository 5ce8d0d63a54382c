"""Exports of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "audit_exports",
        sa.Column("from_at", Instant(), nullable=False),
        sa.Column("to_at", Instant(), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("token_id", sa.String(length=64), nullable=False),
        sa.Column("creator_id", sa.String(length=64), nullable=False),
        *resource_columns(),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("audit_exports")
