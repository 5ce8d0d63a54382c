"""Request and response models of runbooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Name,
    PathName,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.runbooks.model import RunStatus
from novaql.server.runbooks.step_schema import ParameterName, Step, UserId

Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="`content_hash` of the run")]
WallClock = Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Value = Annotated[str, Field(max_length=4096)]


class ParameterBody(Body):
    """A parameter. The server never shows the value of a secret one."""

    name: ParameterName
    type: Literal["string", "number", "duration", "boolean"] = "string"
    description: Annotated[str, Field(max_length=500)] = ""
    pattern: Annotated[str, Field(max_length=500)] | None = Field(
        None, description="RE2 regex that the whole value matches"
    )
    default: Value | None = Field(
        None, description="absent: each run needs a value. Of a secret parameter, it is write-only"
    )
    secret: bool = Field(
        False, description="sealed and redacted; 8 characters or more, only in HTTP and scripts"
    )


class FreezeWindow(Body):
    """A time in which no run begins: from `starts_at` to `ends_at`, or on weekdays from
    `start_time` to `end_time` in the wall-clock time of `timezone` (also over midnight)."""

    name: Annotated[str, Field(max_length=200)] = ""
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    weekdays: Annotated[list[Weekday], Field(max_length=7)] = Field(default_factory=list)
    start_time: WallClock | None = None
    end_time: WallClock | None = None


class GuardrailsBody(Body):
    """Limits of the runs of a runbook."""

    max_services: int = Field(1, ge=0, le=200, description="the most services of one run")
    max_targets: int = Field(5, ge=0, le=100, description="the most hosts that its steps call")
    max_runs_per_hour: int | None = Field(None, ge=1, le=100_000)
    one_at_a_time: bool = False
    timeout: Duration | None = Field(
        None, description="of a run, from its begin; absent: `runbook_run_timeout_s`, 1h"
    )
    freeze_windows: Annotated[list[FreezeWindow], Field(max_length=50)] = Field(
        default_factory=list
    )


class ApprovalPolicyBody(Body):
    """Who approves the runs of users. Those of agents follow the policy of the agent."""

    approvals: int = Field(0, ge=0, le=10, description="0: runs begin at once")
    role: Literal["operator", "admin"] = "operator"
    users: Annotated[list[UserId], Field(max_length=50)] = Field(
        default_factory=list, description="users who can; empty: all with the role"
    )
    expires_after: Duration | None = Field(
        None, description="1s to 30d; absent: `runbook_approval_expiry_s`, 24h"
    )


def _guardrails() -> GuardrailsBody:
    return GuardrailsBody.model_validate({})


def _policy() -> ApprovalPolicyBody:
    return ApprovalPolicyBody.model_validate({})


class SaveRunbook(Body):
    """A runbook: a new one, or with `id` and `version` the new content of one."""

    model_config = example(
        {
            "name": "restart-checkout",
            "steps": [
                {
                    "name": "errors",
                    "type": "query",
                    "expr": "vector(1)",
                    "op": ">",
                    "threshold": 0,
                },
                {"name": "settle", "type": "wait", "duration": "30s"},
            ],
            "guardrails": {"max_runs_per_hour": 10},
        }
    )

    id: Annotated[str, Field(max_length=64)] | None = None
    version: int | None = Field(None, ge=1)
    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    service: PathName | None = None
    parameters: Annotated[list[ParameterBody], Field(max_length=50)] = Field(default_factory=list)
    steps: Annotated[list[Step], Field(min_length=1, max_length=100)]
    guardrails: GuardrailsBody = Field(default_factory=_guardrails)
    approval_policy: ApprovalPolicyBody = Field(default_factory=_policy)


class RunRunbook(Body):
    """A run to begin: of the sender, or with `agent_id` of an agent."""

    model_config = example({"parameters": {}, "dry_run": True})

    agent_id: UserId | None = None
    parameters: Annotated[dict[ParameterName, Value], Field(max_length=50)] = Field(
        default_factory=dict, description="values as text"
    )
    dry_run: bool = Field(False, description="record what each step would do, and send nothing")
    services: Annotated[list[PathName], Field(max_length=200)] | None = Field(
        None, description="services that it changes; absent: the service of the runbook"
    )
    incident_id: UserId | None = None


class StopRunbooks(Body):
    """Why no runbook may run."""

    model_config = example({"reason": "the network is being changed"})

    reason: Reason


class RunbookQuery(PageQuery):
    """Filters of the list."""

    service: str | None = Field(None, min_length=1, max_length=200)


class RunbookOut(ResponseModel):
    """A runbook. Steps have all fields, with their defaults."""

    settled = True
    id: str
    name: str
    description: str
    service: str | None
    parameters: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    guardrails: dict[str, Any]
    approval_policy: dict[str, Any]
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class RunbooksOut(Listed[RunbookOut]):
    """A page of runbooks."""


class StartedOut(ResponseModel):
    """A run that was accepted."""

    run_id: str
    status: RunStatus


class SwitchOut(ResponseModel):
    """The stop switch of the tenant."""

    stopped: bool
    reason: str | None
    changed_by: str | None
    changed_at: Timestamp | None


LONGEST_STEP = timedelta(minutes=30)
LONGEST_WAIT = timedelta(days=30)
