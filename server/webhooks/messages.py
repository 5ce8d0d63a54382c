"""Messages: written when an event is relayed, and kept until they are delivered or given up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import delete, select

from server.platform.api_version import event_in
from server.platform.clock import rfc3339
from server.platform.events import Consumer, Happened
from server.platform.ids import new_id
from server.platform.unit import Unit
from server.webhooks.events import wanted
from server.webhooks.tables import Webhook, WebhookAttempt, WebhookDelivery

JOB = "webhooks.deliver"
KEPT = timedelta(days=30)
"""How long the log remembers a message that was delivered or given up."""


def take(unit: Unit, event: Happened) -> None:
    """Write a message to every endpoint that wants the event."""
    active = select(Webhook).where(Webhook.status == "active").order_by(Webhook.id)
    ids = [w.id for w in unit.session.execute(active).scalars() if wanted(w.events, event.type)]
    if not ids:
        return
    locked = active.where(Webhook.id.in_(ids)).with_for_update()
    locked = locked.execution_options(populate_existing=True)
    for webhook in unit.session.execute(locked).scalars():
        delivery = message(unit, webhook, event.type, event.at, event.data, event.id)
        unit.enqueue(JOB, key=delivery.id, payload={"webhook_id": webhook.id})


CONSUMER = Consumer("*", take)


def message(
    unit: Unit, webhook: Webhook, type_: str, at: datetime, data: Mapping[str, Any], event_id: str
) -> WebhookDelivery:
    """A message of the endpoint, written in its version. The endpoint's row is locked."""
    now = unit.now()
    webhook.sequence += 1
    content = {
        "type": type_,
        "timestamp": rfc3339(at),
        "event_id": event_id,
        "api_version": webhook.api_version,
        "sequence": webhook.sequence,
        "data": event_in(webhook.api_version, type_, dict(data)),
    }
    delivery = WebhookDelivery(
        id=new_id("dlv"),
        created_at=now,
        updated_at=now,
        version=1,
        webhook_id=webhook.id,
        event_id=event_id,
        event_type=type_,
        body=orjson.dumps(content).decode(),
        status="pending",
        attempts=0,
        tries=0,
        since=now,
        next_at=now,
    )
    unit.session.add(delivery)
    unit.session.flush()
    return delivery


def forget_old(unit: Unit, webhook_id: str) -> None:
    """Forget the endpoint's messages that ended long ago."""
    old = select(WebhookDelivery.id).where(
        WebhookDelivery.webhook_id == webhook_id,
        WebhookDelivery.created_at <= unit.now() - KEPT,
        WebhookDelivery.status != "pending",
    )
    ids = list(unit.session.execute(old.limit(200)).scalars())
    remove(unit, ids)


def remove(unit: Unit, delivery_ids: list[str]) -> None:
    """Delete messages with their attempts."""
    for start in range(0, len(delivery_ids), 500):
        part = delivery_ids[start : start + 500]
        unit.session.execute(delete(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(part)))
        unit.session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(part)))
