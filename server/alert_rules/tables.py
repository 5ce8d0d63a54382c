"""The tables of rule groups, and of the series that recording rules write."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String
from novaql.server.db.rows import Base, Row, TenantRow


class RuleGroup(Row, Base):
    """Rules that are evaluated in order, at the same times.

    file          its origin: `api/rule_…` for a rule that the API created, `slo/slo_…` for the burn
                  alerts of an objective, otherwise the name of an imported rule file
    anchor        time of the first evaluation
    evaluated_at  time of the last evaluation
    resumed_at    time of the first evaluation after an outage
    missed        number of evaluations that a late server skipped
    intended      rule id → series that an evaluation is about to write for the first time; if the
                  process dies in between, the next evaluation ends those that are gone
    version       changes with every change of a rule of the group
    """

    __tablename__ = "alert_rule_groups"
    __table_args__ = (
        UniqueConstraint("tenant_id", "file", "name", name="uq_alert_rule_groups_name"),
    )

    file: Mapped[str] = mapped_column(String(300))
    name: Mapped[str] = mapped_column(String(300))
    interval_ms: Mapped[int] = mapped_column(BigInteger)
    query_offset_ms: Mapped[int | None] = mapped_column(BigInteger)
    limit: Mapped[int] = mapped_column(default=0)
    labels: Mapped[dict[str, Any]]
    anchor: Mapped[datetime]
    evaluated_at: Mapped[datetime | None]
    resumed_at: Mapped[datetime | None]
    evaluation_s: Mapped[float] = mapped_column(Float, default=0.0)
    evaluations: Mapped[int] = mapped_column(BigInteger, default=0)
    missed: Mapped[int] = mapped_column(BigInteger, default=0)
    intended: Mapped[dict[str, Any]] = mapped_column(default=dict)


class RecordedSeries(TenantRow, Base):
    """The last written series of a recording rule. The next evaluation ends those that it does not
    write again."""

    __tablename__ = "alert_recorded_series"

    rule_id: Mapped[str] = mapped_column(Id, ForeignKey("alert_rules.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    series: Mapped[list[Any]]
