"""Request and response models of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import Body, Listed, ResponseModel, Timestamp, example
from novaql.server.runbooks.model import RunStatus, StepStatus
from novaql.server.runbooks.schema import Digest, Reason
from novaql.server.runbooks.tables import RunbookRun, RunbookStepRun


class DecideRun(Body):
    """A decision about a run that waits for approval, or about its approval step."""

    model_config = example({"decision": "approve", "content_hash": "0" * 64})

    decision: Literal["approve", "reject"]
    content_hash: Digest
    step: int | None = Field(
        None, ge=0, le=100, description="index of the approval step; absent: the run as a whole"
    )
    reason: Reason | None = None


class RunQuery(PageQuery):
    """Filters of the list."""

    status: RunStatus | None = None


class StepRunOut(ResponseModel):
    """A step that has begun."""

    position: int
    name: str
    type: str
    status: StepStatus
    attempt: int
    started_at: Timestamp
    ended_at: Timestamp | None
    until_at: Timestamp | None
    output: str
    truncated: bool
    exit_code: int | None
    detail: str
    approvals: list[dict[str, Any]]


class RunSummaryOut(ResponseModel):
    """A run in a list."""

    id: str
    runbook_id: str
    runbook_version: int
    name: str
    status: RunStatus
    reason: str | None
    dry_run: bool
    services: list[str]
    requester_id: str
    operator: str = Field(description="name of the user who requested it")
    agent_id: str | None
    action_id: str | None
    incident_id: str | None
    content_hash: str
    duration_s: float | None = Field(description="from its begin to its end")
    created_at: Timestamp
    updated_at: Timestamp
    started_at: Timestamp | None
    ended_at: Timestamp | None
    expires_at: Timestamp
    deadline_at: Timestamp | None
    version: int

    @classmethod
    def of(cls, run: RunbookRun) -> Self:
        """Return a run for clients."""
        return cls.of_row(run, **_computed(run))


class RunOut(RunSummaryOut):
    """A run, with what it executes and its steps so far."""

    content: dict[str, Any] = Field(description="what it executes; `content_hash` identifies it")
    approvals: list[dict[str, Any]]
    position: int = Field(description="index of the current step")
    steps: list[StepRunOut]

    @classmethod
    def with_steps(cls, run: RunbookRun, steps: Sequence[RunbookStepRun]) -> Self:
        """Return a run for clients, with its steps."""
        shown = [StepRunOut.model_validate(step) for step in steps]
        return cls.of_row(run, **_computed(run), steps=shown)


class RunsOut(Listed[RunSummaryOut]):
    """A page of runs."""


def _computed(run: RunbookRun) -> dict[str, Any]:
    begun, ended = run.started_at, run.ended_at
    seconds = None if begun is None or ended is None else (ended - begun).total_seconds()
    return {"operator": run.requester_name, "duration_s": seconds}
