"""Create the tables of dashboards, panels, versions and embeddings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json

revision = "dashboards_0001"
down_revision = None
branch_labels = ("dashboards",)
depends_on = ("platform_0001",)


def upgrade() -> None:
    """Apply the migration."""
    op.create_table(
        "dashboards",
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("tag_lines", sa.Text(), nullable=False),
        sa.Column("variables", Json, nullable=False),
        sa.Column("annotations", Json, nullable=False),
        sa.Column("refresh", sa.String(length=64), nullable=True),
        sa.Column("time_range", Json, nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("updated_by", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_dashboards_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dashboards")),
    )
    op.create_index(op.f("ix_dashboards_tenant_id"), "dashboards", ["tenant_id"], unique=False)
    op.create_table(
        "dashboard_versions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("dashboard_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"], ["dashboards.id"], name=op.f("fk_dashboard_versions_dashboard_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_dashboard_versions_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dashboard_versions")),
        sa.UniqueConstraint("dashboard_id", "number", name="uq_dashboard_versions_number"),
    )
    op.create_index(
        op.f("ix_dashboard_versions_tenant_id"), "dashboard_versions", ["tenant_id"], unique=False
    )
    op.create_table(
        "panels",
        sa.Column("dashboard_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("spec", Json, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["dashboard_id"], ["dashboards.id"], name=op.f("fk_panels_dashboard_id")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_panels_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panels")),
    )
    op.create_index("ix_panels_dashboard", "panels", ["dashboard_id", "position"], unique=False)
    op.create_index(op.f("ix_panels_tenant_id"), "panels", ["tenant_id"], unique=False)
    op.create_table(
        "panel_embeds",
        sa.Column("panel_id", sa.String(length=64), nullable=False),
        sa.Column("origins", Json, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["panel_id"], ["panels.id"], name=op.f("fk_panel_embeds_panel_id")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_panel_embeds_tenant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel_embeds")),
    )
    op.create_index(op.f("ix_panel_embeds_panel_id"), "panel_embeds", ["panel_id"], unique=False)
    op.create_index(op.f("ix_panel_embeds_tenant_id"), "panel_embeds", ["tenant_id"], unique=False)


def downgrade() -> None:
    """Revert the migration."""
    op.drop_index(op.f("ix_panel_embeds_tenant_id"), table_name="panel_embeds")
    op.drop_index(op.f("ix_panel_embeds_panel_id"), table_name="panel_embeds")
    op.drop_table("panel_embeds")
    op.drop_index(op.f("ix_panels_tenant_id"), table_name="panels")
    op.drop_index("ix_panels_dashboard", table_name="panels")
    op.drop_table("panels")
    op.drop_index(op.f("ix_dashboard_versions_tenant_id"), table_name="dashboard_versions")
    op.drop_table("dashboard_versions")
    op.drop_index(op.f("ix_dashboards_tenant_id"), table_name="dashboards")
    op.drop_table("dashboards")
