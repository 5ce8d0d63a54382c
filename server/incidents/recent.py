"""Queries of the catalog about the incidents of a service."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select

from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.incidents.model import Status
from novaql.server.incidents.tables import Incident, IncidentService

_RECENT = Prepared(
    select(Incident)
    .where(
        IncidentService.incident_id == Incident.id,
        IncidentService.service == bindparam("service"),
    )
    .order_by(IncidentService.created_at.desc(), IncidentService.incident_id.desc())
    .limit(bindparam("most"))
)
_OPEN = (Status.TRIGGERED.value, Status.ACKNOWLEDGED.value)
_COUNT = Prepared(
    select(func.count(Incident.id)).where(
        IncidentService.incident_id == Incident.id,
        IncidentService.service == bindparam("service"),
        Incident.status.in_(_OPEN),
    )
)


def recent_of(unit: Unit, service: str, most: int) -> Sequence[Incident]:
    """The newest incidents that affect a service, open or resolved."""
    if most == 0:
        return ()
    found: Sequence[Incident] = (
        _RECENT.run(unit.session, service=service, most=most).scalars().all()
    )
    return found


def count_open(unit: Unit, service: str) -> int:
    """The number of open incidents that affect a service."""
    found: int = _COUNT.run(unit.session, service=service).scalar_one()
    return found


def open_of(unit: Unit, service: str) -> Sequence[str]:
    """Ids of the open incidents that affect a service, oldest first.

    The result is stable while the caller holds the lock of the service's row: a new incident
    acquires that lock first.
    """
    statement = (
        select(Incident.id)
        .join(IncidentService, IncidentService.incident_id == Incident.id)
        .where(IncidentService.service == service, Incident.status.in_(_OPEN))
        .order_by(Incident.created_at, Incident.id)
    )
    return unit.session.execute(statement).scalars().all()
