"""Create the tables of dashboards, panels, versions and embeddings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from novaql.server.db.columns import Instant, Json
from novaql.server.db.migrations.columns import resource_columns, tenant_column

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
        *resource_columns(),
    )
    op.create_table(
        "dashboard_versions",
        sa.Column("id", sa.String(length=64), primary_key=True),
        sa.Column(
            "dashboard_id", sa.String(length=64), sa.ForeignKey("dashboards.id"), nullable=False
        ),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("document", Json, nullable=False),
        tenant_column(),
        sa.UniqueConstraint("dashboard_id", "number", name="uq_dashboard_versions_number"),
    )
    op.create_table(
        "panels",
        sa.Column(
            "dashboard_id", sa.String(length=64), sa.ForeignKey("dashboards.id"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("spec", Json, nullable=False),
        *resource_columns(),
    )
    op.create_index("ix_panels_dashboard", "panels", ["dashboard_id", "position"])
    op.create_table(
        "panel_embeds",
        sa.Column("panel_id", sa.String(length=64), sa.ForeignKey("panels.id"), nullable=False),
        sa.Column("origins", Json, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        *resource_columns(),
    )
    op.create_index(op.f("ix_panel_embeds_panel_id"), "panel_embeds", ["panel_id"])


def downgrade() -> None:
    """Revert the migration."""
    op.drop_table("panel_embeds")
    op.drop_table("panels")
    op.drop_table("dashboard_versions")
    op.drop_table("dashboards")
