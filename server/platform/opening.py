"""Opening what a server keeps: its database, its keys, its clock, and the stores of tenants."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select

import tsdb
from novaql.errors import ArgumentError
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
from server.platform.store import Store
from server.platform.stores import Stores
from server.platform.tables import Fact
from server.settings import Settings

log = logging.getLogger(__name__)
_CANARY = "master_key_canary"
_WORD = "canary"


def open_state(settings: Settings) -> StateDatabase:
    """The server's database, migrated to this version.

    Without authentication it may live in memory's stead: on a directory that cannot be written,
    queries are served from a temporary one. Raises `ArgumentError` if it cannot be opened.
    """
    url = settings.database_url or _file_in(settings)
    try:
        database = StateDatabase(url, durable=settings.sync != "os")
        migrate(database)
    except ArgumentError:
        raise
    except Exception as problem:
        shown = StateDatabase.shown(url)
        raise ArgumentError("database_url", f"{shown} cannot be used: {problem}") from problem
    return database


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
    except ValueError as problem:
        raise ArgumentError("master_key", str(problem)) from None
    with database.write(None) as session:
        fact = session.get(Fact, _CANARY)
        if fact is None:
            session.add(Fact(name=_CANARY, value=keys.seal(_WORD, purpose=_CANARY)))
            return keys
        try:
            keys.unseal(fact.value, purpose=_CANARY)
        except CannotUnseal as problem:
            raise ArgumentError(
                "master_key", f"this is not the key that the database was made with: {problem}"
            ) from None
        if not keys.is_current(fact.value):
            fact.value = keys.seal(_WORD, purpose=_CANARY)
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
    """A database of samples as the settings want it; that of the first tenant by default."""
    return tsdb.open(
        settings.data if path is None else path,
        sync=settings.sync,
        sync_interval_s=settings.sync_interval_s,
    )


def _file_in(settings: Settings) -> str:
    folder = settings.data / "server"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return f"sqlite:///{folder / 'state.db'}"
    if settings.auth:
        raise ArgumentError(
            "data",
            f"{folder} cannot be written; give another place for tokens by NOVAQL_DATABASE_URL, "
            "or serve without authentication",
        )
    log.warning("the data directory cannot be written: nothing but queries is kept")
    return f"sqlite:///{tempfile.mkdtemp(prefix='novaql-state-')}/state.db"


def _folder_of(database: StateDatabase, settings: Settings) -> Path:
    if database.is_sqlite and database.url.database:
        return Path(database.url.database).parent
    return settings.data / "server"
