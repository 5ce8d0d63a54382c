"""Secrets of tokens: generation, check of the format, digest."""

from __future__ import annotations

import hashlib
import secrets
import zlib

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHOWN = 8


def new_secret(kind: str) -> str:
    """Return `nova_<kind>_<43 random characters><6 of checksum>`, all in base 62."""
    body = "".join(secrets.choice(_BASE62) for _ in range(43))
    head = f"nova_{kind}_{body}"
    return head + _checksum(head)


def is_well_formed(secret: str) -> bool:
    """Return whether the checksum is right. A mistyped token is rejected without a look-up."""
    head, check = secret[:-6], secret[-6:]
    return secret.isascii() and head.startswith("nova_") and check == _checksum(head)


def prefix_of(secret: str) -> str:
    """Return the part of a secret that is shown, so that a user recognises the token."""
    head, _, body = secret.rpartition("_")
    return f"{head}_{body[:_SHOWN]}"


def digest_of(secret: str) -> str:
    """Return the digest that is stored. 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    return "".join(_BASE62[number // 62**place % 62] for place in range(5, -1, -1))
