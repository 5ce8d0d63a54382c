"""URLs of endpoints. They may contain credentials: the database seals them, answers show hosts."""

from __future__ import annotations

from novaql.server.db.unit import Unit
from novaql.server.webhooks.tables import Webhook


def set_url(unit: Unit, webhook: Webhook, url: str) -> None:
    """Seal and set the URL of an endpoint."""
    webhook.url = unit.seal_url(url, _place(webhook.id), webhook.url or "")


def url_of(unit: Unit, webhook: Webhook) -> str:
    """Unseal the whole URL, for a delivery."""
    return unit.open_url(webhook.url, _place(webhook.id))


def shown_url_of(unit: Unit, webhook: Webhook) -> str:
    """The scheme and host of the URL."""
    return unit.shown_url(webhook.url, _place(webhook.id))


def _place(webhook_id: str) -> str:
    return f"webhook:{webhook_id}:url"
