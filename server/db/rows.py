"""The base classes of tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from novaql.server.db.columns import Id, Instant, Json, String

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraints have names that migrations can use, the same in both databases."""


class Base(DeclarativeBase):
    """The base class of every table of the server."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own form
        str: String,
        datetime: Instant,
        dict[str, Any]: Json,
        list[str]: Json,
        list[Any]: Json,
    }


class TenantRow:
    """A mix-in for rows of a tenant. A scoped session sets `tenant_id`, and accesses no other
    tenant's rows."""

    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id"), index=True)


class Row(TenantRow):
    """A resource: its id, the times of its creation and last change, and its version.

    `version` starts at 1 and increases with each change. The code that changes a row sets
    `updated_at`.
    """

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    def __init__(self, **values: Any) -> None:
        """Create a row that has not changed since its creation."""
        super().__init__(**{"updated_at": values.get("created_at"), "version": 1, **values})


class Tenant(Base):
    """An isolated customer of the server, which owns all other rows.

    store     directory of its samples, relative to the server's data directory
    settings  `limits`: settings of the server that this tenant overrides
    """

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    store: Mapped[str]
    created_at: Mapped[datetime]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)

    @property
    def limits(self) -> tuple[tuple[str, float], ...]:
        """Return names and values of the settings that this tenant overrides."""
        return tuple(sorted(self.settings.get("limits", {}).items()))
