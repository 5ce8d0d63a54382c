"""Tables of webhooks: endpoints, messages to them, and every attempt to deliver one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from novaql.server.db.columns import Id, String, Text, sealed_for
from novaql.server.db.rows import Base, Row, TenantRow


class Webhook(Row, Base):
    """An endpoint that receives events.

    events           filters, sorted: `*`, `incident.*`, or a whole type
    api_version      version of the messages to it
    url              sealed; answers show only scheme and host
    secret, previous_secret   sealed; the second also signs until `previous_valid_until`
    status           `active` or `disabled`; `disabled_reason`: `gone`, `failing`, `by_user`
    sequence         number of messages
    failing_since    time of the first failure after the last success
    last_delivery    result of the last attempt, for the list
    """

    __tablename__ = "webhooks"

    url: Mapped[str] = mapped_column(Text, info=sealed_for("webhook:{id}:url", was_plain=True))
    events: Mapped[list[str]]
    description: Mapped[str] = mapped_column(Text, default="")
    api_version: Mapped[str] = mapped_column(String(10))
    secret: Mapped[str] = mapped_column(Text, info=sealed_for("webhook:{id}:secret"))
    previous_secret: Mapped[str | None] = mapped_column(
        Text, info=sealed_for("webhook:{id}:secret")
    )
    previous_valid_until: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16))
    disabled_reason: Mapped[str | None] = mapped_column(String(16))
    disabled_at: Mapped[datetime | None]
    sequence: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    last_delivery: Mapped[dict[str, Any] | None]
    created_by: Mapped[str] = mapped_column(Id)


class WebhookDelivery(Row, Base):
    """A message to one endpoint.

    event_id     id of its event; a test has a new id
    body         the bytes to send, as text
    status       `pending`, `delivered`, or `dead` with a `reason`: `exhausted`, `gone`, `disabled`,
                 `limit_reached`
    attempts     number of attempts; `tries` counts those since the last replay
    since        time of creation, or of the last replay
    next_at      time of the next attempt
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_id_created_at", "webhook_id", "created_at"),
    )

    webhook_id: Mapped[str] = mapped_column(Id, ForeignKey("webhooks.id"))
    event_id: Mapped[str] = mapped_column(Id)
    event_type: Mapped[str] = mapped_column(String(100))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime]
    next_at: Mapped[datetime | None]
    last_status_code: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(String(32))
    delivered_at: Mapped[datetime | None]


class WebhookAttempt(TenantRow, Base):
    """One attempt to deliver a message, with its result."""

    __tablename__ = "webhook_attempts"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    delivery_id: Mapped[str] = mapped_column(Id, ForeignKey("webhook_deliveries.id"), index=True)
    number: Mapped[int]
    at: Mapped[datetime]
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(32))
    latency_ms: Mapped[float]
    excerpt: Mapped[str] = mapped_column(Text)
