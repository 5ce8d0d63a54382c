"""Add the pause of rules, and the series that an evaluation is about to write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Json

revision = "alerts_0002"
down_revision = "alerts_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.add_column(
        "alert_rule_groups", sa.Column("intended", Json, nullable=False, server_default="{}")
    )
    op.add_column(
        "alert_rules", sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_column("alert_rules", "paused")
    op.drop_column("alert_rule_groups", "intended")
