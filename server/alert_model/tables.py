"""The tables of rules, alerts, silences, and who was told of what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class RuleGroup(Row, Base):
    """Rules that are evaluated one after the other, at the same times.

    file          where it comes from: `api/rule_…` for a rule that was posted, `slo/slo_…` for the
                  burn alerts of an objective, else the name that a rule file was imported under
    anchor        evaluations are at this time and whole intervals after it
    evaluated_at  time of the last evaluation
    resumed_at    when evaluations began again after an outage
    missed        evaluations that were left out, since there was no time for them
    intended      rule id → series that an evaluation was about to write for the first time; when
                  it is killed then, the next one knows which series may have to be ended
    version       changes with every change of a rule in it
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


class AlertRule(Row, Base):
    """A rule, and how its last evaluation went.

    type     `alerting` or `recording`
    managed  what keeps it up to date: "" people, `slo:slo_…` an objective, `file` a rule file
    paused   it is not evaluated, and raises nothing
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


class RecordedSeries(TenantRow, Base):
    """The series that a recording rule wrote last, so that those that go can be marked stale."""

    __tablename__ = "alert_recorded_series"

    rule_id: Mapped[str] = mapped_column(Id, ForeignKey("alert_rules.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    series: Mapped[list[Any]]


class Alert(Row, Base):
    """One alert of a rule: its id is a function of tenant, rule and labels, so it is one row
    however often it comes and goes.

    state        pending, firing, resolved; inactive: it went away before it fired
    value        of the expression, as text that reads back exactly
    started_at   since when its condition holds
    fired_at, resolved_at   of this episode
    keeping_since  since when its condition no longer holds while it is kept firing
    opens_incident  it opened an incident, or is part of one, which is to hear of its end
    rule_channels  channels that the rule names, in place of the routing tree's
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
    keeping_since: Mapped[datetime | None]
    notified_at: Mapped[datetime | None]
    incident_id: Mapped[str | None] = mapped_column(Id)
    opens_incident: Mapped[bool] = mapped_column(default=False)


class AlertChange(TenantRow, Base):
    """What happened to an alert: its history."""

    __tablename__ = "alert_changes"
    __table_args__ = (Index("ix_alert_changes_alert", "tenant_id", "alert_id", "at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[str] = mapped_column(Id)
    at: Mapped[datetime]
    type: Mapped[str] = mapped_column(String(24))
    value: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")


class SilenceRow(Row, Base):
    """A silence; its id is a function of tenant and matchers.

    matchers        [[name, op, value], …], sorted
    alert_id        the alert it was made for; None: whatever the matchers match
    until_resolved  it ends when that alert resolves
    revisions       what it said, up to 100 times; the last counts
    ends_at         of the last revision; None: when the alert resolves
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


class Channel(Row, Base):
    """Where notifications go: `webhook`, `slack`, `email` or `sink`. Its name never changes.

    settings  what is no secret
    sealed    the secrets, sealed JSON; "" for none
    url       of a webhook, sealed; "" for others
    """

    __tablename__ = "notification_channels"
    __table_args__ = (UniqueConstraint("tenant_id", "name", name="uq_notification_channels_name"),)

    name: Mapped[str] = mapped_column(String(100))
    type: Mapped[str] = mapped_column(String(16))
    settings: Mapped[dict[str, Any]]
    sealed: Mapped[str] = mapped_column(Text, default="", info=sealed_for("channel:{id}:secrets"))
    url: Mapped[str] = mapped_column(
        Text, default="", server_default="", info=sealed_for("channel:{id}:url", was_plain=True)
    )
    send_resolved: Mapped[bool] = mapped_column(default=True)


class Routing(Row, Base):
    """A tenant's routing tree, inhibition rules and time intervals, as they were written."""

    __tablename__ = "alert_routing"
    __table_args__ = (UniqueConstraint("tenant_id", name="uq_alert_routing_tenant"),)

    config: Mapped[dict[str, Any]]


class NotificationGroup(Row, Base):
    """Alerts that are told together.

    destination  the node of the routing tree: channels, intervals, mute times
    told         channel → what it was last told: {at, firing, resolved}
    next_flush   when it is looked at next
    """

    __tablename__ = "notification_groups"

    destination: Mapped[dict[str, Any]]
    labels: Mapped[dict[str, Any]]
    told: Mapped[dict[str, Any]]
    next_flush: Mapped[datetime]


class GroupMember(TenantRow, Base):
    """An alert in a group: it fires, or its end has not been told yet."""

    __tablename__ = "notification_group_members"

    group_id: Mapped[str] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[str] = mapped_column(Id, primary_key=True, index=True)


class Notification(Row, Base):
    """One message to one channel: the log of notifications.

    why      new_alerts, all_resolved, some_resolved, repeat, by_hand or test
    status   pending, sent, or failed: given up after so many attempts
    payload  what is told, before the channel's own form
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_channel", "tenant_id", "channel", "created_at"),
        Index("ix_notifications_group", "tenant_id", "group_id", "created_at"),
        Index("ix_notifications_alert", "tenant_id", "alert_id", "created_at"),
    )

    channel: Mapped[str] = mapped_column(String(100))
    channel_type: Mapped[str] = mapped_column(String(16))
    group_id: Mapped[str] = mapped_column(Id)
    alert_id: Mapped[str | None] = mapped_column(Id)
    why: Mapped[str] = mapped_column(String(24))
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    firing: Mapped[int]
    resolved: Mapped[int]
    error: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None]
    payload: Mapped[dict[str, Any]]
