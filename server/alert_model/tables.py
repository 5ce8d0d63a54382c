"""The rows that all domains of alerting read: rules, alerts, and the history of alerts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text
from novaql.server.db.rows import Base, Row, TenantRow


class AlertRule(Row, Base):
    """A rule, and the result of its last evaluation.

    type     `alerting` or `recording`
    managed  its source: "" is the API, `slo:slo_…` an objective, `file` a rule file
    paused   the server does not evaluate it
    health   `unknown`, `ok` or `err`
    """

    __tablename__ = "alert_rules"
    __table_args__ = (Index("ix_alert_rules_group", "tenant_id", "group_id", "position"),)

    group_id: Mapped[str] = mapped_column(Id, ForeignKey("alert_rule_groups.id"))
    position: Mapped[int]
    type: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(300))
    expr: Mapped[str] = mapped_column(Text)
    for_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    keep_firing_for_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    labels: Mapped[dict[str, Any]]
    annotations: Mapped[dict[str, Any]]
    severity: Mapped[str | None] = mapped_column(String(200))
    service: Mapped[str | None] = mapped_column(String(200))
    no_data: Mapped[str] = mapped_column(String(16), default="ok")
    on_error: Mapped[str] = mapped_column(String(16), default="keep")
    channels: Mapped[list[str]]
    escalation_policy_id: Mapped[str | None] = mapped_column(Id)
    auto_incident: Mapped[bool] = mapped_column(default=False)
    managed: Mapped[str] = mapped_column(String(80), default="")
    paused: Mapped[bool] = mapped_column(default=False)
    health: Mapped[str] = mapped_column(String(16), default="unknown")
    last_error: Mapped[str] = mapped_column(Text, default="")
    evaluated_at: Mapped[datetime | None]
    evaluation_s: Mapped[float] = mapped_column(Float, default=0.0)
    series: Mapped[int] = mapped_column(default=0)


class Alert(Row, Base):
    """One alert of a rule. Its id is a function of tenant, rule and labels: all its episodes share
    one row.

    state           pending, firing, resolved; inactive if it ended before it fired
    value           of the expression, as text that reads back exactly
    started_at      when its condition became true
    fired_at, resolved_at   of this episode
    recovering_since   when its condition became false, while `keep_firing_for` lasts
    opens_incident  it is part of an incident, which receives an event when it ends
    """

    __tablename__ = "alerts"
    __table_args__ = (
        Index("ix_alerts_rule", "tenant_id", "rule_id", "state"),
        Index("ix_alerts_state", "tenant_id", "state", "created_at"),
    )

    rule_id: Mapped[str] = mapped_column(Id)
    name: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))
    labels: Mapped[dict[str, Any]]
    annotations: Mapped[dict[str, Any]]
    value: Mapped[str] = mapped_column(Text)
    service: Mapped[str | None] = mapped_column(String(200))
    severity: Mapped[str | None] = mapped_column(String(200))
    started_at: Mapped[datetime]
    fired_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    recovering_since: Mapped[datetime | None] = mapped_column("keeping_since")
    notified_at: Mapped[datetime | None]
    incident_id: Mapped[str | None] = mapped_column(Id)
    opens_incident: Mapped[bool] = mapped_column(default=False)


class AlertChange(TenantRow, Base):
    """One entry in the history of an alert."""

    __tablename__ = "alert_changes"
    __table_args__ = (Index("ix_alert_changes_alert", "tenant_id", "alert_id", "at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[str] = mapped_column(Id)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(24))
    value: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
