"""Tables of runbooks, their runs, the steps of runs, and the stop switch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class Runbook(Row, Base):
    """A runbook.

    parameters, steps, guardrails, approval_policy   as the API shows them
    sealed   the values of secret parameters, as sealed JSON; "" for none
    """

    __tablename__ = "runbooks"
    __table_args__ = (
        UniqueConstraint("tenant_id", "name", name="uq_runbooks_tenant_name"),
        Index("ix_runbooks_service", "tenant_id", "service"),
    )

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    service: Mapped[str | None] = mapped_column(String(200))
    parameters: Mapped[list[Any]]
    steps: Mapped[list[Any]]
    guardrails: Mapped[dict[str, Any]]
    approval_policy: Mapped[dict[str, Any]]
    sealed: Mapped[str] = mapped_column(Text, default="", info=sealed_for("runbook:{id}:secrets"))
    created_by: Mapped[str] = mapped_column(Id)


class RunbookRun(Row, Base):
    """A run of a runbook.

    content       what is executed, as approvers see it: `content_hash` identifies it
    sealed        the values of its secret parameters and their salts, as sealed JSON; "" for none
    agent_id      the agent that executes it, with its queued action; None: a user's own run
    position      index of the current step
    approvals     user ids and times, of the run as a whole
    expires_at    it has to be approved by then; deadline_at: it has to end by then
    cancelled_by  the user who cancelled it; it ends at the next step boundary
    """

    __tablename__ = "runbook_runs"
    __table_args__ = (
        Index("ix_runbook_runs_runbook", "tenant_id", "runbook_id", "created_at", "id"),
        Index("ix_runbook_runs_ended", "tenant_id", "ended_at"),
        Index("ix_runbook_runs_action", "tenant_id", "action_id"),
        Index("ix_runbook_runs_incident", "tenant_id", "incident_id"),
    )

    runbook_id: Mapped[str] = mapped_column(Id)
    runbook_version: Mapped[int]
    name: Mapped[str] = mapped_column(String(200))
    services: Mapped[list[str]]
    requester_id: Mapped[str] = mapped_column(Id)
    requester_name: Mapped[str] = mapped_column(String(200))
    agent_id: Mapped[str | None] = mapped_column(Id)
    action_id: Mapped[str | None] = mapped_column(Id)
    incident_id: Mapped[str | None] = mapped_column(Id)
    dry_run: Mapped[bool]
    content: Mapped[dict[str, Any]]
    content_hash: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[str] = mapped_column(
        Text, default="", info=sealed_for("runbook_run:{id}:secrets")
    )
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int]
    approvals: Mapped[list[Any]]
    expires_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None] = mapped_column(Id)


class RunbookStepRun(TenantRow, Base):
    """A step of a run.

    attempt   from 1
    output    redacted, and of limited size; `truncated`: it was longer
    detail    why it has its state, in one sentence
    until_at  the end of a wait, of the time for an approval, or of the pause before a retry
    """

    __tablename__ = "runbook_step_runs"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runbook_runs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(20))
    attempt: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    until_at: Mapped[datetime | None]
    output: Mapped[str] = mapped_column(Text)
    truncated: Mapped[bool]
    exit_code: Mapped[int | None]
    detail: Mapped[str] = mapped_column(Text)
    approvals: Mapped[list[Any]]


class RunbookSwitch(Row, Base):
    """The stop switch of a tenant: its row exists once it was used.

    stopped  no run begins, and running ones are cancelled
    """

    __tablename__ = "runbook_switches"
    __table_args__ = (UniqueConstraint("tenant_id", name="uq_runbook_switches_tenant"),)

    stopped: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(Id)
