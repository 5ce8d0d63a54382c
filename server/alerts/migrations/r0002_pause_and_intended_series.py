"""Rules pause, and evaluations say what they will write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Json

revision = "alerts_0002"
down_revision = "alerts_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    op.add_column(
        "alert_rule_groups", sa.Column("intended", Json, nullable=False, server_default="{}")
    )
    op.add_column(
        "alert_rules", sa.Column("paused", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_column("alert_rules", "paused")
    op.drop_column("alert_rule_groups", "intended")
