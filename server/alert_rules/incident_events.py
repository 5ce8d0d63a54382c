"""Events between alerts and incidents.

An alert opens an incident if its rule has `auto_incident` and the alert is not muted when it starts
to fire. Later silences have no effect. All alerts of a rule and a service that start or end in one
evaluation share one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from novaql.server.alert_model import history
from novaql.server.alert_model.rows_by_key import rows_by
from novaql.server.alert_model.tables import Alert, AlertRule
from novaql.server.alert_rules.alert_store import Change, Transition
from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.notifications.lookup import routing_plan
from novaql.server.silences.muting import Muting

SHOWN = 10
"""The most alerts whose labels an event shows."""

NO_INCIDENT = "no_incident"
_ENDS = (Change.PENDING, Change.RESOLVED, Change.INACTIVE)


def publish(unit: Unit, transitions: Sequence[Transition], rules: Mapping[str, AlertRule]) -> None:
    """Publish the start and the end of alerts with incidents. The caller has flushed the unit."""
    fired = [one.alert for one in transitions if one.change is Change.FIRING]
    for alert in fired:
        alert.opens_incident = alert.rule_id in rules and rules[alert.rule_id].auto_incident
    wanting = [alert for alert in fired if alert.opens_incident]
    if wanting:
        muting = Muting.of(unit, routing_plan(unit))
        for alert in wanting:
            alert.opens_incident = not muting.suppressing(alert.labels)
    begun = [alert for alert in wanting if alert.opens_incident]
    over = [one.alert for one in transitions if one.change in _ENDS and one.alert.opens_incident]
    for data in _by_rule_and_service(begun, rules):
        unit.publish("alert.incident_firing", data)
    for data in _by_rule_and_service(over, rules):
        unit.publish("alert.incident_over", data)
    for alert in over:
        alert.opens_incident = False


def _by_rule_and_service(
    alerts: Iterable[Alert], rules: Mapping[str, AlertRule]
) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str | None], list[Alert]] = {}
    for alert in alerts:
        groups.setdefault((alert.rule_id, alert.service), []).append(alert)
    for (rule_id, service), members in groups.items():
        rule = rules.get(rule_id)
        yield {
            "rule_id": rule_id,
            "name": members[0].name,
            "service": service,
            "severities": sorted({alert.severity for alert in members if alert.severity}),
            "annotations": members[0].annotations,
            "escalation_policy_id": None if rule is None else rule.escalation_policy_id,
            "alerts": [{"id": alert.id, "fired_at": _fired(alert)} for alert in members],
            "shown": [
                {"id": alert.id, "labels": alert.labels, "value": alert.value}
                for alert in members[:SHOWN]
            ],
        }


def added(unit: Unit, event: EventEnvelope) -> None:
    """Alerts were added to an incident: set its id on those that are still in that episode."""
    fired = {one["id"]: one["fired_at"] for one in event.data["alerts"]}
    for alert in rows_by(unit, Alert.id, fired, lock=True):
        if alert.fired_at is not None and _fired(alert) == fired[alert.id]:
            alert.incident_id = event.data["incident_id"]


def not_opened(unit: Unit, event: EventEnvelope) -> None:
    """Alerts opened no incident: add the reason to their history."""
    some = select(Alert).where(Alert.id.in_(event.data["alerts"])).order_by(Alert.id)
    for alert in unit.session.execute(some).scalars():
        unit.session.add(history.entry(alert, NO_INCIDENT, event.at, event.data["reason"]))


def _fired(alert: Alert) -> str | None:
    return None if alert.fired_at is None else rfc3339(alert.fired_at)


CONSUMERS = (
    Consumer("incident.alerts_added", added),
    Consumer("incident.not_opened", not_opened),
)
