"""API tokens. The secret is shown once; what is kept is its SHA-256."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
import zlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from server.platform.api_version import CURRENT
from server.platform.request_ids import new_id
from server.platform.scopes import Principal, Role

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. `digest` is the hex SHA-256 of its secret."""

    id: str
    name: str
    role: Role
    digest: str
    created_at: str
    api_version: str

    def principal(self) -> Principal:
        return Principal(self.id, self.name, self.role, self.api_version)


class TokenStore(Protocol):
    """Where tokens are kept. Safe to use from several threads."""

    def find(self, secret: str) -> Token | None:
        """The token with this secret."""
        ...

    def add(self, name: str, role: Role) -> tuple[Token, str]:
        """A new token and its secret, which cannot be had again."""
        ...

    def is_empty(self) -> bool: ...


class FileTokenStore:
    """Tokens in one small JSON file that only its owner may read.

    Raises `ValueError` when the file is not one of ours: a server must not start as if there
    were no tokens.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._by_digest: dict[str, Token] = {}
        if path.exists():
            try:
                rows = json.loads(path.read_text("utf-8"))["tokens"]
                tokens = [Token(**{**row, "role": Role(row["role"])}) for row in rows]
            except (ValueError, KeyError, TypeError) as problem:
                raise ValueError(f"{path} is not a token file: {problem}") from problem
            self._by_digest = {token.digest: token for token in tokens}

    def find(self, secret: str) -> Token | None:
        # The look-up is by digest of 256 random bits: its timing tells nothing about a secret.
        return self._by_digest.get(_digest(secret)) if is_well_formed(secret) else None

    def add(self, name: str, role: Role) -> tuple[Token, str]:
        secret = new_secret(role)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        token = Token(new_id("tok"), name, role, _digest(secret), now, CURRENT)
        with self._lock:
            grown = {**self._by_digest, token.digest: token}
            self._save(list(grown.values()))
            self._by_digest = grown
        return token, secret

    def is_empty(self) -> bool:
        return not self._by_digest

    def _save(self, tokens: list[Token]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        text = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def new_secret(role: Role) -> str:
    """`nova_<role>_<43 characters of chance><6 of checksum>`, all in base 62."""
    body = "".join(secrets.choice(_BASE62) for _ in range(43))
    head = f"nova_{role.value}_{body}"
    return head + _checksum(head)


def is_well_formed(secret: str) -> bool:
    """Whether the checksum is right, so that a mistyped token is told without a look-up."""
    head, check = secret[:-6], secret[-6:]
    return secret.isascii() and head.startswith("nova_") and check == _checksum(head)


def _checksum(head: str) -> str:
    number = zlib.crc32(head.encode())
    return "".join(_BASE62[number // 62**place % 62] for place in range(5, -1, -1))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
