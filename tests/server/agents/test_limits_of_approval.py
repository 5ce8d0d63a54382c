"""What cannot be approved, and by whom nothing is: what was shown is what runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from novaql.server.clock import SteppedClock
from tests.support.servers.agent_rig import NOW, PROPOSAL, AgentRig, code_of
from tests.support.servers.http_server import local_server


@pytest.fixture
def rig() -> Iterator[AgentRig]:
    clock = SteppedClock(NOW)
    with local_server(clock=clock) as server:
        yield AgentRig(server, clock)


def test_an_approver_does_not_write_what_is_approved(rig: AgentRig) -> None:
    action = rig.proposal(rig.agent())
    path = f"/v1/agents/{action['agent_id']}/actions/{action['id']}"
    body = {"content": {"do": "else"}, "version": action["version"]}

    assert code_of(rig.ask("PATCH", path, body, by="bob")) == (403, "not_requester")
    assert rig.get(path)["content"] == action["content"]
    denied = rig.get("/v1/audit?action=agent_action.revise")["data"]
    assert [one["outcome"] for one in denied] == ["denied"]
    assert rig.ask("PATCH", path, body).status_code == 200


def test_another_title_is_another_action(rig: AgentRig) -> None:
    action = rig.proposal(rig.agent())
    path = f"/v1/agents/{action['agent_id']}/actions/{action['id']}"
    body = {"content": action["content"], "title": "Nothing much", "version": action["version"]}
    assert rig.ask("PATCH", path, body).status_code == 200

    assert code_of(rig.decide(action)) == (409, "action_changed")


def test_nothing_outside_of_narrower_limits_runs(rig: AgentRig) -> None:
    agent = rig.agent()
    queued, approved = rig.proposal(agent), rig.proposal(agent)
    assert rig.decide(approved).status_code == 200
    narrow = {"capabilities": ["other.thing"], "version": rig.get(f"/v1/agents/{agent}")["version"]}
    assert rig.ask("PATCH", f"/v1/agents/{agent}", narrow).status_code == 200
    report = {"content_hash": approved["content_hash"], "outcome": "executed"}
    path = f"/v1/agents/{agent}/actions/{approved['id']}/result"

    assert code_of(rig.ask("POST", path, report)) == (409, "outside_capabilities")
    assert code_of(rig.decide(queued)) == (409, "outside_capabilities")
    assert rig.decide(queued, "reject").status_code == 200


def test_others_do_not_harm_the_trust_in_an_agent(rig: AgentRig) -> None:
    agent = rig.agent()
    strange = {**PROPOSAL, "kind": "other.thing"}
    for _ in range(3):
        answer = rig.ask("POST", f"/v1/agents/{agent}/proposals", strange, by="joe")
        assert code_of(answer) == (403, "outside_capabilities")

    assert "agent.violation" not in rig.kinds(agent)
    answer = rig.ask("POST", f"/v1/agents/{agent}/proposals", strange)
    assert code_of(answer) == (403, "outside_capabilities")
    assert rig.kinds(agent).count("agent.violation") == 1


@pytest.mark.parametrize(
    ("by", "services", "scope", "status"),
    [
        ("ada", [], ["*"], "approved"),
        ("ada", ["checkout"], ["checkout"], "approved"),
        ("ada", [], ["checkout"], "queued"),
        ("joe", ["checkout"], ["checkout"], "queued"),
    ],
)
def test_trust_approves_what_the_owner_proposes_with_services(
    rig: AgentRig, by: str, services: list[str], scope: list[str], status: str
) -> None:
    rig.post("/v1/services", {"name": "checkout", "owner": "ada", "tier": "1"})
    agent = rig.agent(
        scope={"services": scope, "max_services": 2}, policy={"auto_approve_from": 0.0}
    )

    assert rig.proposal(agent, by=by, services=services)["status"] == status


@pytest.mark.parametrize("number", [10**20, 123456789012345680000, 10**400, 2**63])
def test_a_number_that_json_readers_disagree_about_is_refused(rig: AgentRig, number: int) -> None:
    body = {**PROPOSAL, "content": {"n": number}}
    answer = rig.ask("POST", f"/v1/agents/{rig.agent()}/proposals", body)

    assert answer.status_code == 400, answer.text
