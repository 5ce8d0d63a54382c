"""The tables of escalation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row


class EscalationRun(Row, Base):
    """The escalation of one incident.

    policy    as it was when the incident was created
    cycle     number of the pass over the steps, from 0; it also grows when an acknowledgement
              expires
    repeats   passes since the start or the last expiry, without the first
    step      index of the next step
    next_at   when that step is due; None: it is not running
    ack_due   when the acknowledgement expires; None: never
    required, needed   users paged by a step with the mode `multi_ack`, and how many of them have to
              acknowledge; empty: any user
    """

    __tablename__ = "escalation_runs"
    __table_args__ = (UniqueConstraint("incident_id", name="uq_escalation_runs_incident"),)

    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id"))
    policy: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    cycle: Mapped[int] = mapped_column(default=0)
    repeats: Mapped[int] = mapped_column(default=0)
    step: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    ack_due: Mapped[datetime | None]
    required: Mapped[list[str]] = mapped_column(default=list)
    needed: Mapped[int] = mapped_column(default=0)


class Page(Row, Base):
    """One message of a step to one contact: a contact method of a user, or a channel.

    target_type   `user` or `channel`
    schedule_id   the schedule by which the step found the user
    method_id     a contact method, a channel, MAIL for the address of the user, or NONE
    delay_s       of the notification rule
    status        see `PageStatus`; `reason`: why it failed or was cancelled
    deliver_at    when the first attempt is due
    attempted_at  when the last attempt began
    content       the incident, as the message shows it
    """

    __tablename__ = "pages"
    __table_args__ = (
        UniqueConstraint(
            *("run_id", "cycle", "step", "target_id", "method_id", "delay_s"),
            name="uq_pages_contact",
        ),
        Index("ix_pages_time", "tenant_id", "created_at", "id"),
        Index("ix_pages_incident", "tenant_id", "incident_id", "created_at", "id"),
        Index("ix_pages_target", "tenant_id", "target_id", "created_at", "id"),
    )

    incident_id: Mapped[str] = mapped_column(Id, ForeignKey("incidents.id"), index=True)
    run_id: Mapped[str] = mapped_column(Id)
    cycle: Mapped[int]
    step: Mapped[int]
    target_type: Mapped[str] = mapped_column(String(16))
    target_id: Mapped[str] = mapped_column(Id)
    target_name: Mapped[str]
    schedule_id: Mapped[str | None] = mapped_column(Id)
    method_id: Mapped[str] = mapped_column(Id)
    method_type: Mapped[str] = mapped_column(String(16))
    delay_s: Mapped[float]
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    deliver_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    attempted_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    content: Mapped[dict[str, Any]]


MAIL, NONE = "mail", "none"
"""Values of `method_id` for a user without contact methods."""
