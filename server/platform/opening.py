"""Opening what a server keeps: its database, its keys, its clock, and the stores of tenants."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

import tsdb
from novaql.errors import ArgumentError
from server.platform.bootstrap import ensure_first_tenant
from server.platform.clock import Clock, FileClock, SystemClock
from server.platform.sealing import (
    CannotUnseal,
    SealingKeys,
    load_or_make_keys,
    parse_keys,
)
from server.platform.state.database import StateDatabase
from server.platform.state.migrate import migrate
from server.platform.state.rows import Tenant
from server.platform.state.stand_in import copy_of, need_writable
from server.platform.store import Store
from server.platform.stores import Stores
from server.platform.tables import Fact
from server.settings import Settings
from tsdb.errors import ReadOnlyDisk

log = logging.getLogger(__name__)
_CANARY = "master_key_canary"
_WORD = "canary"
_OWN_FOLDERS = ("server", "tenants")
"""What the server keeps in a data directory beside the samples of the first tenant."""


def open_state(settings: Settings) -> StateDatabase:
    """The server's database, migrated to this version.

    On a disk that is full or read-only a copy stands in for it, so that queries are served; see
    `StateDatabase`. Raises `ArgumentError` if it cannot be opened.
    """
    url = settings.database_url or f"sqlite:///{settings.data / 'server' / 'state.db'}"
    durable = settings.sync != "os"
    database = None
    try:
        if not settings.database_url:
            (settings.data / "server").mkdir(parents=True, exist_ok=True)
            need_writable(settings.data / "server" / "state.db")
        database = StateDatabase(url, durable=durable)
        migrate(database)
    except (OSError, OperationalError) as problem:
        if settings.database_url or _is_busy(problem):
            raise _unusable(url, problem) from problem
        if database is not None:
            database.close()
        return _standing_in(settings, url, problem)
    except Exception as problem:
        raise _unusable(url, problem) from problem
    return database


def _unusable(url: str, problem: Exception) -> ArgumentError:
    shown = StateDatabase.shown(url)
    return ArgumentError("database_url", f"{shown} cannot be used: {problem}")


def _is_busy(problem: Exception) -> bool:
    """Whether another process has the database, which has nothing to do with the disk."""
    code = getattr(getattr(problem, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _standing_in(settings: Settings, url: str, problem: Exception) -> StateDatabase:
    """A copy of the database in its stead; an empty one, if there was none and none is needed."""
    path = settings.data / "server" / "state.db"
    is_new = not path.exists()
    if is_new and settings.auth:
        raise ArgumentError(
            "data",
            f"{path.parent} cannot be written ({_reason(problem)}); give another place for tokens "
            "by NOVAQL_DATABASE_URL, or serve without authentication",
        ) from problem
    try:
        copy = copy_of(path)
    except OSError as full:
        raise _unusable(url, full) from problem
    # What an empty database is given when it is made will not be that of another start.
    database = (
        StateDatabase(f"sqlite:///{copy}", durable=False)
        if is_new
        else StateDatabase(url, stand_in=copy)
    )
    migrate(database)
    if is_new:
        ensure_first_tenant(database, open_clock(settings))
        open_keys(settings, database)
        database.stands_in, database.may_come_back = True, False
    log.warning(
        "the server's database cannot be written (%s): %s; queries are served, changes of anything "
        "but samples are refused",
        _reason(problem),
        "an empty one stands in" if is_new else "a copy stands in until it can",
    )
    return database


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "orig", None) or getattr(problem, "strerror", None) or problem)


def open_keys(settings: Settings, database: StateDatabase) -> SealingKeys:
    """The keys that this database's secrets are sealed with.

    Raises `ArgumentError` if they were sealed with another key: better no start than secrets that
    nobody can read and new ones beside them.
    """
    try:
        keys = (
            SealingKeys(parse_keys(settings.master_key))
            if settings.master_key
            else load_or_make_keys(_folder_of(database, settings) / "master.key")
        )
    except (ValueError, OSError) as problem:
        raise ArgumentError("master_key", str(problem)) from None
    with database.read(None) as session:
        fact = session.get(Fact, _CANARY)
    if fact is not None:
        try:
            keys.unseal(fact.value, purpose=_CANARY)
        except CannotUnseal as problem:
            raise ArgumentError(
                "master_key", f"this is not the key that the database was made with: {problem}"
            ) from None
        if keys.is_current(fact.value):
            return keys
        if database.stands_in:  # sealed with an older key, which is known, too
            return keys
    with database.write(None) as session:
        session.merge(Fact(name=_CANARY, value=keys.seal(_WORD, purpose=_CANARY)))
    return keys


def open_clock(settings: Settings) -> Clock:
    """The machine's clock, or the file that the settings name."""
    return FileClock(Path(settings.clock_file)) if settings.clock_file else SystemClock()


def open_stores(settings: Settings, database: StateDatabase, given: Mapping[str, Store]) -> Stores:
    """The stores of all tenants, opened when first used; `given` are open already."""

    def opener(tenant_id: str) -> Store:
        with database.read(None) as session:
            place = session.execute(select(Tenant.store).where(Tenant.id == tenant_id)).scalar_one()
        return open_store(settings, settings.data / place)

    return Stores(opener, given)


def open_store(settings: Settings, path: Path | None = None) -> tsdb.Database:
    """A database of samples as the settings want it; that of the first tenant by default.

    On a file system that is mounted read-only it is opened for reading.
    """
    place = settings.data if path is None else path
    try:
        return tsdb.open(
            place,
            sync=settings.sync,
            sync_interval_s=settings.sync_interval_s,
            guests=_OWN_FOLDERS,
            **settings.kept(),
        )
    except ReadOnlyDisk as problem:
        if not place.exists():
            raise
        log.warning("%s: queries are served, writes are refused", problem)
        return tsdb.open(place, read_only=True)


def _folder_of(database: StateDatabase, settings: Settings) -> Path:
    if database.is_sqlite and database.url.database:
        return Path(database.url.database).parent
    return settings.data / "server"
