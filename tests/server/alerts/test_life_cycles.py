"""The states of alerts over time, with a clock that is stepped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from novaql.server.alert_rules.tables import RuleGroup
from novaql.server.app import create_app
from novaql.server.clock import to_ms
from novaql.server.jobs.runner import JobRunner
from novaql.server.tenants.context import ServerContext
from novaql.tsdb.model.samples import STALE
from tests.support.servers.alert_rig import NOW, AlertRig


def test_for_counts_from_the_first_true_evaluation(rig: AlertRig) -> None:
    rig.rule(**{"for": "60s"})
    rig.now(a=0.0)
    assert rig.states() == {"a": "pending"}
    for _ in range(3):
        rig.step(a=0.0)
        assert rig.states() == {"a": "pending"}
    rig.step(a=0.0)

    assert rig.states() == {"a": "firing"}
    alert = rig.alert()
    assert alert["started_at"] == "2026-04-01T12:00:00Z"
    assert alert["fired_at"] == "2026-04-01T12:01:00Z"
    assert [entry["type"] for entry in alert["history"]] == ["firing", "pending"]


def test_one_false_evaluation_resets_a_pending_alert(one: AlertRig) -> None:
    one.rule(**{"for": "60s"})
    one.now(a=0.0)
    alert_id = one.alert()["id"]
    one.step(45, a=0.0)
    one.step(a=1.0)
    assert one.states() == {}
    assert one.get(f"/v1/alerts/{alert_id}")["state"] == "inactive"
    one.step(a=0.0)

    assert one.states() == {"a": "pending"}
    assert one.alert()["id"] == alert_id
    assert one.alert()["started_at"] == "2026-04-01T12:01:15Z"


def test_without_for_it_fires_at_once(one: AlertRig) -> None:
    one.rule()
    one.now(a=0.0, b=1.0)

    assert one.states() == {"a": "firing"}
    assert one.alerts("?firing=true")[0]["labels"] == {"alertname": "Down", "instance": "a"}
    assert one.alerts("?firing=false") == []


@pytest.mark.slow
def test_keep_firing_for_is_one_episode(rig: AlertRig) -> None:
    rig.route_to_log(group_interval="15s")
    rig.rule(keep_firing_for="5m")
    rig.now(a=0.0)
    rig.step(a=1.0)
    alert = rig.alert()
    assert (alert["state"], alert["sub_state"]) == ("firing", "recovering")
    for _ in range(8):
        rig.step(a=1.0)
    rig.step(a=0.0)  # true again inside of it
    assert rig.alert()["sub_state"] is None
    assert rig.log() == [("new_alerts", 1, 0)]
    for _ in range(20):
        rig.step(a=1.0)
        assert rig.states() == {"a": "firing"}
    rig.step(a=1.0)  # 5 minutes after the first evaluation that was false

    assert rig.states() == {"a": "resolved"}
    rig.step(a=1.0)
    assert rig.log() == [("new_alerts", 1, 0), ("all_resolved", 0, 1)]


def test_a_longer_for_moves_a_firing_alert_back(one: AlertRig) -> None:
    rule = one.rule()
    one.now(a=0.0)
    one.step(a=0.0)
    changed = one.ask("PATCH", f"/v1/alert-rules/{rule['id']}", {"version": 1, "for": "1m"})
    assert changed.json()["for"] == "1m"
    one.step(a=0.0)
    assert one.states() == {"a": "pending"}
    one.step(30, a=0.0)

    assert one.states() == {"a": "firing"}


def test_an_error_keeps_what_fires(rig: AlertRig) -> None:
    rule = rig.rule(expr='up == on (instance) up{zone=""} == 0')
    rig.now(a=0.0)
    assert rig.states() == {"a": "firing"}
    now = to_ms(rig.clock.now()) + 15_000
    twice = {"__name__": "up", "instance": "a", "job": "x"}
    rig.server.write([(twice, [(now, 0.0)])])  # many-to-many matching
    rig.step()
    shown = rig.get(f"/v1/alert-rules/{rule['id']}")

    assert shown["health"] == "err"
    assert "many" in shown["last_error"]
    assert rig.states() == {"a": "firing"}


def test_an_error_may_be_an_alert(one: AlertRig) -> None:
    one.rule(expr="up == on (instance) up == 0", on_error="alerting", severity="page")
    series = [
        ({"__name__": "up", "instance": "a", "job": job}, [(to_ms(NOW), 0.0)]) for job in "xy"
    ]
    one.server.write(series)
    one.now()
    alert = one.alert()

    assert alert["labels"] == {"alertname": "Down", "reason": "error", "severity": "page"}
    assert "many" in alert["annotations"]["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "after"),
    [
        ("ok", {"a": "resolved"}),
        ("keep", {"a": "firing"}),
        ("alerting", {"a": "firing", "": "firing"}),
    ],
)
def test_policies_for_missing_data(one: AlertRig, policy: str, after: dict[str, str]) -> None:
    one.rule(no_data=policy)
    one.now(a=0.0)
    for _ in range(21):
        one.step()

    assert one.states() == after
    if policy == "alerting":
        one.step(a=1.0)
        assert one.states() == {"a": "resolved", "": "resolved"}


def test_more_alerts_than_the_limit_are_none(one: AlertRig) -> None:
    rule = one.rule(limit=1)
    one.now(a=0.0)
    assert one.states() == {"a": "firing"}
    one.step(a=0.0, b=0.0)

    assert one.states() == {"a": "resolved"}
    shown = one.get(f"/v1/alert-rules/{rule['id']}")
    assert shown["last_error"] == "exceeded limit of 1 with 2 alerts"


def test_nan_never_fires(one: AlertRig) -> None:
    one.rule(expr="up > 0")
    one.now(a=float("nan"), b=1.0)

    assert one.states() == {"b": "firing"}


def test_equal_labels_after_templating_are_an_error(one: AlertRig) -> None:
    rule = one.rule(labels={"instance": "all"})
    one.now(a=0.0, b=0.0)

    assert one.alerts() == []
    assert "same labelset" in one.get(f"/v1/alert-rules/{rule['id']}")["last_error"]


def test_the_series_of_alerts(one: AlertRig) -> None:
    one.rule(**{"for": "15s"}, labels={"team": "ops"})
    one.now(a=0.0)
    common = {"alertname": "Down", "instance": "a", "team": "ops"}
    pending = {"__name__": "ALERTS", "alertstate": "pending", **common}
    firing = {"__name__": "ALERTS", "alertstate": "firing", **common}
    assert one.series("ALERTS") == [pending]
    assert one.series(f"ALERTS_FOR_STATE == {NOW.timestamp():.0f}") == [
        {"__name__": "ALERTS_FOR_STATE", **common}
    ]
    one.step(a=0.0)
    assert one.series("ALERTS") == [firing]  # the other one is marked stale
    one.step(a=1.0)

    assert one.series("ALERTS") == []
    assert one.series("ALERTS_FOR_STATE") == []


def test_recording_rules_write_and_end_series(rig: AlertRig) -> None:
    rig.rule(
        name="job:up:sum", type="recording", expr="sum by (instance) (up) > 0", labels={"x": "y"}
    )
    rig.now(a=1.0, b=1.0)
    assert [s["instance"] for s in rig.series("job:up:sum")] == ["a", "b"]
    rig.step(a=1.0, b=0.0)

    assert rig.series("job:up:sum") == [{"__name__": "job:up:sum", "instance": "a", "x": "y"}]


def test_missed_evaluations_are_left_out_and_counted(one: AlertRig) -> None:
    rule = one.rule()
    one.now(a=1.0)
    one.step(50, a=1.0)
    shown = one.get(f"/v1/alert-rules/{rule['id']}")

    assert shown["missed_evaluations"] == 2
    assert shown["last_evaluated_at"] == "2026-04-01T12:00:45Z"


def another_process(rig: AlertRig) -> JobRunner:
    """A runner over the same database and store, as a process that starts has it."""
    app = create_app(
        replace(rig.server.context.settings, job_threads=0, sync="os"),
        store=rig.server.store,
        database=rig.server.context.database,
        clock=rig.clock,
    )
    runner = app.state.control.begin().result().runner
    assert isinstance(runner, JobRunner)
    assert isinstance(app.state.context, ServerContext)
    return runner


@pytest.mark.slow
def test_a_restart_keeps_the_age_of_pending_alerts(rig: AlertRig) -> None:
    rig.route_to_log()
    rig.rule(**{"for": "60s"})
    rig.now(a=0.0)
    rig.step(a=0.0)
    runner = another_process(rig)
    for _ in range(3):
        rig.clock.step(timedelta(seconds=15))
        rig.up(a=0.0)
        runner.run_due()

    assert rig.states() == {"a": "firing"}
    assert rig.log() == [("new_alerts", 1, 0)]
    runner.run_due()
    rig.server.run_jobs()
    assert rig.log() == [("new_alerts", 1, 0)]


def test_an_outage_does_not_count_for_pending_alerts(one: AlertRig) -> None:
    one.rule(**{"for": "2m"})
    one.now(a=0.0)
    one.step(30, a=0.0)
    one.step(600, a=0.0)  # nobody knows what was in these ten minutes
    assert one.alert()["started_at"] == "2026-04-01T12:10:00Z"
    one.step(45, a=0.0)
    one.step(30, a=0.0)
    assert one.states() == {"a": "pending"}
    one.step(15, a=0.0)  # 30 s before, 90 s since

    assert one.states() == {"a": "firing"}


def test_an_outage_does_not_count_if_the_evaluation_after_it_fails(one: AlertRig) -> None:
    one.rule(expr='up == on (instance) up{zone=""} == 0', **{"for": "2m"})
    one.now(a=0.0)
    one.step(30, a=0.0)
    now = to_ms(one.clock.now()) + 600_000
    twice = {"__name__": "up", "instance": "a", "job": "x"}
    one.server.write([(twice, [(now, 0.0), (now + 15_000, STALE)])])
    one.step(600, a=0.0)
    (rule,) = one.get("/v1/alert-rules")["data"]
    assert rule["health"] == "err"
    one.step(a=0.0)

    assert one.alert()["started_at"] == "2026-04-01T12:10:00Z"
    assert one.states() == {"a": "pending"}


def test_after_an_outage_absence_is_not_trusted_at_once(one: AlertRig) -> None:
    one.route_to_log(group_interval="15s")
    one.rule()
    one.now(a=0.0)
    one.step(600)  # the first scrape is still to come
    assert one.states() == {"a": "firing"}
    one.step(a=0.0)
    assert one.log() == [("new_alerts", 1, 0)]
    one.step(60, a=1.0)

    assert one.states() == {"a": "resolved"}


def test_alerts_of_a_rule_that_goes_resolve_and_their_series_end(rig: AlertRig) -> None:
    rig.route_to_log(group_interval="15s")
    rule = rig.rule()
    rig.now(a=0.0)
    assert len(rig.series("ALERTS")) == 1
    assert rig.ask("DELETE", f"/v1/alert-rules/{rule['id']}").status_code == 204
    rig.step(1)

    assert rig.series("ALERTS") == []
    alert = rig.alert()
    assert (alert["state"], alert["rule"]) == ("resolved", None)
    rig.step()
    assert rig.log() == [("new_alerts", 1, 0), ("all_resolved", 0, 1)]
    assert rig.ask("DELETE", f"/v1/alert-rules/{rule['id']}").status_code == 404


@pytest.mark.slow
def test_a_paused_rule_raises_and_writes_nothing(rig: AlertRig) -> None:
    rig.route_to_log(group_interval="15s")
    rule = rig.rule()
    rig.rule(name="up:sum", type="recording", expr="sum(up)")
    rig.now(a=0.0)
    path = f"/v1/alert-rules/{rule['id']}"
    paused = rig.ask("PATCH", path, {"version": 1, "paused": True})
    assert paused.status_code == 200
    assert (paused.json()["paused"], paused.json()["state"]) == (True, "inactive")
    rig.step(1)
    assert rig.series("ALERTS") == []
    assert rig.alert()["state"] == "resolved"
    assert rig.alert()["history"][0]["note"] == "the rule was paused"
    rig.step(14, a=0.0)
    rig.step(a=0.0)
    assert rig.states() == {"a": "resolved"}
    assert rig.log() == [("new_alerts", 1, 0), ("all_resolved", 0, 1)]
    assert [s["__name__"] for s in rig.series("up:sum")] == ["up:sum"]  # others go on
    assert [r["id"] for r in rig.get("/v1/alert-rules?paused=true")["data"]] == [rule["id"]]
    assert rig.ask("PATCH", path, {"version": 2, "paused": False}).status_code == 200
    rig.step(a=0.0)

    assert rig.states() == {"a": "firing"}
    assert rig.log()[2:] == [("new_alerts", 1, 0)]


def test_a_rule_can_be_made_paused(one: AlertRig) -> None:
    rule = one.rule(paused=True)
    one.now(a=0.0)

    assert one.alerts() == []
    assert one.get(f"/v1/alert-rules/{rule['id']}")["last_evaluated_at"] is None


@pytest.mark.parametrize("fields", [{}, {"type": "recording", "name": "low", "expr": "up == 0"}])
def test_what_a_killed_evaluation_wrote_is_ended_by_the_next(
    rig: AlertRig, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """The samples are in the store, and the process dies before the database hears of it."""
    rig.rule(**fields)
    rig.now(a=1.0)

    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    wanted = 'ALERTS{instance="a"}' if not fields else "low"
    with monkeypatch.context() as patch:
        patch.setattr("novaql.server.alert_rules.alert_store.save", dies)
        rig.clock.step(timedelta(seconds=15))
        rig.up(a=0.0)
        with pytest.raises(Killed):
            rig.server.run_jobs()
    assert len(rig.series(wanted)) == 1
    rig.step(30, a=1.0)  # the lease has run out

    assert rig.series(wanted) == []
    assert rig.alerts() == []
    with rig.server.context.database.read(None) as session:
        assert [group.intended for group in session.execute(select(RuleGroup)).scalars()] == [{}]
