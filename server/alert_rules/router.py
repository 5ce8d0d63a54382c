"""/v1/alert-rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Query, Response
from sqlalchemy import bindparam, func, select

from novaql.rules.model import Group
from novaql.server.alert_model.tables import Alert, AlertRule, RuleGroup
from novaql.server.alert_rules import files, service
from novaql.server.alert_rules.checks import checked_patch, checked_rule
from novaql.server.alert_rules.model import labels_of_rule
from novaql.server.alert_rules.schema import (
    DestinationOut,
    ExportQuery,
    ImportedRulesOut,
    ImportRules,
    RuleBody,
    RuleOut,
    RulePatch,
    RuleQuery,
    RulesOut,
)
from novaql.server.alert_rules.thresholds import thresholds_of
from novaql.server.db.tenant_scope import Prepared
from novaql.server.db.unit import Unit
from novaql.server.http.dependencies import (
    OPERATOR,
    READ_ONLY,
    IfMatch,
    Pages,
    ResourceId,
    UnitOfWork,
)
from novaql.server.http.pagination import Key
from novaql.server.http.routing import api_router, audited, cached
from novaql.server.notifications import dispatch
from novaql.server.notifications.routing import Destination
from novaql.server.notifications.routing_config import RoutingPlan

router = api_router("/v1/alert-rules", "alerts")

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


@router.get("", dependencies=[READ_ONLY])
@cached(by="rows")
def list_rules(unit: UnitOfWork, pages: Pages, query: Annotated[RuleQuery, Query()]) -> RulesOut:
    """The rules with their thresholds, their routing, and their current states."""
    statement = select(AlertRule)
    for name in _FILTERS:
        if (wanted := getattr(query, name)) is not None:
            statement = statement.where(getattr(AlertRule, name) == wanted)
    for name, column in (("file", RuleGroup.file), ("group", RuleGroup.name)):
        if (wanted := getattr(query, name)) is not None:
            groups = select(RuleGroup.id).where(column == wanted)
            statement = statement.where(AlertRule.group_id.in_(groups))
    page = pages.page(unit, statement, KEYS, query)
    return RulesOut(data=shown_rules(unit, page.rows), next_cursor=page.next_cursor)


@router.post("", status_code=201, dependencies=[OPERATOR, Depends(checked_rule)])
@audited("alert_rule.create")
def create_rule(unit: UnitOfWork, body: RuleBody, response: Response) -> RuleOut:
    """Create a rule. It is evaluated at once, and then at its interval.

    An expression that does not parse is a 422 with line and column, and so is one that gives no
    instant vector. Recording rules have `type: recording`.
    """
    rule, _ = service.create(unit, body)
    response.headers["Location"] = f"/v1/alert-rules/{rule.id}"
    return _one(unit, rule)


@router.post("/import", dependencies=[OPERATOR])
@audited("alert_rule.import")
def import_rules(
    unit: UnitOfWork,
    body: ImportRules,
    groups: Annotated[tuple[Group, ...], Depends(files.checked_groups)],
) -> ImportedRulesOut:
    """Import a rule file of Prometheus: recording and alerting rules, in their groups.

    The file replaces what was imported under its name before. Rules that keep their name, group
    and labels keep their ids and their alerts. If the file has problems, all of them are reported
    at once, each with its line and column, and nothing changes.
    """
    return files.take_in(unit, body, groups)


@router.get(
    "/export",
    dependencies=[READ_ONLY],
    response_model=None,
    response_class=Response,
    responses={
        200: {"content": {"application/yaml": {}}},
        404: {"description": "No file with this name was imported"},
    },
)
@cached(by="rows")
def export_rules(unit: UnitOfWork, query: Annotated[ExportQuery, Query()]) -> Response:
    """Rules as a rule file of Prometheus: those of one file, or all of them.

    What Prometheus does not have (policies for missing data, channels) is left out.
    """
    text = files.give_out(unit, query.file)
    headers = {"Cache-Control": "no-store"}
    return Response(text, media_type="application/yaml", headers=headers)


@router.get("/{id}", dependencies=[READ_ONLY])
@cached(by="rows")
def get_rule(unit: UnitOfWork, id: ResourceId) -> RuleOut:
    """One rule."""
    return _one(unit, unit.get(AlertRule, id, "alert_rule"))


@router.patch(
    "/{id}",
    dependencies=[OPERATOR],
    responses={
        409: {"description": "The rule has another version, or belongs to an objective"},
        422: {"description": "The rule cannot be evaluated, or names something unknown"},
    },
)
@audited("alert_rule.update")
def change_rule(
    unit: UnitOfWork,
    id: ResourceId,
    body: RulePatch,
    seen: IfMatch,
    checked_version: Annotated[int, Depends(checked_patch)],
) -> RuleOut:
    """Change a rule, from its `version`. Alerts whose labels stay the same go on; if `for` is
    longer now, firing alerts may become pending again. `paused: true` ends the rule's alerts and
    series until it is set to false."""
    rule, _ = service.change(unit, id, body, seen, checked_version)
    return _one(unit, rule)


@router.delete(
    "/{id}",
    status_code=204,
    dependencies=[OPERATOR],
    responses={409: {"description": "The rule belongs to an objective"}},
)
@audited("alert_rule.delete")
def delete_rule(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a rule. Its alerts resolve, and its series end."""
    service.remove(unit, id)


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
    plan = dispatch.routing_plan(unit) if plan is None else plan
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
    routed = dispatch.routed(plan, labels, rule.channels) if rule.type == "alerting" else []
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
