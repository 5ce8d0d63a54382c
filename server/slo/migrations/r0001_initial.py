"""Create the tables of objectives and their history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json

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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_slos_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slos")),
        sa.UniqueConstraint("tenant_id", "key", name="uq_slos_key"),
    )
    op.create_index("ix_slos_service", "slos", ["tenant_id", "service", "name"], unique=False)
    op.create_index(op.f("ix_slos_tenant_id"), "slos", ["tenant_id"], unique=False)
    op.create_table(
        "slo_terms",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("slo_id", sa.String(length=64), nullable=False),
        sa.Column("objective", sa.String(length=16), nullable=False),
        sa.Column("window", Json, nullable=False),
        sa.Column("indicator", Json, nullable=False),
        sa.Column("valid_from", Instant(), nullable=False),
        sa.Column("valid_until", Instant(), nullable=True),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["slo_id"], ["slos.id"], name=op.f("fk_slo_terms_slo_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_slo_terms_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slo_terms")),
    )
    op.create_index(
        "ix_slo_terms_slo", "slo_terms", ["tenant_id", "slo_id", "valid_from"], unique=False
    )
    op.create_index(op.f("ix_slo_terms_tenant_id"), "slo_terms", ["tenant_id"], unique=False)


def downgrade() -> None:
    """Revert the migration."""
    op.drop_index(op.f("ix_slo_terms_tenant_id"), table_name="slo_terms")
    op.drop_index("ix_slo_terms_slo", table_name="slo_terms")
    op.drop_table("slo_terms")
    op.drop_index(op.f("ix_slos_tenant_id"), table_name="slos")
    op.drop_index("ix_slos_service", table_name="slos")
    op.drop_table("slos")
