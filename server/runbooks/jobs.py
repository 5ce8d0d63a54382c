"""The job that executes runs, and the consumers that start and end those of agents."""

from __future__ import annotations

from datetime import timedelta

from novaql.server.db.unit import Unit
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.jobs.runner import JobKind
from novaql.server.runbooks.deciding import follow_action
from novaql.server.runbooks.execution import execute
from novaql.server.runbooks.rows import JOB
from novaql.server.runbooks.schema import LONGEST_STEP
from novaql.server.runbooks.starting import EXECUTOR
from novaql.server.runbooks.stopping import end_runs_of

RUNS = JobKind(JOB, execute, longest=LONGEST_STEP + timedelta(minutes=5), waits=True)
DECISIONS = ("approved", "rejected", "expired", "cancelled")


def _follow(unit: Unit, event: EventEnvelope) -> None:
    action = event.data["agent_action"]
    if action["executor"] == EXECUTOR:
        follow_action(unit, action)


def _agent_stopped(unit: Unit, event: EventEnvelope) -> None:
    end_runs_of(unit, event.data["agent"]["id"])


CONSUMERS = (
    *(Consumer(f"agent.action.{one}", _follow) for one in DECISIONS),
    Consumer("agent.stopped", _agent_stopped),
)
