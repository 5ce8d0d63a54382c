"""Name the last notifications of a group as the code does."""

from __future__ import annotations

from alembic import op

revision = "alerts_0005"
down_revision = "alerts_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.alter_column("notification_groups", "told", new_column_name="notified")


def downgrade() -> None:
    """Revert the migration."""
    op.alter_column("notification_groups", "notified", new_column_name="told")
