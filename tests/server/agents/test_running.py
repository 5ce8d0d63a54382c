"""Actions that agents carry out themselves: started once, and reported in time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from novaql.server.clock import SteppedClock
from novaql.server.db.tables import Event, Job
from tests.support.servers.agent_rig import NOW, AgentRig, code_of
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database, agent_action_deadline_s=600.0) as server,
    ):
        yield AgentRig(server, clock)


def approved(rig: AgentRig, **policy: Any) -> Any:
    """An action that is approved, and has not begun."""
    action = rig.proposal(rig.agent(policy={"expires_after": "1h", **policy}))
    assert rig.decide(action).status_code == 200
    return action


def ask(rig: AgentRig, action: Any, what: str, body: Any = None, by: str = "ada") -> httpx.Response:
    path = f"/v1/agents/{action['agent_id']}/actions/{action['id']}/{what}"
    return rig.ask("POST", path, body, by=by)


def begun(rig: AgentRig, action: Any, **more: str) -> httpx.Response:
    return ask(rig, action, "start", {"content_hash": action["content_hash"]}, **more)


def reported(rig: AgentRig, action: Any, outcome: str = "executed") -> httpx.Response:
    body = {"content_hash": action["content_hash"], "outcome": outcome}
    return ask(rig, action, "result", body)


def found(rig: AgentRig, action: Any) -> Any:
    return rig.get(f"/v1/agents/{action['agent_id']}/actions/{action['id']}")


def totals(rig: AgentRig, action: Any) -> Any:
    return rig.get(f"/v1/agents/{action['agent_id']}")["trust"]["totals"]


def jobs(rig: AgentRig) -> int:
    with rig.server.context.database.read(None) as session:
        return len(session.execute(select(Job).where(Job.kind == "agents.expire")).all())


def test_what_runs_does_not_expire(rig: AgentRig) -> None:
    action = approved(rig)
    rig.step(minutes=59)
    answer = begun(rig, action)
    assert (answer.status_code, answer.json()["status"]) == (200, "running")
    rig.step(minutes=9)  # the approval alone would have expired
    assert found(rig, action)["status"] == "running"
    assert reported(rig, action).json()["status"] == "executed"
    assert rig.kinds(action["agent_id"])[-2:] == ["agent.action.started", "agent.action.executed"]
    assert jobs(rig) == 0
    rig.step(minutes=30)
    assert found(rig, action)["status"] == "executed"
    audited = rig.get("/v1/audit?action=agent_action.start")["data"]
    assert [one["outcome"] for one in audited] == ["success"]


def test_what_is_not_reported_in_time_is_abandoned(rig: AgentRig) -> None:
    action = approved(rig)
    assert begun(rig, action).json()["expires_at"] == "2026-04-01T12:10:00Z"
    rig.step(minutes=10)
    ended = found(rig, action)
    assert (ended["status"], ended["ended_at"]) == ("abandoned", "2026-04-01T12:10:00Z")
    assert rig.entries(action["agent_id"])[-1]["kind"] == "agent.action.abandoned"
    assert totals(rig, action)["failures"] == 1
    with rig.server.context.database.read(None) as session:
        types = session.execute(select(Event.type).order_by(Event.id)).scalars().all()
    assert types[-1] == "agent.action.abandoned"
    assert code_of(reported(rig, action)) == (409, "action_not_approved")
    path = f"/v1/agents/{action['agent_id']}/actions?status=abandoned"
    assert [one["id"] for one in rig.get(path)["data"]] == [action["id"]]


@pytest.mark.slow
def test_only_the_first_request_starts_an_action(rig: AgentRig) -> None:
    action = approved(rig)
    with ThreadPoolExecutor(8) as pool:
        answers = [one.result() for one in [pool.submit(begun, rig, action) for _ in range(40)]]
    assert sorted(one.status_code for one in answers) == [200, *[409] * 39]
    assert rig.kinds(action["agent_id"]).count("agent.action.started") == 1


def test_what_cannot_start(rig: AgentRig) -> None:
    queued = rig.proposal(rig.agent("other"))
    assert code_of(begun(rig, queued)) == (409, "action_not_approved")
    action = approved(rig)
    assert code_of(begun(rig, {**action, "content_hash": "0" * 64})) == (409, "action_changed")
    assert code_of(begun(rig, action, by="eve")) == (403, "not_requester")
    rig.clock.step(NOW.replace(hour=13) - NOW)
    assert code_of(begun(rig, action)) == (409, "action_expired")


def test_a_stop_prevents_the_start_and_not_the_report(rig: AgentRig) -> None:
    running, waiting = approved(rig), rig.proposal(rig.agent("second"))
    assert begun(rig, running).status_code == 200
    assert code_of(ask(rig, running, "cancel")) == (409, "action_decided")
    assert rig.decide(waiting).status_code == 200
    for one in (running, waiting):
        rig.post(f"/v1/agents/{one['agent_id']}/stop", {"reason": "wrong"}, 200)
    assert code_of(begun(rig, waiting)) == (409, "agent_stopped")
    changed = {**running, "content_hash": "0" * 64}
    assert code_of(reported(rig, changed)) == (409, "action_changed")
    assert reported(rig, running, "failed").json()["status"] == "failed"


def test_a_list_has_the_sizes_of_contents_and_not_the_contents(rig: AgentRig) -> None:
    agent = rig.agent()
    action = rig.proposal(agent, content={"text": "x" * 60_000})
    answer = rig.ask("GET", f"/v1/agents/{agent}/actions")
    (listed,) = answer.json()["data"]
    assert len(answer.content) < 2_000
    assert (listed["content_bytes"], listed["content_hash"]) == (60_011, action["content_hash"])
    assert found(rig, action)["content"] == {"text": "x" * 60_000}
    path = f"/v1/agents/{agent}/actions/{action['id']}"
    new = rig.ask("PATCH", path, {"version": 1, "content": {"a": 1}}).json()
    assert new["content_bytes"] == 7


def test_ids_of_other_agents_are_unknown(rig: AgentRig) -> None:
    one, other = rig.agent("one"), rig.agent("other")
    action = rig.proposal(one)
    moved = {**action, "agent_id": other}
    assert code_of(rig.decide(moved)) == (404, "action_not_found")
    assert code_of(rig.ask("GET", f"/v1/agents/{other}/actions/{action['id']}"))[0] == 404
    assert code_of(rig.ask("GET", "/v1/agents/agt_none/actions")) == (404, "agent_not_found")
