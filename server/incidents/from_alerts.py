"""Incidents that alerts open. They resolve when the last of their alerts ends.

Alerts of one rule and one service share an incident while it is open. Events may arrive out of
order: each link stores the newest event that it was made from, and ignores older ones.

A tenant at its limit `max_open_incidents` opens no more incidents. Its alerts still notify their
channels. The rejection is in the server log, in the audit log (`incident.create`, denied), in an
event (`incident.not_opened`), and thereby in the history of the alerts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from novaql.server.catalog.lookup import services_held
from novaql.server.db.batches import batches
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict
from novaql.server.incidents.model import MOST_ALERTS, EntryType, Status, severity_of
from novaql.server.incidents.schema import CreateIncident
from novaql.server.incidents.service import (
    check_open_incidents,
    held_open,
    resolve_incident,
    trigger,
)
from novaql.server.incidents.tables import Incident, IncidentAlert
from novaql.server.incidents.timeline import append, is_full
from novaql.server.jobs.outbox import Consumer, EventEnvelope

log = logging.getLogger(__name__)
ENDED = "its last alert has ended"
"""The note of an incident that the server resolved."""

_LONGEST_TITLE, _LONGEST_DESCRIPTION = 200, 10_000


def firing(unit: Unit, event: EventEnvelope) -> None:
    """Alerts started to fire: open an incident, or add them to the open one."""
    _link(unit, event, [one for one, _ in _newer(unit, event)])


def over(unit: Unit, event: EventEnvelope) -> None:
    """Alerts ended: resolve incidents whose last alert has ended."""
    unheard, ended = [], []
    for one, link in _newer(unit, event):
        if link is None or link.over_at is not None:
            unheard.append(one)  # this event arrived before the one of its start
        else:
            ended.append(link)
    ended += _link(unit, event, unheard)
    for incident_id in sorted({link.incident_id for link in ended}):
        _end(unit, event, incident_id, [one for one in ended if one.incident_id == incident_id])


def key_of(data: Mapping[str, Any]) -> str:
    """The dedup key of the alerts of a rule and a service."""
    service = data["service"]
    return f"alert:{data['rule_id']}" + ("" if service is None else f":{service}")


def _newer(
    unit: Unit, event: EventEnvelope
) -> list[tuple[Mapping[str, Any], IncidentAlert | None]]:
    """The alerts of an event with their newest links, without those that a newer event changed.

    Locks the service, if the catalog has it, then the open incident: the order of all callers.
    """
    if event.data["service"] is not None:
        services_held(unit, [event.data["service"]])
    held_open(unit, key_of(event.data))
    alerts = event.data["alerts"]
    newest = _newest(unit, [one["id"] for one in alerts])
    found = [(one, newest.get(one["id"])) for one in alerts]
    return [(one, link) for one, link in found if link is None or link.event_id < event.id]


def _end(
    unit: Unit, event: EventEnvelope, incident_id: str, links: Sequence[IncidentAlert]
) -> None:
    incident = unit.get(Incident, incident_id, "incident", lock=True)
    for link in links:
        link.over_at, link.event_id = event.at, event.id
    unit.session.flush()
    ids = [link.alert_id for link in links]
    if not is_full(unit, incident):
        payload = {"alerts": ids[:MOST_ALERTS], "count": len(ids)}
        append(unit, incident, EntryType.ALERTS_ENDED, payload)
    still = select(IncidentAlert.alert_id).where(
        IncidentAlert.incident_id == incident_id, IncidentAlert.over_at.is_(None)
    )
    left = unit.session.execute(still.limit(1)).first()
    if left is None and incident.status != Status.RESOLVED.value:
        resolve_incident(unit, incident, ENDED)


def _triggered(
    unit: Unit, event: EventEnvelope, alerts: Sequence[Mapping[str, Any]]
) -> Incident | None:
    """Create or find the incident of the alerts. None if the tenant is at its limit."""
    data = event.data
    if held_open(unit, key_of(data)) is None:
        try:
            check_open_incidents(unit)
        except Conflict as refusal:
            _not_opened(unit, data, [one["id"] for one in alerts], refusal.message)
            return None
    annotations = data["annotations"]
    ids = {one["id"] for one in alerts}
    incident, _ = trigger(
        unit,
        CreateIncident.model_construct(  # not all of these texts are within the bounds of a body
            title=_line(annotations.get("summary")) or _line(data["name"]) or data["rule_id"],
            severity=severity_of(data["severities"]),
            services=[] if data["service"] is None else [data["service"]],
            description=annotations.get("description", "")[:_LONGEST_DESCRIPTION],
            dedup_key=key_of(data),
            escalation_policy_id=data["escalation_policy_id"],
        ),
        source={
            "rule_id": data["rule_id"],
            "alerts": [one for one in data["shown"] if one["id"] in ids],
            "count": len(ids),
        },
    )
    return incident


def _not_opened(unit: Unit, data: Mapping[str, Any], alert_ids: list[str], reason: str) -> None:
    log.warning("alerts of rule %s open no incident: %s", data["rule_id"], reason)
    payload = {"rule_id": data["rule_id"], "alerts": alert_ids[:MOST_ALERTS], "reason": reason}
    target = ("alert_rule", data["rule_id"])
    event = ("incident.not_opened", {**payload, "count": len(alert_ids)})
    unit.audit("incident.create", target, after=payload, outcome="denied", event=event)


def _link(
    unit: Unit, event: EventEnvelope, alerts: Sequence[Mapping[str, Any]]
) -> list[IncidentAlert]:
    """Add alerts to their incident, or mark them as firing again. Opens the incident if there is
    none."""
    incident = _triggered(unit, event, alerts) if alerts else None
    if incident is None:
        return []
    known = _newest(unit, [one["id"] for one in alerts], incident.id)
    links = []
    for one in alerts:
        link = known.get(one["id"])
        if link is None:
            link = IncidentAlert(
                incident_id=incident.id, alert_id=one["id"], position=incident.alert_count
            )
            unit.session.add(link)
            incident.alert_count += 1
        link.event_id, link.over_at = event.id, None
        links.append(link)
    unit.session.flush()
    unit.session.expire(incident, ["first_alerts"])
    unit.publish(
        "incident.alerts_added",
        {"incident_id": incident.id, "alerts": [dict(one) for one in alerts]},
    )
    return links


def _newest(
    unit: Unit, alert_ids: Sequence[str], incident_id: str | None = None
) -> dict[str, IncidentAlert]:
    """The newest link of each alert, to one incident or to any."""
    found: dict[str, IncidentAlert] = {}
    for some in batches(alert_ids):
        statement = (
            select(IncidentAlert)
            .where(IncidentAlert.alert_id.in_(some))
            .order_by(IncidentAlert.event_id)
        )
        if incident_id is not None:
            statement = statement.where(IncidentAlert.incident_id == incident_id)
        found |= {row.alert_id: row for row in unit.session.execute(statement).scalars()}
    return found


def _line(text: str | None) -> str:
    return "" if text is None else " ".join(text.split())[:_LONGEST_TITLE]


CONSUMERS = (Consumer("alert.incident_firing", firing), Consumer("alert.incident_over", over))
