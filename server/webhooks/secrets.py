"""The sealed columns of endpoints: URLs, which may contain credentials, and signing secrets.

During a rotation two secrets are valid. Answers show only the scheme and host of a URL.
"""

from __future__ import annotations

from datetime import timedelta

from novaql.server.crypto.signatures import InvalidSecret, new_secret, secret_bytes
from novaql.server.db.unit import Unit
from novaql.server.errors import Conflict, invalid
from novaql.server.webhooks.tables import Webhook


def chosen_secret(given: str | None) -> str:
    """Return the client's secret if it is valid, or create one."""
    if given is None:
        return new_secret()
    try:
        secret_bytes(given)
    except InvalidSecret as problem:
        raise invalid("/secret", str(problem)) from None
    return given


def set_url(unit: Unit, webhook: Webhook, url: str) -> None:
    """Seal and set the URL of an endpoint."""
    webhook.url = unit.seal_url(url, _place(webhook, "url"), webhook.url or "")


def url_of(unit: Unit, webhook: Webhook) -> str:
    """Unseal the whole URL, for a delivery."""
    return unit.open_url(webhook.url, _place(webhook, "url"))


def shown_url_of(unit: Unit, webhook: Webhook) -> str:
    """The scheme and host of the URL."""
    return unit.shown_url(webhook.url, _place(webhook, "url"))


def set_secret(unit: Unit, webhook: Webhook, secret: str) -> None:
    """Seal and set the secret of an endpoint."""
    webhook.secret = unit.seal(secret, _place(webhook, "secret"))


def valid_secrets(unit: Unit, webhook: Webhook) -> list[str]:
    """The valid secrets, newest first."""
    sealed, until = [webhook.secret], webhook.previous_valid_until
    if webhook.previous_secret is not None and until is not None and unit.now() < until:
        sealed.append(webhook.previous_secret)
    return [unit.unseal(secret, _place(webhook, "secret")) for secret in sealed]


def rotate_secret(
    unit: Unit, webhook: Webhook, given: str | None, *, overlap: timedelta, force: bool
) -> str:
    """Replace the secret and return the new one. Both sign for the overlap.

    Raises `Conflict` while an older secret is still valid: another rotation would invalidate it
    while receivers may still use it. `force` rotates anyway.
    """
    secret = chosen_secret(given)
    until = webhook.previous_valid_until
    if until is not None and unit.now() < until and not force:
        raise Conflict(
            "the secret before is still valid: rotating now would end it at once; wait, end it "
            'by DELETE …/previous-secret, or send {"force": true}',
            code="rotation_in_progress",
        )
    webhook.previous_secret = webhook.secret
    webhook.previous_valid_until = unit.now() + overlap
    set_secret(unit, webhook, secret)
    return secret


def _place(webhook: Webhook, column: str) -> str:
    return f"webhook:{webhook.id}:{column}"
