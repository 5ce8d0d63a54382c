"""Alerts that open incidents: which of them do, what is told of them, and which they have got.

An alert opens one if its rule says `auto_incident` and nothing mutes it at the moment when it
begins to fire; whether a silence comes or goes later changes nothing about it. All alerts of a rule
and a service that begin, or end, at one evaluation are one event, so a storm is one event, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from novaql.server.alert_model.tables import Alert, AlertRule
from novaql.server.alert_rules import alert_store
from novaql.server.alert_rules.alert_store import Change, Moved
from novaql.server.clock import rfc3339
from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, Happened
from novaql.server.notifications import dispatch
from novaql.server.notifications.dispatch import Muting

SHOWN = 10
"""So many alerts of an event stand there with their labels."""

NO_INCIDENT = "no_incident"
_ENDS = (Change.PENDING, Change.RESOLVED, Change.INACTIVE)
_AT_ONCE = 500


def announce(unit: Unit, moved: Sequence[Moved], rules: Mapping[str, AlertRule]) -> None:
    """Tell of alerts that begin or end, if they open incidents. The database has them already."""
    fired = [one.alert for one in moved if one.change is Change.FIRING]
    for alert in fired:
        alert.opens_incident = alert.rule_id in rules and rules[alert.rule_id].auto_incident
    wanting = [alert for alert in fired if alert.opens_incident]
    if wanting:
        muting = Muting.of(unit, dispatch.routing_plan(unit))
        for alert in wanting:
            alert.opens_incident = not muting.suppressing(alert.labels)
    begun = [alert for alert in wanting if alert.opens_incident]
    over = [one.alert for one in moved if one.change in _ENDS and one.alert.opens_incident]
    for told in _together(begun, rules):
        unit.publish("alert.incident_firing", told)
    for told in _together(over, rules):
        unit.publish("alert.incident_over", told)
    for alert in over:
        alert.opens_incident = False


def _together(alerts: Iterable[Alert], rules: Mapping[str, AlertRule]) -> Iterator[dict[str, Any]]:
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


def added(unit: Unit, event: Happened) -> None:
    """Alerts are part of an incident: note it, unless they fire for another reason by now."""
    fired = {one["id"]: one["fired_at"] for one in event.data["alerts"]}
    ids = sorted(fired)
    for start in range(0, len(ids), _AT_ONCE):
        some = select(Alert).where(Alert.id.in_(ids[start : start + _AT_ONCE]))
        held = some.order_by(Alert.id).with_for_update()
        for alert in unit.session.execute(held).scalars():
            if alert.fired_at is not None and _fired(alert) == fired[alert.id]:
                alert.incident_id = event.data["incident_id"]


def not_opened(unit: Unit, event: Happened) -> None:
    """Alerts got no incident: their history says why."""
    some = select(Alert).where(Alert.id.in_(event.data["alerts"])).order_by(Alert.id)
    for alert in unit.session.execute(some).scalars():
        unit.session.add(alert_store.change_of(alert, NO_INCIDENT, event.at, event.data["reason"]))


def _fired(alert: Alert) -> str | None:
    return None if alert.fired_at is None else rfc3339(alert.fired_at)


CONSUMERS = (
    Consumer("incident.alerts_added", added),
    Consumer("incident.not_opened", not_opened),
)
