"""The signing keys of ledgers: a file outside the database.

The file has the name of the keys, the current key, and the public keys before it. The name stays
the same when the key is rotated, because it is part of the origin of every log.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from novaql import ArgumentError
from novaql.fast_dataclass import dataclass
from novaql.ledger import VerifierKey, public_key, signed_note
from novaql.server.clock import parse_time, rfc3339
from novaql.server.crypto.sealing import write_private
from novaql.server.db.engine import RETRY_AFTER_S, StateDatabase
from novaql.server.db.master_keys import key_file as master_key_file
from novaql.server.db.tables import Fact
from novaql.server.errors import Unavailable
from novaql.server.ledger.tables import LedgerLog
from novaql.server.settings import Settings

log = logging.getLogger(__name__)
_SEED = 32
NAME = "ledger.keys"
_FACT = "ledger_key_name"


@dataclass(frozen=True, slots=True)
class LedgerKey:
    """A public key and the time in which it signed.

    seed         of the private key; None: the key was replaced, and cannot sign any more
    valid_until  None: it is the current key
    """

    public: bytes
    seed: bytes | None
    valid_from: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The keys of this server, the newest first. The first one signs."""

    name: str
    keys: tuple[LedgerKey, ...]

    def sign(self, body: str) -> str:
        """Return a text with the signature of the current key."""
        seed = self.keys[0].seed
        assert seed is not None
        return signed_note(body, self.name, seed)

    def verifier(self, key: LedgerKey) -> VerifierKey:
        """Return a key in the form for clients."""
        return VerifierKey(self.name, key.public)

    @property
    def current(self) -> VerifierKey:
        """The key that signs."""
        return self.verifier(self.keys[0])

    def origin(self, log: str) -> str:
        """Return the name of a log in its checkpoints."""
        return f"{self.name}/{log}"

    def rotated(self, now: datetime) -> LedgerKeys:
        """Return the keys with a new current one. The private part of the old one is dropped."""
        old = self.keys[0]
        ended = LedgerKey(old.public, None, old.valid_from, now)
        return LedgerKeys(self.name, (_new_key(now), ended, *self.keys[1:]))


def key_file(settings: Settings, database: StateDatabase) -> Path:
    """Return the path of the file: that of the settings, or beside the master key."""
    if settings.ledger_key_file is not None:
        return settings.ledger_key_file
    return master_key_file(settings, database).with_name(NAME)


def open_keys(settings: Settings, database: StateDatabase, now: datetime) -> LedgerKeys:
    """Return the keys. The file is created once; the database records that.

    Raises `Unavailable` if the file is missing though it was created before, or damaged.
    """
    path = key_file(settings, database)
    try:
        if not path.exists():
            _need_first(path, database)
            fresh = LedgerKeys(f"novaql-{os.urandom(6).hex()}", (_new_key(now),))
            _create(path, fresh)
            remember(database, _decoded(path.read_bytes()))
        return _decoded(path.read_bytes())
    except (ValueError, KeyError, TypeError) as problem:
        raise _unusable(path, f"is damaged ({problem})") from None
    except OSError as problem:
        raise _unusable(path, f"cannot be used ({problem.strerror})") from None


def not_signed(path: Path, problem: OSError) -> Unavailable:
    """Return the error for a file without which the server may not sign, and cannot write now."""
    return Unavailable(
        f"the ledger cannot be signed now: {path.name} cannot be written ({problem.strerror})",
        code="ledger_not_signed",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def rotate_keys(settings: Settings, database: StateDatabase, now: datetime) -> VerifierKey:
    """Replace the current key. Return the new one. Running servers sign with it at once."""
    try:
        keys = open_keys(settings, database, now).rotated(now)
    except Unavailable as problem:
        raise ArgumentError("ledger_key_file", problem.message) from None
    write_private(key_file(settings, database), _encoded(keys))
    return keys.current


def remember(database: StateDatabase, keys: LedgerKeys) -> None:
    """Record that there are keys, so that a lost file is not replaced."""
    with suppress(IntegrityError), database.write(None) as session:  # or another process just did
        session.merge(Fact(name=_FACT, value=keys.name))


def report_lost(settings: Settings, database: StateDatabase) -> None:
    """Log an error at the start of a server whose file of keys is missing. Ledgers cannot be signed
    then; everything else works."""
    path = key_file(settings, database)
    try:
        if not path.exists():
            _need_first(path, database)
    except Unavailable as problem:
        log.error("%s", problem.message)  # noqa: TRY400  # the trace adds nothing


def _create(path: Path, keys: LedgerKeys) -> None:
    try:
        write_private(path, _encoded(keys), replace=False)
    except OSError as problem:
        raise not_signed(path, problem) from None


def _need_first(path: Path, database: StateDatabase) -> None:
    signed = select(LedgerLog.id).where(LedgerLog.checkpoint_size > 0).limit(1)
    with database.read(None) as session:
        known = session.get(Fact, _FACT) is not None
        known = known or session.execute(signed).first() is not None
    if known and not path.exists():  # another request may have created it since
        raise _unusable(path, "is missing, and checkpoints may have been signed with it")


def _unusable(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"the ledger cannot be signed: {path.name} {why}; put back the one of a backup",
        code="ledger_keys_unusable",
    )


def _new_key(now: datetime) -> LedgerKey:
    seed = os.urandom(_SEED)
    return LedgerKey(public_key(seed), seed, now, None)


def _encoded(keys: LedgerKeys) -> bytes:
    rows = [
        {
            "public": base64.b64encode(key.public).decode(),
            "seed": None if key.seed is None else base64.b64encode(key.seed).decode(),
            "valid_from": rfc3339(key.valid_from),
            "valid_until": None if key.valid_until is None else rfc3339(key.valid_until),
        }
        for key in keys.keys
    ]
    return json.dumps({"name": keys.name, "keys": rows}, indent=1).encode() + b"\n"


def _decoded(content: bytes) -> LedgerKeys:
    found = json.loads(content)
    keys = tuple(_key(row) for row in found["keys"])
    if not keys or keys[0].seed is None or public_key(keys[0].seed) != keys[0].public:
        raise ValueError("its first key cannot sign")
    return LedgerKeys(str(found["name"]), keys)


def _key(row: dict[str, Any]) -> LedgerKey:
    until = row["valid_until"]
    return LedgerKey(
        base64.b64decode(row["public"], validate=True),
        None if row["seed"] is None else base64.b64decode(row["seed"], validate=True),
        parse_time(row["valid_from"]),
        None if until is None else parse_time(until),
    )
