"""Guardrails: dry runs, blast radius, freeze windows, runs in an hour, times, the stop switch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from novaql.server.runbooks.model import frozen_by
from tests.support.peers.receiver import Receiver
from tests.support.servers.agent_rig import NOW, code_of
from tests.support.servers.http_server import local_server
from tests.support.servers.runbook_rig import APPROVAL, WAIT, RunbookRig, http, query, statuses


def asked(rig: RunbookRig, runbook: Any, **body: Any) -> Any:
    return rig.ask("POST", f"/v1/runbooks/{runbook['id']}/run", body)


def test_a_dry_run_sends_nothing(rig: RunbookRig, receiver: Receiver) -> None:
    rig.post("/v1/notification-channels", {"name": "ops", "type": "sink"})
    say = {"name": "say", "type": "notify", "channel": "ops", "message": "now ${what}"}
    steps = [
        http(f"{receiver.url}/${{what}}", headers={"X-Key": "k ${key}"}, json={"deep": ["${key}"]}),
        query("up", op=">", threshold=0.5),
        WAIT,
        say,
        APPROVAL,
    ]
    parameters = [{"name": "what"}, {"name": "key", "secret": True, "default": "s3cret-value"}]
    policy = {"approvals": 1}
    freeze = [{"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}]
    runbook = rig.runbook(
        *steps,
        parameters=parameters,
        approval_policy=policy,
        guardrails={"freeze_windows": freeze, "max_runs_per_hour": 1},
    )
    rig.run(runbook, parameters={"what": "api"}, dry_run=True)
    run = rig.run(runbook, parameters={"what": "api"}, dry_run=True)
    assert (run["status"], statuses(run)) == ("succeeded", ["dry_run"] * 5)
    outputs = [step["output"] for step in run["steps"]]
    assert outputs[0].startswith(f"POST {receiver.url}/api\nX-Key: k [hidden]\n")
    assert outputs[1:] == [
        "up\nany value > 0.5",
        "waits 30s",
        "to ops: now api",
        "waits for 1 approvals: go on?",
    ]
    assert "s3cret" not in str(run)
    assert receiver.heard == []
    assert rig.get("/v1/notifications")["data"] == []


def test_a_dry_run_of_an_agent_is_no_action(rig: RunbookRig) -> None:
    agent = rig.runner()
    run = rig.run(rig.runbook(WAIT), agent_id=agent, dry_run=True)
    assert (run["status"], run["action_id"]) == ("succeeded", None)
    assert rig.kinds(agent) == ["agent.registered"]


def test_a_run_changes_as_many_services_as_its_guardrails_allow(rig: RunbookRig) -> None:
    for name in ("api", "db"):
        rig.post("/v1/services", {"name": name, "owner": "o", "tier": "t"})
    runbook = rig.runbook(WAIT, service="api")
    assert rig.run(runbook)["services"] == ["api"]
    assert code_of(asked(rig, runbook, services=["api", "db"])) == (422, "blast_radius")
    assert code_of(asked(rig, runbook, services=["web"])) == (422, "unknown_service")
    wide = rig.runbook(WAIT, name="wide", guardrails={"max_services": 2})
    assert rig.run(wide, services=["db", "api"])["services"] == ["api", "db"]


def test_the_steps_call_as_many_hosts_as_the_guardrails_allow(rig: RunbookRig) -> None:
    steps = [http(f"http://127.0.0.{n}/") for n in (1, 2)]
    body = {"name": "x", "steps": steps, "guardrails": {"max_targets": 1}}
    assert code_of(rig.ask("POST", "/v1/runbooks", body)) == (422, "blast_radius")
    assert rig.ask("POST", "/v1/runbooks", {**body, "steps": steps[:1]}).status_code == 201


def test_no_run_begins_in_a_freeze_window(rig: RunbookRig) -> None:
    window = {
        "name": "evening",
        "timezone": "Europe/Berlin",
        "weekdays": ["wednesday"],
        "start_time": "15:00",
        "end_time": "16:00",
    }
    policy = {"approvals": 1}
    limits = {"freeze_windows": [window]}
    runbook = rig.runbook(WAIT, guardrails=limits, approval_policy=policy)
    run = rig.run(runbook)  # it is 14:00 in Berlin, on a Wednesday
    rig.clock.step(timedelta(hours=1))
    assert code_of(asked(rig, runbook)) == (409, "frozen")
    assert rig.decide_run(run).status_code == 200
    rig.server.run_jobs()
    run = rig.look(run["id"])
    assert (run["status"], run["reason"]) == ("rejected", "changes are frozen: evening")
    rig.clock.step(timedelta(hours=1))
    assert asked(rig, runbook).status_code == 202


@pytest.mark.parametrize(
    ("at", "frozen"),
    [
        ("2026-04-03T19:59", False),  # Friday, 21:59 in Berlin
        ("2026-04-03T20:00", True),
        ("2026-04-04T03:59", True),  # Saturday, of the window that began on Friday
        ("2026-04-04T04:00", False),
        ("2026-04-04T21:00", False),
        ("2026-10-30T20:59", False),  # winter time
        ("2026-10-30T21:00", True),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_of_its_begin(at: str, frozen: bool) -> None:
    window = {
        "timezone": "Europe/Berlin",
        "weekdays": ["friday"],
        "start_time": "22:00",
        "end_time": "06:00",
        "starts_at": None,
    }
    now = datetime.fromisoformat(at).replace(tzinfo=UTC)
    assert (frozen_by([window], now) is not None) is frozen


def test_a_runbook_runs_so_often_in_an_hour(either: RunbookRig) -> None:
    rig = either
    runbook = rig.runbook(query("vector(1)"), guardrails={"max_runs_per_hour": 3})
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: asked(rig, runbook), range(6)))
    assert sorted(one.status_code for one in answers) == [202, 202, 202, 409, 409, 409]
    refused = next(one for one in answers if one.status_code == 409)
    assert code_of(refused) == (409, "runs_per_hour")
    rig.step(minutes=60)
    assert asked(rig, runbook).status_code == 202


def test_one_run_at_a_time(either: RunbookRig) -> None:
    rig = either
    runbook = rig.runbook(WAIT, guardrails={"one_at_a_time": True})
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: asked(rig, runbook), range(4)))
    assert sorted(one.status_code for one in answers) == [202, 409, 409, 409]
    rig.server.run_jobs()
    assert code_of(asked(rig, runbook)) == (409, "run_in_progress")
    rig.step(seconds=30)
    assert asked(rig, runbook).status_code == 202


def test_a_run_ends_after_its_time(rig: RunbookRig) -> None:
    long = {**WAIT, "duration": "2h"}
    run = rig.run(rig.runbook(long, guardrails={"timeout": "1h"}))
    rig.step(minutes=59)
    assert rig.look(run["id"])["status"] == "waiting"
    rig.step(minutes=1)
    run = rig.look(run["id"])
    assert (run["status"], statuses(run)) == ("timed_out", ["timed_out"])


@pytest.mark.slow
def test_a_step_ends_after_its_time(rig: RunbookRig, receiver: Receiver) -> None:
    receiver.hold.clear()
    stop = http(f"{receiver.url}/slow", timeout="300ms")
    run = rig.run(rig.runbook(stop, WAIT))
    assert (run["status"], statuses(run)) == ("timed_out", ["timed_out"])
    on = {**stop, "on_failure": "continue"}
    run = rig.run(rig.runbook(on, query("vector(1)"), name="on"))
    assert (run["status"], statuses(run)) == ("succeeded", ["timed_out", "succeeded"])


def test_the_stop_switch(either: RunbookRig, receiver: Receiver) -> None:
    rig = either
    runbook = rig.runbook(WAIT, http(receiver.url))
    pending = rig.runbook(WAIT, name="pending", approval_policy={"approvals": 1})
    running, waiting = rig.run(runbook), rig.run(pending)
    assert code_of(rig.ask("POST", "/v1/runbooks/start")) == (409, "runbooks_not_stopped")
    stop = {"reason": "the network is being changed"}
    assert rig.ask("POST", "/v1/runbooks/stop", stop, by="bob").status_code == 403
    assert rig.post("/v1/runbooks/stop", stop, 200)["stopped"] is True
    assert code_of(rig.ask("POST", "/v1/runbooks/stop", stop)) == (409, "runbooks_stopped")
    rig.server.run_jobs()
    ended = rig.look(running["id"])
    assert (ended["status"], statuses(ended)) == ("cancelled", ["cancelled"])
    assert code_of(asked(rig, runbook)) == (409, "runbooks_stopped")
    assert asked(rig, runbook, dry_run=True).status_code == 202
    assert rig.decide_run(waiting).status_code == 200
    rig.server.run_jobs()
    assert rig.look(waiting["id"])["status"] == "cancelled"
    assert rig.get("/v1/runbooks/stop", by="bob")["reason"] == stop["reason"]
    assert rig.post("/v1/runbooks/start", None, 200)["stopped"] is False
    assert rig.run(runbook)["status"] == "waiting"
    assert receiver.heard == []


def test_a_tenant_has_so_many_runs_that_have_not_ended() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, max_active_runs=2) as server:
        rig = RunbookRig(server, clock)
        runbook = rig.runbook(WAIT)
        assert [asked(rig, runbook).status_code for _ in range(2)] == [202, 202]
        assert code_of(asked(rig, runbook)) == (409, "limit_reached")
        rig.server.run_jobs()
        rig.step(seconds=30)
        assert asked(rig, runbook).status_code == 202


def test_approvals_at_once_let_no_more_runs_begin_than_allowed(either: RunbookRig) -> None:
    """One is requested each hour, and all are approved in the same minute."""
    rig = either
    runbook = rig.runbook(
        query("vector(1)"),
        approval_policy={"approvals": 1},
        guardrails={"max_runs_per_hour": 2, "one_at_a_time": False},
    )
    runs = []
    for _ in range(4):
        runs.append(rig.run(runbook))
        rig.clock.step(timedelta(hours=1, seconds=1))
    for run in runs:
        assert rig.decide_run(run).status_code == 200
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: rig.server.run_jobs(), range(4)))
    rig.step(seconds=1)
    ended = [rig.look(run["id"]) for run in runs]
    assert sorted(one["status"] for one in ended) == ["rejected"] * 2 + ["succeeded"] * 2
    assert {one["reason"] for one in ended} == {None, "the runbook may run 2 times an hour"}


def test_the_stop_switch_ends_a_wait_and_its_steps(rig: RunbookRig, receiver: Receiver) -> None:
    waiting = rig.run(rig.runbook(WAIT, http(receiver.url), name="waits"))
    asking = rig.run(rig.runbook(APPROVAL, http(receiver.url), name="asks"))
    rig.post("/v1/runbooks/stop", {"reason": "no"}, 200)
    rig.server.run_jobs()
    for run in (waiting, asking):
        ended = rig.look(run["id"])
        assert (ended["status"], statuses(ended)) == ("cancelled", ["cancelled"])
    rig.post("/v1/runbooks/start", None, 200)
    rig.step(hours=2)
    assert receiver.heard == []


def test_a_short_stop_ends_runs_too(rig: RunbookRig, receiver: Receiver) -> None:
    run = rig.run(rig.runbook(WAIT, http(receiver.url)))
    rig.post("/v1/runbooks/stop", {"reason": "no"}, 200)
    rig.post("/v1/runbooks/start", None, 200)  # no job has run since
    rig.server.run_jobs()
    assert rig.look(run["id"])["status"] == "cancelled"
    rig.step(seconds=30)
    assert receiver.heard == []
