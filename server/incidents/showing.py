"""Incidents as clients see them: rows and what hangs on them, however many, in a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from novaql.server.db.unit import Unit
from novaql.server.incidents.schema import MOST_ALERTS, IncidentOut
from novaql.server.incidents.tables import Acknowledger, Incident, IncidentAlert, IncidentService


def shown(unit: Unit, incidents: Sequence[Incident]) -> list[IncidentOut]:
    """The incidents, in their order."""
    ids = [incident.id for incident in incidents]
    services: dict[str, list[str]] = {key: [] for key in ids}
    people: dict[str, list[dict[str, Any]]] = {key: [] for key in ids}
    wanted = select(IncidentService).where(IncidentService.incident_id.in_(ids))
    for row in unit.session.execute(wanted.order_by(IncidentService.position)).scalars():
        services[row.incident_id].append(row.service)
    by_whom = select(Acknowledger).where(Acknowledger.incident_id.in_(ids))
    in_order = by_whom.order_by(Acknowledger.seq)
    for one in unit.session.execute(in_order).scalars():
        people[one.incident_id].append({"id": one.user_id, "name": one.name, "at": one.at})
    alerts: dict[str, list[str]] = {key: [] for key in ids}
    part = select(IncidentAlert.incident_id, IncidentAlert.alert_id).where(
        IncidentAlert.incident_id.in_(ids), IncidentAlert.position < MOST_ALERTS
    )
    if any(incident.alert_count for incident in incidents):
        for incident_id, alert_id in unit.session.execute(part.order_by(IncidentAlert.position)):
            alerts[incident_id].append(alert_id)
    return [
        IncidentOut.model_validate(
            {
                **{name: getattr(incident, name) for name in _SAME},
                "services": services[incident.id],
                "alerts": alerts[incident.id],
                "acknowledged_by": people[incident.id],
            }
        )
        for incident in incidents
    ]


def shown_one(unit: Unit, incident: Incident) -> IncidentOut:
    """One incident."""
    return shown(unit, [incident])[0]


def snapshot(unit: Unit, incident: Incident) -> dict[str, Any]:
    """An incident as the audit log and events have it."""
    return shown_one(unit, incident).model_dump(mode="json")


_SAME = tuple(IncidentOut.model_fields.keys() - {"services", "alerts", "acknowledged_by"})
