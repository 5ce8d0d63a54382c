"""Alerts between the database and an evaluation: loaded before it, saved after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import Text, cast, func, select

from novaql.fast_dataclass import dataclass
from novaql.model import FloatHistogram, labels_of
from novaql.rules.evaluation import ActiveAlert, State, series_of
from novaql.server.alert_model import history
from novaql.server.alert_model.identity import alert_id
from novaql.server.alert_model.rows_by_key import delete_by, rows_by
from novaql.server.alert_model.tables import Alert, AlertChange, AlertRule
from novaql.server.alert_rules.evaluation import Active, RuleResult, RuleState
from novaql.server.alert_rules.model import SERVICE, SEVERITY
from novaql.server.alert_rules.tables import RecordedSeries
from novaql.server.clock import from_ms, to_ms
from novaql.server.db.unit import Unit
from novaql.server.ids import new_id

LIVE = (State.PENDING.value, State.FIRING.value)


class Change(StrEnum):
    """The kinds of transitions of an alert."""

    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    FIRING_AGAIN = "firing_again"
    RESOLVED = "resolved"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of the state of an alert."""

    change: Change
    alert: Alert


def load(
    unit: Unit, rules: Sequence[AlertRule], intended: Mapping[str, Sequence[Mapping[str, str]]]
) -> list[RuleState]:
    """Load the state of each rule. `intended` is the column of their group."""
    ids = [rule.id for rule in rules]
    alerts: dict[str, Active] = {}
    for row in live(unit, ids):
        active = _active(row)
        alerts.setdefault(row.rule_id, {})[active.labels] = active
    recorded = {row.rule_id: row.series for row in rows_by(unit, RecordedSeries.rule_id, ids)}
    return [
        RuleState(
            alerts.get(r.id, {}),
            recorded.get(r.id, ()),
            intended.get(r.id, ()),
            r.no_data,
            r.on_error,
        )
        for r in rules
    ]


def any_changes(states: Sequence[RuleState], results: Sequence[RuleResult]) -> bool:
    """Whether `save` may return transitions."""
    return any(
        _states(old.alerts) != _states(new.alerts) for old, new in zip(states, results, strict=True)
    )


def save(
    unit: Unit,
    rules: Sequence[AlertRule],
    states: Sequence[RuleState],
    results: Sequence[RuleResult],
    at: datetime,
) -> list[Transition]:
    """Save the results of an evaluation. Returns the transitions of alerts."""
    rows = {row.id: row for row in live(unit, [rule.id for rule in rules])}
    transitions: list[Transition] = []
    for rule, old, new in zip(rules, states, results, strict=True):
        rule.health = "err" if new.problem else "ok"
        rule.last_error = new.problem
        rule.evaluated_at = at
        rule.evaluation_s = round(new.seconds, 9)
        rule.series = new.series
        if new.recorded is not None:
            _save_recorded(unit, rule.id, new.recorded)
        transitions += _save_alerts(unit, rule, old.alerts, new.alerts, rows, at)
    changes = [
        {
            "id": new_id("ach"),
            "alert_id": one.alert.id,
            "at": at,
            "type": str(one.change),
            "value": one.alert.value,
            "note": "",
        }
        for one in transitions
    ]
    unit.insert(AlertChange, changes)
    return transitions


def live(unit: Unit, rule_ids: Collection[str]) -> list[Alert]:
    """The pending and firing alerts of rules."""
    return rows_by(unit, Alert.rule_id, rule_ids, Alert.state.in_(LIVE))


def stored_text(unit: Unit) -> int:
    """About how many characters the pending and firing alerts of the tenant have."""
    texts = (func.length(cast(column, Text)) for column in (Alert.labels, Alert.annotations))
    size = select(func.coalesce(func.sum(sum(texts)), 0)).where(Alert.state.in_(LIVE))
    return int(unit.session.execute(size).scalar_one())


def resolve(unit: Unit, alerts: Iterable[Alert], note: str) -> list[Transition]:
    """Resolve the live alerts of rules that are deleted or paused."""
    transitions, at = [], unit.now()
    for row in alerts:
        change = Change.RESOLVED if row.state == State.FIRING else Change.INACTIVE
        transitions.append(_over(unit, row, change, at))
        unit.session.add(history.entry(row, change, at, note))
    return transitions


def value_text(value: float | FloatHistogram) -> str:
    """A value as text. Floats read back exactly."""
    return repr(float(value)) if isinstance(value, float | int) else str(value)


def _states(alerts: Active) -> dict[Any, tuple[State, bool]]:
    """The states of alerts by labels, and whether they are recovering."""
    return {
        labels: (one.state, one.keep_firing_since_ms is not None) for labels, one in alerts.items()
    }


def _active(row: Alert) -> ActiveAlert:
    return ActiveAlert(
        labels=labels_of(row.labels),
        annotations=dict(row.annotations),
        value=_number(row.value),
        active_since_ms=to_ms(row.started_at),
        state=State(row.state),
        fired_ms=_ms(row.fired_at),
        keep_firing_since_ms=_ms(row.recovering_since),
    )


def _save_alerts(
    unit: Unit,
    rule: AlertRule,
    old: Mapping[Any, ActiveAlert],
    new: Mapping[Any, ActiveAlert],
    known: Mapping[str, Alert],
    at: datetime,
) -> Iterator[Transition]:
    ids = {labels: alert_id(unit.tenant_id, rule.id, dict(labels)) for labels in {**old, **new}}
    others = rows_by(unit, Alert.id, [key for key in ids.values() if key not in known])
    rows = {**known, **{row.id: row for row in others}}
    for labels, key in ids.items():
        was, now = old.get(labels), new.get(labels)
        row = rows.get(key)
        if now is None:  # it was pending and its condition is false, or its rule exceeds its limit
            if row is not None and was is not None:
                fired = was.state is State.FIRING
                yield _over(unit, row, Change.RESOLVED if fired else Change.INACTIVE, at)
            continue
        if row is None:
            row = _new_row(unit, rule, key, now, at)
        elif was is None:  # a new episode
            row.resolved_at = row.notified_at = row.incident_id = None
        change = _change(was, now)
        if change is Change.RESOLVED:
            yield _over(unit, row, change, at)
            continue
        _set(row, rule, now)
        if change is not None:
            unit.touch(row)
            yield Transition(change, row)


def _change(was: ActiveAlert | None, now: ActiveAlert) -> Change | None:
    if now.state is State.INACTIVE:
        return Change.RESOLVED
    if was is None or was.state is not now.state:
        return Change.FIRING if now.state is State.FIRING else Change.PENDING
    recovered, recovers = (one.keep_firing_since_ms is not None for one in (was, now))
    if recovered == recovers:
        return None
    return Change.RECOVERING if recovers else Change.FIRING_AGAIN


def _over(unit: Unit, row: Alert, change: Change, at: datetime) -> Transition:
    row.state, row.resolved_at, row.recovering_since = change.value, at, None
    unit.touch(row)
    return Transition(change, row)


def _new_row(unit: Unit, rule: AlertRule, key: str, now: ActiveAlert, at: datetime) -> Alert:
    labels = dict(now.labels)
    row = Alert(
        id=key,
        created_at=at,
        updated_at=at,
        version=0,  # the first change sets it to 1
        rule_id=rule.id,
        name=rule.name,
        state=now.state.value,
        labels=labels,
        annotations={},
        value="",
        service=_short(labels.get(SERVICE)),
        severity=_short(labels.get(SEVERITY)),
        started_at=at,
        opens_incident=False,
    )
    unit.session.add(row)
    return row


def _set(row: Alert, rule: AlertRule, now: ActiveAlert) -> None:
    row.name = rule.name
    row.state = now.state.value
    if row.annotations != now.annotations:
        row.annotations = dict(now.annotations)
    row.value = value_text(now.value)
    row.started_at = from_ms(now.active_since_ms)
    row.fired_at = None if now.fired_ms is None else from_ms(now.fired_ms)
    since_ms = now.keep_firing_since_ms
    row.recovering_since = None if since_ms is None else from_ms(since_ms)


def _save_recorded(unit: Unit, rule_id: str, series: list[dict[str, str]]) -> None:
    digest = sha256(orjson.dumps(series, option=orjson.OPT_SORT_KEYS)).hexdigest()
    row = unit.session.execute(
        select(RecordedSeries).where(RecordedSeries.rule_id == rule_id)
    ).scalar_one_or_none()
    if row is None:
        unit.session.add(RecordedSeries(rule_id=rule_id, digest=digest, series=series))
    elif row.digest != digest:
        row.digest, row.series = digest, series


def delete_recorded(unit: Unit, rule_ids: Sequence[str]) -> list[dict[str, str]]:
    """Delete the recorded series of rules. Returns their labels."""
    rows = rows_by(unit, RecordedSeries.rule_id, rule_ids)
    found = [series for row in rows for series in row.series]
    delete_by(unit, RecordedSeries.rule_id, rule_ids)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def _short(text: str | None) -> str | None:
    return None if text is None else text[:200]


def written_by(alerts: Iterable[Alert]) -> list[dict[str, str]]:
    """The last written ALERTS and ALERTS_FOR_STATE series of alerts."""
    return [dict(labels) for labels in series_of([_active(row) for row in alerts]).series.dicts()]
