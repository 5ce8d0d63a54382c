"""Jobs record the server that has leased them, and when their time was chosen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant

revision = "platform_0004"
down_revision = "platform_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("leased_by", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("set_at", Instant(), nullable=True))


def downgrade() -> None:
    """Revert the migration."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("set_at")
        batch_op.drop_column("leased_by")
