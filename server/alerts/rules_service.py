"""Use cases of rules: make, change, remove."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select

from server.alerts import kept, telling
from server.alerts.jobs import EVALUATE, FORGET, REGROUP, RETIRE, consequences, written_by
from server.alerts.rule_model import check_expression, check_labels, check_name, check_templates
from server.alerts.rule_schema import RuleBody, RulePatch
from server.alerts.tables import Alert, AlertRule, RuleGroup
from server.platform.calls import Call
from server.platform.errors import Conflict, Detail, Impossible, invalid
from server.platform.ids import new_id
from server.platform.unit import Unit

_MS = timedelta(milliseconds=1)
SHORTEST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(days=1)
_PLAIN = (
    "severity",
    "service",
    "no_data",
    "on_error",
    "escalation_policy_id",
    "auto_incident",
    "paused",
)


def create(call: Call, body: RuleBody) -> tuple[AlertRule, RuleGroup]:
    """A new rule, in a group of its own, evaluated from now on."""
    check(call, body)
    rule_id = new_id("rule")
    group = new_group(
        call,
        file=f"api/{rule_id}",
        name=body.name,
        interval_ms=ms(body.interval) or default_interval_ms(call),
        query_offset_ms=None if body.query_offset is None else ms(body.query_offset),
        limit=body.limit,
    )
    rule = new_rule(
        call,
        group,
        rule_id=rule_id,
        type=body.type,
        name=body.name,
        expr=body.expr,
        for_ms=ms(body.for_),
        keep_firing_for_ms=ms(body.keep_firing_for),
        labels=dict(body.labels),
        annotations=dict(body.annotations),
        channels=list(body.channels),
        **{name: getattr(body, name) for name in _PLAIN},
    )
    call.session.flush()
    call.audit("alert_rule.create", ("alert_rule", rule.id), after=snapshot(rule, group))
    return rule, group


def change(call: Call, rule_id: str, body: RulePatch) -> tuple[AlertRule, RuleGroup]:
    """Change a rule; alerts whose labels stay the same go on."""
    rule = call.get(AlertRule, rule_id, "alert_rule", lock=True)
    group = call.get(RuleGroup, rule.group_id, "alert_rule", lock=True)
    call.expect(rule, call.expected_version(body.version))
    if rule.managed.startswith("slo:"):
        raise Conflict("the rule belongs to an objective; change that", code="rule_is_managed")
    before = snapshot(rule, group)
    given = body.model_fields_set
    whole = RuleBody.model_validate({**_as_body(rule, group), **_given(body)}, by_name=True)
    check(call, whole)
    rule.name, rule.expr = whole.name, whole.expr
    rule.for_ms, rule.keep_firing_for_ms = ms(whole.for_), ms(whole.keep_firing_for)
    rule.labels, rule.annotations = dict(whole.labels), dict(whole.annotations)
    rule.channels = list(whole.channels)
    if whole.paused and not rule.paused:
        end(call, [rule], note="the rule was paused")
        rule.series = 0
    for name in _PLAIN:
        setattr(rule, name, getattr(whole, name))
    if "interval" in given:
        group.interval_ms = ms(whole.interval) or default_interval_ms(call)
        group.anchor = call.now()
    if "query_offset" in given:
        group.query_offset_ms = None if whole.query_offset is None else ms(whole.query_offset)
    group.limit = whole.limit
    call.touch(rule)
    call.touch(group)
    call.enqueue(EVALUATE, key=group.id)
    if "channels" in given:
        call.enqueue(REGROUP, key="all")
    call.audit(
        "alert_rule.update", ("alert_rule", rule.id), before=before, after=snapshot(rule, group)
    )
    return rule, group


def remove(call: Call, rule_id: str) -> None:
    """Remove a rule: its alerts resolve, its series end."""
    rule = call.get(AlertRule, rule_id, "alert_rule")
    if rule.managed.startswith("slo:"):
        raise Conflict("the rule belongs to an objective; remove that", code="rule_is_managed")
    group = call.get(RuleGroup, rule.group_id, "alert_rule")
    before = snapshot(rule, group)
    drop(call, [rule])
    call.audit("alert_rule.delete", ("alert_rule", rule_id), before=before)


def drop(unit: Unit, rules: Sequence[AlertRule], *, note: str = "the rule was removed") -> None:
    """Take rules out; groups that have none left go, too."""
    end(unit, rules, note=note)
    ids = [rule.id for rule in rules]
    groups = sorted({rule.group_id for rule in rules})
    unit.session.execute(delete(AlertRule).where(AlertRule.id.in_(ids)))
    for group_id in groups:
        left = unit.session.execute(
            select(func.count()).select_from(AlertRule).where(AlertRule.group_id == group_id)
        ).scalar_one()
        if left == 0:
            unit.cancel(EVALUATE, [group_id])
            unit.session.execute(delete(RuleGroup).where(RuleGroup.id == group_id))
        else:
            group = unit.find(RuleGroup, group_id, lock=True)
            if group is not None:
                unit.touch(group)


def end(unit: Unit, rules: Sequence[AlertRule], *, note: str) -> None:
    """Resolve what rules have raised, and have their series marked stale."""
    ids = [rule.id for rule in rules]
    live = unit.session.execute(
        select(Alert).where(Alert.rule_id.in_(ids), Alert.state.in_(kept.LIVE))
    ).scalars()
    series = [*written_by(list(live)), *kept.forget_recorded(unit, ids)]
    groups = {group_id: unit.find(RuleGroup, group_id) for group_id in {r.group_id for r in rules}}
    for group in groups.values():
        if group is not None and group.intended:
            series += [labels for rule_id in ids for labels in group.intended.get(rule_id, ())]
            group.intended = {k: v for k, v in group.intended.items() if k not in ids}
    moved = kept.end_all(unit, ids, unit.now(), note)
    consequences(unit, moved, {rule.id: rule for rule in rules})
    unit.session.flush()
    if series:
        unit.enqueue(RETIRE, payload={"series": series})


def new_group(
    unit: Unit,
    *,
    file: str,
    name: str,
    interval_ms: int,
    query_offset_ms: int | None = None,
    limit: int = 0,
    labels: dict[str, str] | None = None,
    later_ms: int = 0,
) -> RuleGroup:
    """A group, whose first evaluation is `later_ms` from now."""
    now = unit.now()
    group = RuleGroup(
        id=new_id("grp"),
        created_at=now,
        updated_at=now,
        version=1,
        file=file,
        name=name,
        interval_ms=interval_ms,
        query_offset_ms=query_offset_ms,
        limit=limit,
        labels=dict(labels or {}),
        anchor=now + later_ms * _MS,
    )
    unit.session.add(group)
    unit.session.flush()
    unit.enqueue(EVALUATE, key=group.id, run_at=group.anchor)
    unit.enqueue(FORGET, key="all", run_at=now + timedelta(hours=1))
    return group


def new_rule(
    unit: Unit, group: RuleGroup, *, rule_id: str | None = None, position: int = 0, **fields: Any
) -> AlertRule:
    """A rule of a group, that has been checked."""
    rule = AlertRule(
        id=new_id("rule") if rule_id is None else rule_id,
        created_at=unit.now(),
        updated_at=unit.now(),
        version=1,
        group_id=group.id,
        position=position,
        **{"channels": [], **fields},
    )
    unit.session.add(rule)
    return rule


def check(unit: Unit, body: RuleBody) -> None:
    """Raises what is wrong with a rule: `InvalidRequest`, `QueryError` or `Impossible`."""
    recording = body.type == "recording"
    check_name(body.name, recording=recording)
    check_labels(body.labels)
    for name in ("severity", "service"):
        if name in body.labels and getattr(body, name) is not None:
            raise invalid(f"/labels/{name}", f"the field {name} says it already")
    if not recording:
        check_templates(body.labels, "/labels")
        check_templates(body.annotations, "/annotations")
        check_expression(body.expr)
    else:
        check_expression(body.expr)
        for name in ("for_", "keep_firing_for", "annotations", "channels"):
            if getattr(body, name):
                raise invalid(f"/{name.rstrip('_')}", "a recording rule has none")
    if body.interval is not None and not SHORTEST_INTERVAL <= body.interval <= LONGEST_INTERVAL:
        raise invalid("/interval", "an interval is from 1s to 1d")
    check_channels(unit, body.channels, "/channels")


def check_channels(unit: Unit, names: Iterable[str], pointer: str) -> None:
    """Raises `Impossible` for a channel that there is not."""
    wanted = list(dict.fromkeys(names))
    known = {channel.name for channel in telling.channels_named(unit, wanted)}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        message = f"there is no notification channel {unknown[0]!r}"
        raise Impossible(message, code="unknown_channel", details=[Detail(pointer, message)])


def default_interval_ms(call: Call) -> int:
    """The interval of groups that name none."""
    return round(call.context.settings.evaluation_interval_s * 1000)


def ms(duration: timedelta | None) -> int:
    """Milliseconds; None is 0."""
    return 0 if duration is None else duration // _MS


def snapshot(rule: AlertRule, group: RuleGroup) -> dict[str, Any]:
    """A rule as the audit log shows it."""
    return {
        **{
            name: getattr(rule, name)
            for name in (
                *("id", "type", "name", "expr", "for_ms", "keep_firing_for_ms", "labels"),
                *("annotations", "channels", "managed", "version", *_PLAIN),
            )
        },
        "file": group.file,
        "group": group.name,
        "interval_ms": group.interval_ms,
        "query_offset_ms": group.query_offset_ms,
        "limit": group.limit,
    }


def _as_body(rule: AlertRule, group: RuleGroup) -> dict[str, Any]:
    offset = group.query_offset_ms
    return {
        "name": rule.name,
        "type": rule.type,
        "expr": rule.expr,
        "for_": rule.for_ms * _MS,
        "keep_firing_for": rule.keep_firing_for_ms * _MS,
        "interval": group.interval_ms * _MS,
        "query_offset": None if offset is None else offset * _MS,
        "limit": group.limit,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
        "channels": list(rule.channels),
        **{name: getattr(rule, name) for name in _PLAIN},
    }


def _given(body: RulePatch) -> dict[str, Any]:
    """The fields of a patch. null takes away what may be missing, else it says nothing."""
    optional = {"for_", "keep_firing_for", "interval", "query_offset", "severity", "service"}
    optional.add("escalation_policy_id")
    return {
        name: getattr(body, name)
        for name in body.model_fields_set - {"version"}
        if getattr(body, name) is not None or name in optional
    }
