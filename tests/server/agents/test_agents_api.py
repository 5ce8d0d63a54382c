"""Agents over HTTP: register, change, stop, and the trust score."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from novaql.server.agents.model import score_of
from novaql.server.clock import SteppedClock
from tests.support.servers.agent_rig import NOW, PROPOSAL, AgentRig, code_of
from tests.support.servers.http_server import local_server


@pytest.fixture
def rig() -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        yield AgentRig(server, clock)


def test_an_agent_is_registered_and_shown(rig: AgentRig) -> None:
    rig.post("/v1/services", {"name": "checkout", "owner": "o", "tier": "t"})
    body = {
        "name": "bot",
        "capabilities": ["deploy.rollback", "cache.flush"],
        "scope": {"services": ["checkout"], "max_services": 1},
        "policy": {"approvals": 2, "auto_approve_from": 0.8, "expires_after": "1h30m"},
    }
    made = rig.ask("POST", "/v1/agents", body)
    assert made.status_code == 201, made.text
    agent = made.json()

    assert made.headers["location"] == f"/v1/agents/{agent['id']}"
    assert agent["owner_id"] == agent["created_by"] == rig.users["ada"]
    assert agent["capabilities"] == ["cache.flush", "deploy.rollback"]
    assert agent["scope"] == {"services": ["checkout"], "max_services": 1}
    assert agent["policy"] == {
        "approvals": 2,
        "approvers": [],
        "auto_approve_from": 0.8,
        "expires_after": "1h30m",
    }
    assert (agent["status"], agent["version"], agent["trust"]["score"]) == ("active", 1, 0.0)
    assert rig.get(f"/v1/agents/{agent['id']}", by="bob") == agent
    assert rig.get("/v1/agents")["data"] == [agent]
    assert rig.get("/v1/agents?status=stopped")["data"] == []
    assert rig.kinds(agent["id"]) == ["agent.registered"]
    assert code_of(rig.ask("POST", "/v1/agents", body)) == (409, "name_taken")


def test_what_is_no_agent(rig: AgentRig) -> None:
    usual = {"name": "bot", "capabilities": ["deploy.rollback"]}
    bad = [
        {**usual, "capabilities": []},
        {**usual, "capabilities": ["Deploy"]},
        {**usual, "capabilities": ["*"]},
        {**usual, "policy": {"approvals": 0}},
        {**usual, "policy": {"expires_after": "0s"}},
        {**usual, "policy": {"expires_after": "31d"}},
        {**usual, "policy": {"auto_approve_from": 1.5}},
        {**usual, "scope": {"max_services": -1}},
    ]
    for body in bad:
        assert code_of(rig.ask("POST", "/v1/agents", body)) == (400, "validation_error"), body
    impossible: dict[str, dict[str, Any]] = {
        "unknown_service": {"scope": {"services": ["nothing"]}},
        "unknown_user": {"policy": {"approvers": ["usr_nobody"]}},
        "too_few_approvers": {
            "policy": {"approvals": 2, "approvers": [rig.users["ada"], rig.users["bob"]]}
        },
    }
    for code, more in impossible.items():
        assert code_of(rig.ask("POST", "/v1/agents", {**usual, **more})) == (422, code)
    owner = {**usual, "owner_id": "usr_nobody"}
    assert code_of(rig.ask("POST", "/v1/agents", owner)) == (422, "unknown_user")
    assert rig.ask("POST", "/v1/agents", usual, by="bob").status_code == 403


def test_changes_have_a_version_and_are_in_the_ledger(rig: AgentRig) -> None:
    agent = rig.agent()
    path = f"/v1/agents/{agent}"
    changed = rig.ask("PATCH", path, {"version": 1, "capabilities": ["cache.flush"]})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert code_of(rig.ask("PATCH", path, {"version": 1, "name": "x"})) == (409, "version_conflict")
    assert code_of(rig.ask("PATCH", path, {"name": "x"})) == (409, "version_conflict")
    rig.agent("other")
    taken = rig.ask("PATCH", path, {"version": 2, "name": "other"})
    assert code_of(taken) == (409, "name_taken")
    assert rig.ask("PATCH", path, {"version": 2, "name": "x"}, by="bob").status_code == 403
    assert rig.kinds(agent) == ["agent.registered", "agent.updated"]
    assert rig.entries(agent)[1]["data"]["capabilities"] == ["cache.flush"]


def test_the_stop_switch_voids_what_was_queued(rig: AgentRig) -> None:
    agent = rig.agent()
    queued, approved = rig.proposal(agent), rig.proposal(agent)
    assert rig.decide(approved).status_code == 200
    path = f"/v1/agents/{agent}"
    stopped = rig.post(f"{path}/stop", {"reason": "wrong service"}, 200, by="bob")
    assert (stopped["status"], stopped["stop_reason"]) == ("stopped", "wrong service")
    assert code_of(rig.ask("POST", f"{path}/stop", {"reason": "x"})) == (409, "agent_stopped")

    refused = rig.ask("POST", f"{path}/proposals", PROPOSAL)
    assert code_of(refused) == (409, "agent_stopped")
    result = {"content_hash": approved["content_hash"], "outcome": "executed"}
    done = f"{path}/actions/{approved['id']}/result"
    assert code_of(rig.decide(queued)) == (409, "agent_stopped")
    assert code_of(rig.ask("POST", done, result)) == (409, "agent_stopped")
    assert rig.ask("POST", f"{path}/resume", by="bob").status_code == 403
    assert rig.post(f"{path}/resume", None, 200)["status"] == "active"
    assert code_of(rig.decide(queued)) == (409, "agent_stopped")
    assert code_of(rig.ask("POST", done, result)) == (409, "agent_stopped")
    assert code_of(rig.ask("POST", f"{path}/resume")) == (409, "agent_not_stopped")
    rig.step(seconds=1)
    assert rig.decide(rig.proposal(agent)).status_code == 200
    assert "agent.stopped" in rig.kinds(agent)
    assert "agent.resumed" in rig.kinds(agent)


@pytest.mark.slow
def test_the_trust_score_can_be_recomputed_and_decays(rig: AgentRig) -> None:
    agent = rig.agent()
    for number in range(6):
        action = rig.proposal(agent)
        decision = "reject" if number == 5 else "approve"
        assert rig.decide(action, decision, reason="seen").status_code == 200
        if number < 5:
            body = {"content_hash": action["content_hash"]}
            body["outcome"] = "failed" if number == 4 else "executed"
            rig.post(f"/v1/agents/{agent}/actions/{action['id']}/result", body, 200)
    beyond = {**PROPOSAL, "kind": "database.drop"}
    refused = rig.ask("POST", f"/v1/agents/{agent}/proposals", beyond)
    assert code_of(refused) == (403, "outside_capabilities")

    trust = rig.get(f"/v1/agents/{agent}")["trust"]
    assert trust["totals"] == {"successes": 4, "failures": 1, "violations": 1, "rejections": 1}
    assert trust["inputs"] == {"successes": 4, "failures": 1, "violations": 1, "rejections": 1}
    assert trust["score"] == score_of(trust["inputs"]) == 0.2255
    assert (trust["half_life"], trust["threshold"], trust["auto_approved"]) == ("30d", None, False)
    rig.step(days=30)
    later = rig.get(f"/v1/agents/{agent}")["trust"]
    assert later["inputs"] == {
        "successes": 2,
        "failures": 0.5,
        "violations": 0.5,
        "rejections": 0.5,
    }
    assert later["score"] == score_of(later["inputs"])
    assert later["totals"] == trust["totals"]
    assert rig.get(f"/v1/agents/{agent}")["version"] == 1


def test_trust_approves_without_a_user_and_the_ledger_says_by_which_score(rig: AgentRig) -> None:
    agent = rig.agent(policy={"auto_approve_from": 0.4})
    for _ in range(3):
        action = rig.proposal(agent)
        assert (action["status"], action["automatic"]) == ("queued", False)
        assert rig.decide(action).status_code == 200
        body = {"content_hash": action["content_hash"], "outcome": "executed"}
        rig.post(f"/v1/agents/{agent}/actions/{action['id']}/result", body, 200)
    trusted = rig.proposal(agent)

    assert (trusted["status"], trusted["automatic"], trusted["approvals"]) == ("approved", True, [])
    assert trusted["score"] >= trusted["threshold"] == 0.4
    last = rig.entries(agent)[-1]
    assert last["kind"] == "agent.action.approved"
    assert last["data"]["trust"] == {"score": trusted["score"], "threshold": 0.4}
    assert last["data"]["automatic"] is True
    assert all("trust" in one["data"] for one in rig.entries(agent))


def test_proposals_outside_the_scope_never_wait_and_are_violations(rig: AgentRig) -> None:
    rig.post("/v1/services", {"name": "checkout", "owner": "o", "tier": "t"})
    agent = rig.agent(scope={"services": ["checkout"], "max_services": 1})
    path = f"/v1/agents/{agent}/proposals"
    outside = rig.ask("POST", path, {**PROPOSAL, "services": ["checkout", "payments"]})
    assert code_of(outside) == (403, "outside_scope")
    wide = rig.agent("wide")
    many = {**PROPOSAL, "services": ["a", "b", "c"]}
    assert code_of(rig.ask("POST", f"/v1/agents/{wide}/proposals", many)) == (403, "outside_scope")
    assert rig.proposal(agent, services=["checkout"])["status"] == "queued"

    assert rig.get(f"/v1/agents/{agent}")["trust"]["totals"]["violations"] == 1
    violation = rig.entries(agent)[1]
    assert (violation["kind"], violation["data"]["code"]) == ("agent.violation", "outside_scope")
    assert violation["data"]["trust"] == {"score": 0.0, "threshold": None}
    denied = rig.get("/v1/audit?action=agent_action.propose&outcome=denied")["data"]
    assert {one["target"]["id"] for one in denied} == {agent, wide}
    assert len(rig.get(f"/v1/agents/{agent}/actions")["data"]) == 1


def test_a_refused_proposal_does_not_use_a_key_up(rig: AgentRig) -> None:
    agent = rig.agent()
    headers = {"Authorization": f"Bearer {rig.tokens['ada']}", "Idempotency-Key": "k"}
    path = f"/v1/agents/{agent}/proposals"
    refused = rig.server.client.post(path, json={**PROPOSAL, "kind": "x"}, headers=headers)
    made = rig.server.client.post(path, json=PROPOSAL, headers=headers)
    again = rig.server.client.post(path, json=PROPOSAL, headers=headers)

    assert (refused.status_code, made.status_code, again.status_code) == (403, 201, 201)
    assert again.json() == made.json()
