"""Signing secrets of endpoints, sealed in the database. During a rotation two are valid."""

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


def sealed(unit: Unit, webhook_id: str, secret: str) -> str:
    """Seal a secret for the endpoint's row."""
    return unit.seal(secret, _place(webhook_id))


def valid_secrets(unit: Unit, webhook: Webhook) -> list[str]:
    """The valid secrets, newest first."""
    found = [unit.unseal(webhook.secret, _place(webhook.id))]
    until = webhook.previous_valid_until
    if webhook.previous_secret is not None and until is not None and unit.now() < until:
        found.append(unit.unseal(webhook.previous_secret, _place(webhook.id)))
    return found


def rotate(
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
            'by DELETE …/previous-secret, or say {"force": true}',
            code="rotation_in_progress",
        )
    webhook.previous_secret = webhook.secret
    webhook.previous_valid_until = unit.now() + overlap
    webhook.secret = sealed(unit, webhook.id, secret)
    return secret


def _place(webhook_id: str) -> str:
    return f"webhook:{webhook_id}:secret"
