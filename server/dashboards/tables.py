"""Tables of dashboards, panels, saved versions and embeddings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row, TenantRow


class Dashboard(Row, Base):
    """A dashboard without its panels.

    tag_lines  the tags, each between line ends, for the filter by tag
    variables, annotations   in the form of the API
    created_by, updated_by   ids of users
    """

    __tablename__ = "dashboards"

    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, default="")
    tags: Mapped[list[str]]
    tag_lines: Mapped[str] = mapped_column(Text)
    variables: Mapped[list[Any]]
    annotations: Mapped[list[Any]]
    refresh: Mapped[str | None] = mapped_column(String(64))
    time_range: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(Id)
    updated_by: Mapped[str] = mapped_column(Id)


class Panel(Row, Base):
    """A panel of a dashboard. `position` is its index; `spec` is everything except its title."""

    __tablename__ = "panels"
    __table_args__ = (Index("ix_panels_dashboard", "dashboard_id", "position"),)

    dashboard_id: Mapped[str] = mapped_column(Id, ForeignKey("dashboards.id"))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]]


class DashboardVersion(TenantRow, Base):
    """A saved version of a dashboard, with its panels."""

    __tablename__ = "dashboard_versions"
    __table_args__ = (
        UniqueConstraint("dashboard_id", "number", name="uq_dashboard_versions_number"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    dashboard_id: Mapped[str] = mapped_column(Id, ForeignKey("dashboards.id"))
    number: Mapped[int]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(Id)
    document: Mapped[dict[str, Any]]


class PanelEmbed(Row, Base):
    """An embedding of a panel: anyone who has its URL can see the panel.

    origins  origins of the pages that may frame it
    digest   SHA-256 of the secret in the URL
    """

    __tablename__ = "panel_embeds"

    panel_id: Mapped[str] = mapped_column(Id, ForeignKey("panels.id"), index=True)
    origins: Mapped[list[str]]
    digest: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(Id)
