"""/v1/webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from sqlalchemy import select
from starlette.requests import Request

from novaql.server.egress.outgoing import HttpAttempt
from novaql.server.http.dependencies import (
    ADMIN,
    ApiVersion,
    Caller,
    IfMatch,
    Pages,
    ResourceId,
    Server,
    UnitOfWork,
    if_match,
)
from novaql.server.http.pagination import Key, equal_to
from novaql.server.http.preparing import checked
from novaql.server.http.routing import api_router, audited
from novaql.server.http.transaction import ExternalCall
from novaql.server.ids import new_id
from novaql.server.webhooks import service
from novaql.server.webhooks.jobs import prepared, record, send
from novaql.server.webhooks.messages import TEST, message
from novaql.server.webhooks.schema import (
    ChangeWebhook,
    CreatedWebhook,
    CreateWebhook,
    DeliveriesOut,
    DeliveryInFull,
    DeliveryOut,
    DeliveryQuery,
    Replay,
    Replayed,
    RotatedSecret,
    RotateSecret,
    Tested,
    WebhookOut,
    WebhookQuery,
    WebhooksOut,
)
from novaql.server.webhooks.tables import Webhook, WebhookDelivery

router = api_router("/v1/webhooks", "webhooks")
KEYS = (Key(Webhook.created_at), Key(Webhook.id))


async def check_new_target(request: Request, body: CreateWebhook) -> None:
    """Reject a URL to which the server does not send."""
    await checked(request, body, service.check_target)


async def check_changed_target(request: Request, body: ChangeWebhook) -> None:
    """Reject a URL to which the server does not send."""
    await checked(request, body, service.check_target)


@router.get("", dependencies=[ADMIN])
def list_webhooks(
    unit: UnitOfWork, pages: Pages, query: Annotated[WebhookQuery, Query()]
) -> WebhooksOut:
    """The webhooks, with their filters and the result of the last delivery."""
    found = select(Webhook).where(*equal_to(Webhook, query, "status"))
    page = pages.page(unit, found, KEYS, query)
    return WebhooksOut.of(page, lambda webhook: WebhookOut.of(unit, webhook))


@router.post("", status_code=201, dependencies=[ADMIN, Depends(check_new_target)])
@audited("webhook.create")
def create_webhook(
    unit: UnitOfWork,
    body: CreateWebhook,
    caller: Caller,
    version: ApiVersion,
    server: Server,
    response: Response,
) -> CreatedWebhook:
    """Create a webhook: subscribe a URL to events. Only this answer contains its signing secret.

    The server signs messages as in Standard Webhooks 1.0 (HMAC-SHA256, headers `webhook-id`,
    `webhook-timestamp`, `webhook-signature`). Only a 2xx within 15 seconds counts as delivered; the
    server does not follow redirects. It retries a failed message after 5 s, 5 min, 30 min, 2 h,
    5 h, 10 h, 14 h, 20 h and 24 h, with jitter, or later if `Retry-After` requests it. The message
    then becomes a dead letter. If no message was delivered in all that time, the server disables
    the webhook; after a 410, it does so at once. The URL must begin with `https://` and resolve to
    a public address.
    """
    webhook, secret = service.create(unit, body, caller, version, server.event_types)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    return CreatedWebhook(**WebhookOut.of(unit, webhook).model_dump(), secret=secret)


@router.get("/{id}", dependencies=[ADMIN])
def get_webhook(unit: UnitOfWork, id: ResourceId) -> WebhookOut:
    """One webhook, without its secret."""
    return WebhookOut.of(unit, unit.get(Webhook, id, "webhook"))


@router.patch(
    "/{id}",
    responses={409: {}, 422: {}},
    dependencies=[ADMIN, Depends(if_match), Depends(check_changed_target)],
)
@audited("webhook.update")
def change_webhook(
    unit: UnitOfWork, id: ResourceId, body: ChangeWebhook, seen: IfMatch, server: Server
) -> WebhookOut:
    """Change, enable or disable a webhook."""
    expected = body.version if seen is None else seen
    return WebhookOut.of(unit, service.change(unit, id, body, expected, server.event_types))


@router.post("/{id}/rotate-secret", dependencies=[ADMIN])
@audited("webhook.rotate_secret")
def rotate_secret(unit: UnitOfWork, id: ResourceId, body: RotateSecret) -> RotatedSecret:
    """Rotate the signing secret of a webhook. Only this answer contains the new secret.

    For 24 hours the server signs every attempt with both secrets, including attempts of earlier
    messages. A second rotation in that time is a 409 `rotation_in_progress`, unless it is forced.
    """
    webhook, secret = service.rotate(unit, id, body)
    until = webhook.previous_valid_until
    return RotatedSecret(
        id=webhook.id, secret=secret, previous_valid_until=until, version=webhook.version
    )


@router.delete("/{id}/previous-secret", status_code=204, dependencies=[ADMIN])
@audited("webhook.end_previous_secret")
def end_previous_secret(unit: UnitOfWork, id: ResourceId) -> None:
    """Invalidate the previous secret of a webhook now. 404 if there is none."""
    service.end_previous_secret(unit, id)


@router.post("/{id}/test", response_model=Tested, dependencies=[ADMIN])
@audited("webhook.test")
def test_webhook(
    unit: UnitOfWork, id: ResourceId, server: Server
) -> ExternalCall[HttpAttempt, Tested]:
    """Send an event of type `webhook.test` once, now, and return the receiver's response.

    The delivery log contains the message. It does not count as a success or failure of the webhook.
    """
    webhook = unit.get(Webhook, id, "webhook", lock=True)
    data = {"webhook_id": webhook.id, "text": "This is a test."}
    delivery = message(unit, webhook, TEST, unit.now(), data, new_id("evt"))
    sending = prepared(unit, webhook, delivery)
    delivery.status, delivery.next_at = "dead", None  # replaced if the attempt succeeds
    delivery_id, webhook_id = delivery.id, webhook.id

    def finish(attempt: HttpAttempt) -> Tested:
        known = unit.find(Webhook, webhook_id, lock=True)
        delivery = unit.find(WebhookDelivery, delivery_id, lock=True)
        if known is not None and delivery is not None:
            last = known.last_delivery
            record(unit, known, delivery, sending.at, attempt)
            known.last_delivery = last
            if attempt.delivered:
                delivery.status, delivery.delivered_at = "delivered", sending.at
        tested = Tested.model_validate(attempt)
        after = tested.model_dump(exclude={"latency_ms"})
        unit.audit("webhook.test", ("webhook", webhook_id), after=after)
        return tested

    return ExternalCall(lambda: send(server, sending), finish)


@router.delete("/{id}", status_code=204, dependencies=[ADMIN])
@audited("webhook.delete")
def delete_webhook(unit: UnitOfWork, id: ResourceId) -> None:
    """Delete a webhook. The server sends no further messages and no retries."""
    service.end(unit, id)


@router.get("/{id}/deliveries", dependencies=[ADMIN])
def list_deliveries(
    unit: UnitOfWork,
    pages: Pages,
    id: ResourceId,
    query: Annotated[DeliveryQuery, Query()],
) -> DeliveriesOut:
    """The messages to a webhook, newest first. The server deletes them after 30 days."""
    return DeliveriesOut.of(service.log(unit, pages, id, query), DeliveryOut.model_validate)


@router.get("/{id}/deliveries/{delivery_id}", dependencies=[ADMIN])
def get_delivery(unit: UnitOfWork, id: ResourceId, delivery_id: ResourceId) -> DeliveryInFull:
    """One message, with its body and attempts."""
    delivery = service.delivery_of(unit, id, delivery_id)
    return DeliveryInFull.with_history(delivery, service.attempts_of(unit, delivery))


@router.post("/{id}/deliveries/{delivery_id}/replay", status_code=202, dependencies=[ADMIN])
@audited("webhook.replay")
def replay_delivery(unit: UnitOfWork, id: ResourceId, delivery_id: ResourceId) -> DeliveryOut:
    """Replay a delivered or dead message, with the same id."""
    return DeliveryOut.model_validate(service.replay_one(unit, id, delivery_id))


@router.post("/{id}/replay", status_code=202, dependencies=[ADMIN])
@audited("webhook.replay")
def replay_dead_letters(unit: UnitOfWork, id: ResourceId, body: Replay) -> Replayed:
    """Replay the dead letters of a webhook, oldest first, at most 1000. Failed tests are none."""
    return Replayed(replayed=service.replay_dead(unit, id, body))
