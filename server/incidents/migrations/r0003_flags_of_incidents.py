"""flags of incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Json

revision = "incidents_0003"
down_revision = "incidents_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.add_column("incidents", sa.Column("flags", Json, server_default="[]", nullable=False))


def downgrade() -> None:
    """Revert the migration."""
    op.drop_column("incidents", "flags")
