"""Actions of agents that two requests, or a request and a job, end or change at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from novaql.server.clock import SteppedClock
from tests.support.servers.agent_rig import NOW, AgentRig, code_of
from tests.support.servers.http_server import local_server
from tests.support.servers.state_databases import KINDS, state_database

pytestmark = pytest.mark.slow


@pytest.fixture(params=KINDS)
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AgentRig]:
    """A rig over each kind of database."""
    clock = SteppedClock(NOW)
    with (
        state_database(request.param, tmp_path) as database,
        local_server(clock=clock, database=database) as server,
    ):
        yield AgentRig(server, clock)


def status(rig: AgentRig, action: Any) -> str:
    found: str = rig.get(f"/v1/agents/{action['agent_id']}/actions/{action['id']}")["status"]
    return found


@pytest.mark.parametrize("decisions", [("approve", "approve"), ("approve", "reject")])
def test_of_two_approvers_at_once_one_decides(either: AgentRig, decisions: tuple[str, ...]) -> None:
    agent = either.agent()
    for _ in range(5):
        action = either.proposal(agent)
        with ThreadPoolExecutor(2) as pool:
            decided = [
                pool.submit(either.decide, action, decision, by=name)
                for decision, name in zip(decisions, ("bob", "eve"), strict=True)
            ]
            answers = [one.result() for one in decided]
        assert sorted(one.status_code for one in answers) == [200, 409]
        (late,) = [one for one in answers if one.status_code == 409]
        assert code_of(late) == (409, "action_decided")


def test_of_two_revisions_at_once_one_is_a_conflict(either: AgentRig) -> None:
    agent = either.agent()
    for _ in range(5):
        path = f"/v1/agents/{agent}/actions/{either.proposal(agent)['id']}"
        bodies = [{"version": 1, "content": {"n": number}} for number in range(2)]
        with ThreadPoolExecutor(2) as pool:
            revised = [pool.submit(either.ask, "PATCH", path, body) for body in bodies]
            answers = [one.result() for one in revised]
        assert sorted(one.status_code for one in answers) == [200, 409]


def test_the_expiry_and_a_withdrawal_at_once_wait_for_nothing_for_ever(either: AgentRig) -> None:
    agent = either.agent(policy={"expires_after": "1s"})
    for _ in range(10):
        action = either.proposal(agent)
        either.clock.step(timedelta(seconds=1))
        path = f"/v1/agents/{agent}/actions/{action['id']}/cancel"
        with ThreadPoolExecutor(2) as pool:
            jobs = pool.submit(either.server.run_jobs)
            answer = pool.submit(either.ask, "POST", path).result()
            jobs.result()
        assert answer.status_code in (200, 409), answer.text
        ended = "cancelled" if answer.status_code == 200 else "expired"
        assert status(either, action) == ended
