"""The table of silences."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id
from novaql.server.db.rows import Base, Row


class SilenceRow(Row, Base):
    """A silence; its id is a function of tenant and matchers.

    matchers        [[name, op, value], …], sorted
    alert_id        the alert that it silences; None means every alert that the matchers match
    until_resolved  it ends when that alert resolves
    revisions       the last 100 revisions; the newest one is in force
    ends_at         end of the newest revision; None means when the alert resolves
    """

    __tablename__ = "alert_silences"
    __table_args__ = (Index("ix_alert_silences_alert", "tenant_id", "alert_id"),)

    matchers: Mapped[list[Any]]
    alert_id: Mapped[str | None] = mapped_column(Id)
    until_resolved: Mapped[bool] = mapped_column(default=False)
    revisions: Mapped[list[Any]]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    lifted_at: Mapped[datetime | None]
