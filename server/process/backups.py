"""Backups of all data of a server: samples of every tenant, its database and its key."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import orjson

from novaql import ArgumentError, tsdb
from novaql.fast_dataclass import dataclass
from novaql.server.auth.bootstrap import tenants
from novaql.server.db.engine import StateDatabase, is_damage
from novaql.server.settings import Settings
from novaql.server.tenants.opening import open_state
from novaql.tsdb import WriteFailed

_SAMPLES, _STATE, _KEY, _LIST = "samples", "server/state.db", "server/master.key", "backup.json"
_LEDGER_KEYS = "server/ledger.keys"


@dataclass(frozen=True, slots=True)
class StoreCount:
    """The size of a store.

    place    its directory, relative to the server's data directory; "" is that directory itself
    samples  of all series, in blocks and in the WAL
    """

    place: str
    series: int
    samples: int


@dataclass(frozen=True, slots=True)
class BackedUp:
    """The copied data, and the data that needs another backup, one sentence each."""

    stores: tuple[StoreCount, ...]
    left_out: tuple[str, ...]


def back_up(settings: Settings, target: Path) -> BackedUp:
    """Create or update a backup of a server, whether it runs or not, and verify it.

    The database is copied first, in one consistent state, then the samples: every tenant in the
    copied database has its samples in the backup. Each copied store is then opened, and its series
    and samples are counted and compared with the original.

    Raises `ArgumentError` or a `StoreError` if any data is missing in the backup. An earlier backup
    in `target` remains valid until newer parts replace its parts, one by one.
    """
    left_out = []
    with closing(open_state(settings)) as database:
        if database.ends_with_process:
            raise ArgumentError(
                "data",
                f"{settings.data / _STATE} is damaged, or cannot be created on this disk; "
                "`novaql backup` copies samples without it",
            )
        if database.is_sqlite:
            _copy_state(database, target / _STATE)
        else:
            left_out.append("the database is PostgreSQL: copy it by pg_dump, before this")
        places = _places(settings, [row.store for row in tenants(database)])
    key = settings.data / _KEY
    if settings.master_key:
        left_out.append("the master key is in the environment: store it apart from the backups")
    elif key.exists():
        _put(key, target / _KEY)
    ledger_keys = settings.data / _LEDGER_KEYS
    if settings.ledger_key_file is not None:
        left_out.append("the keys of ledgers are in ledger_key_file: store them elsewhere")
    elif ledger_keys.exists():
        _put(ledger_keys, target / _LEDGER_KEYS)
    stores = tuple(_copy_store(settings.data, place, target) for place in places)
    _write(target / _LIST, orjson.dumps({"stores": [asdict(one) for one in stores]}))
    return BackedUp(stores, tuple(left_out))


def restore(copy: Path, data: Path) -> tuple[StoreCount, ...]:
    """Create a data directory from a backup. Return the counts of its stores.

    data  new or empty

    Raises `ArgumentError` if `copy` is not a backup, or if a store is missing or smaller than
    recorded; a `StoreError` for a damaged one.
    """
    listed = _listed(copy)
    sources = dict(_stores_in(copy))
    missing = [place or _SAMPLES for place in listed if place not in sources]
    if missing or not sources:
        raise ArgumentError(
            "copy", f"{copy} is no backup of a server: there is no {(missing or [_SAMPLES])[0]}/"
        )
    found = []
    for place, source in sources.items():
        (data / place).parent.mkdir(parents=True, exist_ok=True)
        tsdb.restore(source, data / place)
        count = _count(data / place, place)
        wanted = listed.get(place, count)
        if (count.series, count.samples) != (wanted.series, wanted.samples):
            raise ArgumentError(
                "copy",
                f"{source} has {count.samples} samples of {count.series} series; "
                f"{wanted.samples} of {wanted.series} were backed up",
            )
        found.append(count)
    for name in (_STATE, _KEY, _LEDGER_KEYS):
        if (copy / name).exists():
            _put(copy / name, data / name)
    return tuple(found)


def _places(settings: Settings, recorded: Sequence[str]) -> list[str]:
    """Return the places of all existing stores, including that of the first tenant in any case.

    Raises `ArgumentError` if a store belongs to no tenant of the database.
    """
    first, *others = recorded or [""]
    if first and not (settings.data / first).is_dir():
        first = ""  # recorded by an earlier version; see `correct_first_place`
    places = [first, *(one for one in others if (settings.data / one).is_dir())]
    known = {*places, *recorded}
    folder = settings.data / "tenants"
    strays = [one.name for one in folder.iterdir()] if folder.is_dir() else []
    unknown = [name for name in sorted(strays) if f"tenants/{name}" not in known]
    if unknown:
        raise ArgumentError(
            "data",
            f"{folder / unknown[0]} holds samples of a tenant that the database does not have; "
            "is this the database of that data directory?",
        )
    return places


def _copy_store(data: Path, place: str, target: Path) -> StoreCount:
    """Copy a store and count the copy. Raises `ArgumentError` if it is smaller than the
    original."""
    source, copy = data / place, target / (place or _SAMPLES)
    before = _count(source, place)
    tsdb.backup(source, copy)
    count = _count(copy, place)
    # Clients may add samples during the copy; deletes and retention may remove some.
    if count.samples < before.samples:
        after = _count(source, place)
        if count.samples < after.samples or count.series < min(before.series, after.series):
            raise ArgumentError(
                "target",
                f"{copy} has {count.samples} samples of {count.series} series, {source} had "
                f"{before.samples} of {before.series}: the copy is not complete",
            )
    return count


def _count(path: Path, place: str) -> StoreCount:
    """Count the contents of a store. Raises a `StoreError` if it is damaged."""
    with tsdb.open(path, read_only=True) as database:
        stats = database.stats()
        series = len(database.series([[]], -(2**63), 2**63 - 1))
    return StoreCount(place, series, stats.block_samples + stats.head_samples)


def _listed(copy: Path) -> Mapping[str, StoreCount]:
    """Return the stores of a backup by place; none for a backup of an earlier version."""
    path = copy / _LIST
    if not path.exists():
        return {}
    try:
        rows = [StoreCount(**row) for row in orjson.loads(path.read_bytes())["stores"]]
    except (ValueError, KeyError, TypeError) as problem:
        raise ArgumentError("copy", f"{path} is damaged: {problem}") from None
    return {row.place: row for row in rows}


def _stores_in(copy: Path) -> Iterator[tuple[str, Path]]:
    if (copy / _SAMPLES).is_dir():
        yield "", copy / _SAMPLES
    folder = copy / "tenants"
    if folder.is_dir():
        for one in sorted(folder.iterdir()):
            yield f"tenants/{one.name}", one


def _copy_state(database: StateDatabase, target: Path) -> None:
    """Copy one consistent state of the database by SQLite's online backup, which does not wait for
    writers."""
    used = database.engine.url.database  # on a full disk, that of the copy
    assert used is not None
    try:
        with (
            _replacing(target) as fresh,
            closing(sqlite3.connect(used)) as source,
            closing(sqlite3.connect(fresh)) as copy,
        ):
            source.backup(copy)
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise ArgumentError("data", f"{used} is damaged: {verdict}")
    except sqlite3.Error as problem:
        if is_damage(problem):
            raise ArgumentError("data", f"{used} is damaged: {problem}") from problem
        raise WriteFailed(f"copying the database to {target}: {problem}") from problem


def _put(source: Path, target: Path) -> None:
    with _replacing(target) as fresh:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out, source.open("rb") as found:
            shutil.copyfileobj(found, out)


def _write(target: Path, content: bytes) -> None:
    with _replacing(target) as fresh:
        fresh.write_bytes(content)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Yield the path of a new file. Then sync it to the disk, readable by its owner only, and move
    it to its place atomically and durably. After an error, it is deleted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    try:
        yield fresh
        fresh.chmod(0o600)
        _sync(fresh)
        fresh.replace(target)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Sync a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
