"""Secrets at rest: encrypted with a key that is not in the database.

A sealed text is `v1.KEY.DATA`: which key, and nonce and ciphertext of AES-256-GCM in base64. What a
secret is for and whose it is are authenticated with it: a sealed text that was moved to another
row does not open. Signing keys, such as that of cursors, are derived from the first key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BYTES = 32
_NONCE = 12


class CannotUnseal(Exception):
    """The text was sealed with a key that this server does not have, or is not whole."""


class SealingKeys:
    """Master keys: the first seals, all of them open. Raises `ValueError` for unusable ones."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _BYTES for key in keys):
            raise ValueError(f"a master key is {_BYTES} bytes, written in base64")
        self._keys = {key_id(key): key for key in keys}
        self._first = keys[0]

    @property
    def current(self) -> str:
        """Id of the key that seals."""
        return key_id(self._first)

    def seal(self, secret: str, *, purpose: str) -> str:
        """The secret, encrypted. `purpose` names tenant, row and column; it is needed to open."""
        nonce = os.urandom(_NONCE)
        data = AESGCM(self._first).encrypt(nonce, secret.encode(), purpose.encode())
        return f"v1.{self.current}.{base64.urlsafe_b64encode(nonce + data).decode()}"

    def unseal(self, sealed: str, *, purpose: str) -> str:
        """The secret again. Raises `CannotUnseal`."""
        version, _, rest = sealed.partition(".")
        name, _, data = rest.partition(".")
        key = self._keys.get(name)
        if version != "v1" or key is None:
            raise CannotUnseal(f"sealed with the master key {name!r}, which is not configured")
        try:
            raw = base64.urlsafe_b64decode(data)
            return AESGCM(key).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
        except (InvalidTag, ValueError):
            raise CannotUnseal("the sealed text is damaged or was made for another place") from None

    def is_current(self, sealed: str) -> bool:
        """Whether a text is sealed with the first key; others are to be sealed again."""
        return sealed.startswith(f"v1.{self.current}.")

    def signing_keys(self, purpose: str) -> list[bytes]:
        """Keys for one kind of signature, of every master key: the first signs, all verify."""
        return [hmac.digest(k, b"sign:" + purpose.encode(), "sha256") for k in self._keys.values()]


def is_sealed(text: str) -> bool:
    """Whether a text has the form of sealed ones."""
    return text.startswith("v1.")


def key_id(key: bytes) -> str:
    """A short name of a key that does not give it away."""
    return hashlib.sha256(b"novaql key id" + key).hexdigest()[:8]


def parse_keys(text: str) -> list[bytes]:
    """Keys in base64, separated by commas, the newest first."""
    try:
        return [base64.b64decode(part.strip(), altchars=b"-_") for part in text.split(",")]
    except ValueError:
        raise ValueError("a master key is 32 bytes, written in base64") from None


def new_key() -> bytes:
    """A master key by chance."""
    return os.urandom(_BYTES)


def write_keys(path: Path, keys: Sequence[bytes], *, replace: bool = True) -> None:
    """Write a key file that only its owner may read, the newest key first.

    replace  False: of two processes that start at once, one writes it and both read that one
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b",".join(base64.b64encode(key) for key in keys) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if replace:
        fresh.replace(path)
    else:
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
