"""Groups of users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json

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
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_scim_groups_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scim_groups")),
    )
    op.create_index("ix_scim_groups_name", "scim_groups", ["tenant_id", "name_key"], unique=False)
    op.create_index(op.f("ix_scim_groups_tenant_id"), "scim_groups", ["tenant_id"], unique=False)
    op.create_table(
        "scim_members",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(), nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["scim_groups.id"],
            name=op.f("fk_scim_members_group_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_scim_members_tenant_id")
        ),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f("pk_scim_members")),
    )
    op.create_index(op.f("ix_scim_members_member_id"), "scim_members", ["member_id"], unique=False)
    op.create_index(op.f("ix_scim_members_tenant_id"), "scim_members", ["tenant_id"], unique=False)


def downgrade() -> None:
    """Revert the migration."""
    op.drop_index(op.f("ix_scim_members_tenant_id"), table_name="scim_members")
    op.drop_index(op.f("ix_scim_members_member_id"), table_name="scim_members")
    op.drop_table("scim_members")
    op.drop_index(op.f("ix_scim_groups_tenant_id"), table_name="scim_groups")
    op.drop_index("ix_scim_groups_name", table_name="scim_groups")
    op.drop_table("scim_groups")
