"""Create the table of alerts of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant
from novaql.server.db.migrations.columns import tenant_column

revision = "incidents_0002"
down_revision = "incidents_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "incident_alerts",
        sa.Column(
            "incident_id", sa.String(length=64), sa.ForeignKey("incidents.id"), nullable=False
        ),
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("over_at", Instant(), nullable=True),
        tenant_column(),
        sa.PrimaryKeyConstraint("incident_id", "alert_id", name=op.f("pk_incident_alerts")),
    )
    op.create_index(
        "ix_incident_alerts_alert", "incident_alerts", ["tenant_id", "alert_id", "event_id"]
    )
    op.add_column(
        "incidents", sa.Column("alert_count", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_column("incidents", "alert_count")
    op.drop_table("incident_alerts")
