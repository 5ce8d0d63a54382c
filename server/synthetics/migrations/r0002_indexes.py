"""The numbers of a check are found by their hour, and screenshots by their result alone."""

from __future__ import annotations

from alembic import op

revision = "synthetics_0002"
down_revision = "synthetics_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    with op.batch_alter_table("synthetic_screenshots", schema=None) as batch_op:
        batch_op.drop_index("ix_synthetic_screenshots_result")
        batch_op.create_index("ix_synthetic_screenshots_result", ["result_id"], unique=False)

    with op.batch_alter_table("synthetic_tallies", schema=None) as batch_op:
        batch_op.create_index("ix_synthetic_tallies_hour", ["synthetic_id", "hour"], unique=False)


def downgrade() -> None:
    """Revert the migration."""
    with op.batch_alter_table("synthetic_tallies", schema=None) as batch_op:
        batch_op.drop_index("ix_synthetic_tallies_hour")

    with op.batch_alter_table("synthetic_screenshots", schema=None) as batch_op:
        batch_op.drop_index("ix_synthetic_screenshots_result")
        batch_op.create_index(
            "ix_synthetic_screenshots_result", ["tenant_id", "result_id"], unique=False
        )
