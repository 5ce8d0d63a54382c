"""/v1/webhooks."""

from __future__ import annotations

from typing import Any

from novaql.server.platform.calls import (
    Answer,
    Call,
    Outside,
    accepted,
    created,
    listed,
    no_content,
    ok,
    operation,
)
from novaql.server.platform.endpoint import Endpoint
from novaql.server.platform.ids import new_id
from novaql.server.platform.outgoing import Met, post
from novaql.server.platform.scopes import Role
from novaql.server.webhooks import service
from novaql.server.webhooks.jobs import prepared, record
from novaql.server.webhooks.messages import message
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


def list_webhooks(call: Call) -> Answer:
    """The subscriptions with their filters and how the last delivery went."""
    return listed(
        service.find(call, call.query(WebhookQuery)), lambda row: WebhookOut.of(call, row)
    )


def create_webhook(call: Call) -> Answer:
    """Subscribe a URL to events. Its signing secret is in this answer and nowhere else.

    Messages are signed as Standard Webhooks 1.0 says (HMAC-SHA256, headers `webhook-id`,
    `webhook-timestamp`, `webhook-signature`). Only 2xx is heard, within 15 seconds; redirects are
    not followed. What is not heard is sent again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h,
    20 h and 24 h, with jitter, later if `Retry-After` says so, and is then a dead letter. An
    endpoint to which nothing got through all that time is disabled; one that answers 410, at once.
    The URL must begin with `https://` and lead to a public address.
    """
    webhook, secret = service.create(call, call.body(CreateWebhook))
    shown = CreatedWebhook(**WebhookOut.of(call, webhook).model_dump(), secret=secret)
    return created(shown, f"/v1/webhooks/{webhook.id}")


def get_webhook(call: Call) -> Answer:
    """One subscription, without its secret."""
    return ok(WebhookOut.of(call, call.get(Webhook, call.name("id"), "webhook")))


def change_webhook(call: Call) -> Answer:
    """Change a subscription, or enable or disable it."""
    return ok(WebhookOut.of(call, service.change(call, call.name("id"), call.body(ChangeWebhook))))


def rotate_secret(call: Call) -> Answer:
    """Give a webhook a new signing secret, shown this once.

    For 24 hours every attempt is signed with both, also attempts of messages from before. A second
    rotation in that time is a 409 `rotation_in_progress` unless it is forced.
    """
    webhook, secret = service.rotate(call, call.name("id"), call.body(RotateSecret))
    until = webhook.previous_valid_until
    return ok(
        RotatedSecret(
            id=webhook.id, secret=secret, previous_valid_until=until, version=webhook.version
        )
    )


def end_previous_secret(call: Call) -> Answer:
    """End the secret before the last rotation now."""
    service.end_previous_secret(call, call.name("id"))
    return no_content()


def test_webhook(call: Call) -> Answer | Outside:
    """Send an event of type `webhook.test` now, once, and tell what the receiver made of it.

    It is in the delivery log, and does not count as a failure or success of the webhook.
    """
    webhook = call.get(Webhook, call.name("id"), "webhook", lock=True)
    data = {"webhook_id": webhook.id, "text": "This is a test."}
    delivery = message(call, webhook, "webhook.test", call.now(), data, new_id("evt"))
    sending = prepared(call, webhook, delivery)
    delivery.status, delivery.next_at = "dead", None  # until it is heard
    delivery_id, webhook_id = delivery.id, webhook.id
    dialer, timeout_s = call.context.dialer, call.context.settings.webhook_timeout_s

    def act() -> Met:
        return post(dialer, sending.url, sending.body, sending.headers, timeout_s=timeout_s)

    def finish(call: Call, met: Any) -> Answer:
        assert isinstance(met, Met)
        known = call.find(Webhook, webhook_id, lock=True)
        kept = call.find(WebhookDelivery, delivery_id, lock=True)
        if known is not None and kept is not None:
            last = known.last_delivery
            record(call, known, kept, sending.at, met)
            known.last_delivery = last
            if met.delivered:
                kept.status, kept.delivered_at = "delivered", sending.at
        after = {"delivered": met.delivered, "status_code": met.status, "error": met.error}
        call.audit("webhook.test", ("webhook", webhook_id), after=after)
        return ok(
            Tested(
                delivered=met.delivered,
                status_code=met.status,
                latency_ms=met.latency_ms,
                error=met.error,
            )
        )

    return Outside(act, finish)


def delete_webhook(call: Call) -> Answer:
    """Delete a subscription. Nothing more is sent, also nothing that was to be sent again."""
    service.end(call, call.name("id"))
    return no_content()


def list_deliveries(call: Call) -> Answer:
    """The messages to a webhook, the newest first. They are kept for 30 days."""
    page = service.log(call, call.name("id"), call.query(DeliveryQuery))
    return listed(page, DeliveryOut.of)


def get_delivery(call: Call) -> Answer:
    """A message with its body and every attempt."""
    delivery = service.delivery_of(call, call.name("id"), call.name("delivery_id"))
    return ok(DeliveryInFull.with_history(delivery, service.attempts_of(call, delivery)))


def replay_delivery(call: Call) -> Answer:
    """Send a message again that was delivered or given up, under the same id."""
    delivery = service.replay_one(call, call.name("id"), call.name("delivery_id"))
    return accepted(DeliveryOut.of(delivery))


def replay_dead_letters(call: Call) -> Answer:
    """Send the dead letters of a webhook again, the oldest first, a thousand at most."""
    return accepted(
        Replayed(replayed=service.replay_dead(call, call.name("id"), call.body(Replay)))
    )


_ONE = "/v1/webhooks/{id}"
_LOG = "/v1/webhooks/{id}/deliveries"

ENDPOINTS: tuple[Endpoint, ...] = (
    operation(
        "GET",
        "/v1/webhooks",
        list_webhooks,
        role=Role.ADMIN,
        tag="webhooks",
        query=WebhookQuery,
        answer=WebhooksOut,
    ),
    operation(
        "POST",
        "/v1/webhooks",
        create_webhook,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.create",
        body=CreateWebhook,
        prepare=service.check_target,
        answer=CreatedWebhook,
        success=201,
        example={"url": "https://192.0.43.8/nova", "events": ["incident.*", "alert.firing"]},
    ),
    operation("GET", _ONE, get_webhook, role=Role.ADMIN, tag="webhooks", answer=WebhookOut),
    operation(
        "PATCH",
        _ONE,
        change_webhook,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.update",
        body=ChangeWebhook,
        prepare=service.check_target,
        answer=WebhookOut,
        errors=(409, 422),
        example={"version": 1, "events": ["*"]},
    ),
    operation(
        "POST",
        _ONE + "/rotate-secret",
        rotate_secret,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.rotate_secret",
        body=RotateSecret,
        answer=RotatedSecret,
        example={},
    ),
    operation(
        "DELETE",
        _ONE + "/previous-secret",
        end_previous_secret,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.end_previous_secret",
        success=204,
        errors=(409,),
    ),
    operation(
        "POST",
        _ONE + "/test",
        test_webhook,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.test",
        answer=Tested,
    ),
    operation(
        "DELETE",
        _ONE,
        delete_webhook,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.delete",
        success=204,
    ),
    operation(
        "GET",
        _LOG,
        list_deliveries,
        role=Role.ADMIN,
        tag="webhooks",
        query=DeliveryQuery,
        answer=DeliveriesOut,
    ),
    operation(
        "GET",
        _LOG + "/{delivery_id}",
        get_delivery,
        role=Role.ADMIN,
        tag="webhooks",
        answer=DeliveryInFull,
    ),
    operation(
        "POST",
        _LOG + "/{delivery_id}/replay",
        replay_delivery,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.replay",
        answer=DeliveryOut,
        success=202,
    ),
    operation(
        "POST",
        _ONE + "/replay",
        replay_dead_letters,
        role=Role.ADMIN,
        tag="webhooks",
        action="webhook.replay",
        body=Replay,
        answer=Replayed,
        success=202,
        example={},
    ),
)
