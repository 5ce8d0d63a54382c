"""alerts that open incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "alerts_0003"
down_revision = "alerts_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it so."""
    op.add_column(
        "alerts",
        sa.Column("opens_incident", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_column("alerts", "opens_incident")
