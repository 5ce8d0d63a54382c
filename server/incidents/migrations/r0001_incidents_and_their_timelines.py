"""Create the tables of incidents and their timelines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "incidents_0001"
down_revision = None
branch_labels = ("incidents",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "incidents",
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("dedup_key", sa.String(length=255), nullable=True),
        sa.Column("escalation_policy_id", sa.String(length=64), nullable=True),
        sa.Column("related_to", sa.String(length=64), nullable=True),
        sa.Column("assignees", Json, nullable=False),
        sa.Column("triggers", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("created_by", Json, nullable=False),
        sa.Column("acknowledged_at", Instant(), nullable=True),
        sa.Column("resolved_at", Instant(), nullable=True),
        sa.Column("resolved_by", Json, nullable=True),
        sa.Column("resolution_note", sa.Text(), nullable=True),
        *resource_columns(),
    )
    op.create_index("ix_incidents_key", "incidents", ["tenant_id", "dedup_key", "created_at"])
    op.create_index("ix_incidents_status", "incidents", ["tenant_id", "status", "created_at", "id"])
    op.create_index("ix_incidents_time", "incidents", ["tenant_id", "created_at", "id"])
    op.create_index(
        "uq_incidents_open_key",
        "incidents",
        ["tenant_id", "dedup_key"],
        unique=True,
        sqlite_where=sa.text("status <> 'resolved'"),
        postgresql_where=sa.text("status <> 'resolved'"),
    )
    op.create_table(
        "incident_acknowledgers",
        sa.Column(
            "incident_id", sa.String(length=64), sa.ForeignKey("incidents.id"), nullable=False
        ),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        tenant_column(),
        sa.PrimaryKeyConstraint("incident_id", "user_id", name=op.f("pk_incident_acknowledgers")),
    )
    op.create_table(
        "incident_entries",
        sa.Column(
            "incident_id", sa.String(length=64), sa.ForeignKey("incidents.id"), nullable=False
        ),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("actor", Json, nullable=False),
        sa.Column("data", Json, nullable=False),
        tenant_column(),
        sa.PrimaryKeyConstraint("incident_id", "seq", name=op.f("pk_incident_entries")),
    )
    op.create_table(
        "incident_services",
        sa.Column(
            "incident_id", sa.String(length=64), sa.ForeignKey("incidents.id"), nullable=False
        ),
        sa.Column("service", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        tenant_column(),
        sa.PrimaryKeyConstraint("incident_id", "service", name=op.f("pk_incident_services")),
    )
    op.create_index(
        "ix_incident_services_service",
        "incident_services",
        ["tenant_id", "service", "created_at", "incident_id"],
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("incident_services")
    op.drop_table("incident_entries")
    op.drop_table("incident_acknowledgers")
    op.drop_table("incidents")
