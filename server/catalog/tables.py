"""The table of services, which several domains refer to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import String, Text
from novaql.server.db.rows import Base, Row


class Service(Row, Base):
    """A service that a tenant operates.

    depends_on  names of services or of anything else
    signals     settings of the golden signals: name → {expr, unit, degraded, unhealthy}
    """

    __tablename__ = "services"
    __table_args__ = (UniqueConstraint("tenant_id", "name", name="uq_services_name"),)

    name: Mapped[str] = mapped_column(String(63))
    owner: Mapped[str]
    tier: Mapped[str] = mapped_column(String(32))
    description: Mapped[str] = mapped_column(Text, default="")
    links: Mapped[list[Any]]
    runbooks: Mapped[list[str]]
    depends_on: Mapped[list[str]]
    signals: Mapped[dict[str, Any]]
