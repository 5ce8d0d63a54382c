"""Signatures of Standard Webhooks 1.0.

secret     "whsec_" + base64 of 24 … 64 random bytes
signed     ID "." TIMESTAMP "." BODY          BODY: the exact bytes of the request
signature  "v1," + base64( HMAC-SHA256( secret, signed ) ), one for each valid secret
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32
SHORTEST_SECRET, LONGEST_SECRET = 24, 64


class InvalidSecret(ValueError):
    """The text is not a signing secret. The message describes the format and omits the text."""


def new_secret() -> str:
    """Return a random secret in its text form."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def secret_bytes(secret: str) -> bytes:
    """Return the key in a secret. Raises `InvalidSecret`."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST_SECRET <= len(key) <= LONGEST_SECRET:
        raise InvalidSecret(
            f"a secret is {PREFIX} and base64 of {SHORTEST_SECRET} to {LONGEST_SECRET} bytes"
        )
    return key


def headers(message_id: str, timestamp: int, body: bytes, valid: Sequence[str]) -> dict[str, str]:
    """Return the three headers of one attempt.

    message_id  the same for every attempt of a message
    timestamp   Unix seconds of this attempt
    body        JSON in UTF-8
    valid       the valid secrets, the newest first; two during a rotation
    """
    at = datetime.fromtimestamp(timestamp, UTC)
    signatures = [Webhook(secret_bytes(s)).sign(message_id, at, body.decode()) for s in valid]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
