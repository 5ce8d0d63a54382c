"""Actions of agents: approvals bound to what was shown, by others, once, and in time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from novaql.ledger import canonical_json
from novaql.server.agents.actions import finish, propose, start
from novaql.server.agents.model import content_hash
from novaql.server.clock import SteppedClock
from novaql.server.db.rows import Tenant
from novaql.server.db.tables import Event, Job
from novaql.server.db.unit import Actor, Origin, Unit
from novaql.server.errors import Conflict
from novaql.server.history import RETENTIONS
from novaql.server.jobs.housekeeping import forget
from novaql.server.jobs.job import as_system
from tests.support.servers.agent_rig import CONTENT, NOW, PROPOSAL, AgentRig, code_of
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture
def rig() -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        yield AgentRig(server, clock)


@pytest.fixture(params=KINDS)
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AgentRig]:
    """A rig over each kind of database."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database) as server,
    ):
        yield AgentRig(server, clock)


def events(rig: AgentRig, prefix: str = "agent.action.") -> list[str]:
    with rig.server.context.database.read(None) as session:
        found = session.execute(select(Event.type).order_by(Event.id)).scalars()
        return [one for one in found if one.startswith(prefix)]


def status(rig: AgentRig, action: Any) -> str:
    found: str = rig.get(f"/v1/agents/{action['agent_id']}/actions/{action['id']}")["status"]
    return found


def result_path(action: Any) -> str:
    return f"/v1/agents/{action['agent_id']}/actions/{action['id']}/result"


def test_an_action_is_proposed_approved_and_reported(rig: AgentRig) -> None:
    agent = rig.agent()
    action = rig.proposal(agent)
    assert action["content_hash"] == content_hash(
        agent, "deploy.rollback", action["title"], [], CONTENT
    )
    assert (action["status"], action["required_approvals"]) == ("queued", 1)
    summary = {k: v for k, v in action.items() if k not in ("content", "result", "salt")}
    assert rig.get(f"/v1/agents/{agent}/actions?status=queued")["data"] == [summary]
    assert summary["content_bytes"] == len(canonical_json(CONTENT))
    decided = rig.decide(action, reason="looks right").json()
    assert (decided["status"], decided["decided_by"]) == ("approved", rig.users["bob"])
    assert decided["reason"] == "looks right"
    body = {"content_hash": action["content_hash"], "outcome": "executed", "result": "1.41 runs"}
    done = rig.post(result_path(action), body, 200)

    assert (done["status"], done["result"]) == ("executed", "1.41 runs")
    assert code_of(rig.ask("POST", result_path(action), body)) == (409, "action_not_approved")
    assert events(rig) == [
        "agent.action.queued",
        "agent.action.approved",
        "agent.action.executed",
    ]
    assert rig.kinds(agent) == [
        "agent.registered",
        "agent.action.queued",
        "agent.action.approved",
        "agent.action.started",
        "agent.action.executed",
    ]


def test_no_text_of_a_person_is_in_the_ledger(rig: AgentRig) -> None:
    agent = rig.agent(description="made by Ada Lovelace")
    rejected = rig.proposal(agent, title="Ada's title", content={"who": "Ada Lovelace"})
    assert rig.decide(rejected, "reject", reason="Ada was wrong").status_code == 200
    rig.post(f"/v1/agents/{agent}/stop", {"reason": "Ada said so"}, 200)
    texts = "".join(one["leaf"] for one in rig.entries(agent))

    assert "Ada" not in texts
    assert "example.com" not in texts
    assert rig.users["ada"] in texts
    assert "reason_hmac_sha256" in texts


def test_a_short_reason_cannot_be_guessed_from_the_ledger(rig: AgentRig) -> None:
    agent = rig.agent()
    decided = [rig.decide(rig.proposal(agent), "reject", reason="no").json() for _ in range(2)]
    stored = [one["data"] for one in rig.entries(agent) if one["kind"] == "agent.action.rejected"]
    hashes = [one["reason_hmac_sha256"] for one in stored]

    assert hashes[0] != hashes[1]
    for action, found in zip(decided, hashes, strict=True):
        shown = rig.get(f"/v1/agents/{agent}/actions/{action['id']}")
        salt = bytes.fromhex(shown["salt"])
        assert hmac.digest(salt, b"reason:no", "sha256").hex() == found
        others = (rig.ask("GET", "/v1/audit?limit=200").text, str(rig.entries(agent)))
        assert all(shown["salt"] not in text for text in others)
    assert hashlib.sha256(b"no").hexdigest() not in str(stored)


def test_the_requester_and_the_owner_cannot_approve(rig: AgentRig) -> None:
    agent = rig.agent()
    action = rig.proposal(agent, by="bob")
    for name in ("ada", "bob"):
        assert code_of(rig.decide(action, by=name)) == (403, "self_approval")
    assert status(rig, action) == "queued"
    denied = rig.get("/v1/audit?action=agent_action.approve&outcome=denied")["data"]
    assert [one["actor"]["id"] for one in denied] == [rig.users["bob"], rig.users["ada"]]
    assert rig.decide(action, by="eve").status_code == 200


def test_other_tokens_of_the_owner_are_the_owner(rig: AgentRig) -> None:
    agent = rig.agent()
    action = rig.proposal(agent, by="bob")
    body = {"name": "bot", "role": "operator", "owner_id": rig.users["ada"]}
    rig.tokens["bot"] = rig.post("/v1/tokens", body)["token"]

    assert code_of(rig.decide(action, by="bot")) == (403, "self_approval")


def test_the_requester_can_reject_and_withdraw(rig: AgentRig) -> None:
    agent = rig.agent()
    first, second = rig.proposal(agent, by="bob"), rig.proposal(agent, by="bob")
    assert rig.decide(first, "reject", by="bob").json()["status"] == "rejected"
    path = f"/v1/agents/{agent}/actions/{second['id']}/cancel"
    assert rig.post(path, None, 200, by="bob")["status"] == "cancelled"
    assert code_of(rig.ask("POST", path)) == (409, "action_decided")
    assert events(rig)[-1] == "agent.action.cancelled"


def test_only_named_approvers_decide(rig: AgentRig) -> None:
    agent = rig.agent(policy={"approvers": [rig.users["eve"]]})
    action = rig.proposal(agent)
    assert code_of(rig.decide(action, by="bob")) == (403, "not_an_approver")
    assert code_of(rig.decide(action, "reject", by="bob")) == (403, "not_an_approver")
    assert rig.decide(action, by="eve").json()["status"] == "approved"


def test_a_decision_is_about_what_was_shown(rig: AgentRig) -> None:
    agent = rig.agent()
    shown = rig.proposal(agent)
    path = f"/v1/agents/{agent}/actions/{shown['id']}"
    new = {"version": 1, "content": {**CONTENT, "version": "1.40"}}
    revised = rig.ask("PATCH", path, new)
    assert revised.status_code == 200, revised.text
    assert code_of(rig.ask("PATCH", path, new)) == (409, "version_conflict")
    for decision in ("approve", "reject"):
        assert code_of(rig.decide(shown, decision)) == (409, "action_changed")
    assert status(rig, shown) == "queued"
    now = revised.json()
    assert now["content_hash"] != shown["content_hash"]
    assert rig.decide(now).json()["status"] == "approved"
    other = {"content_hash": shown["content_hash"], "outcome": "executed"}
    assert code_of(rig.ask("POST", result_path(shown), other)) == (409, "action_changed")
    late = rig.ask("PATCH", path, {"version": 3, "content": CONTENT})
    assert code_of(late) == (409, "action_decided")
    assert rig.kinds(agent)[2:] == ["agent.action.revised", "agent.action.approved"]


def test_new_content_needs_all_approvals_anew(rig: AgentRig) -> None:
    agent = rig.agent(policy={"approvals": 2})
    action = rig.proposal(agent)
    assert len(rig.decide(action, by="bob").json()["approvals"]) == 1
    path = f"/v1/agents/{agent}/actions/{action['id']}"
    revised = rig.ask("PATCH", path, {"version": 2, "content": {"a": 1}}).json()
    assert revised["approvals"] == []
    assert rig.decide(revised, by="eve").json()["status"] == "queued"
    assert rig.decide(revised, by="bob").json()["status"] == "approved"


@pytest.mark.slow
def test_approvals_of_several(rig: AgentRig) -> None:
    agent = rig.agent(policy={"approvals": 2})
    action = rig.proposal(agent)
    first = rig.decide(action, by="bob").json()
    assert (first["status"], [one["user_id"] for one in first["approvals"]]) == (
        "queued",
        [rig.users["bob"]],
    )
    assert code_of(rig.decide(action, by="bob")) == (409, "already_approved")
    assert rig.decide(action, by="eve").json()["status"] == "approved"
    assert code_of(rig.decide(action, by="joe")) == (409, "action_decided")
    assert events(rig) == ["agent.action.queued", "agent.action.approved"]
    approved = rig.entries(agent)[-1]["data"]
    assert approved["approvers"] == [rig.users["bob"], rig.users["eve"]]


def test_decided_once(rig: AgentRig) -> None:
    agent = rig.agent()
    approved, rejected = rig.proposal(agent), rig.proposal(agent)
    assert rig.decide(approved).status_code == 200
    assert rig.decide(rejected, "reject").status_code == 200
    for action in (approved, rejected):
        for decision in ("approve", "reject"):
            assert code_of(rig.decide(action, decision, by="eve")) == (409, "action_decided")
    assert [status(rig, one) for one in (approved, rejected)] == ["approved", "rejected"]


def test_what_is_not_decided_in_time_expires(rig: AgentRig) -> None:
    agent = rig.agent(policy={"expires_after": "1h"})
    action = rig.proposal(agent)
    rig.clock.step(NOW.replace(hour=13) - NOW)  # the job has not run yet
    assert code_of(rig.decide(action)) == (409, "action_expired")
    rig.server.run_jobs()
    assert status(rig, action) == "expired"
    assert code_of(rig.decide(action)) == (409, "action_expired")
    assert events(rig) == ["agent.action.queued", "agent.action.expired"]
    assert rig.entries(agent)[-1]["actor"] == "agents.expire"


def test_an_action_expires_also_after_the_clock_was_set_back(rig: AgentRig) -> None:
    rig.server.run_jobs()
    agent = rig.agent(policy={"expires_after": "2h"})
    action = rig.proposal(agent)
    rig.step(hours=-1)
    rig.step(hours=2)  # the time of the job, which was set back, too
    assert status(rig, action) == "queued"
    rig.step(hours=1)
    assert status(rig, action) == "expired"


def test_an_approval_does_not_last(rig: AgentRig) -> None:
    agent = rig.agent(policy={"expires_after": "1h"})
    action = rig.proposal(agent)
    rig.step(minutes=50)
    assert rig.decide(action).status_code == 200
    rig.step(minutes=50)
    assert status(rig, action) == "approved"
    rig.clock.step(NOW.replace(minute=10) - NOW)
    body = {"content_hash": action["content_hash"], "outcome": "executed"}
    assert code_of(rig.ask("POST", result_path(action), body)) == (409, "action_expired")
    rig.server.run_jobs()
    assert status(rig, action) == "expired"
    with rig.server.context.database.read(None) as session:
        assert session.execute(select(Job).where(Job.kind == "agents.expire")).all() == []


def test_who_reports_what(rig: AgentRig) -> None:
    agent = rig.agent()
    action = rig.proposal(agent)
    body = {
        "content_hash": action["content_hash"],
        "outcome": "failed",
        "result": "no such version",
    }
    assert code_of(rig.ask("POST", result_path(action), body)) == (409, "action_not_approved")
    assert rig.decide(action).status_code == 200
    assert code_of(rig.ask("POST", result_path(action), body, by="eve")) == (403, "not_requester")
    denied = rig.get("/v1/audit?action=agent_action.report&outcome=denied")["data"]
    assert [one["actor"]["id"] for one in denied] == [rig.users["eve"]]
    assert rig.post(result_path(action), body, 200)["status"] == "failed"
    assert rig.get(f"/v1/agents/{agent}")["trust"]["totals"]["failures"] == 1


def test_content_has_a_limit_and_a_canonical_form(rig: AgentRig) -> None:
    agent = rig.agent()
    path = f"/v1/agents/{agent}/proposals"
    for content in ({"a": "x" * 70_000}, {"a": 2**63}):
        refused = rig.ask("POST", path, {**PROPOSAL, "content": content})
        assert code_of(refused) == (400, "validation_error")
        assert refused.json()["error"]["details"][0]["pointer"] == "/content"


def test_a_full_ledger_takes_no_proposals_and_all_decisions() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, max_ledger_entries=2) as server:
        rig = AgentRig(server, clock)
        agent = rig.agent()
        action = rig.proposal(agent)
        refused = rig.ask("POST", f"/v1/agents/{agent}/proposals", PROPOSAL)
        assert code_of(refused) == (409, "limit_reached")
        path = f"/v1/agents/{agent}"
        revised = rig.ask("PATCH", f"{path}/actions/{action['id']}", {"version": 1, "content": {}})
        changed = rig.ask("PATCH", path, {"version": 1, "description": "x"})
        violated = rig.ask("POST", f"{path}/proposals", {**PROPOSAL, "kind": "x"})
        assert [code_of(one)[1] for one in (revised, changed, violated)] == ["limit_reached"] * 3
        assert rig.decide(action).status_code == 200
        assert len(rig.entries(agent)) == 3
        rig.post(f"{path}/stop", {"reason": "r"}, 200)
        assert code_of(rig.ask("POST", f"{path}/resume")) == (409, "limit_reached")


def test_only_the_newest_ended_actions_are_retained_and_all_open_ones() -> None:
    clock = SteppedClock(NOW)
    with local_server(clock=clock, max_history=1) as server:
        rig = AgentRig(server, clock)
        agent = rig.agent()
        made = [rig.proposal(agent) for _ in range(4)]
        for action in made[:3]:
            assert rig.decide(action, "reject").status_code == 200
            rig.clock.step(timedelta(seconds=1))
        forget(server.context, RETENTIONS)
        left = [one["id"] for one in rig.get(f"/v1/agents/{agent}/actions")["data"]]
        assert sorted(left) == sorted(one["id"] for one in made[2:])
        assert len(rig.entries(agent)) == 8


class Executor:
    """A domain that runs actions itself, as runbooks do."""

    def __init__(self, rig: AgentRig) -> None:
        self.rig = rig
        context = rig.server.context
        tenant_id = context.access.default_principal.tenant_id
        with context.database.read(None) as session:
            tenant = session.execute(select(Tenant).where(Tenant.id == tenant_id)).scalar_one()
            session.expunge(tenant)
        self.context = as_system(context, tenant, "runbooks.run")

    def unit(self) -> Any:
        actor = Actor("user", self.rig.users["bob"], "bob")
        return self.context.unit(actor, Origin("req_1"), writes=True)


def test_executors_of_other_domains(either: AgentRig) -> None:
    agent = either.agent(capabilities=["runbook.run"])
    executor = Executor(either)
    unit: Unit
    with executor.unit() as unit:
        made = propose(unit, agent, "runbook.run", {"steps": [1]}, title="t", executor="runbook")
        key, digest = made.id, made.content_hash
    action = either.get(f"/v1/agents/{agent}/actions/{key}")
    assert (action["executor"], action["requester_id"]) == ("runbook", either.users["bob"])
    assert code_of(either.decide(action, by="bob")) == (403, "self_approval")
    with pytest.raises(Conflict, match="queued"), executor.unit() as unit:
        start(unit, key, digest)
    assert either.decide(action, by="eve").status_code == 200
    body = {"content_hash": digest, "outcome": "executed"}
    assert code_of(either.ask("POST", result_path(action), body)) == (409, "other_executor")
    with pytest.raises(Conflict, match="review it again"), executor.unit() as unit:
        start(unit, key, content_hash(agent, "runbook.run", "t", [], {"steps": [2]}))
    with executor.unit() as unit:
        start(unit, key, digest)
    with pytest.raises(Conflict, match="running"), executor.unit() as unit:
        start(unit, key, digest)
    assert status(either, action) == "running"
    either.step(days=40)  # what runs does not expire
    with executor.unit() as unit:
        finish(unit, key, succeeded=True, result="done")
    with pytest.raises(Conflict, match="executed"), executor.unit() as unit:
        finish(unit, key, succeeded=True)
    assert status(either, action) == "executed"
    assert either.get(f"/v1/agents/{agent}")["trust"]["totals"]["successes"] == 1
