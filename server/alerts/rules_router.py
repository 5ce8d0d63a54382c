"""/v1/alert-rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, func, select

from novaql.server.alerts import rule_checks, rule_files, rules_service, telling
from novaql.server.alerts.dry_run import TEST_RULE
from novaql.server.alerts.routing import Destination
from novaql.server.alerts.routing_config import RoutingPlan
from novaql.server.alerts.rule_model import labels_of_rule
from novaql.server.alerts.rule_schema import (
    DestinationOut,
    ExportQuery,
    ImportedOut,
    ImportRules,
    RuleBody,
    RuleOut,
    RulePatch,
    RuleQuery,
    RulesOut,
)
from novaql.server.alerts.tables import Alert, AlertRule, RuleGroup
from novaql.server.alerts.thresholds import thresholds_of
from novaql.server.platform.calls import Answer, Call, created, listed, no_content, ok, operation
from novaql.server.platform.cursors import Key
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.scopes import Role
from novaql.server.platform.state.scoped import Prepared
from novaql.server.platform.unit import Unit

KEYS = (Key(AlertRule.created_at), Key(AlertRule.id))
_MS = timedelta(milliseconds=1)
_FILTERS = ("type", "name", "service", "severity", "health", "paused")
_GROUPS = Prepared(select(RuleGroup).where(RuleGroup.id.in_(bindparam("ids", expanding=True))))
_COUNTS = Prepared(
    select(Alert.rule_id, Alert.state, func.count())
    .where(
        Alert.rule_id.in_(bindparam("ids", expanding=True)),
        Alert.state.in_(("pending", "firing")),
    )
    .group_by(Alert.rule_id, Alert.state)
)


def list_rules(call: Call) -> Answer:
    """The rules with their thresholds, where their alerts go, and how they go now."""
    query = call.query(RuleQuery)
    statement = select(AlertRule)
    for name in _FILTERS:
        if (wanted := getattr(query, name)) is not None:
            statement = statement.where(getattr(AlertRule, name) == wanted)
    for name, column in (("file", RuleGroup.file), ("group", RuleGroup.name)):
        if (wanted := getattr(query, name)) is not None:
            groups = select(RuleGroup.id).where(column == wanted)
            statement = statement.where(AlertRule.group_id.in_(groups))
    page = call.page(statement, KEYS)
    shown = {out.id: out for out in shown_rules(call, page.rows)}
    return listed(page, lambda rule: shown[rule.id])


def create_rule(call: Call) -> Answer:
    """Make a rule. It is evaluated at once, and then at its interval.

    An expression that does not parse is a 422 with line and column, and so is one that gives no
    instant vector. Recording rules have `type: recording`.
    """
    rule, _ = rules_service.create(call, call.body(RuleBody))
    return created(_one(call, rule), f"/v1/alert-rules/{rule.id}")


def get_rule(call: Call) -> Answer:
    """One rule."""
    return ok(_one(call, call.get(AlertRule, call.name("id"), "alert_rule")))


def change_rule(call: Call) -> Answer:
    """Change a rule, from its `version`. Alerts whose labels stay the same go on; if `for` is
    longer now, those that fire may be pending again. `paused` ends its alerts and its series until
    it is taken back."""
    rule, _ = rules_service.change(call, call.name("id"), call.body(RulePatch))
    return ok(_one(call, rule))


def delete_rule(call: Call) -> Answer:
    """Remove a rule. Its alerts resolve, and its series end."""
    rules_service.remove(call, call.name("id"))
    return no_content()


def import_rules(call: Call) -> Answer:
    """Take a rule file of Prometheus in: recording and alerting rules, in their groups.

    The file replaces what was imported under its name before. Rules that keep their name, group
    and labels keep their ids and their alerts. Everything that is wrong with a file is told at
    once, each with line and column, and nothing is changed then.
    """
    return ok(rule_files.take_in(call, call.body(ImportRules)))


def export_rules(call: Call) -> Answer:
    """Rules as a rule file of Prometheus: of one file, or all of them.

    What Prometheus does not know (policies for missing data, channels) is left out.
    """
    text = rule_files.give_out(call, call.query(ExportQuery).file)
    return Answer(200, text.encode(), media="application/yaml")


def shown_rules(
    unit: Unit, rules: Sequence[AlertRule], plan: RoutingPlan | None = None
) -> list[RuleOut]:
    """Rules as clients see them.

    plan  the tenant's routing, if it is known already
    """
    ids = [rule.id for rule in rules]
    group_ids = {rule.group_id for rule in rules}
    found = _GROUPS.run(unit.session, ids=list(group_ids)).scalars()
    groups = {group.id: group for group in found}
    counts: Counter[tuple[str, str]] = Counter()
    for rule_id, state, number in _COUNTS.run(unit.session, ids=ids).all():
        counts[rule_id, state] = number
    plan = telling.routing_plan(unit) if plan is None else plan
    return [_shown(rule, groups[rule.group_id], counts, plan) for rule in rules]


def destination_out(one: Destination) -> DestinationOut:
    """A destination as clients see it."""
    return DestinationOut(
        route=one.path,
        channels=list(one.channels),
        group_by=list(one.group_by),
        group_wait=one.group_wait,
        group_interval=one.group_interval,
        repeat_interval=one.repeat_interval,
        mute_time_intervals=list(one.mute_times),
        active_time_intervals=list(one.active_times),
    )


def _one(unit: Unit, rule: AlertRule) -> RuleOut:
    (out,) = shown_rules(unit, [rule])
    return out


def _shown(
    rule: AlertRule, group: RuleGroup, counts: Counter[tuple[str, str]], plan: RoutingPlan
) -> RuleOut:
    pending, firing = counts[rule.id, "pending"], counts[rule.id, "firing"]
    state = "firing" if firing else "pending" if pending else "inactive"
    labels = {**group.labels, **labels_of_rule(rule), "alertname": rule.name}
    routed = telling.routed(plan, labels, rule.channels) if rule.type == "alerting" else []
    return RuleOut.model_validate(
        {
            **{name: getattr(rule, name) for name in _SAME},
            "for": rule.for_ms * _MS,
            "keep_firing_for": rule.keep_firing_for_ms * _MS,
            "interval": group.interval_ms * _MS,
            "query_offset": None if group.query_offset_ms is None else group.query_offset_ms * _MS,
            "limit": group.limit,
            "file": group.file,
            "group": group.name,
            "managed": rule.managed or None,
            "thresholds": thresholds_of(rule.expr),
            "routing": [destination_out(one) for one in routed],
            "state": "unknown" if rule.evaluated_at is None else state,
            "alerts": {"pending": pending, "firing": firing},
            "last_error": rule.last_error or None,
            "last_evaluated_at": rule.evaluated_at,
            "evaluation_seconds": rule.evaluation_s,
            "missed_evaluations": group.missed,
        }
    )


_SAME = (
    *("id", "type", "name", "expr", "labels", "annotations", "severity", "service", "no_data"),
    *(
        "on_error",
        "channels",
        "escalation_policy_id",
        "auto_incident",
        "paused",
        "health",
        "series",
    ),
    *("created_at", "updated_at", "version"),
)

_EXAMPLE = {
    "name": "InstanceDown",
    "expr": "up == 0",
    "for": "5m",
    "severity": "page",
    "annotations": {"summary": "{{ $labels.instance }} is down"},
}
_FILE = """groups:
  - name: node
    rules:
      - alert: InstanceDown
        expr: up == 0
        for: 5m
"""

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/alert-rules",
        list_rules,
        role=Role.READ_ONLY,
        tag="alerts",
        query=RuleQuery,
        answer=RulesOut,
        steady=True,
    ),
    operation(
        "POST",
        "/v1/alert-rules",
        create_rule,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert_rule.create",
        body=RuleBody,
        prepare=rule_checks.prepare_rule,
        answer=RuleOut,
        success=201,
        example=_EXAMPLE,
    ),
    TEST_RULE,
    operation(
        "POST",
        "/v1/alert-rules/import",
        import_rules,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert_rule.import",
        body=ImportRules,
        prepare=rule_files.prepare_import,
        answer=ImportedOut,
        example={"file": "node.yml", "document": _FILE},
    ),
    operation(
        "GET",
        "/v1/alert-rules/export",
        export_rules,
        role=Role.READ_ONLY,
        tag="alerts",
        query=ExportQuery,
        media=("application/yaml",),
        errors=(404,),
        steady=True,
    ),
    operation(
        "GET",
        "/v1/alert-rules/{id}",
        get_rule,
        role=Role.READ_ONLY,
        tag="alerts",
        answer=RuleOut,
        steady=True,
    ),
    operation(
        "PATCH",
        "/v1/alert-rules/{id}",
        change_rule,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert_rule.update",
        body=RulePatch,
        prepare=rule_checks.prepare_patch,
        answer=RuleOut,
        errors=(409, 422),
        example={"version": 1, "for": "10m"},
    ),
    operation(
        "DELETE",
        "/v1/alert-rules/{id}",
        delete_rule,
        role=Role.OPERATOR,
        tag="alerts",
        action="alert_rule.delete",
        success=204,
        errors=(409,),
    ),
)
