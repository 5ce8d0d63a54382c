"""The table of escalation policies, which incidents and alert rules refer to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import String
from novaql.server.db.rows import Base, Row


class EscalationPolicy(Row, Base):
    """The targets to page for an incident, in order.

    steps          as in the body of the request that saved it, with waits in seconds
    repeat         how many more times the steps run
    ack_timeout_s  the time after which an acknowledgement expires; None: never
    turns          step → index of the target that is next, of steps with the mode `round_robin`
    """

    __tablename__ = "escalation_policies"
    __table_args__ = (Index("ix_escalation_policies_time", "tenant_id", "created_at", "id"),)

    name: Mapped[str] = mapped_column(String(200))
    steps: Mapped[list[Any]]
    repeat: Mapped[int] = mapped_column("repeats")
    ack_timeout_s: Mapped[float | None]
    turns: Mapped[dict[str, Any]] = mapped_column(default=dict)
