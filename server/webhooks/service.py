"""Use cases of webhooks."""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import select

from novaql.server.auth.roles import Principal
from novaql.server.crypto.redaction import is_shown_url
from novaql.server.db.tables import Job
from novaql.server.db.tenant_limits import (
    DELIVERIES,
    PENDING_LIMIT,
    check_limit,
    remaining,
    too_many,
)
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, invalid, not_found
from novaql.server.http.pagination import Key, Page, Pager, equal_to
from novaql.server.http.preparing import Preparation
from novaql.server.webhooks.events import UnknownEvent, checked_filters
from novaql.server.webhooks.jobs import disable
from novaql.server.webhooks.messages import JOB, TEST, remove
from novaql.server.webhooks.schema import (
    ChangeWebhook,
    CreateWebhook,
    DeliveryQuery,
    Replay,
    RotateSecret,
    WebhookOut,
)
from novaql.server.webhooks.secrets import chosen_secret, rotate_secret, set_secret, set_url
from novaql.server.webhooks.tables import Webhook, WebhookAttempt, WebhookDelivery

LOG_KEYS = (
    Key(WebhookDelivery.created_at, descending=True),
    Key(WebhookDelivery.id, descending=True),
)
MOST_REPLAYED = 1000


def check_target(preparation: Preparation) -> None:
    """Reject a URL that the dialer does not allow. Before the transaction: it resolves a name."""
    body: CreateWebhook | ChangeWebhook = preparation.body
    context = preparation.context
    if body.url is None:
        return
    schemes = ("https", "http") if context.settings.webhook_http else ("https",)
    if "\n" in body.url or "\r" in body.url or " " in body.url:
        raise invalid("/url", "not a URL")
    if is_shown_url(body.url):
        raise invalid("/url", "this is a redacted URL; omit it to retain the stored one")
    context.dialer.check_url(body.url, schemes=schemes)


def create(
    unit: Unit,
    body: CreateWebhook,
    caller: Principal,
    api_version: str,
    event_types: Set[str],
) -> tuple[Webhook, str]:
    """Create a webhook. Returns its row and its secret.

    api_version  version of the messages, unless the body names one
    event_types  existing types of events
    """
    check_limit(unit, "max_webhooks", Webhook)
    webhook = unit.new(
        Webhook,
        "wh",
        events=_filters(body.events, event_types),
        description=body.description,
        api_version=body.api_version or api_version,
        status="active",
        sequence=0,
        created_by=caller.user_id,
    )
    secret = chosen_secret(body.secret)
    set_secret(unit, webhook, secret)
    set_url(unit, webhook, body.url)
    unit.session.add(webhook)
    unit.session.flush()
    unit.record(webhook, "webhook.create", None, partial(snapshot, unit))
    return webhook, secret


def change(
    unit: Unit,
    webhook_id: str,
    body: ChangeWebhook,
    expected: int | None,
    event_types: Set[str],
) -> Webhook:
    """Change a webhook, from the version `expected` that the client saw."""
    webhook = unit.get(Webhook, webhook_id, "webhook", lock=True)
    unit.expect(webhook, expected)
    before = snapshot(unit, webhook)
    if body.url is not None:
        set_url(unit, webhook, body.url)
    if body.description is not None:
        webhook.description = body.description
    if body.api_version is not None:
        webhook.api_version = body.api_version
    if body.events is not None:
        webhook.events = _filters(body.events, event_types)
    if body.enabled is True and webhook.status == "disabled":
        webhook.status, webhook.disabled_reason, webhook.disabled_at = "active", None, None
        webhook.failing_since = None
    if body.enabled is False and webhook.status == "active":
        disable(unit, webhook, "by_user")
    unit.record(webhook, "webhook.update", before, partial(snapshot, unit))
    return webhook


def rotate(unit: Unit, webhook_id: str, body: RotateSecret) -> tuple[Webhook, str]:
    """Replace the secret and return the new one. The previous one stays valid for a day."""
    webhook = unit.get(Webhook, webhook_id, "webhook", lock=True)
    before = snapshot(unit, webhook)
    overlap = timedelta(seconds=unit.settings.webhook_secret_overlap_s)
    secret = rotate_secret(unit, webhook, body.secret, overlap=overlap, force=body.force)
    unit.record(webhook, "webhook.rotate_secret", before, partial(snapshot, unit))
    return webhook, secret


def end_previous_secret(unit: Unit, webhook_id: str) -> None:
    """Invalidate the previous secret before the overlap ends. 404 if there is none."""
    webhook = unit.get(Webhook, webhook_id, "webhook", lock=True)
    until = webhook.previous_valid_until
    if until is None or until <= unit.now():
        raise not_found("previous_secret", webhook_id, unit.tenant_name)
    before = snapshot(unit, webhook)
    webhook.previous_secret = webhook.previous_valid_until = None
    unit.record(webhook, "webhook.end_previous_secret", before, partial(snapshot, unit))


def end(unit: Unit, webhook_id: str) -> None:
    """Delete a webhook, its log, and its pending messages."""
    unit.get(Webhook, webhook_id, "webhook")
    own = select(WebhookDelivery.id).where(WebhookDelivery.webhook_id == webhook_id)
    pending = own.where(WebhookDelivery.status == "pending")
    # Lock order: jobs first. A job that ends holds its own row.
    unit.cancel(JOB, list(unit.session.execute(pending).scalars()))
    webhook = unit.get(Webhook, webhook_id, "webhook", lock=True)
    unit.audit("webhook.delete", ("webhook", webhook.id), before=snapshot(unit, webhook))
    remove(unit, list(unit.session.execute(own).scalars()))
    unit.session.delete(webhook)


def log(unit: Unit, pages: Pager, webhook_id: str, query: DeliveryQuery) -> Page[WebhookDelivery]:
    """A page of a webhook's messages, newest first."""
    unit.get(Webhook, webhook_id, "webhook")
    statement = select(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id, *equal_to(WebhookDelivery, query, "status")
    )
    if query.type is not None:
        statement = statement.where(WebhookDelivery.event_type == query.type)
    return pages.page(unit, statement, LOG_KEYS, query)


def delivery_of(
    unit: Unit, webhook_id: str, delivery_id: str, *, lock: bool = False
) -> WebhookDelivery:
    """Find a message of this webhook. A message of another webhook is a 404."""
    unit.get(Webhook, webhook_id, "webhook", lock=lock)
    delivery = unit.get(WebhookDelivery, delivery_id, "delivery", lock=lock)
    if delivery.webhook_id != webhook_id:
        raise not_found("delivery", delivery_id, unit.tenant_name)
    return delivery


def attempts_of(unit: Unit, delivery: WebhookDelivery) -> list[WebhookAttempt]:
    """The attempts of a message, oldest first."""
    statement = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery.id)
    return list(unit.session.execute(statement.order_by(WebhookAttempt.number)).scalars())


def replay_one(unit: Unit, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Replay a delivered or dead message: same id, same bytes, new signature."""
    delivery = delivery_of(unit, webhook_id, delivery_id, lock=True)
    _must_be_active(unit.get(Webhook, webhook_id, "webhook"))
    if delivery.status == "pending":
        raise Conflict("the message is still on its way", code="delivery_pending")
    check_limit(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    before = {"status": delivery.status}
    _again(unit, delivery)
    after = {"status": "pending"}
    unit.audit("webhook.replay", ("webhook_delivery", delivery.id), before=before, after=after)
    return delivery


def replay_dead(unit: Unit, webhook_id: str, body: Replay) -> int:
    """Replay dead letters, oldest first. Returns their number. A failed test is no dead letter.

    It replays at most 1000, and at most as many as the limit of pending messages allows.
    """
    _must_be_active(unit.get(Webhook, webhook_id, "webhook", lock=True))
    dead = select(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id,
        WebhookDelivery.status == "dead",
        WebhookDelivery.event_type != TEST,
    )
    left = remaining(unit, PENDING_LIMIT, Job, Job.kind.in_(DELIVERIES))
    if left <= 0:
        raise too_many(unit, PENDING_LIMIT)
    most = int(min(left, MOST_REPLAYED))
    if body.since is not None:
        dead = dead.where(WebhookDelivery.created_at >= body.since)
    if body.until is not None:
        dead = dead.where(WebhookDelivery.created_at < body.until)
    dead = dead.order_by(WebhookDelivery.created_at, WebhookDelivery.id).limit(most)
    found = list(unit.session.execute(dead.with_for_update()).scalars())
    for delivery in found:
        _again(unit, delivery)
    unit.audit("webhook.replay", ("webhook", webhook_id), after={"replayed": len(found)})
    return len(found)


def snapshot(unit: Unit, webhook: Webhook) -> dict[str, Any]:
    """A webhook as the audit log stores it: with changes of secret and URL, not their values."""
    moving = {"last_delivery", "failing_since"}
    shown = WebhookOut.of(unit, webhook).model_dump(mode="json", exclude=moving)
    return {**shown, "secret": webhook.secret, "secret_url": webhook.url}


def _again(unit: Unit, delivery: WebhookDelivery) -> None:
    delivery.status, delivery.reason, delivery.tries = "pending", None, 0
    delivery.since = delivery.next_at = unit.now()
    unit.touch(delivery)
    unit.enqueue(JOB, key=delivery.id, payload={"webhook_id": delivery.webhook_id})


def _must_be_active(webhook: Webhook) -> None:
    if webhook.status != "active":
        raise Conflict('the webhook is disabled; PATCH it with {"enabled": true}', code="disabled")


def _filters(given: list[str], event_types: Set[str]) -> list[str]:
    try:
        return list(checked_filters(given, event_types))
    except UnknownEvent as problem:
        raise invalid("/events", str(problem)) from None
