"""Tables of dashboards: as they are now, their panels, every version saved, and embeddings."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row, TenantRow


class Dashboard(Row, Base):
    """A dashboard without its panels.

    tag_lines  the tags between line ends, to look for one
    variables, annotations   as the API has them
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
    """A panel of a dashboard. `position`: its place in the list; `spec`: all but its title."""

    __tablename__ = "panels"
    __table_args__ = (Index("ix_panels_dashboard", "dashboard_id", "position"),)

    dashboard_id: Mapped[str] = mapped_column(Id, ForeignKey("dashboards.id"))
    position: Mapped[int]
    title: Mapped[str] = mapped_column(Text)
    spec: Mapped[dict[str, Any]]


class DashboardVersion(TenantRow, Base):
    """A dashboard as it was saved once, with its panels."""

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
    """A panel that a page elsewhere may show, to anybody who has its URL.

    origins  the pages that may frame it
    digest   SHA-256 of the secret in the URL
    """

    __tablename__ = "panel_embeds"

    panel_id: Mapped[str] = mapped_column(Id, ForeignKey("panels.id"), index=True)
    origins: Mapped[list[str]]
    digest: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(Id)
