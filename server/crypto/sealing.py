"""Encryption of secrets at rest, with a key that is not in the database.

A sealed text is `v1.KEY.DATA`: the id of the key, then nonce and ciphertext of AES-256-GCM in
base64. The purpose (tenant, row and column) is authenticated too, so a sealed text that is copied
to another row cannot be unsealed. Signing keys, for example of cursors, are derived from the master
keys.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BYTES = 32
_NONCE = 12


class CannotUnseal(Exception):
    """The text is damaged, or was sealed with a key that this server does not have."""


class SealingKeys:
    """Master keys: the first one seals, all of them unseal. Raises `ValueError` for invalid
    keys."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _BYTES for key in keys):
            raise ValueError(f"a master key is {_BYTES} bytes, written in base64")
        self._keys = {key_id(key): key for key in keys}
        self._first = keys[0]

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return key_id(self._first)

    def seal(self, secret: str, *, purpose: str) -> str:
        """Encrypt a secret. `purpose` names tenant, row and column; `unseal` needs the same."""
        nonce = os.urandom(_NONCE)
        data = AESGCM(self._first).encrypt(nonce, secret.encode(), purpose.encode())
        return f"v1.{self.current}.{base64.urlsafe_b64encode(nonce + data).decode()}"

    def unseal(self, sealed: str, *, purpose: str) -> str:
        """Decrypt a secret. Raises `CannotUnseal`."""
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
        """Return whether a text is sealed with the first key. All others have to be sealed
        again."""
        return sealed.startswith(f"v1.{self.current}.")

    def signing_keys(self, purpose: str) -> list[bytes]:
        """Return signing keys for one purpose, one for each master key: the first signs, all
        verify."""
        return [hmac.digest(k, b"sign:" + purpose.encode(), "sha256") for k in self._keys.values()]


def is_sealed(text: str) -> bool:
    """Return whether a text has the form of a sealed one."""
    return text.startswith("v1.")


def key_id(key: bytes) -> str:
    """Return a short id of a key that does not reveal it."""
    return hashlib.sha256(b"novaql key id" + key).hexdigest()[:8]


def parse_keys(text: str) -> list[bytes]:
    """Parse keys in base64, separated by commas, the newest first."""
    try:
        return [base64.b64decode(part.strip(), altchars=b"-_") for part in text.split(",")]
    except ValueError:
        raise ValueError("a master key is 32 bytes, written in base64") from None


def new_key() -> bytes:
    """Return a random master key."""
    return os.urandom(_BYTES)


def write_keys(path: Path, keys: Sequence[bytes], *, replace: bool = True) -> None:
    """Write a key file, the newest key first, that only its owner may read.

    replace  False: if two processes start at once, one writes the file and both use its key
    """
    write_private(path, b",".join(base64.b64encode(key) for key in keys) + b"\n", replace=replace)


def write_private(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner may read. It appears whole or not at all.

    replace  False: an existing file does not change
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new-{os.getpid()}-{threading.get_ident()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            fresh.replace(path)
        else:
            with suppress(FileExistsError):
                os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
