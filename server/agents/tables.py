"""Tables of agents and their actions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row


class Agent(Row, Base):
    """An agent.

    owner_id      the user with whose tokens it acts
    capabilities  kinds of actions that it may propose, sorted: `deploy.rollback`, `runbook.*`
    services      its scope: names of services, sorted; `*`: every service
    max_services  the most services of one action
    policy        its approval policy
    status        `active` or `stopped`
    stopped_at    the last stop; actions that were queued before it are void
    tally         weighted outcomes and their time, for the trust score
    totals        numbers of outcomes
    """

    __tablename__ = "agents"
    __table_args__ = (UniqueConstraint("tenant_id", "name", name="uq_agents_tenant_name"),)

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[str] = mapped_column(Id)
    capabilities: Mapped[list[str]]
    services: Mapped[list[str]]
    max_services: Mapped[int]
    policy: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16))
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str | None] = mapped_column(Text)
    tally: Mapped[dict[str, Any]]
    totals: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(Id)


class AgentAction(Row, Base):
    """An action of an agent.

    content       what is to be done, as approvers see it; `content_hash` identifies it
    content_bytes the length of its canonical JSON
    executor      what runs it: `api` (the agent itself reports the outcome), or a domain
    salt          random; the ledger has hashes of the reason and the result with it, which reveal
                  nothing once the row is deleted
    requester_id  the user on whose request it was proposed
    policy        the approval policy when it was queued
    score         the trust score then; `threshold` is that of the policy
    approvals     the approvals so far: user ids and times
    expires_at    it has to be decided by then, after the approval to begin by then, and after the
                  start (of an agent that acts itself) to be reported by then
    result        the outcome that its executor reported
    """

    __tablename__ = "agent_actions"
    __table_args__ = (
        Index("ix_agent_actions_agent", "tenant_id", "agent_id", "created_at", "id"),
        Index("ix_agent_actions_ended", "tenant_id", "ended_at"),
    )

    agent_id: Mapped[str] = mapped_column(Id, ForeignKey("agents.id"))
    kind: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(200))
    content: Mapped[dict[str, Any]]
    content_hash: Mapped[str] = mapped_column(String(64))
    content_bytes: Mapped[int]
    services: Mapped[list[str]]
    executor: Mapped[str] = mapped_column(String(16))
    salt: Mapped[str] = mapped_column(String(64))
    requester_id: Mapped[str] = mapped_column(Id)
    status: Mapped[str] = mapped_column(String(16))
    policy: Mapped[dict[str, Any]]
    score: Mapped[float]
    threshold: Mapped[float | None]
    automatic: Mapped[bool]
    approvals: Mapped[list[Any]]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(Id)
    reason: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(Text)
