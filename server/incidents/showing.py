"""Rows of incidents as wire shapes, and as the audit log and events contain them."""

from __future__ import annotations

from typing import Any

from novaql.server.incidents.schema import IncidentOut
from novaql.server.incidents.tables import Incident

_PARTS = frozenset({"services", "alerts", "acknowledged_by"})
_SAME = tuple(IncidentOut.model_fields.keys() - _PARTS)


def shown(incident: Incident) -> IncidentOut:
    """The wire shape of an incident. A unit loads services, alerts and acknowledgers only once."""
    alerts = incident.first_alerts if incident.alert_count else []
    return IncidentOut.model_validate(
        {
            **{name: getattr(incident, name) for name in _SAME},
            "services": [row.service for row in incident.services],
            "alerts": [row.alert_id for row in alerts],
            "acknowledged_by": [
                {"id": row.user_id, "name": row.name, "at": row.at}
                for row in incident.acknowledgers
            ],
        }
    )


def snapshot(incident: Incident) -> dict[str, Any]:
    """An incident as the audit log and events contain it."""
    return shown(incident).model_dump(mode="json")
