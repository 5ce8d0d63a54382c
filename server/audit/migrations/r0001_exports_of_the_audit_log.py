"""Exports of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json

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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_exports_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_exports")),
    )
    op.create_index(
        op.f("ix_audit_exports_tenant_id"), "audit_exports", ["tenant_id"], unique=False
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_index(op.f("ix_audit_exports_tenant_id"), table_name="audit_exports")
    op.drop_table("audit_exports")
