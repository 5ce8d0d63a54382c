"""Use cases of rules: create, change, delete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import delete, or_, select

from novaql.server.alert_model.tables import AlertRule
from novaql.server.alert_rules import alert_store
from novaql.server.alert_rules.checks import PLAIN, columns_of, ms, patched
from novaql.server.alert_rules.jobs import EVALUATE, FORGET, RETIRE
from novaql.server.alert_rules.schema import RuleBody, RulePatch
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.alert_rules.transitions import SLO, SYNTHETIC, apply_transitions
from novaql.server.catalog.lookup import check_service
from novaql.server.db.tenant_limits import check_limit
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, VersionConflict
from novaql.server.escalation_model.lookup import check_policy
from novaql.server.ids import new_id
from novaql.server.notifications.dispatch import REGROUP
from novaql.server.notifications.lookup import check_channels

_SHOWN = (
    *("id", "type", "name", "expr", "for_ms", "keep_firing_for_ms", "labels"),
    *("annotations", "channels", "managed", "version"),
)
NOT_OF_OBJECTIVES = ~or_(AlertRule.managed.startswith(SLO), AlertRule.managed.startswith(SYNTHETIC))
"""Selects the rules that count towards the tenant's limit; objectives and synthetic checks create
the others."""
GROUPS_OF_USERS = ~or_(RuleGroup.file.startswith("slo/"), RuleGroup.file.startswith("synthetic/"))
"""Selects the groups that count towards the tenant's limit."""


def create(unit: Unit, body: RuleBody) -> AlertRule:
    """Create a checked rule in its own group. Evaluation starts now."""
    check_channels(unit, body.channels, "/channels")
    check_references(unit, body, body.model_fields_set)
    check_limit(unit, "max_rules", AlertRule, NOT_OF_OBJECTIVES)
    check_limit(unit, "max_rule_groups", RuleGroup, GROUPS_OF_USERS)
    rule_id = new_id("rule")
    group = new_group(
        unit,
        file=f"api/{rule_id}",
        name=body.name,
        interval_ms=ms(body.interval) or default_interval_ms(unit),
    )
    group.query_offset_ms = None if body.query_offset is None else ms(body.query_offset)
    group.limit = body.limit
    unit.session.add(group)
    unit.session.flush()
    unit.enqueue(EVALUATE, key=group.id, run_at=group.anchor)
    schedule_deletion(unit)
    rule = new_rule(unit, group, rule_id=rule_id, type=body.type, **columns_of(body))
    unit.session.flush()
    unit.record(rule, "alert_rule.create", None, partial(snapshot, group))
    return rule


def change(
    unit: Unit, rule_id: str, body: RulePatch, seen: int | None, checked_version: int
) -> AlertRule:
    """Change a rule. Alerts whose labels do not change continue.

    seen             the version in If-Match, if the request has one
    checked_version  the version that the change was checked with
    """
    rule, group = _locked(unit, rule_id)
    unit.expect(rule, body.version if seen is None else seen)
    if rule.version != checked_version:
        raise VersionConflict(f"{rule.id} was changed while the request was checked")
    before = snapshot(group, rule)
    given = body.model_fields_set
    whole = patched(rule, group, body)
    check_channels(unit, whole.channels, "/channels")
    changed = [name for name in PLAIN if getattr(whole, name) != getattr(rule, name)]
    check_references(unit, whole, changed)
    if whole.paused and not rule.paused:
        end(unit, [rule], note="the rule was paused")
        rule.series = 0
    for name, value in columns_of(whole).items():
        setattr(rule, name, value)
    if "interval" in given:
        group.interval_ms = ms(whole.interval) or default_interval_ms(unit)
        group.anchor = unit.now()
    if "query_offset" in given:
        group.query_offset_ms = None if whole.query_offset is None else ms(whole.query_offset)
    group.limit = whole.limit
    unit.touch(group)
    unit.enqueue(EVALUATE, key=group.id)
    if "channels" in given:
        unit.enqueue(REGROUP, key="all")
    unit.record(rule, "alert_rule.update", before, partial(snapshot, group))
    return rule


def remove(unit: Unit, rule_id: str) -> None:
    """Delete a rule. Its alerts resolve, and its series end."""
    rule, group = _locked(unit, rule_id)
    if rule.managed.startswith("slo:"):
        raise Conflict("the rule belongs to an objective; remove that", code="rule_is_managed")
    if rule.managed.startswith(SYNTHETIC):
        raise Conflict("the rule belongs to a synthetic check; delete that", code="rule_is_managed")
    before = snapshot(group, rule)
    drop(unit, [rule])
    unit.audit("alert_rule.delete", ("alert_rule", rule_id), before=before)


def _locked(unit: Unit, rule_id: str) -> tuple[AlertRule, RuleGroup]:
    """Lock a rule and its group, after the job that evaluates them."""
    known = unit.get(AlertRule, rule_id, "alert_rule")
    unit.lock_jobs(EVALUATE, [known.group_id])
    rule = unit.get(AlertRule, rule_id, "alert_rule", lock=True)
    return rule, unit.get(RuleGroup, rule.group_id, "alert_rule", lock=True)


def drop(unit: Unit, rules: Sequence[AlertRule], *, note: str = "the rule was removed") -> None:
    """Delete rules, and groups that become empty. The caller has locked the jobs of the groups."""
    end(unit, rules, note=note)
    ids = [rule.id for rule in rules]
    groups = sorted({rule.group_id for rule in rules})
    unit.session.execute(delete(AlertRule).where(AlertRule.id.in_(ids)))
    still = select(AlertRule.group_id).where(AlertRule.group_id.in_(groups)).distinct()
    left = set(unit.session.execute(still).scalars())
    drop_groups(unit, [group_id for group_id in groups if group_id not in left])
    held = select(RuleGroup).where(RuleGroup.id.in_(left)).order_by(RuleGroup.id)
    for group in unit.session.execute(held.with_for_update()).scalars():
        unit.touch(group)


def drop_groups(unit: Unit, ids: Sequence[str]) -> None:
    """Delete groups that have no rules. The caller has locked their jobs."""
    unit.cancel(EVALUATE, ids)
    unit.session.execute(delete(RuleGroup).where(RuleGroup.id.in_(ids)))


def end(unit: Unit, rules: Sequence[AlertRule], *, note: str) -> None:
    """Resolve the alerts of rules, and enqueue a job that ends their series."""
    ids = [rule.id for rule in rules]
    live = alert_store.live(unit, ids)
    series = [*alert_store.written_by(live), *alert_store.delete_recorded(unit, ids)]
    of_rules = RuleGroup.id.in_({rule.group_id for rule in rules})
    for group in unit.session.execute(select(RuleGroup).where(of_rules)).scalars():
        if group.intended:
            series += [labels for rule_id in ids for labels in group.intended.get(rule_id, ())]
            group.intended = {k: v for k, v in group.intended.items() if k not in ids}
    transitions = alert_store.resolve(unit, live, note)
    apply_transitions(unit, transitions, {rule.id: rule for rule in rules})
    unit.session.flush()
    if series:
        unit.enqueue(RETIRE, payload={"series": series})


def new_group(
    unit: Unit, *, file: str, name: str, interval_ms: int, later_ms: int = 0
) -> RuleGroup:
    """The row of a new group. Its first evaluation is `later_ms` from now."""
    return RuleGroup(
        id=new_id("grp"),
        created_at=unit.now(),
        file=file,
        name=name,
        interval_ms=interval_ms,
        query_offset_ms=None,
        limit=0,
        labels={},
        anchor=unit.now() + timedelta(milliseconds=later_ms),
    )


def schedule_deletion(unit: Unit) -> None:
    """Schedule the hourly deletion of alerts whose retention is over."""
    unit.enqueue(FORGET, key="all", run_at=unit.now() + timedelta(hours=1))


def new_rule(
    unit: Unit, group: RuleGroup, *, rule_id: str | None = None, position: int = 0, **fields: Any
) -> AlertRule:
    """Add a checked rule to a group."""
    rule = AlertRule(
        id=new_id("rule") if rule_id is None else rule_id,
        created_at=unit.now(),
        group_id=group.id,
        position=position,
        **{"channels": [], **fields},
    )
    unit.session.add(rule)
    return rule


def check_references(unit: Unit, body: RuleBody, changed: Collection[str]) -> None:
    """Raise `Impossible` for an unknown service or policy in the fields that change.

    If a service leaves the catalog later, the rules that name it do not change.
    """
    if "service" in changed and body.service is not None:
        check_service(unit, body.service, "/service")
    if "escalation_policy_id" in changed and body.escalation_policy_id is not None:
        check_policy(unit, body.escalation_policy_id, "/escalation_policy_id")


def default_interval_ms(unit: Unit) -> int:
    """The default interval of groups."""
    settings = unit.settings
    usual_s = max(settings.evaluation_interval_s, settings.min_evaluation_interval_s)
    return round(usual_s * 1000)


def snapshot(group: RuleGroup, rule: AlertRule) -> dict[str, Any]:
    """A rule as the audit log stores it."""
    return {
        **{name: getattr(rule, name) for name in (*_SHOWN, *PLAIN)},
        "file": group.file,
        "group": group.name,
        "interval_ms": group.interval_ms,
        "query_offset_ms": group.query_offset_ms,
        "limit": group.limit,
    }
