"""Rows of rules as response models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, func, select

from novaql.server.alert_model.tables import Alert, AlertRule
from novaql.server.alert_rules.model import labels_of_rule
from novaql.server.alert_rules.schema import RuleOut
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.alert_rules.thresholds import thresholds_of
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.notifications.lookup import destinations_for, routing_plan
from novaql.server.notifications.routing_config import RoutingPlan
from novaql.server.notifications.schema import DestinationOut

_MS = timedelta(milliseconds=1)
_GROUPS = Prepared(select(RuleGroup).where(RuleGroup.id.in_(bindparam("ids", expanding=True))))
_COUNTS = Prepared(
    select(Alert.rule_id, Alert.state, func.count())
    .where(
        Alert.rule_id.in_(bindparam("ids", expanding=True)),
        Alert.state.in_(("pending", "firing")),
    )
    .group_by(Alert.rule_id, Alert.state)
)


def shown_rules(
    unit: Unit, rules: Sequence[AlertRule], plan: RoutingPlan | None = None
) -> list[RuleOut]:
    """The response models of rules.

    plan  the routing of the tenant; None reads it from the database
    """
    ids = [rule.id for rule in rules]
    group_ids = {rule.group_id for rule in rules}
    found = _GROUPS.run(unit.session, ids=list(group_ids)).scalars()
    groups = {group.id: group for group in found}
    counts: Counter[tuple[str, str]] = Counter()
    for rule_id, state, number in _COUNTS.run(unit.session, ids=ids).all():
        counts[rule_id, state] = number
    plan = routing_plan(unit) if plan is None else plan
    return [_shown(rule, groups[rule.group_id], counts, plan) for rule in rules]


def _shown(
    rule: AlertRule, group: RuleGroup, counts: Counter[tuple[str, str]], plan: RoutingPlan
) -> RuleOut:
    pending, firing = counts[rule.id, "pending"], counts[rule.id, "firing"]
    state = "firing" if firing else "pending" if pending else "inactive"
    labels = {**group.labels, **labels_of_rule(rule), "alertname": rule.name}
    found = destinations_for(plan, labels, rule.channels) if rule.type == "alerting" else []
    return RuleOut.of_row(
        rule,
        for_=rule.for_ms * _MS,
        keep_firing_for=rule.keep_firing_for_ms * _MS,
        interval=group.interval_ms * _MS,
        query_offset=None if group.query_offset_ms is None else group.query_offset_ms * _MS,
        limit=group.limit,
        file=group.file,
        group=group.name,
        managed=rule.managed or None,
        thresholds=list(thresholds_of(rule.expr)),
        routing=[DestinationOut.of(one) for one in found],
        state="unknown" if rule.evaluated_at is None else state,
        alerts={"pending": pending, "firing": firing},
        last_error=rule.last_error or None,
        last_evaluated_at=rule.evaluated_at,
        evaluation_seconds=rule.evaluation_s,
        missed_evaluations=group.missed,
    )
