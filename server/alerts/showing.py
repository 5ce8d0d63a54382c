"""Rows of alerts as response models."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import bindparam, select

from novaql.server.alert_model.tables import Alert, AlertChange, AlertRule
from novaql.server.alert_rules.alert_store import LIVE
from novaql.server.alert_rules.showing import shown_rules
from novaql.server.alerts.schema import AlertDetailOut, AlertOut, HistoryEntry, RoutingOut
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.notifications.dispatch import group_id
from novaql.server.notifications.lookup import destinations_for, routing_plan
from novaql.server.notifications.routing_config import RoutingPlan
from novaql.server.notifications.tables import NotificationGroup
from novaql.server.silences.muting import Muting

HISTORY = 100
_CHANGES = Prepared(
    select(AlertChange)
    .where(AlertChange.alert_id == bindparam("alert_id"))
    .order_by(AlertChange.at.desc(), AlertChange.id.desc())
    .limit(HISTORY)
)


def alert_out(alert: Alert, muting: Muting) -> AlertOut:
    """The response model of an alert."""
    silences = muting.silences_of(alert.labels)
    return AlertOut.of_row(
        alert,
        sub_state="recovering" if alert.recovering_since is not None else None,
        value=_value(alert.value),
        silenced=bool(silences),
        suppressed_by=muting.suppressing(alert.labels) if alert.state in LIVE else silences,
    )


def alert_detail(unit: Unit, alert: Alert) -> AlertDetailOut:
    """The response model of an alert with its rule, history and destinations."""
    plan = routing_plan(unit)
    muting = Muting.of(unit, plan)
    rule = unit.find(AlertRule, alert.rule_id)
    return AlertDetailOut(
        **alert_out(alert, muting).model_dump(),
        rule=None if rule is None else shown_rules(unit, [rule], plan)[0],
        history=_history(unit, alert),
        routing=_routing(unit, alert, rule, plan),
    )


def _value(text: str) -> float | str:
    """A stored value as JSON: NaN and infinities are text."""
    try:
        number = float(text)
    except ValueError:
        return text
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"


def _history(unit: Unit, alert: Alert) -> list[HistoryEntry]:
    rows: Sequence[AlertChange] = _CHANGES.run(unit.session, alert_id=alert.id).scalars().all()
    return [HistoryEntry.of_row(r, value=_value(r.value) if r.value else None) for r in rows]


def _routing(
    unit: Unit, alert: Alert, rule: AlertRule | None, plan: RoutingPlan
) -> list[RoutingOut]:
    found = []
    for one in destinations_for(plan, alert.labels, () if rule is None else rule.channels):
        labels = one.group_labels(alert.labels)
        key = group_id(unit, one, labels)
        group = unit.find(NotificationGroup, key)
        flush = None if group is None else group.next_flush
        found.append(RoutingOut.of(one, group=key, group_labels=labels, next_flush=flush))
    return found
