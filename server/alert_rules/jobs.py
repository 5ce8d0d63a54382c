"""Evaluation, flushes and deliveries as leased jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import delete, select

from novaql.cancellation import Cancellation
from novaql.rules.evaluation import DatabaseStore, RuleContext
from novaql.rules.evaluation.alerting import series_of
from novaql.rules.evaluation.vector import Vector
from novaql.server.alert_model.tables import Alert, AlertChange, AlertRule, RuleGroup
from novaql.server.alert_rules import alert_store, incident_events
from novaql.server.alert_rules.alert_store import Change, Moved
from novaql.server.alert_rules.evaluation import (
    Before,
    Moment,
    Slots,
    evaluate_group,
    is_outage,
    set_back,
)
from novaql.server.alert_rules.model import library_group
from novaql.server.clock import from_ms, to_ms
from novaql.server.db.unit import Unit
from novaql.server.jobs.job import backoff
from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.notifications import delivery, dispatch
from novaql.server.query.run import limits_of
from novaql.server.silences.repository import lift_of_resolved
from novaql.server.tenants.context import ServerContext
from novaql.tsdb.labels import SeriesTable

EVALUATE, RETIRE, REGROUP = "alerts.evaluate", "alerts.retire", "alerts.regroup"
FORGET = "alerts.forget"
LONGEST_WAIT = timedelta(seconds=30)
"""Between two attempts to evaluate a group that failed."""

RULE_TIMEOUT_S = 10.0
MOST_EVENTS = 100
"""So many alerts of one evaluation are announced one by one, the others together."""

SLO = "slo:"
_BURNS = {Change.FIRING: "slo.burning", Change.RESOLVED: "slo.recovered"}

INACTIVE_KEPT, RESOLVED_KEPT = timedelta(minutes=15), timedelta(days=30)


@dataclass(slots=True)
class _Loaded:
    group: RuleGroup
    rules: Sequence[AlertRule]
    before: list[Before]


def evaluate(job: JobRun) -> None:
    """Evaluate a group at the last of its times that is not over the present."""
    with job.read() as unit:
        loaded = _load(unit, job.key)
        now_ms = to_ms(unit.now())
    if loaded is None:
        return
    group = loaded.group
    slots = Slots.of(
        group.id,
        to_ms(group.anchor),
        group.interval_ms,
        spread=job.context.settings.evaluations_spread,
    )
    slot = slots.last(now_ms)
    last = None if group.evaluated_at is None else to_ms(group.evaluated_at)
    again = from_ms(slots.after(slot))
    if last is not None and last > max(slot, now_ms):  # the clock was set back
        loaded.before = [set_back(one, slot, last - slot) for one in loaded.before]
        last = None
    if last is not None and slot <= last:  # asked for once more within one interval
        with job.finish(again_at=again):
            return
    outage = is_outage(slot, last, group.interval_ms)
    resumed = from_ms(slot) if outage else group.resumed_at
    if resumed is not None and to_ms(resumed) > slot:
        resumed = None
    moment = Moment(slot, group.interval_ms, last, None if resumed is None else to_ms(resumed))
    began = time.perf_counter()
    library = library_group(group, loaded.rules, job.context.settings.max_rule_series)
    known = {key: list(series) for key, series in group.intended.items()}

    def intend(place: int, series: list[dict[str, str]]) -> None:
        rule_id = loaded.rules[place].id
        known[rule_id] = [*known.get(rule_id, ()), *series]
        with job.note() as unit:
            current = unit.find(RuleGroup, group.id, lock=True)
            if current is not None:
                current.intended = dict(known)

    rules_context = rule_context(job.context, job.cancellation)
    after = evaluate_group(library, loaded.before, moment, rules_context, intend)
    seconds = time.perf_counter() - began
    with job.finish(again_at=again) as unit:
        current = unit.find(RuleGroup, group.id, lock=True)
        if current is None:
            return
        if current.version != group.version:  # a rule was changed meanwhile: evaluate that
            unit.enqueue(EVALUATE, key=group.id)
            return
        at = from_ms(slot)
        if last is not None:
            current.missed += max(0, (slot - last) // group.interval_ms - 1)
        current.evaluations += 1
        current.evaluated_at, current.resumed_at = at, resumed
        current.evaluation_s = round(seconds, 9)
        rules = _rules(unit, group.id)
        settled = {rule.id for rule, new in zip(rules, after, strict=True) if new.wrote}
        if known:
            current.intended = {k: series for k, series in known.items() if k not in settled}
        moved = alert_store.keep(unit, rules, loaded.before, after, at)
        consequences(unit, moved, {rule.id: rule for rule in rules})


def not_evaluated(unit: Unit, group_id: str, reason: str) -> None:
    """Say of every rule of a group why it could not be evaluated, until it can be."""
    for rule in _rules(unit, group_id):
        rule.health, rule.last_error = "err", reason


def _again_soon(attempts: int) -> timedelta:
    """A group that failed is not left alone for long: its alerts stand still meanwhile."""
    return min(backoff(attempts), LONGEST_WAIT)


def consequences(unit: Unit, moved: Sequence[Moved], rules: dict[str, AlertRule]) -> None:
    """What follows when alerts change: groups, silences that end, events."""
    fired = [one.alert for one in moved if one.change is Change.FIRING]
    ended = [one.alert.id for one in moved if one.change in (Change.RESOLVED, Change.INACTIVE)]
    if fired:
        unit.session.flush()
        dispatch.join_groups(unit, fired, rules)
    incident_events.announce(unit, moved, rules)
    lift_of_resolved(unit, ended)
    for change in (Change.PENDING, Change.FIRING, Change.RESOLVED):
        alerts = [one.alert for one in moved if one.change is change]
        for alert in alerts[:MOST_EVENTS]:
            rule = rules.get(alert.rule_id)
            unit.publish(
                f"alert.{change}",
                {
                    "alert": dispatch.told_alert(alert),
                    "auto_incident": rule is not None and rule.auto_incident,
                    "escalation_policy_id": None if rule is None else rule.escalation_policy_id,
                },
            )
            if rule is not None and rule.managed.startswith(SLO) and change in _BURNS:
                unit.publish(_BURNS[change], {"alert": dispatch.told_alert(alert)})
        if rest := alerts[MOST_EVENTS:]:
            unit.publish(
                "alert.many",
                {"state": str(change), "count": len(rest), "alert_ids": [a.id for a in rest]},
            )


def regroup(job: JobRun) -> None:
    """Put every alert where the routing tree sends it now, some in each transaction.

    Between two of them other tenants write. A job that is ended in between is begun anew.
    """
    last: str | None = ""
    while last is not None:
        with job.note() as unit:
            last = dispatch.regroup(unit, last)
    with job.finish() as unit:
        dispatch.leave_empty(unit)


def retire(job: JobRun) -> None:
    """Mark the series of rules that are gone as stale."""
    table = SeriesTable.from_dicts(job.payload["series"])
    if table.rows:
        empty = Vector(SeriesTable.from_dicts([]), np.empty(0, np.float64))
        batch = empty.batch(to_ms(job.context.clock.now()), table)
        DatabaseStore(job.context.store).write(batch)


def flush(job: JobRun) -> None:
    """Look at a group of notifications."""
    with job.finish() as unit:
        dispatch.flush(unit, job.key)


def forget(job: JobRun) -> None:
    """Delete alerts that are long over, with their history."""
    with job.finish(again_at=job.context.clock.now() + timedelta(hours=1)) as unit:
        for state, kept_for in (("inactive", INACTIVE_KEPT), ("resolved", RESOLVED_KEPT)):
            over = select(Alert.id).where(
                Alert.state == state, Alert.resolved_at <= unit.now() - kept_for
            )
            unit.session.execute(delete(AlertChange).where(AlertChange.alert_id.in_(over)))
            unit.session.execute(
                delete(Alert).where(
                    Alert.state == state, Alert.resolved_at <= unit.now() - kept_for
                )
            )


def rule_context(context: ServerContext, cancellation: Cancellation | None = None) -> RuleContext:
    """What rules of a tenant are evaluated with.

    cancellation  ends their queries, waits for memory, and templates
    """
    return RuleContext(
        DatabaseStore(context.store),
        external_url=context.settings.public_url,
        timeout_s=min(RULE_TIMEOUT_S, context.settings.query_timeout_s),
        limits=limits_of(context, cancellation),
        cancellation=cancellation,
    )


def written_by(alerts: Sequence[Alert]) -> list[dict[str, str]]:
    """The ALERTS and ALERTS_FOR_STATE series of alerts, as they were written last."""
    return [dict(labels) for labels in series_of(alert_store.active_of(alerts)).series.dicts()]


def _load(unit: Unit, group_id: str) -> _Loaded | None:
    group = unit.find(RuleGroup, group_id)
    if group is None:
        return None
    rules = _rules(unit, group_id)
    return _Loaded(group, rules, alert_store.load(unit, rules, group.intended))


def _rules(unit: Unit, group_id: str) -> Sequence[AlertRule]:
    """The rules of a group that are evaluated, in their order."""
    wanted = select(AlertRule).where(AlertRule.group_id == group_id, AlertRule.paused.is_(False))
    statement = wanted.order_by(AlertRule.position)
    return unit.session.execute(statement).scalars().all()


KINDS = (
    JobKind(EVALUATE, evaluate, retry=_again_soon, failed=not_evaluated),
    JobKind(RETIRE, retire),
    JobKind(REGROUP, regroup),
    JobKind(FORGET, forget),
    JobKind(dispatch.FLUSH, flush),
    JobKind(dispatch.DELIVER, delivery.deliver, lane="channel_id", waits=True),
)
