"""Signatures as Standard Webhooks 1.0 wants them.

secret     "whsec_" + base64 of 24 … 64 random bytes
signed     ID "." TIMESTAMP "." BODY          the bytes that are sent, not JSON made anew
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
    """The text is no signing secret. The message says what one looks like, not what was given."""


def new_secret() -> str:
    """A random secret, as it is shown once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def secret_bytes(secret: str) -> bytes:
    """The key in a secret. Raises `InvalidSecret`."""
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
    """The three headers of one attempt.

    message_id  the same for every attempt of a message
    timestamp   Unix seconds of this attempt
    body        JSON in UTF-8
    valid       secrets that count now, the newest first; two of them while one replaces another
    """
    at = datetime.fromtimestamp(timestamp, UTC)
    signatures = [Webhook(secret_bytes(s)).sign(message_id, at, body.decode()) for s in valid]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
