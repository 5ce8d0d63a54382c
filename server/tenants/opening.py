"""Opens a server's database, clock, stores and executors."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from novaql import ArgumentError, tsdb
from novaql.server.auth.bootstrap import ensure_first_tenant
from novaql.server.clock import Clock, FileClock, SystemClock
from novaql.server.db.damage import DamagedState, need_not_lost, need_sound, reason_of
from novaql.server.db.engine import StateDatabase
from novaql.server.db.migrate import has_tables, migrate, migrate_engine
from novaql.server.db.readonly_fallback import copy_of, need_writable
from novaql.server.db.rows import Tenant
from novaql.server.executors import Executors
from novaql.server.file_modes import make_private
from novaql.server.pools.machine_memory import usable_memory
from novaql.server.settings import Settings
from novaql.server.tenants.store import Store
from novaql.server.tenants.stores import Stores
from novaql.tsdb import ReadOnlyDisk

log = logging.getLogger(__name__)
_WAY_BACK = (
    "Stop the server, remove server/state.db-wal and server/state.db-shm, and put back the copy "
    "of a backup (BACKUP/server/state.db); samples are not affected. Until then "
    "`novaql serve --no-auth` answers queries and takes samples on this machine"
)
_OWN_FOLDERS = ("server", "tenants")
"""The server's own folders in a data directory, beside the samples of the first tenant."""
_CACHE_SHARE = 4
"""The caches of all stores may use 1/4 of the memory, as queries may."""


def open_state(settings: Settings) -> StateDatabase:
    """Open the server's database, verify it, and migrate it to this version.

    On a full or read-only disk, a copy replaces it, so that queries are served; see
    `StateDatabase`. An empty database replaces a damaged one, but only if authentication is off.
    Raises `ArgumentError` if it cannot be opened.
    """
    url = settings.database_url or f"sqlite:///{settings.data / 'server' / 'state.db'}"
    durable = settings.sync != "os"
    database = None
    try:
        if not settings.database_url:
            folder = settings.data / "server"
            folder.mkdir(parents=True, exist_ok=True)
            make_private(folder)
            need_writable(folder / "state.db")
            need_not_lost(settings.data)
        database = StateDatabase(url, durable=durable)
        need_sound(database)
        migrate(database)
    except (OSError, OperationalError) as problem:
        if settings.database_url or _is_busy(problem):
            raise _unusable(url, problem) from problem
        if database is not None:
            database.close()
        return _fallback_database(settings, url, problem)
    except DamagedState as problem:
        if database is not None:
            database.close()
        if settings.auth or settings.database_url:
            raise ArgumentError("data", f"{problem}. {_WAY_BACK}") from problem
        log.warning(
            "%s; an empty database replaces it; changes of anything but samples are refused. %s",
            problem,
            _WAY_BACK,
        )
        return _empty_fallback(settings)
    except Exception as problem:
        raise _unusable(url, problem) from problem
    return database


def _empty_fallback(settings: Settings) -> StateDatabase:
    """Return an empty read-only database that ends with this process."""
    database = StateDatabase(f"sqlite:///{copy_of(None)}", durable=False)
    migrate(database)
    ensure_first_tenant(database, open_clock(settings))
    database.refuse_changes("the server runs without its database")
    database.ends_with_process = True
    return database


def _unusable(url: str, problem: Exception) -> ArgumentError:
    shown = StateDatabase.shown(url)
    return ArgumentError("database_url", f"{shown} cannot be used: {problem}")


def _is_busy(problem: Exception) -> bool:
    """Return whether the cause is a lock of another process and not the disk."""
    code = getattr(getattr(problem, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _fallback_database(settings: Settings, url: str, problem: Exception) -> StateDatabase:
    """Return a copy of the database as a replacement. Return an empty one if the database did not
    exist and authentication is off."""
    path = settings.data / "server" / "state.db"
    try:
        database = StateDatabase(url, fallback=copy_of(path), prepare=migrate_engine)
        is_new = not has_tables(database)  # the failed attempt may have created the file
        if is_new and settings.auth:
            raise ArgumentError(
                "data",
                f"{path.parent} cannot be written ({reason_of(problem)}); select another "
                "database by NOVAQL_DATABASE_URL, or serve without authentication",
            ) from problem
        if is_new:
            database.close()
            database = _empty_fallback(settings)
        else:
            migrate(database)
    except OSError as full:
        raise _unusable(url, full) from problem
    log.warning(
        "the server's database cannot be written (%s): %s; queries are served, changes of anything "
        "but samples are refused",
        reason_of(problem),
        "an empty one replaces it" if is_new else "a copy replaces it until it can",
    )
    return database


def open_executors(settings: Settings) -> Executors:
    """Load the executors of scripts. No script can read the server's data, keys and settings."""
    paths = (
        settings.data,
        settings.ledger_key_file,
        settings.ledger_checkpoint_dir,
        settings.tls_key,
    )
    private = [path for path in paths if path is not None]
    return Executors.from_file(settings.executors_file, private=private)


def open_clock(settings: Settings) -> Clock:
    """Return the machine's clock, or the clock of the file that the settings name."""
    return FileClock(Path(settings.clock_file)) if settings.clock_file else SystemClock()


def cache_budget(settings: Settings) -> tsdb.CacheBudget:
    """Return the limit of the caches of all stores of a process."""
    usual = max(settings.store_cache_bytes, usable_memory() // _CACHE_SHARE)
    return tsdb.CacheBudget(settings.total_store_cache_bytes or usual)


def open_stores(
    settings: Settings,
    database: StateDatabase,
    given: Mapping[str, Store],
    budget: tsdb.CacheBudget,
) -> Stores:
    """Return the stores of all tenants, opened at their first use; `given` are open already."""

    def opener(tenant_id: str) -> Store:
        with database.read(None) as session:
            place = session.execute(select(Tenant.store).where(Tenant.id == tenant_id)).scalar_one()
        return open_store(settings, settings.data / place, budget)

    return Stores(opener, given)


def open_store(
    settings: Settings, path: Path | None = None, budget: tsdb.CacheBudget | None = None
) -> tsdb.Database:
    """Open a store with the settings; by default that of the first tenant.

    budget  limit that its caches share with those of other stores

    On a read-only file system it is opened for reading.
    """
    place = settings.data if path is None else path
    try:
        return tsdb.open(
            place,
            sync=settings.sync,
            sync_interval_s=settings.sync_interval_s,
            guests=_OWN_FOLDERS,
            cache_budget=budget,
            **settings.storage_options(),
        )
    except ReadOnlyDisk as problem:
        if not place.exists():
            raise
        log.warning("%s: queries are served, writes are refused", problem)
        return tsdb.open(
            place,
            read_only=True,
            cache_bytes=settings.store_cache_bytes,
            cache_budget=budget,
        )
