"""Create the tables of on-call schedules."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Id, Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "oncall_0001"
down_revision = None
branch_labels = ("oncall",)
depends_on = "platform_0001"


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "oncall_departures",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        tenant_column(),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_oncall_departures")),
    )
    op.create_table(
        "oncall_schedules",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("layers", Json, nullable=False),
        sa.Column("former", Json, nullable=False),
        sa.Column("ical_digest", sa.String(length=64), nullable=True),
        sa.Column("ical_created_by", sa.String(length=64), nullable=True),
        sa.Column("ical_created_at", Instant(), nullable=True),
        *resource_columns(),
    )
    op.create_index(
        "ix_oncall_schedules_time", "oncall_schedules", ["tenant_id", "created_at", "id"]
    )
    op.create_table(
        "oncall_overrides",
        sa.Column("schedule_id", Id, sa.ForeignKey("oncall_schedules.id"), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        *resource_columns(),
    )
    op.create_index(op.f("ix_oncall_overrides_schedule_id"), "oncall_overrides", ["schedule_id"])
    op.create_index(
        "ix_oncall_overrides_end", "oncall_overrides", ["tenant_id", "schedule_id", "ends_at"]
    )
    op.create_index(
        "ix_oncall_overrides_time", "oncall_overrides", ["tenant_id", "created_at", "id"]
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("oncall_overrides")
    op.drop_table("oncall_schedules")
    op.drop_table("oncall_departures")
