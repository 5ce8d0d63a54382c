"""Leased jobs that evaluate rule groups and clean up after them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from sqlalchemy import delete, select

from novaql import Cancellation
from novaql.rules.evaluation import DatabaseStore, RuleContext, Vector
from novaql.server.alert_model.tables import Alert, AlertChange, AlertRule
from novaql.server.alert_rules import alert_store
from novaql.server.alert_rules.evaluation import (
    EvaluationTime,
    Slots,
    evaluate_group,
    is_outage,
    set_back,
)
from novaql.server.alert_rules.lookup import rules_by_group
from novaql.server.alert_rules.model import library_group
from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.alert_rules.text_budget import TextBudget, text_of_alert
from novaql.server.alert_rules.transitions import apply_transitions
from novaql.server.clock import from_ms, to_ms
from novaql.server.db.unit import Unit
from novaql.server.jobs.job import backoff
from novaql.server.jobs.runner import JobKind, JobRun
from novaql.server.notifications.dispatch import hold_groups
from novaql.server.query.run import limits_of
from novaql.server.tenants.context import ServerContext
from novaql.tsdb import SeriesTable

EVALUATE, RETIRE, FORGET = "alerts.evaluate", "alerts.retire", "alerts.forget"
LONGEST_WAIT = timedelta(seconds=30)
"""Longest wait before a failed group is evaluated again."""

RULE_TIMEOUT_S = 10.0
INACTIVE_RETENTION, RESOLVED_RETENTION = timedelta(minutes=15), timedelta(days=30)


def evaluate(job: JobRun) -> None:
    """Evaluate a group at its latest slot that is not in the future."""
    with job.read() as unit:
        group = unit.find(RuleGroup, job.key)
        if group is None:
            return
        evaluated = _rules(unit, group.id)
        states = alert_store.load(unit, evaluated, group.intended)
        now_ms = to_ms(unit.now())
    settings = job.context.settings
    slots = Slots.of(
        group.id, to_ms(group.anchor), group.interval_ms, spread=settings.evaluations_spread
    )
    slot = slots.last(now_ms)
    last = None if group.evaluated_at is None else to_ms(group.evaluated_at)
    again = from_ms(slots.after(slot))
    if last is not None and last > max(slot, now_ms):  # the clock was set back
        states = [set_back(one, slot, last - slot) for one in states]
        last = None
    if last is not None and slot <= last:  # already evaluated in this interval
        with job.finish(again_at=again):
            return
    outage = is_outage(slot, last, group.interval_ms)
    resumed = from_ms(slot) if outage else group.resumed_at
    if resumed is not None and to_ms(resumed) > slot:
        resumed = None
    moment = EvaluationTime(
        slot, group.interval_ms, last, None if resumed is None else to_ms(resumed)
    )
    began = time.perf_counter()
    library = library_group(group, evaluated, settings.max_rule_series)
    known = {key: list(series) for key, series in group.intended.items()}

    def intend(place: int, series: list[dict[str, str]]) -> None:
        rule_id = evaluated[place].id
        known[rule_id] = [*known.get(rule_id, ()), *series]
        with job.note() as unit:
            current = unit.find(RuleGroup, group.id, lock=True)
            if current is not None:
                current.intended = dict(known)

    rules_context = rule_context(job.context, job.cancellation)

    def stored() -> int:
        with job.read() as unit:
            return alert_store.stored_text(unit)

    before = sum(text_of_alert(alert) for state in states for alert in state.alerts.values())
    text = TextBudget(before, stored, job.context.tuning)
    results = evaluate_group(library, states, moment, rules_context, intend, text=text)
    seconds = time.perf_counter() - began
    with job.finish(again_at=again) as unit:
        if alert_store.any_changes(states, results):
            hold_groups(unit)
        current = unit.find(RuleGroup, group.id, lock=True)
        if current is None:
            return
        if current.version != group.version:  # a rule changed meanwhile: evaluate again
            unit.enqueue(EVALUATE, key=group.id)
            return
        at = from_ms(slot)
        if last is not None:
            current.missed += max(0, (slot - last) // group.interval_ms - 1)
        current.evaluations += 1
        current.evaluated_at, current.resumed_at = at, resumed
        current.evaluation_s = round(seconds, 9)
        rules = _rules(unit, group.id)
        settled = {rule.id for rule, new in zip(rules, results, strict=True) if new.wrote}
        if known:
            current.intended = {k: series for k, series in known.items() if k not in settled}
        transitions = alert_store.save(unit, rules, states, results, at)
        apply_transitions(unit, transitions, {rule.id: rule for rule in rules})


def not_evaluated(unit: Unit, group_id: str, reason: str) -> None:
    """Store on every rule of a group the reason why it was not evaluated."""
    for rule in _rules(unit, group_id):
        rule.health, rule.last_error = "err", reason


def _again_soon(attempts: int) -> timedelta:
    """The wait before a failed group is retried. Its alerts do not change until then."""
    return min(backoff(attempts), LONGEST_WAIT)


def retire(job: JobRun) -> None:
    """Write stale markers for the series of deleted and paused rules."""
    table = SeriesTable.from_dicts(job.payload["series"])
    if table.rows:
        empty = Vector(SeriesTable.from_dicts([]), np.empty(0, np.float64))
        batch = empty.batch(to_ms(job.context.clock.now()), table)
        DatabaseStore(job.context.store).write(batch)


def delete_ended(job: JobRun) -> None:
    """Delete alerts whose retention is over, with their history."""
    with job.finish(again_at=job.context.clock.now() + timedelta(hours=1)) as unit:
        for state, retention in (
            ("inactive", INACTIVE_RETENTION),
            ("resolved", RESOLVED_RETENTION),
        ):
            over = (Alert.state == state) & (Alert.resolved_at <= unit.now() - retention)
            ids = select(Alert.id).where(over)
            unit.session.execute(delete(AlertChange).where(AlertChange.alert_id.in_(ids)))
            unit.session.execute(delete(Alert).where(over))


def rule_context(context: ServerContext, cancellation: Cancellation | None = None) -> RuleContext:
    """The context for rules of the tenant.

    cancellation  cancels their queries, waits for memory, and templates
    """
    return RuleContext(
        DatabaseStore(context.store),
        external_url=context.settings.public_url,
        timeout_s=min(RULE_TIMEOUT_S, context.settings.query_timeout_s),
        limits=limits_of(context, cancellation),
        cancellation=cancellation,
    )


def _rules(unit: Unit, group_id: str) -> Sequence[AlertRule]:
    """The rules of a group that are not paused, in order."""
    found = rules_by_group(unit, AlertRule.group_id == group_id, AlertRule.paused.is_(False))
    return found.get(group_id, [])


KINDS = (
    JobKind(EVALUATE, evaluate, retry=_again_soon, failed=not_evaluated),
    JobKind(RETIRE, retire),
    JobKind(FORGET, delete_ended),
)
