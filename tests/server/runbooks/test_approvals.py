"""Approvals of runs: by others, of what was shown, once, and in time; those of agents, too."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from novaql.ledger import canonical_json
from novaql.server.runbooks.tables import RunbookRun
from tests.support.peers.receiver import Receiver
from tests.support.servers.agent_rig import code_of
from tests.support.servers.runbook_rig import WAIT, RunbookRig, http, query

POLICY = {"approvals": 1}


def approved(rig: RunbookRig, run: Any, **by: Any) -> Any:
    answer = rig.decide_run(run, **by)
    assert answer.status_code == 200, answer.text
    rig.server.run_jobs()
    return rig.look(run["id"])


def test_a_run_waits_for_the_approval_of_its_policy(either: RunbookRig, receiver: Receiver) -> None:
    rig = either
    runbook = rig.runbook(http(receiver.url), approval_policy={"approvals": 2})
    run = rig.run(runbook, by="bob")
    assert (run["status"], run["operator"], receiver.heard) == (
        "pending_approval",
        "bob@example.com",
        [],
    )
    assert rig.decide_run(run, by="eve").json()["status"] == "pending_approval"
    assert code_of(rig.decide_run(run, by="eve")) == (409, "already_approved")
    run = approved(rig, run, by="joe")
    assert (run["status"], len(receiver.heard)) == ("succeeded", 1)
    assert [one["user_id"] for one in run["approvals"]] == [rig.users["eve"], rig.users["joe"]]


def test_the_requester_cannot_approve(rig: RunbookRig) -> None:
    run = rig.run(rig.runbook(WAIT, approval_policy=POLICY), by="bob")
    assert code_of(rig.decide_run(run, by="bob")) == (403, "self_approval")
    assert rig.look(run["id"])["status"] == "pending_approval"
    denied = rig.get("/v1/audit?action=runbook_run.approve&outcome=denied")["data"]
    assert [one["actor"]["id"] for one in denied] == [rig.users["bob"]]
    assert rig.decide_run(run, "reject", by="bob").json()["status"] == "rejected"


def test_only_the_named_users_and_roles_approve(rig: RunbookRig) -> None:
    named = rig.runbook(WAIT, approval_policy={"approvals": 1, "users": [rig.users["eve"]]})
    run = rig.run(named)
    assert code_of(rig.decide_run(run, by="bob")) == (403, "not_an_approver")
    assert rig.decide_run(run, by="eve").status_code == 200
    high = rig.runbook(WAIT, name="high", approval_policy={"approvals": 1, "role": "admin"})
    run = rig.run(high, by="bob")
    assert code_of(rig.decide_run(run, by="eve")) == (403, "not_an_approver")


def test_an_approval_is_of_what_was_shown(rig: RunbookRig, receiver: Receiver) -> None:
    step = http(f"{receiver.url}/old")
    runbook = rig.runbook(step, approval_policy=POLICY)
    run = rig.run(runbook)
    wrong = {**run, "content_hash": "0" * 64}
    assert code_of(rig.decide_run(wrong)) == (409, "action_changed")
    new = http(f"{receiver.url}/new")
    rig.runbook(new, approval_policy=POLICY, id=runbook["id"], version=1, status=200)
    assert code_of(rig.decide_run(run)) == (409, "action_changed")
    again = rig.look(run["id"])
    assert again["content"]["steps"][0]["url"].endswith("/new")
    assert again["runbook_version"] == 2
    assert approved(rig, again)["status"] == "succeeded"
    assert [one.path for one in receiver.heard] == ["/new"]


def test_an_edit_after_the_approval_does_not_change_the_run(
    rig: RunbookRig, receiver: Receiver
) -> None:
    runbook = rig.runbook(WAIT, http(f"{receiver.url}/old"), approval_policy=POLICY)
    run = approved(rig, rig.run(runbook))
    assert run["status"] == "waiting"
    new = http(f"{receiver.url}/new")
    rig.runbook(new, id=runbook["id"], version=1, status=200)
    rig.step(seconds=30)
    assert rig.look(run["id"])["status"] == "succeeded"
    assert [one.path for one in receiver.heard] == ["/old"]


def test_an_edit_that_a_waiting_run_does_not_fit_cancels_it(rig: RunbookRig) -> None:
    run = rig.run(runbook := rig.runbook(WAIT, approval_policy=POLICY))
    more = {"parameters": [{"name": "needed"}], "id": runbook["id"], "version": 1}
    rig.runbook(WAIT, status=200, approval_policy=POLICY, **more)
    ended = rig.look(run["id"])
    assert ended["status"] == "cancelled"
    assert "needs a value" in ended["reason"]


def test_a_decision_is_made_once(rig: RunbookRig) -> None:
    runbook = rig.runbook(WAIT, approval_policy=POLICY)
    run = rig.run(runbook)
    assert rig.decide_run(run, by="bob").status_code == 200
    for decision in ("approve", "reject"):
        assert code_of(rig.decide_run(run, decision, by="eve")) == (409, "action_decided")
    rejected = rig.run(runbook)
    assert rig.decide_run(rejected, "reject").json()["status"] == "rejected"
    assert code_of(rig.decide_run(rejected, by="eve")) == (409, "action_decided")
    late = rig.run(runbook)
    rig.clock.step(timedelta(days=1))
    assert code_of(rig.decide_run(late)) == (409, "action_expired")
    rig.server.run_jobs()
    assert rig.look(late["id"])["status"] == "expired"
    assert code_of(rig.decide_run(late)) == (409, "action_expired")


def test_of_two_approvals_at_once_one_starts_the_run(
    either: RunbookRig, receiver: Receiver
) -> None:
    rig = either
    run = rig.run(rig.runbook(http(receiver.url), approval_policy=POLICY))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: rig.decide_run(run, by=name), ("bob", "eve")))
    rig.server.run_jobs()
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert (rig.look(run["id"])["status"], len(receiver.heard)) == ("succeeded", 1)


def test_a_changed_row_does_not_run(rig: RunbookRig, receiver: Receiver) -> None:
    run = rig.run(rig.runbook(http(receiver.url), approval_policy=POLICY))
    content = {**run["content"], "steps": [{**run["content"]["steps"][0], "method": "DELETE"}]}
    rig.decide_run(run)
    tenant = rig.server.context.access.default_principal.tenant_id
    with rig.server.context.database.write(tenant) as session:
        session.execute(update(RunbookRun).values(content=content))
    rig.server.run_jobs()
    assert rig.look(run["id"])["status"] == "rejected"
    assert receiver.heard == []


def test_a_run_of_an_agent_is_an_action_of_it(either: RunbookRig, receiver: Receiver) -> None:
    rig = either
    agent = rig.runner()
    runbook = rig.runbook(query("vector(1)", op=">", threshold=0.5), http(receiver.url))
    run = rig.run(runbook, by="bob", agent_id=agent)
    action = rig.action_of(run)
    assert (run["status"], action["status"]) == ("pending_approval", "queued")
    assert (action["executor"], action["content"]) == ("runbook", run["content"])
    assert action["content_hash"] == run["content_hash"]
    assert code_of(rig.decide_run(run, by="eve")) == (409, "decided_by_action")
    for name in ("bob", "ada"):
        assert code_of(rig.decide(action, by=name)) == (403, "self_approval")
    assert rig.decide(action, by="eve").status_code == 200
    rig.server.run_jobs()
    run = rig.look(run["id"])
    assert (run["status"], rig.action_of(run)["status"]) == ("succeeded", "executed")
    assert len(receiver.heard) == 1
    assert rig.kinds(agent) == [
        "agent.registered",
        "agent.action.queued",
        "agent.action.approved",
        "agent.action.started",
        "runbook.step",
        "runbook.step",
        "agent.action.executed",
    ]
    assert '"score":0' in rig.entries(agent)[1]["leaf"]
    assert '"threshold":null' in rig.entries(agent)[1]["leaf"]


def test_an_edit_voids_the_approval_of_an_agents_action(
    either: RunbookRig, receiver: Receiver
) -> None:
    rig = either
    agent = rig.runner(policy={"approvals": 2})
    runbook = rig.runbook(http(f"{receiver.url}/old"))
    run = rig.run(runbook, agent_id=agent)
    action = rig.action_of(run)
    assert rig.decide(action, by="bob").status_code == 200
    rig.runbook(http(f"{receiver.url}/new"), id=runbook["id"], version=1, status=200)
    assert code_of(rig.decide(action, by="eve")) == (409, "action_changed")
    action = rig.action_of(run)
    assert action["approvals"] == []
    for name in ("bob", "eve"):
        assert rig.decide(action, by=name).status_code == 200
    rig.server.run_jobs()
    assert rig.look(run["id"])["status"] == "succeeded"
    assert [one.path for one in receiver.heard] == ["/new"]


def test_a_revised_action_is_not_what_runs(rig: RunbookRig, receiver: Receiver) -> None:
    run = rig.run(rig.runbook(http(receiver.url)), agent_id=rig.runner())
    action = rig.action_of(run)
    path = f"/v1/agents/{run['agent_id']}/actions/{action['id']}"
    body = {"version": action["version"], "content": {"harmless": True}}
    revised = rig.ask("PATCH", path, body).json()
    assert rig.decide(revised).status_code == 200
    rig.server.run_jobs()
    run = rig.look(run["id"])
    assert (run["status"], run["reason"].partition(":")[0]) == ("rejected", "action_changed")
    assert receiver.heard == []


@pytest.mark.parametrize(
    ("agent", "body", "code"),
    [
        ({"capabilities": ["deploy.*"]}, {}, "outside_capabilities"),
        ({"scope": {"services": []}}, {"services": ["api"]}, "outside_scope"),
        ({}, {"services": ["api", "db"]}, "blast_radius"),
    ],
)
def test_beyond_its_limits_an_agent_runs_nothing(
    rig: RunbookRig, receiver: Receiver, agent: Any, body: Any, code: str
) -> None:
    for name in ("api", "db"):
        rig.post("/v1/services", {"name": name, "owner": "o", "tier": "t"})
    runner = rig.runner(**agent)
    runbook = rig.runbook(http(receiver.url))
    path = f"/v1/runbooks/{runbook['id']}/run"
    assert code_of(rig.ask("POST", path, {"agent_id": runner, **body})) == (403, code)
    rig.server.run_jobs()
    assert receiver.heard == []
    assert rig.get("/v1/runs")["data"] == []
    assert rig.kinds(runner)[-1] == "agent.violation"
    assert rig.get(f"/v1/agents/{runner}")["trust"]["inputs"]["violations"] == 1
    dry = rig.ask("POST", path, {"agent_id": runner, "dry_run": True, **body})
    assert dry.status_code == 403


@pytest.mark.parametrize("services", [{}, {"services": []}, {"services": ["api"]}])
def test_a_run_of_an_agent_changes_the_service_of_its_runbook(
    rig: RunbookRig, receiver: Receiver, services: Any
) -> None:
    """An agent whose trust approves its runs does not leave its scope by what it lists."""
    for name in ("api", "db"):
        rig.post("/v1/services", {"name": name, "owner": "o", "tier": "t"})
    scope = {"services": ["api"], "max_services": 2}
    agent = rig.runner(scope=scope, policy={"auto_approve_from": 0.0})
    runbook = rig.runbook(http(receiver.url), service="db", guardrails={"max_services": 2})
    answer = rig.ask("POST", f"/v1/runbooks/{runbook['id']}/run", {"agent_id": agent, **services})
    assert code_of(answer) == (403, "outside_scope")
    rig.server.run_jobs()
    assert receiver.heard == []


def test_below_the_threshold_a_run_waits_and_above_it_begins(
    rig: RunbookRig, receiver: Receiver
) -> None:
    agent = rig.runner(policy={"approvals": 1, "auto_approve_from": 0.15})
    runbook = rig.runbook(http(receiver.url))
    first = rig.run(runbook, agent_id=agent)
    assert (first["status"], receiver.heard) == ("pending_approval", [])
    assert rig.decide(rig.action_of(first)).status_code == 200
    rig.server.run_jobs()
    second = rig.run(runbook, agent_id=agent)
    assert second["status"] == "succeeded"
    action = rig.action_of(second)
    assert (action["automatic"], action["threshold"], len(receiver.heard)) == (True, 0.15, 2)
    queued = [one["leaf"] for one in rig.entries(agent) if one["kind"] == "agent.action.queued"]
    assert '"queued_score":0.2065,"queued_threshold":0.15' in queued[1]


def test_what_is_decided_about_the_action_ends_the_run(rig: RunbookRig) -> None:
    agent, runbook = rig.runner(policy={"expires_after": "1h"}), rig.runbook(WAIT)
    rejected, cancelled, late = (rig.run(runbook, agent_id=agent) for _ in range(3))
    rig.decide(rig.action_of(rejected), "reject")
    rig.post(f"/v1/agents/{agent}/actions/{cancelled['action_id']}/cancel", None, 200)
    rig.step(hours=1)
    ends = [rig.look(one["id"])["status"] for one in (rejected, cancelled, late)]
    assert ends == ["rejected", "cancelled", "expired"]


def test_an_action_that_ended_before_its_run_began_ends_it_alike(rig: RunbookRig) -> None:
    agent, runbook = rig.runner(policy={"expires_after": "1h"}), rig.runbook(WAIT)
    cancelled, late = (rig.run(runbook, agent_id=agent) for _ in range(2))
    for run in (cancelled, late):
        assert rig.decide(rig.action_of(run)).status_code == 200
    rig.server.relay.run_due()  # both runs are due, and no job has run
    rig.post(f"/v1/agents/{agent}/actions/{cancelled['action_id']}/cancel", None, 200)
    rig.clock.step(timedelta(hours=1))
    rig.server.runner.run_due()
    for run, status in ((cancelled, "cancelled"), (late, "expired")):
        assert (rig.look(run["id"])["status"], rig.action_of(run)["status"]) == (status, status)


def test_cancelling_a_run_withdraws_its_action(rig: RunbookRig) -> None:
    agent, runbook = rig.runner(), rig.runbook(WAIT)
    run = rig.run(runbook, agent_id=agent)
    assert rig.post(f"/v1/runs/{run['id']}/cancel", None, 200)["status"] == "cancelled"
    assert rig.action_of(run)["status"] == "cancelled"
    begun = rig.run(runbook, agent_id=agent)
    rig.decide(rig.action_of(begun))
    rig.server.run_jobs()
    assert rig.look(begun["id"])["status"] == "waiting"
    assert rig.post(f"/v1/runs/{begun['id']}/cancel", None, 200)["status"] == "cancelled"
    assert rig.action_of(begun)["status"] == "failed"
    assert code_of(rig.ask("POST", f"/v1/runs/{run['id']}/cancel")) == (409, "run_ended")


@pytest.mark.parametrize("resumed", [False, True])
def test_a_stopped_agent_ends_its_runs(
    rig: RunbookRig, receiver: Receiver, *, resumed: bool
) -> None:
    agent, runbook = rig.runner(), rig.runbook(WAIT, http(receiver.url))
    run = rig.run(runbook, agent_id=agent)
    rig.decide(rig.action_of(run))
    rig.server.run_jobs()
    rig.clock.step(timedelta(seconds=1))
    rig.post(f"/v1/agents/{agent}/stop", {"reason": "odd"}, 200)
    if resumed:
        rig.post(f"/v1/agents/{agent}/resume", None, 200)
    rig.server.run_jobs()
    run = rig.look(run["id"])
    assert (run["status"], run["reason"]) == ("cancelled", "its agent was stopped")
    rig.step(seconds=30)
    assert receiver.heard == []


def test_the_hash_can_be_computed_by_anyone(rig: RunbookRig) -> None:
    run = rig.run(rig.runbook(WAIT, query("up", op=">", threshold=2.5), approval_policy=POLICY))
    assert hashlib.sha256(canonical_json(run["content"])).hexdigest() == run["content_hash"]


def test_a_user_who_changes_a_waiting_run_cannot_approve_it(
    rig: RunbookRig, receiver: Receiver
) -> None:
    """Bob replaces what ada has requested, and then would be the only one who agreed to it."""
    runbook = rig.runbook(http(f"{receiver.url}/old"), approval_policy=POLICY)
    run = rig.run(runbook)
    new = {"name": "rb", "steps": [http(f"{receiver.url}/new")], "approval_policy": POLICY}
    body = {**new, "id": runbook["id"], "version": 1}
    assert rig.ask("POST", "/v1/runbooks", body, by="bob").status_code == 200
    run = rig.look(run["id"])
    assert run["content"]["changed_by"] == rig.users["bob"]
    assert code_of(rig.decide_run(run, by="bob")) == (403, "self_approval")
    assert approved(rig, run, by="eve")["status"] == "succeeded"


def test_a_user_who_changes_a_waiting_action_cannot_approve_it(
    rig: RunbookRig, receiver: Receiver
) -> None:
    runbook = rig.runbook(http(f"{receiver.url}/old"))
    run = rig.run(runbook, agent_id=rig.runner())
    new = {"name": "rb", "steps": [http(f"{receiver.url}/new")], "id": runbook["id"], "version": 1}
    assert rig.ask("POST", "/v1/runbooks", new, by="bob").status_code == 200
    action = rig.action_of(run)
    assert code_of(rig.decide(action, by="bob")) == (403, "self_approval")
    assert rig.decide(action, by="eve").status_code == 200
    rig.server.run_jobs()
    assert [one.path for one in receiver.heard] == ["/new"]


def test_a_second_token_of_the_requester_is_the_requester(rig: RunbookRig) -> None:
    run = rig.run(rig.runbook(WAIT, approval_policy=POLICY), by="bob")
    body = {"name": "second", "role": "operator", "owner_id": rig.users["bob"]}
    rig.tokens["bob2"] = rig.post("/v1/tokens", body)["token"]
    assert code_of(rig.decide_run(run, by="bob2")) == (403, "self_approval")
