"""Copies of all that a server keeps: samples of every tenant, its database and its key."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import tsdb
from novaql.errors import ArgumentError
from server.platform.bootstrap import tenants
from server.platform.opening import open_state
from server.platform.state.database import StateDatabase
from server.settings import Settings

_SAMPLES, _STATE, _KEY = "samples", "server/state.db", "server/master.key"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was copied, and what has to be kept by other means, a sentence each."""

    stores: int
    left_out: tuple[str, ...]


def back_up(settings: Settings, target: Path) -> BackedUp:
    """Bring a copy of a server's data up to date, while it runs or not.

    The database is copied first, as it is at one moment, then the samples: so every tenant that
    the copy knows has its samples in it. Raises `ArgumentError` or a `StoreError` if that fails;
    an earlier backup in `target` stands then.
    """
    left_out = []
    with closing(open_state(settings)) as database:
        if database.is_sqlite:
            _copy_state(database, target / _STATE)
        else:
            left_out.append("the database is PostgreSQL: copy it by pg_dump, before this")
        places = [row.store for row in tenants(database)]
    key = settings.data / _KEY
    if settings.master_key:
        left_out.append("the master key is in the environment: keep it where backups are not")
    elif key.exists():
        _put(key, target / _KEY)
    count = 0
    for place in places:
        if (settings.data / place).is_dir():  # a tenant that never had samples has no store
            tsdb.backup(settings.data / place, target / (place or _SAMPLES))
            count += 1
    return BackedUp(count, tuple(left_out))


def restore(copy: Path, data: Path) -> int:
    """Make a data directory out of a backup; how many stores it has.

    data  new or empty. Raises `ArgumentError` or a `StoreError`.
    """
    if not (copy / _SAMPLES).is_dir():
        raise ArgumentError("copy", f"{copy} is no backup of a server: there is no {_SAMPLES}/")
    stores = list(_stores_in(copy))
    for source, place in stores:
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        tsdb.restore(source, data / place)
    for name in (_STATE, _KEY):
        if (copy / name).exists():
            _put(copy / name, data / name)
    return len(stores)


def _stores_in(copy: Path) -> Iterator[tuple[Path, str]]:
    yield copy / _SAMPLES, ""
    folder = copy / "tenants"
    if folder.is_dir():
        for one in sorted(folder.iterdir()):
            yield one, f"tenants/{one.name}"


def _copy_state(database: StateDatabase, target: Path) -> None:
    """One state of the database; SQLite's own way, which waits for no writer."""
    assert database.url.database is not None
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(database.url.database)) as source,
        closing(sqlite3.connect(fresh)) as copy,
    ):
        source.backup(copy)
    _settle(fresh, target)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out, source.open("rb") as found:
        shutil.copyfileobj(found, out)
    _settle(fresh, target)


def _settle(fresh: Path, target: Path) -> None:
    """On the disk, readable by its owner only, and in its place at once."""
    fresh.chmod(0o600)
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    fresh.replace(target)
