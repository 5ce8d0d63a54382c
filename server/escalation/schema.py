"""Request and response models of escalation policies, runs and pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from novaql.server.escalation.tables import EscalationRun, Page
from novaql.server.escalation_model.tables import EscalationPolicy
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Name,
    PolicyId,
    ResponseModel,
    Timestamp,
    example,
)

AnyId = Annotated[str, Field(min_length=1, max_length=64)]
ModeName = Literal["all", "round_robin", "multi_ack"]
StateName = Literal["running", "acknowledged", "exhausted", "ended"]
StatusName = Literal["pending", "sent", "failed", "cancelled"]


class EscalationTarget(Body):
    """A user, the user on call of a schedule, or a notification channel."""

    type: Literal["user", "schedule", "channel"]
    id: AnyId


class EscalationStep(Body):
    """A step: it pages its targets, and then waits."""

    wait: Duration = Field(
        description="after the pages of the step, before the next step; from `1s` to `7d`"
    )
    targets: Annotated[list[EscalationTarget], Field(min_length=1, max_length=20)]
    mode: ModeName = Field(
        "all",
        description="`round_robin` pages the next target each time; after `multi_ack`, which pages "
        "all, paging continues until several of the paged users have acknowledged",
    )
    acknowledgers: Annotated[int, Field(ge=1, le=20)] | None = Field(
        None, description="how many, for `multi_ack`; absent: every user whom the step pages"
    )


class SaveEscalationPolicy(Body):
    """A whole policy. With an `id` it replaces that policy, from its `version`."""

    model_config = example(
        {
            "name": "payments",
            "steps": [
                {
                    "wait": "5m",
                    "targets": [{"type": "user", "id": "usr_00000000000000000000000000"}],
                }
            ],
            "repeat": 2,
        }
    )

    id: PolicyId | None = None
    version: int | None = Field(None, ge=1)
    name: Name
    steps: Annotated[list[EscalationStep], Field(min_length=1, max_length=20)]
    repeat: Annotated[int, Field(ge=0, le=9)] = Field(
        0, description="how many more times the steps run if no user acknowledges"
    )
    ack_timeout: Duration | None = Field(
        None,
        description="an acknowledgement expires after it, from `1s` to `30d`; null: never; absent: "
        "`escalation_ack_timeout_s`",
    )


class EscalationStepOut(ResponseModel):
    """A step of a policy."""

    wait: Duration
    targets: list[EscalationTarget]
    mode: ModeName
    acknowledgers: int | None


class EscalationPolicyOut(ResponseModel):
    """An escalation policy."""

    id: str
    name: str
    steps: list[EscalationStepOut]
    repeat: int
    ack_timeout: Duration | None = Field(description="null: acknowledgements do not expire")
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, row: EscalationPolicy) -> EscalationPolicyOut:
        """The response model of a row."""
        timeout_s = row.ack_timeout_s
        return cls.of_row(
            row,
            steps=_steps(row.steps),
            ack_timeout=None if timeout_s is None else timedelta(seconds=timeout_s),
        )


class EscalationPoliciesOut(Listed[EscalationPolicyOut]):
    """A page of policies."""


class EscalationPolicyQuery(PageQuery):
    """Filters of the list."""

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="exactly"
    )


class EscalationSnapshotOut(ResponseModel):
    """A policy as it was when the incident was created."""

    id: str
    version: int
    name: str
    steps: list[EscalationStepOut]
    repeat: int
    ack_timeout: Duration | None


class EscalationOut(ResponseModel):
    """The escalation of an incident."""

    id: str
    incident_id: str
    state: StateName
    policy: EscalationSnapshotOut = Field(description="as it was when the incident was created")
    cycle: int = Field(description="passes over the steps, from 0")
    next_step: int | None = Field(description="index of the next step; null: it is not running")
    next_at: Timestamp | None = Field(description="when the next step is due")
    ack_expires_at: Timestamp | None = Field(description="when the acknowledgement expires")
    required: list[str] = Field(
        description="ids of users of whom several have to acknowledge; empty: any user"
    )
    needed: int = Field(description="how many of those")
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, row: EscalationRun) -> EscalationOut:
        """The response model of a row."""
        policy = dict(row.policy)
        timeout_s = policy.pop("ack_timeout_s")
        policy["ack_timeout"] = None if timeout_s is None else timedelta(seconds=timeout_s)
        policy["steps"] = _steps(policy["steps"])
        count = len(policy["steps"])
        next_step = None if row.next_at is None else row.step % count
        return cls.of_row(row, policy=policy, next_step=next_step, ack_expires_at=row.ack_due)


class EscalationsOut(Listed[EscalationOut]):
    """A page of escalations."""


class EscalationQuery(PageQuery):
    """Filters of the list."""

    incident: AnyId | None = Field(None, description="id of an incident")
    state: StateName | None = Field(
        None, description="`exhausted`: all repeats are over; `ended`: the incident is resolved"
    )


class PageTarget(ResponseModel):
    """The user or channel that is paged."""

    type: Literal["user", "channel"]
    id: str
    name: str


class PageMethod(ResponseModel):
    """The contact method: its id and type. `none`: the user has none."""

    id: str
    type: Literal["email", "webhook", "slack", "sink", "channel", "none"]


class PageOut(ResponseModel):
    """A page: one message of a step to one contact."""

    id: str
    incident_id: str
    escalation_id: str
    policy: str = Field(description="name of the policy")
    cycle: int = Field(description="pass over the steps, from 0")
    step: int = Field(description="index of the step")
    target: PageTarget
    schedule_id: str | None = Field(description="the schedule by which the user was found")
    method: PageMethod
    delay: Duration = Field(description="of the notification rule")
    status: StatusName
    reason: str | None = Field(
        description="why it failed or was cancelled, such as `no_contact_method`, `limit_reached`, "
        "`acknowledged`, or the error of the last attempt"
    )
    deliver_at: Timestamp
    attempts: int
    attempted_at: Timestamp | None = Field(description="when the last attempt began")
    sent_at: Timestamp | None
    title: str = Field(description="of the incident, at the time of the page")
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, row: Page) -> PageOut:
        """The response model of a row."""
        return cls.of_row(
            row,
            escalation_id=row.run_id,
            policy=row.content["policy"],
            title=row.content["title"],
            target={"type": row.target_type, "id": row.target_id, "name": row.target_name},
            method={"id": row.method_id, "type": row.method_type},
            delay=timedelta(seconds=row.delay_s),
        )


class PagesOut(Listed[PageOut]):
    """A part of the list of pages."""


class IncidentPageQuery(PageQuery):
    """Filters of the pages of an incident."""

    status: StatusName | None = Field(None, description="state of the delivery")


class PagesQuery(IncidentPageQuery):
    """Filters of the list of pages."""

    incident: AnyId | None = Field(None, description="id of an incident")
    user: AnyId | None = Field(None, description="id of a user")
    channel: AnyId | None = Field(None, description="id of a notification channel")


def _steps(steps: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "wait": timedelta(seconds=step["wait_s"]),
            "targets": step["targets"],
            "mode": step["mode"],
            "acknowledgers": step["acknowledgers"],
        }
        for step in steps
    ]
