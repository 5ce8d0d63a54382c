"""The tables of channels, of the routing, of groups of alerts, and of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class Channel(Row, Base):
    """A target of notifications: `webhook`, `slack`, `email` or `sink`. Its name never changes.

    settings  everything that is not a secret
    sealed    the secrets as sealed JSON; "" for none
    url       the sealed URL of a webhook; "" for other types
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
    """The routing tree, inhibition rules and time intervals of a tenant, as a client sent them."""

    __tablename__ = "alert_routing"
    __table_args__ = (UniqueConstraint("tenant_id", name="uq_alert_routing_tenant"),)

    config: Mapped[dict[str, Any]]


class NotificationGroup(Row, Base):
    """Alerts that one notification covers.

    destination  the node of the routing tree: channels, intervals, mute times
    notified     channel → its last notification: {at, firing, resolved}
    next_flush   time of the next flush
    """

    __tablename__ = "notification_groups"

    destination: Mapped[dict[str, Any]]
    labels: Mapped[dict[str, Any]]
    notified: Mapped[dict[str, Any]]
    next_flush: Mapped[datetime]


class GroupMember(TenantRow, Base):
    """An alert in a group. It fires, or no notification has reported its end yet."""

    __tablename__ = "notification_group_members"

    group_id: Mapped[str] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[str] = mapped_column(Id, primary_key=True, index=True)


class Notification(Row, Base):
    """One message to one channel: the log of notifications.

    why      the reason: new_alerts, all_resolved, some_resolved, repeat, by_hand, test or runbook
    status   pending, sent, or failed after the last attempt
    payload  the content, before it is formatted for the channel: alerts, or the text `message`
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
