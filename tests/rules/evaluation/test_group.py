"""Groups over a database: what they write, and when it ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from novaql import query, tsdb
from novaql.rules import DatabaseStore, GroupRun, RuleContext, RuleOutcome, read_rules
from novaql.rules.evaluation.alerting import State
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

MINUTE = 60_000


def group_run(database: tsdb.Database, rules: str, **context: object) -> GroupRun:
    """The one group of a rule file over a database."""
    (group,) = read_rules(rules, "rules.yml").groups
    return GroupRun(group, RuleContext(DatabaseStore(database), **context))  # type: ignore[arg-type]


def put(database: tsdb.Database, minute: int, **values: float) -> None:
    """One sample of `x` for each job."""
    database.append(
        Batch(
            SeriesTable.from_dicts([{"__name__": "x", "job": job} for job in values]),
            np.arange(len(values)),
            np.full(len(values), minute * MINUTE),
            np.array(list(values.values()), np.float64),
        )
    )


def now(database: tsdb.Database, expr: str, minute: float) -> dict[str, float]:
    """Job → value of an instant query."""
    result = query(expr, database, time=minute * 60)
    return {
        series.labels.get("job", "") + series.labels.get("alertstate", ""): float(series.values[0])
        for series in result
    }


def failures(outcomes: list[RuleOutcome]) -> list[str]:
    return [str(outcome.failure) for outcome in outcomes if outcome.failure is not None]


RECORDING = """
groups:
  - name: g
    labels: {team: infra, tier: "1"}
    rules:
      - {record: doubled, expr: x * 2, labels: {tier: "2"}}
      - {record: again, expr: doubled + 1}
"""


def test_rules_see_what_those_before_them_wrote() -> None:
    database = tsdb.memory()
    run = group_run(database, RECORDING)
    put(database, 1, api=5, web=7)

    assert failures(run.evaluate(MINUTE)) == []
    assert now(database, "again", 1) == {"api": 11, "web": 15}


def test_labels_of_group_and_rule() -> None:
    database = tsdb.memory()
    put(database, 1, api=5)
    group_run(database, RECORDING).evaluate(MINUTE)

    (series,) = query("doubled", database, time=60)

    assert series.labels == {"__name__": "doubled", "job": "api", "team": "infra", "tier": "2"}


def test_what_is_gone_ends_at_once() -> None:
    database = tsdb.memory()
    run = group_run(database, "groups: [{name: g, rules: [{record: y, expr: x > 1}]}]")
    put(database, 1, api=5, web=7)
    run.evaluate(MINUTE)
    put(database, 2, api=0, web=7)
    run.evaluate(2 * MINUTE)

    assert now(database, "y", 1.5) == {"api": 5, "web": 7}
    assert now(database, "y", 2) == {"web": 7}


def test_a_failing_rule_stops_no_other_and_ends_nothing() -> None:
    database = tsdb.memory()
    rules = """
groups:
  - name: g
    rules:
      - {record: y, expr: "x / on () x"}
      - {record: z, expr: x}
"""
    run = group_run(database, rules)
    put(database, 1, api=5)
    assert failures(run.evaluate(MINUTE)) == []
    put(database, 2, api=5, web=6)

    outcomes = run.evaluate(2 * MINUTE)

    assert [outcome.failure is None for outcome in outcomes] == [False, True]
    assert now(database, "y", 2) == {"": 1}
    assert now(database, "z", 2) == {"api": 5, "web": 6}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{record: y, expr: x, labels: {job: same}}", "same labelset after applying rule labels"),
        ("{alert: A, expr: x, labels: {job: same}}", "same labelset after applying alert labels"),
        ("{record: y, expr: '\"text\"'}", "not a vector or scalar"),
        ("{record: y, expr: 'x[5m]'}", "not a vector or scalar"),
    ],
)
def test_rules_that_cannot_be(rule: str, message: str) -> None:
    database = tsdb.memory()
    put(database, 1, api=5, web=6)
    run = group_run(database, f"groups: [{{name: g, rules: [{rule}]}}]")

    (failure,) = failures(run.evaluate(MINUTE))

    assert message in failure
    assert run.alerts == {} or not run.alerts[0].alerts


def test_limits() -> None:
    database = tsdb.memory()
    rules = "groups: [{name: g, limit: 1, rules: [{record: y, expr: x}, {alert: A, expr: x}]}]"
    run = group_run(database, rules)
    put(database, 1, api=5)
    assert failures(run.evaluate(MINUTE)) == []
    put(database, 2, api=5, web=6)

    assert failures(run.evaluate(2 * MINUTE)) == [
        "exceeded limit of 1 with 2 series",
        "exceeded limit of 1 with 2 alerts",
    ]
    assert list(run.alerts[1].active()) == []


def test_query_offset() -> None:
    database = tsdb.memory()
    rules = "groups: [{name: g, query_offset: 2m, rules: [{record: y, expr: x}]}]"
    run = group_run(database, rules)
    for minute in range(6):
        put(database, minute, api=minute)
    run.evaluate(5 * MINUTE)

    assert now(database, "y", 3) == {"api": 3}
    assert now(database, "timestamp(y)", 5) == {"api": 180}


def test_an_offset_for_groups_that_name_none() -> None:
    database = tsdb.memory()
    rules = "groups: [{name: g, rules: [{record: y, expr: x}]}]"

    assert group_run(database, rules, query_offset_ms=MINUTE).offset_ms == MINUTE


ALERT = """
groups:
  - name: g
    rules:
      - alert: High
        expr: x > 10
        for: 2m
        keep_firing_for: 3m
        labels: {severity: page}
        annotations: {text: "{{ $labels.job }} {{ $value }}"}
"""
VALUES = [0, 11, 12, 13, 0, 0, 14, 0, 0, 0, 0, 0]
STATES = [
    None,
    State.PENDING,
    State.PENDING,
    State.FIRING,
    State.FIRING,  # kept
    State.FIRING,
    State.FIRING,  # there again: keeping starts anew
    State.FIRING,
    State.FIRING,
    State.FIRING,
    None,
    None,
]


def test_life_of_an_alert() -> None:
    database = tsdb.memory()
    run = group_run(database, ALERT)
    seen = []
    for minute, value in enumerate(VALUES):
        put(database, minute, api=value)
        assert failures(run.evaluate(minute * MINUTE)) == []
        states = [alert.state for alert in run.alerts[0].active()]
        seen.append(states[0] if states else None)
        wanted = {f"api{STATES[minute]}": 1.0} if STATES[minute] else {}
        assert now(database, "ALERTS", minute) == wanted
        since = now(database, "ALERTS_FOR_STATE", minute)
        assert since == ({"api": 60.0} if STATES[minute] else {})

    assert seen == STATES
    (resolved,) = run.alerts[0].alerts.values()
    assert (resolved.state, resolved.resolved_ms) == (State.INACTIVE, 10 * MINUTE)
    assert resolved.annotations == {"text": "api 14"}


def test_resolved_alerts_are_forgotten() -> None:
    database = tsdb.memory()
    run = group_run(database, "groups: [{name: g, rules: [{alert: A, expr: x > 10}]}]")
    put(database, 0, api=11)
    run.evaluate(0)
    for minute in range(1, 19):
        put(database, minute, api=0)
        run.evaluate(minute * MINUTE)
        remembered = len(run.alerts[0].alerts)
        assert remembered == (1 if minute <= 16 else 0), minute


def test_an_alert_that_comes_back_is_a_new_one() -> None:
    database = tsdb.memory()
    run = group_run(database, "groups: [{name: g, rules: [{alert: A, expr: x > 10, for: 1m}]}]")
    for minute, value in enumerate([11, 12, 0, 13]):
        put(database, minute, api=value)
        run.evaluate(minute * MINUTE)

    (alert,) = run.alerts[0].active()
    assert (alert.state, alert.active_since_ms, alert.value) == (State.PENDING, 3 * MINUTE, 13)


def test_templates_can_ask() -> None:
    database = tsdb.memory()
    rules = """
groups:
  - name: g
    rules:
      - alert: A
        expr: x > 10
        annotations:
          all: '{{ range query "sort(x)" }}{{ .Labels.job }}={{ .Value }} {{ end }}'
          bad: '{{ query "sum(" }}'
"""
    run = group_run(database, rules)
    put(database, 0, api=11, web=2)
    run.evaluate(0)

    (alert,) = run.alerts[0].active()
    assert alert.annotations["all"] == "web=2 api=11 "
    assert alert.annotations["bad"].startswith("<error expanding template: error calling query: ")


def test_nan_and_infinity_are_values() -> None:
    database = tsdb.memory()
    run = group_run(database, "groups: [{name: g, rules: [{record: y, expr: x}]}]")
    put(database, 0, api=math.nan, web=math.inf)
    run.evaluate(0)

    found = now(database, "y", 0)

    assert math.isnan(found["api"])
    assert found["web"] == math.inf


RESTORED = """
groups:
  - name: g
    rules: [{alert: High, expr: x > 10, for: 30m, labels: {severity: page}}]
"""


@pytest.mark.parametrize(
    ("down_at", "up_at", "fires_at"),
    [
        (10, 15, 35),  # 20 minutes were left, and are left after the outage of 5
        (25, 30, 40),  # 5 were left: the grace period of 10 counts
        (40, 45, 46),  # it was firing: it fires again at the second evaluation
        (10, 75, 105),  # more than an hour: it begins anew
    ],
)
def test_pending_alerts_outlive_a_restart(down_at: int, up_at: int, fires_at: int) -> None:
    database = tsdb.memory()
    before = group_run(database, RESTORED)
    for minute in range(down_at + 1):
        put(database, minute, api=11)
        before.evaluate(minute * MINUTE)
    after = GroupRun(before.group, before.context, restores=True)
    first = None
    for minute in range(up_at, fires_at + 1):
        put(database, minute, api=11)
        assert failures(after.evaluate(minute * MINUTE)) == []
        if first is None and list(after.alerts[0].active(State.FIRING)):
            first = minute

    assert first == fires_at


def test_nothing_is_written_before_alerts_are_restored() -> None:
    database = tsdb.memory()
    (group,) = read_rules(RESTORED, "rules.yml").groups
    run = GroupRun(group, RuleContext(DatabaseStore(database)), restores=True)
    put(database, 0, api=11)
    run.evaluate(0)
    assert now(database, "ALERTS", 0) == {}
    put(database, 1, api=11)
    run.evaluate(MINUTE)

    assert now(database, "ALERTS", 1) == {"apipending": 1}


def test_names_of_prometheus_3_and_labels_of_groups() -> None:
    database = tsdb.memory()
    rules = """
groups:
  - name: g
    labels: {the team: infra}
    rules: [{record: my.metric, expr: x, labels: {"label with blanks": "yes"}}]
"""
    run = group_run(database, rules)
    put(database, 0, api=11)
    assert failures(run.evaluate(0)) == []

    (series,) = query('{"my.metric", "the team"="infra"}', database, time=0)
    assert series.labels["label with blanks"] == "yes"
