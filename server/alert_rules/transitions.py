"""Effects of state changes of alerts: they join groups, publish events, and end silences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from novaql.server.alert_model.payload import alert_payload
from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules import incident_events
from novaql.server.alert_rules.alert_store import Change, Transition
from novaql.server.db.unit import Unit
from novaql.server.notifications.dispatch import join_groups
from novaql.server.silences.repository import lift_of_resolved

MOST_EVENTS = 100
"""An evaluation publishes one event for each of up to this many alerts, and one for all others."""

SLO = "slo:"
"""The prefix of `AlertRule.managed` for the burn alerts of objectives."""

SYNTHETIC = "synthetic:"
"""The prefix of `AlertRule.managed` for the alerts of synthetic checks."""

_BURNS = {Change.FIRING: "slo.burning", Change.RESOLVED: "slo.recovered"}


def apply_transitions(
    unit: Unit, transitions: Sequence[Transition], rules: Mapping[str, AlertRule]
) -> None:
    """Add firing alerts to groups, end the silences of resolved alerts, and publish events."""
    fired = [one.alert for one in transitions if one.change is Change.FIRING]
    ended = [
        one.alert.id for one in transitions if one.change in (Change.RESOLVED, Change.INACTIVE)
    ]
    if fired:
        unit.session.flush()
        join_groups(unit, fired, rules)
    incident_events.publish(unit, transitions, rules)
    lift_of_resolved(unit, ended)
    for change in (Change.PENDING, Change.FIRING, Change.RESOLVED):
        alerts = [one.alert for one in transitions if one.change is change]
        for alert in alerts[:MOST_EVENTS]:
            rule = rules.get(alert.rule_id)
            unit.publish(
                f"alert.{change}",
                {
                    "alert": alert_payload(alert),
                    "auto_incident": rule is not None and rule.auto_incident,
                    "escalation_policy_id": None if rule is None else rule.escalation_policy_id,
                },
            )
            if rule is not None and rule.managed.startswith(SLO) and change in _BURNS:
                unit.publish(_BURNS[change], {"alert": alert_payload(alert)})
        if rest := alerts[MOST_EVENTS:]:
            unit.publish(
                "alert.many",
                {"state": str(change), "count": len(rest), "alert_ids": [a.id for a in rest]},
            )
