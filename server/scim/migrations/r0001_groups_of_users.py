"""Groups of users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

revision = "scim_0001"
down_revision = None
branch_labels = ("scim",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "scim_groups",
        sa.Column("name_key", sa.String(), nullable=False),
        sa.Column("attributes", Json, nullable=False),
        *resource_columns(),
    )
    op.create_index("ix_scim_groups_name", "scim_groups", ["tenant_id", "name_key"])
    op.create_table(
        "scim_members",
        sa.Column(
            "group_id",
            sa.String(length=64),
            sa.ForeignKey("scim_groups.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("member_id", sa.String(), nullable=False),
        sa.Column("attributes", Json, nullable=False),
        tenant_column(),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f("pk_scim_members")),
    )
    op.create_index(op.f("ix_scim_members_member_id"), "scim_members", ["member_id"])


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("scim_members")
    op.drop_table("scim_groups")
