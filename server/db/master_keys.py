"""The master keys of a server: load them, check them against the database, rotate them."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Column, Table, select, update

from novaql import ArgumentError
from novaql.server.crypto.sealing import (
    CannotUnseal,
    SealingKeys,
    is_sealed,
    new_key,
    parse_keys,
    write_keys,
)
from novaql.server.db.columns import SEALED_AS, WAS_PLAIN
from novaql.server.db.engine import StateDatabase
from novaql.server.db.rows import Base
from novaql.server.db.tables import Fact
from novaql.server.settings import Settings

log = logging.getLogger(__name__)
_CANARY = "master_key_canary"
_WORD = "canary"
_BATCH = 200
_WITHOUT = (
    "Until then `novaql serve --no-auth` answers queries and takes samples on this machine; "
    "it changes nothing else"
)


def open_keys(settings: Settings, database: StateDatabase) -> SealingKeys:
    """Return the keys that seal this database's secrets.

    Values that an older key sealed are sealed again with the first key. Values that an earlier
    version stored unencrypted are sealed. Raises `ArgumentError` if a key is damaged, missing or of
    another database; the message describes the remedy.
    """
    with database.read(None) as session:
        fact = session.get(Fact, _CANARY)
    keys = _configured(settings, database, known=fact is not None)
    if fact is not None:
        try:
            keys.unseal(fact.value, purpose=_CANARY)
        except CannotUnseal:
            raise ArgumentError(
                "master_key",
                f"{_source(settings, database)} has another key than the one that the secrets in "
                f"the database were sealed with; start with that one, or with both: the new one, "
                f"a comma, the old one. {_WITHOUT}",
            ) from None
        if database.is_fallback:
            return keys
        if keys.is_current(fact.value):
            seal_plain(database, keys)
            return keys
        count = reseal(database, keys)
        log.warning("the master key has changed: %d secrets were sealed again", count)
    with database.write(None) as session:
        session.merge(Fact(name=_CANARY, value=keys.seal(_WORD, purpose=_CANARY)))
    return keys


def passing_keys() -> SealingKeys:
    """Return temporary keys of this process, for a server that has no keys and changes nothing."""
    return SealingKeys([new_key()])


def rotate_key_file(settings: Settings, database: StateDatabase) -> int:
    """Replace the key in the key file. Return how many secrets were sealed again.

    No server may be running. If the process is killed at any point, the file has every key that is
    needed, and the next call or the next start completes the rotation. Raises `ArgumentError` if
    the key is not in a file.
    """
    if settings.master_key:
        raise ArgumentError(
            "master_key",
            "the key is in the environment: put a new one before it, separated by a comma, "
            "restart the server, and remove the old one",
        )
    open_keys(settings, database)
    path = key_file(settings, database)
    old = parse_keys(path.read_text("ascii").strip())
    write_keys(path, [new_key(), *old])
    keys = SealingKeys(parse_keys(path.read_text("ascii").strip()))
    count = reseal(database, keys)
    with database.write(None) as session:
        session.merge(Fact(name=_CANARY, value=keys.seal(_WORD, purpose=_CANARY)))
    write_keys(path, parse_keys(path.read_text("ascii").strip())[:1])
    return count


def reseal(database: StateDatabase, keys: SealingKeys) -> int:
    """Seal every sealed value again with the first key, in short transactions. Return their number.

    Raises `ArgumentError` if a value was sealed with an unknown key; no value is lost.
    """
    return sum(
        _seal_column(database, keys, table, column)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if SEALED_AS in column.info
    )


def seal_plain(database: StateDatabase, keys: SealingKeys) -> None:
    """Seal the values that an earlier version stored unencrypted."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if column.info.get(WAS_PLAIN):
                _seal_column(database, keys, table, column)


def key_file(settings: Settings, database: StateDatabase) -> Path:
    """Return the path of the key file: beside the database if that is a file. Used unless the
    environment has the key."""
    if database.is_sqlite and database.url.database:
        return Path(database.url.database).parent / "master.key"
    return settings.data / "server" / "master.key"


def _configured(settings: Settings, database: StateDatabase, *, known: bool) -> SealingKeys:
    """known: the database was used with a key before, so a missing key file is not created."""
    if settings.master_key:
        try:
            return SealingKeys(parse_keys(settings.master_key))
        except ValueError as problem:
            raise ArgumentError("master_key", f"NOVAQL_MASTER_KEY: {problem}") from None
    path = key_file(settings, database)
    back = f"Put back the one of a backup (BACKUP/server/master.key). {_WITHOUT}"
    if known and not path.exists():
        raise ArgumentError(
            "master_key",
            f"{path} is missing, and the database has secrets that were sealed with it. {back}",
        )
    try:
        if not path.exists():
            write_keys(path, [new_key()], replace=False)
        return SealingKeys(parse_keys(path.read_text("ascii").strip()))
    except ValueError as problem:
        raise ArgumentError("master_key", f"{path} is damaged: {problem}. {back}") from None
    except OSError as problem:
        raise ArgumentError("master_key", f"{path} cannot be used: {problem}") from None


def _source(settings: Settings, database: StateDatabase) -> str:
    return "NOVAQL_MASTER_KEY" if settings.master_key else str(key_file(settings, database))


def _seal_column(
    database: StateDatabase, keys: SealingKeys, table: Table, column: Column[str]
) -> int:
    place: str = column.info[SEALED_AS]
    key, tenant = table.c.id, table.c.tenant_id
    stale = (column != "") & ~column.startswith(f"v1.{keys.current}.", autoescape=True)
    if not column.info.get(WAS_PLAIN):
        stale &= column.startswith("v1.", autoescape=True)
    count = 0
    while True:
        with database.write(None) as session:
            rows = session.execute(select(key, tenant, column).where(stale).limit(_BATCH)).all()
            for row_id, tenant_id, sealed in rows:
                purpose = f"{tenant_id}:{place.format(id=row_id)}"
                try:
                    plain = keys.unseal(sealed, purpose=purpose) if is_sealed(sealed) else sealed
                    value = keys.seal(plain, purpose=purpose)
                except CannotUnseal as problem:
                    raise ArgumentError(
                        "master_key", f"{table.name}.{column.name} of {row_id}: {problem}"
                    ) from None
                session.execute(update(table).where(key == row_id).values({column.name: value}))
        count += len(rows)
        if len(rows) < _BATCH:
            return count
