"""The secrets of tokens: how they are made, recognised and compared."""

from __future__ import annotations

import hashlib
import secrets
import zlib

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHOWN = 8


def new_secret(kind: str) -> str:
    """`nova_<kind>_<43 characters of chance><6 of checksum>`, all in base 62."""
    body = "".join(secrets.choice(_BASE62) for _ in range(43))
    head = f"nova_{kind}_{body}"
    return head + _checksum(head)


def is_well_formed(secret: str) -> bool:
    """Whether the checksum is right, so that a mistyped token is told without a look-up."""
    head, check = secret[:-6], secret[-6:]
    return secret.isascii() and head.startswith("nova_") and check == _checksum(head)


def prefix_of(secret: str) -> str:
    """What a person may see of a secret, to know it again."""
    head, _, body = secret.rpartition("_")
    return f"{head}_{body[:_SHOWN]}"


def digest_of(secret: str) -> str:
    """What is kept. 256 bits of chance need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    return "".join(_BASE62[number // 62**place % 62] for place in range(5, -1, -1))
