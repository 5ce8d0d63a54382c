"""the catalog of services."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Json
from novaql.server.db.migrations.columns import resource_columns

revision = "platform_0002"
down_revision = "platform_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "services",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("tier", sa.String(length=32), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("links", Json, nullable=False),
        sa.Column("runbooks", Json, nullable=False),
        sa.Column("depends_on", Json, nullable=False),
        sa.Column("signals", Json, nullable=False),
        *resource_columns(),
        sa.UniqueConstraint("tenant_id", "name", name="uq_services_name"),
    )


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("services")
