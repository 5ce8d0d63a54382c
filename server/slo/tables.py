"""The tables of objectives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String
from novaql.server.db.rows import Base, Row, TenantRow


class Slo(Row, Base):
    """The current version of an objective of a service.

    service      name of the service
    key          service and name, or its id once archived: the unique index covers active names
    objective    decimal text
    window       {"rolling": "30d"} or {"period": "month", "zone": "Europe/Berlin"}
    indicator    the definition of good and bad events
    escalation_policy_id   pages open an incident with this policy
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
    escalation_policy_id: Mapped[str | None] = mapped_column(Id)
    archived_at: Mapped[datetime | None]


class SloTerm(TenantRow, Base):
    """A version of an objective and its period of validity. New versions do not change old ones."""

    __tablename__ = "slo_terms"
    __table_args__ = (Index("ix_slo_terms_slo", "tenant_id", "slo_id", "valid_from"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    slo_id: Mapped[str] = mapped_column(Id, ForeignKey("slos.id"))
    objective: Mapped[str] = mapped_column(String(16))
    window: Mapped[dict[str, Any]]
    indicator: Mapped[dict[str, Any]]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
