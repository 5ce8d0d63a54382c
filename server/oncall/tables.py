"""The tables of on-call schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row, TenantRow


class OncallSchedule(Row, Base):
    """A schedule.

    layers           as in the body of the request that saved it
    former           what it was before changes, oldest first: `layers`, `timezone`, and `until` in
                     milliseconds since 1970. Shifts of the past remain as they were
    ical_digest      digest of the secret in the URL of the feed; None: there is no feed
    ical_created_by  the user who created the secret
    """

    __tablename__ = "oncall_schedules"
    __table_args__ = (Index("ix_oncall_schedules_time", "tenant_id", "created_at", "id"),)

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    timezone: Mapped[str] = mapped_column(String(64))
    layers: Mapped[list[Any]]
    former: Mapped[list[Any]] = mapped_column(default=list)
    ical_digest: Mapped[str | None] = mapped_column(String(64))
    ical_created_by: Mapped[str | None] = mapped_column(Id)
    ical_created_at: Mapped[datetime | None]


class OncallOverride(Row, Base):
    """A user who is on call in place of those of the layers."""

    __tablename__ = "oncall_overrides"
    __table_args__ = (
        Index("ix_oncall_overrides_time", "tenant_id", "created_at", "id"),
        Index("ix_oncall_overrides_end", "tenant_id", "schedule_id", "ends_at"),
    )

    schedule_id: Mapped[str] = mapped_column(Id, ForeignKey("oncall_schedules.id"), index=True)
    user_id: Mapped[str] = mapped_column(Id)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[str] = mapped_column(Id)


class OncallDeparture(TenantRow, Base):
    """When a user was deactivated: shifts before that time remain the user's."""

    __tablename__ = "oncall_departures"

    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
