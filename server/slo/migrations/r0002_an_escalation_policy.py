"""The escalation policy of an objective."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "slo_0002"
down_revision = "slo_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("slos", schema=None) as batch_op:
        batch_op.add_column(sa.Column("escalation_policy_id", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Revert the migration."""
    with op.batch_alter_table("slos", schema=None) as batch_op:
        batch_op.drop_column("escalation_policy_id")
