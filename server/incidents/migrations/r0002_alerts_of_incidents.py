"""Create the table of alerts of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant

revision = "incidents_0002"
down_revision = "incidents_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "incident_alerts",
        sa.Column("incident_id", sa.String(length=64), nullable=False),
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("over_at", Instant(), nullable=True),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_alerts_incident_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_incident_alerts_tenant_id")
        ),
        sa.PrimaryKeyConstraint("incident_id", "alert_id", name=op.f("pk_incident_alerts")),
    )
    op.create_index(
        "ix_incident_alerts_alert",
        "incident_alerts",
        ["tenant_id", "alert_id", "event_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_incident_alerts_tenant_id"), "incident_alerts", ["tenant_id"], unique=False
    )
    op.add_column(
        "incidents", sa.Column("alert_count", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_column("incidents", "alert_count")
    op.drop_index(op.f("ix_incident_alerts_tenant_id"), table_name="incident_alerts")
    op.drop_index("ix_incident_alerts_alert", table_name="incident_alerts")
    op.drop_table("incident_alerts")
