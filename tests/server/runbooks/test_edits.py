"""Edits of a runbook while runs of it wait for approval."""

from __future__ import annotations

from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from tests.support.peers.receiver import Receiver
from tests.support.servers.agent_rig import NOW
from tests.support.servers.http_server import local_server
from tests.support.servers.runbook_rig import WAIT, RunbookRig, http

POLICY = {"approvals": 1}


def edit(rig: RunbookRig, runbook: Any, *steps: Any, **more: Any) -> Any:
    """Replace a runbook; return its new state."""
    same = {"id": runbook["id"], "version": runbook["version"], "approval_policy": POLICY}
    return rig.runbook(*steps, status=200, **same, **more)


@pytest.mark.parametrize(
    ("default", "status"), [("plain-value", "pending_approval"), (None, "cancelled")]
)
def test_a_parameter_that_is_no_longer_secret_does_not_show_the_value_of_a_run(
    rig: RunbookRig, default: str | None, status: str
) -> None:
    step = http("http://127.0.0.1/?k=${token}")
    secret = [{"name": "token", "secret": True}]
    runbook = rig.runbook(step, parameters=secret, approval_policy=POLICY)
    run = rig.run(runbook, parameters={"token": "given-secret-value"})
    edit(rig, runbook, step, parameters=[{"name": "token", "default": default}])
    run = rig.look(run["id"])
    assert run["status"] == status
    if default is not None:
        assert run["content"]["parameters"] == {"token": default}
    assert "given-secret-value" not in str([run, rig.get("/v1/audit")])


def test_an_edit_just_after_the_approval_of_an_action_does_not_change_its_run(
    rig: RunbookRig, receiver: Receiver
) -> None:
    runbook = rig.runbook(http(f"{receiver.url}/old"))
    run = rig.run(runbook, agent_id=rig.runner())
    assert rig.decide(rig.action_of(run)).status_code == 200  # the run does not know it yet
    edit(rig, runbook, http(f"{receiver.url}/new"))
    rig.server.run_jobs()
    run = rig.look(run["id"])
    assert (run["status"], run["runbook_version"]) == ("succeeded", 1)
    assert [one.path for one in receiver.heard] == ["/old"]


def test_edits_add_no_entries_to_a_full_ledger() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, max_ledger_entries=3) as server:
        rig = RunbookRig(server, clock)
        agent, runbook = rig.runner(), rig.runbook(WAIT)
        run = rig.run(runbook, agent_id=agent)
        for _ in range(3):
            runbook = edit(rig, runbook, WAIT)
        kinds = rig.kinds(agent)[1:]
        assert kinds == [f"agent.action.{one}" for one in ("queued", "revised", "cancelled")]
        run = rig.look(run["id"])
        assert run["status"] == "cancelled"
        assert "max_ledger_entries" in run["reason"]


def test_an_edit_that_no_action_can_have_cancels_the_run(rig: RunbookRig) -> None:
    values = {f"p{number}": "x" * 4096 for number in range(10)}
    parameters = [{"name": name} for name in values]
    runbook = rig.runbook(WAIT, parameters=parameters)
    run = rig.run(runbook, agent_id=rig.runner(), parameters=values)
    long = http("http://127.0.0.1/", body="x" * 30_000)
    edit(rig, runbook, long, parameters=parameters)
    assert rig.look(run["id"])["status"] == "cancelled"
    assert rig.action_of(run)["status"] == "cancelled"


def test_a_guardrail_of_an_edit_applies_to_runs_that_begin_later(rig: RunbookRig) -> None:
    runbook = rig.runbook(WAIT, approval_policy=POLICY)
    runs = [rig.run(runbook)["id"] for _ in range(2)]
    edit(rig, runbook, WAIT, guardrails={"one_at_a_time": True})
    for run_id in runs:
        assert rig.decide_run(rig.look(run_id)).status_code == 200
    rig.server.run_jobs()
    first, second = (rig.look(run_id) for run_id in runs)
    assert (first["status"], second["status"]) == ("waiting", "rejected")
    assert second["reason"] == "another run has not ended"
