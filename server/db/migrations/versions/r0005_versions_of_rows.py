"""Versions of each tenant's rows by table, for caches of what was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Id

revision = "platform_0005"
down_revision = "platform_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "row_versions",
        sa.Column("tenant_id", Id, nullable=False),
        sa.Column("name", Id, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_row_versions")),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("row_versions")
