"""Request and response models of agents and their actions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from novaql.server.agents.model import (
    EVERY,
    REJECTION_PENALTY,
    VIOLATION_PENALTY,
    Z,
    score_of,
)
from novaql.server.agents.tables import Agent, AgentAction
from novaql.server.agents.trust import tally_of
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    Body,
    Duration,
    Listed,
    Name,
    Patch,
    PathName,
    ResponseModel,
    Timestamp,
    duration_text,
    example,
)

Kind = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$",
        examples=["deploy.rollback"],
    ),
]
Capability = Annotated[
    str,
    Field(
        max_length=64,
        pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?$",
        examples=["runbook.*"],
        description="a kind of action, or `deploy.*` for all that begin so",
    ),
]
UserId = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="`content_hash` of the action")]
StatusName = Literal[
    "queued",
    "approved",
    "running",
    "rejected",
    "expired",
    "cancelled",
    "executed",
    "failed",
    "abandoned",
]


class ScopeBody(Body):
    """The services that an agent may act on."""

    services: Annotated[list[PathName | Literal["*"]], Field(max_length=200)] = Field(
        default_factory=list, description=f"names in the catalog; `{EVERY}`: every service"
    )
    max_services: int = Field(1, ge=0, le=200, description="the most services of one action")


class PolicyBody(Body):
    """Who has to approve actions. The owner and the requester of an action never can."""

    approvals: int = Field(1, ge=1, le=10, description="users who have to approve an action")
    approvers: Annotated[list[UserId], Field(max_length=50)] = Field(
        default_factory=list, description="users who can; empty: every operator and administrator"
    )
    auto_approve_from: float | None = Field(
        None,
        ge=0,
        le=1,
        description="trust score from which actions need no approval; null: all need one",
    )
    expires_after: Duration | None = Field(
        None, description="1s to 30d: then an action expires; absent: `agent_action_expiry_s`, 24h"
    )


class RegisterAgent(Body):
    """An agent to register."""

    model_config = example(
        {
            "name": "rollback-bot",
            "capabilities": ["deploy.rollback"],
            "scope": {"services": ["*"], "max_services": 1},
            "policy": {"approvals": 1, "expires_after": "1h"},
        }
    )

    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""
    owner_id: UserId | None = Field(
        None, description="user with whose tokens it acts; absent: the sender of the request"
    )
    capabilities: Annotated[list[Capability], Field(min_length=1, max_length=50)]
    scope: ScopeBody = Field(default_factory=lambda: ScopeBody.model_validate({}))
    policy: PolicyBody = Field(default_factory=lambda: PolicyBody.model_validate({}))


class ChangeAgent(Patch):
    """Changes to an agent, made from its `version`."""

    model_config = example({"version": 1, "description": "rolls back what broke"})

    version: int | None = Field(None, ge=1)
    name: Name | None = None
    description: Annotated[str, Field(max_length=2000)] | None = None
    capabilities: Annotated[list[Capability], Field(min_length=1, max_length=50)] | None = None
    scope: ScopeBody | None = None
    policy: PolicyBody | None = None


class StopAgent(Body):
    """Why an agent is stopped."""

    model_config = example({"reason": "it rolls back the wrong service"})

    reason: Reason


class ProposeAction(Body):
    """An action to propose. `content` is shown to approvers, and must contain no secrets."""

    model_config = example(
        {
            "kind": "deploy.rollback",
            "title": "Roll back checkout to 1.41",
            "content": {"service": "checkout", "version": "1.41"},
        }
    )

    kind: Kind
    title: Name
    content: dict[str, Any]
    services: Annotated[list[PathName], Field(max_length=200)] = Field(
        default_factory=list, description="services that it changes"
    )


class ReviseAction(Body):
    """New content of a queued action. Approvals of the old content are void."""

    model_config = example({"version": 1, "content": {"service": "checkout", "version": "1.40"}})

    version: int | None = Field(None, ge=1)
    content: dict[str, Any]
    title: Name | None = None


class DecideAction(Body):
    """A decision about a queued action, bound to the content that was shown."""

    model_config = example(
        {
            "action_id": "act_01J00000000000000000000000",
            "decision": "approve",
            "content_hash": "0" * 64,
        }
    )

    action_id: Annotated[str, Field(min_length=1, max_length=64)]
    decision: Literal["approve", "reject"]
    content_hash: Digest
    reason: Reason | None = None


class StartAction(Body):
    """The content that an agent is about to carry out, by its hash."""

    model_config = example({"content_hash": "0" * 64})

    content_hash: Digest


class ReportResult(Body):
    """The outcome of an action that the agent itself carried out."""

    model_config = example({"content_hash": "0" * 64, "outcome": "executed"})

    content_hash: Digest
    outcome: Literal["executed", "failed"]
    result: Annotated[str, Field(max_length=10_000)] = ""


class AgentQuery(PageQuery):
    """Filters of the list."""

    status: Literal["active", "stopped"] | None = None


class ActionQuery(PageQuery):
    """Filters of the list."""

    status: StatusName | None = None


class TrustOut(ResponseModel):
    """A trust score and all that it is computed from.

    `score` is the lower bound of the 95 % Wilson interval of successes among all ended actions,
    minus `violation_penalty` for each violation and `rejection_penalty` for each rejected proposal.
    The weight of an outcome halves in each `half_life`. An agent without history has 0.
    """

    score: float
    threshold: float | None = Field(description="of the approval policy")
    auto_approved: bool = Field(description="whether the score reaches the threshold")
    at: Timestamp
    half_life: str
    z: float
    violation_penalty: float
    rejection_penalty: float
    inputs: dict[str, float] = Field(description="weighted numbers of outcomes at `at`")
    totals: dict[str, int] = Field(description="numbers of outcomes")


class ScopeOut(ResponseModel):
    """The scope of an agent."""

    services: list[str]
    max_services: int


class PolicyOut(ResponseModel):
    """An approval policy."""

    approvals: int
    approvers: list[str]
    auto_approve_from: float | None
    expires_after: str


class AgentOut(ResponseModel):
    """An agent."""

    id: str
    name: str
    description: str
    owner_id: str
    capabilities: list[str]
    scope: ScopeOut
    policy: PolicyOut
    status: Literal["active", "stopped"]
    stopped_at: Timestamp | None = Field(description="the last stop; earlier actions are void")
    stop_reason: str | None
    trust: TrustOut
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, agent: Agent, now: datetime, half_life: timedelta) -> AgentOut:
        """Convert a row for clients, with its trust score at `now`."""
        inputs = tally_of(agent).decayed(now, half_life).shown()
        score, threshold = score_of(inputs), agent.policy["auto_approve_from"]
        trust = {
            "score": score,
            "threshold": threshold,
            "auto_approved": threshold is not None and score >= threshold,
            "at": now,
            "half_life": duration_text(half_life),
            "z": Z,
            "violation_penalty": VIOLATION_PENALTY,
            "rejection_penalty": REJECTION_PENALTY,
            "inputs": inputs,
            "totals": agent.totals,
        }
        scope = {"services": agent.services, "max_services": agent.max_services}
        return cls.of_row(agent, scope=scope, trust=trust)


class ApprovalOut(ResponseModel):
    """One approval."""

    user_id: str
    at: Timestamp


class AgentActionSummaryOut(ResponseModel):
    """An action of an agent, without its content and its result."""

    id: str
    agent_id: str
    kind: str
    title: str
    services: list[str]
    content_hash: str = Field(
        description="hex SHA-256 of the canonical JSON (RFC 8785) of agent_id, content, kind and "
        "services"
    )
    content_bytes: int = Field(description="length of the canonical JSON of `content`")
    executor: str = Field(description="`api`: the agent itself runs it and reports the outcome")
    requester_id: str
    status: StatusName
    score: float = Field(description="the trust score when it was queued")
    threshold: float | None
    automatic: bool = Field(description="approved by the policy, without a user")
    required_approvals: int
    approvals: list[ApprovalOut]
    expires_at: Timestamp = Field(
        description="when it expires unless it is decided, or begins; while an agent runs it "
        "itself: when it is abandoned unless it is reported"
    )
    decided_at: Timestamp | None
    decided_by: str | None
    reason: str | None
    ended_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, action: AgentAction) -> Self:
        """Convert a row for clients."""
        return cls.of_row(action, required_approvals=action.policy["approvals"])


class AgentActionOut(AgentActionSummaryOut):
    """An action of an agent."""

    content: dict[str, Any]
    result: str | None
    salt: str = Field(
        description="hex; `reason_hmac_sha256` in the ledger is HMAC-SHA-256 by this key of "
        "`reason:` and the reason; `result_hmac_sha256` likewise"
    )


class AgentsOut(Listed[AgentOut]):
    """A page of agents."""


class AgentActionsOut(Listed[AgentActionSummaryOut]):
    """A page of actions, without their contents."""
