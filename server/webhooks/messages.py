"""Messages: the relay of an event writes them, and the log retains them for 30 days."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from novaql.server.clock import rfc3339
from novaql.server.db.batches import batches
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import DELIVERIES, PENDING_LIMIT, remaining
from novaql.server.db.unit import Unit
from novaql.server.http.json_bytes import json_bytes
from novaql.server.jobs.outbox import Consumer, EventEnvelope
from novaql.server.versions import event_in
from novaql.server.webhooks.events import wanted
from novaql.server.webhooks.tables import Webhook, WebhookAttempt, WebhookDelivery

log = logging.getLogger(__name__)
JOB = "webhooks.deliver"
TEST = "webhook.test"
"""The type of an event that a client sends to try a webhook."""
RETENTION = timedelta(days=30)
"""How long the log retains a message after it is delivered or given up."""

LIMIT_REACHED = "limit_reached"
"""The reason of a dead letter without an attempt: the tenant is at its limit of pending ones."""


def take(unit: Unit, event: EventEnvelope) -> None:
    """Write a message to every active endpoint with a matching filter.

    Above `max_pending_deliveries` the message is a dead letter at once. The log shows it, and
    clients can replay it.
    """
    active = select(Webhook).where(Webhook.status == "active").order_by(Webhook.id)
    ids = [w.id for w in unit.session.execute(active).scalars() if wanted(w.events, event.type)]
    if not ids:
        return
    locked = active.where(Webhook.id.in_(ids)).with_for_update()
    locked = locked.execution_options(populate_existing=True)
    left = remaining(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    for webhook in unit.session.execute(locked).scalars():
        delivery = message(unit, webhook, event.type, event.at, event.data, event.id)
        if left <= 0:
            delivery.status, delivery.reason, delivery.next_at = "dead", LIMIT_REACHED, None
            log.warning("webhook %s: a message is not sent: too many wait", webhook.id)
            continue
        left -= 1
        unit.enqueue(JOB, key=delivery.id, payload={"webhook_id": webhook.id})


def subscribed(unit: Unit) -> list[str]:
    """The filters of all active endpoints."""
    rows = unit.session.execute(select(Webhook.events).where(Webhook.status == "active")).scalars()
    return sorted({pattern for filters in rows for pattern in filters})


CONSUMER = Consumer("*", take, subscribed)


def message(
    unit: Unit, webhook: Webhook, type_: str, at: datetime, data: Mapping[str, Any], event_id: str
) -> WebhookDelivery:
    """Write a message in the endpoint's API version. The caller has locked the endpoint's row."""
    webhook.sequence += 1
    content = {
        "type": type_,
        "timestamp": rfc3339(at),
        "event_id": event_id,
        "api_version": webhook.api_version,
        "sequence": webhook.sequence,
        "data": event_in(webhook.api_version, type_, dict(data)),
    }
    now = unit.now()
    delivery = unit.new(
        WebhookDelivery,
        "dlv",
        webhook_id=webhook.id,
        event_id=event_id,
        event_type=type_,
        body=json_bytes(content).decode(),
        status="pending",
        attempts=0,
        tries=0,
        since=now,
        next_at=now,
    )
    unit.session.add(delivery)
    unit.session.flush()
    return delivery


def remove(unit: Unit, delivery_ids: list[str]) -> None:
    """Delete messages with their attempts."""
    for part in batches(delivery_ids):
        unit.session.execute(delete(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(part)))
        unit.session.execute(delete(WebhookDelivery).where(WebhookDelivery.id.in_(part)))
