"""The tables of objectives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String
from novaql.server.db.rows import Base, Row, TenantRow


class Slo(Row, Base):
    """An objective of a service, as it is now.

    service      name of the service
    key          service and name while it counts, its id once it is archived: keeps names unique
    objective    decimal text
    window       {"rolling": "30d"} or {"period": "month", "zone": "Europe/Berlin"}
    indicator    what is good and what is bad
    """

    __tablename__ = "slos"
    __table_args__ = (
        UniqueConstraint("tenant_id", "key", name="uq_slos_key"),
        Index("ix_slos_service", "tenant_id", "service", "name"),
    )

    service: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(300))
    objective: Mapped[str] = mapped_column(String(16))
    window: Mapped[dict[str, Any]]
    indicator: Mapped[dict[str, Any]]
    min_events: Mapped[int] = mapped_column(default=0)
    archived_at: Mapped[datetime | None]


class SloTerm(TenantRow, Base):
    """What an objective said during some time: a relaxed target does not rewrite the past."""

    __tablename__ = "slo_terms"
    __table_args__ = (Index("ix_slo_terms_slo", "tenant_id", "slo_id", "valid_from"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    slo_id: Mapped[str] = mapped_column(Id, ForeignKey("slos.id"))
    objective: Mapped[str] = mapped_column(String(16))
    window: Mapped[dict[str, Any]]
    indicator: Mapped[dict[str, Any]]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
