"""The tables of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, and_, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row, TenantRow
from novaql.server.incidents.model import MOST_ALERTS

_OPEN = text("status <> 'resolved'")


class IncidentService(TenantRow, Base):
    """A service that an incident affects. The row remains when the service leaves the catalog.

    position    index in the list of services, in the order of the request
    created_at  creation time of the incident, for the index that finds a service's newest incidents
    """

    __tablename__ = "incident_services"
    __table_args__ = (
        Index(
            *("ix_incident_services_service", "tenant_id", "service"),
            *("created_at", "incident_id"),
        ),
    )

    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id"), primary_key=True)
    service: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[int]
    created_at: Mapped[datetime]


class IncidentAlert(TenantRow, Base):
    """An alert that is, or was, part of an incident.

    position  index in the list of alerts
    event_id  id of the newest event that this row was made from
    over_at   when the alert ended; None while it fires
    """

    __tablename__ = "incident_alerts"
    __table_args__ = (Index("ix_incident_alerts_alert", "tenant_id", "alert_id", "event_id"),)

    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id"), primary_key=True)
    alert_id: Mapped[str] = mapped_column(Id, primary_key=True)
    position: Mapped[int]
    event_id: Mapped[str] = mapped_column(Id)
    over_at: Mapped[datetime | None]


class Acknowledger(TenantRow, Base):
    """A user that has acknowledged an incident. `seq` is the number of the timeline entry."""

    __tablename__ = "incident_acknowledgers"

    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id"), primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str]
    seq: Mapped[int]
    at: Mapped[datetime]


class Incident(Row, Base):
    """An incident.

    status        triggered, acknowledged or resolved
    dedup_key     a request with this key triggers the open incident again; None for none
    related_to    the previous incident with the key
    assignees     ids of users
    triggers      number of triggers
    entries       number of timeline entries; the next entry has the next number
    alert_count   number of alerts that are or were part of it
    flags         what went wrong with its escalation, sorted
    created_by, resolved_by   actors: {type, id, name}
    first_alerts  the alerts that answers name
    """

    __tablename__ = "incidents"
    __table_args__ = (
        Index(
            *("uq_incidents_open_key", "tenant_id", "dedup_key"),
            unique=True,
            # The migration adds `postgresql_where`, which would load that dialect at every start.
            sqlite_where=_OPEN,
        ),
        Index("ix_incidents_key", "tenant_id", "dedup_key", "created_at"),
        Index("ix_incidents_time", "tenant_id", "created_at", "id"),
        Index("ix_incidents_status", "tenant_id", "status", "created_at", "id"),
    )

    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(16))
    dedup_key: Mapped[str | None] = mapped_column(String(255))
    escalation_policy_id: Mapped[str | None] = mapped_column(Id)
    related_to: Mapped[str | None] = mapped_column(Id)
    assignees: Mapped[list[str]]
    triggers: Mapped[int] = mapped_column(default=1)
    entries: Mapped[int] = mapped_column(default=0)
    alert_count: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[dict[str, Any]]
    acknowledged_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[dict[str, Any] | None]
    resolution_note: Mapped[str | None] = mapped_column(Text)
    flags: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    services: Mapped[list[IncidentService]] = relationship(order_by=IncidentService.position)
    acknowledgers: Mapped[list[Acknowledger]] = relationship(order_by=Acknowledger.seq)
    first_alerts: Mapped[list[IncidentAlert]] = relationship(
        primaryjoin=lambda: and_(
            IncidentAlert.incident_id == Incident.id, IncidentAlert.position < MOST_ALERTS
        ),
        order_by=IncidentAlert.position,
        viewonly=True,
    )


class Entry(TenantRow, Base):
    """An entry of a timeline, such as a comment. Immutable, and never deleted."""

    __tablename__ = "incident_entries"

    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(24))
    actor: Mapped[dict[str, Any]]
    data: Mapped[dict[str, Any]]
