"""Create the tables of objectives and their history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "slo_0001"
down_revision = None
branch_labels = ("slo",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "slos",
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("objective", sa.String(length=16), nullable=False),
        sa.Column("window", Json, nullable=False),
        sa.Column("indicator", Json, nullable=False),
        sa.Column("min_events", sa.Integer(), nullable=False),
        sa.Column("archived_at", Instant(), nullable=True),
        *resource_columns(),
        sa.UniqueConstraint("tenant_id", "key", name="uq_slos_key"),
    )
    op.create_index("ix_slos_service", "slos", ["tenant_id", "service", "name"])
    op.create_table(
        "slo_terms",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column("slo_id", sa.String(length=64), sa.ForeignKey("slos.id"), nullable=False),
        sa.Column("objective", sa.String(length=16), nullable=False),
        sa.Column("window", Json, nullable=False),
        sa.Column("indicator", Json, nullable=False),
        sa.Column("valid_from", Instant(), nullable=False),
        sa.Column("valid_until", Instant(), nullable=True),
        tenant_column(),
    )
    op.create_index("ix_slo_terms_slo", "slo_terms", ["tenant_id", "slo_id", "valid_from"])


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("slo_terms")
    op.drop_table("slos")
