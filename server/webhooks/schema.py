"""Request and response models of webhooks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from novaql.server.crypto.redaction import with_short_urls
from novaql.server.db.unit import Unit
from novaql.server.http.pagination import PageQuery
from novaql.server.http.shapes import (
    URL_PATTERN,
    Body,
    Listed,
    Patch,
    ResponseModel,
    Timestamp,
    example,
)
from novaql.server.versions import SUPPORTED
from novaql.server.webhooks.secrets import shown_url_of
from novaql.server.webhooks.tables import Webhook, WebhookAttempt, WebhookDelivery

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        json_schema_extra={"pattern": URL_PATTERN},
        examples=["https://example.com/hook"],
        description="write-only: stored sealed, and shown as scheme and host",
    ),
]
Filter = Annotated[str, Field(min_length=1, max_length=100, examples=["incident.*"])]
Filters = Annotated[
    list[Filter],
    Field(
        min_length=1,
        max_length=50,
        description="types of events: `*` for all, `incident.*` for all that begin so, or whole "
        "types such as `alert.firing` and `audit.token.create`",
    ),
]
# Documentation only: the server checks the length of the decoded secret.
_WHSEC = "^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Secret = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        json_schema_extra={"pattern": _WHSEC},
        description="`whsec_` and base64 of 24 to 64 bytes; absent: one is made",
    ),
]
Version = Annotated[
    str,
    Field(
        pattern="^(" + "|".join(SUPPORTED) + ")$",
        description="version that messages are written in; absent: that of this request",
    ),
]
Description = Annotated[str, Field(max_length=2000)]


class CreateWebhook(Body):
    """A webhook."""

    model_config = example(
        {"url": "https://192.0.43.8/nova", "events": ["incident.*", "alert.firing"]}
    )

    url: Url
    events: Filters
    secret: Secret | None = None
    api_version: Version | None = None
    description: Description = ""


class ChangeWebhook(Patch):
    """Changes to a webhook, made from its `version`."""

    model_config = example({"version": 1, "events": ["*"]})

    version: int | None = Field(None, ge=1)
    url: Url | None = None
    events: Filters | None = None
    api_version: Version | None = None
    description: Description | None = None
    enabled: bool | None = Field(
        None, description="true: messages go out again, also after it was disabled by failures"
    )


class RotateSecret(Body):
    """Options of a rotation."""

    model_config = example({})

    secret: Secret | None = None
    force: bool = Field(
        False, description="rotate though the secret before is still valid, and end that one now"
    )


class Replay(Body):
    """Selects the dead letters to replay: those of messages created in this time range."""

    model_config = example({})

    since: Timestamp | None = Field(None, description="from then on")
    until: Timestamp | None = Field(None, description="before then")


class WebhookQuery(PageQuery):
    """Filters of the list."""

    status: Literal["active", "disabled"] | None = None


class DeliveryQuery(PageQuery):
    """Filters of the log."""

    status: Literal["pending", "delivered", "dead"] | None = None
    type: str | None = Field(None, min_length=1, max_length=100, description="a whole event type")


class LastDelivery(ResponseModel):
    """The result of the last attempt."""

    delivery_id: str
    at: Timestamp
    status: Literal["delivered", "failed"]
    status_code: int | None
    error: str | None


class WebhookOut(ResponseModel):
    """A webhook, without its secret."""

    id: str
    url: str = Field(description="scheme and host: the rest is never shown")
    events: list[str]
    description: str
    api_version: str
    status: Literal["active", "disabled"]
    disabled_reason: Literal["gone", "failing", "by_user"] | None = Field(
        description="`gone`: it answered 410; `failing`: nothing got through"
    )
    disabled_at: Timestamp | None
    failing_since: Timestamp | None
    last_delivery: LastDelivery | None
    previous_valid_until: Timestamp | None = Field(
        description="until then messages are signed with the secret before, too"
    )
    created_by: str
    created_at: Timestamp
    updated_at: Timestamp
    version: int

    @classmethod
    def of(cls, unit: Unit, webhook: Webhook) -> WebhookOut:
        """The response model of a row."""
        shown = {name: getattr(webhook, name) for name in cls.model_fields}
        return cls.model_validate({**shown, "url": shown_url_of(unit, webhook)})


class CreatedWebhook(WebhookOut):
    """A new webhook, with its secret. No other answer contains the secret."""

    secret: str


class RotatedSecret(ResponseModel):
    """The new secret. No other answer contains it."""

    id: str
    secret: str
    previous_valid_until: Timestamp | None
    version: int


class Tested(ResponseModel):
    """The receiver's response to a test."""

    delivered: bool
    status_code: int | None = Field(validation_alias="status")
    latency_ms: float
    error: str | None = Field(
        description="`target_not_allowed`, `dns`, `connect`, `tls`, `timeout`, `protocol`"
    )


class AttemptOut(ResponseModel):
    """One attempt. `response` is the start of the response body."""

    number: int
    at: Timestamp
    status_code: int | None
    error: str | None
    latency_ms: float
    response: str = Field(validation_alias="excerpt")


class DeliveryOut(ResponseModel):
    """A message. `id` is its `webhook-id`, which is the same in all attempts."""

    id: str
    webhook_id: str
    event_id: str
    event_type: str
    status: Literal["pending", "delivered", "dead"]
    reason: Literal["exhausted", "gone", "disabled", "limit_reached"] | None = Field(
        description="why it is dead: all attempts failed, the receiver is gone, or was disabled"
    )
    attempts: int
    next_at: Timestamp | None
    last_status_code: int | None
    last_error: str | None
    delivered_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp


class DeliveryInFull(DeliveryOut):
    """A message, with its body and its attempts, oldest first."""

    body: dict[str, Any]
    history: list[AttemptOut]

    @classmethod
    def with_history(
        cls, delivery: WebhookDelivery, attempts: list[WebhookAttempt]
    ) -> DeliveryInFull:
        """The response model of a row and its attempts."""
        shown = DeliveryOut.model_validate(delivery).model_dump()
        body = orjson.loads(delivery.body)
        if delivery.event_type == "webhook.disabled":  # earlier versions stored the whole URL
            body = with_short_urls(body)
        return cls.model_validate({**shown, "body": body, "history": attempts})


class Replayed(ResponseModel):
    """The number of replayed dead letters."""

    replayed: int


class WebhooksOut(Listed[WebhookOut]):
    """A page of webhooks."""


class DeliveriesOut(Listed[DeliveryOut]):
    """A page of the log."""
