"""What a caller hands to `query` as data → a `Source`."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from novaql.errors import InputError, StorageUnavailable
from novaql.inputs.prometheus.folders import is_data_directory
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import Source

if TYPE_CHECKING:
    from novaql.tsdb import Database

Data: TypeAlias = Any
"""Whatever can be queried: see `as_source`. Frames come from packages that may not be there."""

NO_DATA = TableSource.from_tiles(SeriesTable.unlabelled(0), [])
"""A source without samples, for queries without selectors."""

DEFAULT_DATABASE = "novaql-data"
DATABASE_VARIABLE = "NOVAQL_DATA"
_SAME_EVERY_TIME = (".parquet", ".pq", ".csv")  # text may take the time of reading
_MOST_SAMPLES_HELD = 10_000_000
_MANIFESTS = ("MANIFEST", "MANIFEST.copy")  # every database has the first, unless it is damaged


def as_source(data: Data = None, *, now_ms: int | None = None) -> Source:
    """The source that `data` is or stands for.

    now_ms  time of text samples and scrapes that bring none (None: when they are read)

    A `Source` is taken as it is; None is the default database; a folder with a database in it is
    opened for reading (once for the process, again when its files have changed), and so is the data
    directory of a Prometheus;
    the address of a remote read (it ends in `/api/v1/read`) is asked for what each selector wants;
    everything else is read into memory, see `open_stream`; the table file read last is kept there
    while it does not change. Raises `InputError`, and `StorageUnavailable` for a database that
    cannot be opened.
    """
    if data is None:
        return _default()
    if isinstance(data, Source):
        return data
    if isinstance(data, str | os.PathLike):
        if not os.fspath(data):  # a variable that was never set; the working folder is not meant
            raise InputError("the path is empty")
        path = Path(data).expanduser()
        if is_database(path):
            return _databases.open(path)
        if is_data_directory(path):
            return _prometheus.open(path)
        if path.suffix.lower() in _SAME_EVERY_TIME and path.is_file():
            return _last_file.read(path)
    from novaql.inputs.open_any import is_remote_read_url, open_stream  # noqa: PLC0415 - 15 ms a database never needs

    if is_remote_read_url(data):
        from novaql.inputs.prometheus.remote_read import RemoteReadSource  # noqa: PLC0415 - http

        return RemoteReadSource(data)
    return open_stream(data, default_time_ms=now_ms).collect()


def default_path() -> Path:
    """Where the default database lies: NOVAQL_DATA, else ./novaql-data."""
    return Path(os.environ.get(DATABASE_VARIABLE) or DEFAULT_DATABASE).expanduser()


def is_database(path: Path) -> bool:
    """Whether a path is the folder of a database."""
    if any((path / name).is_file() for name in _MANIFESTS):
        return True
    return (path / "LOCK").is_file() and all((path / name).is_dir() for name in ("wal", "blocks"))


def _default() -> Source:
    path = default_path()
    if is_database(path):
        return _databases.open(path)
    if os.environ.get(DATABASE_VARIABLE):
        raise InputError(f"{path}, which {DATABASE_VARIABLE} names, is no database")
    raise InputError(
        f"no data was given, and there is no database in ./{DEFAULT_DATABASE}; name a file, a "
        f"folder or an address, make one with `novaql import`, or set {DATABASE_VARIABLE}"
    )


class _Databases:
    """Databases opened for reading, by folder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[object, Database]] = {}

    def open(self, path: Path) -> Source:
        from novaql import tsdb  # noqa: PLC0415 - the store is loaded only where there is a database

        place = path.resolve()
        with self._lock:
            now = _fingerprint(place)
            before, database = self._open.get(place, (None, None))
            if database is None or before != now:
                # The earlier handle may still be in use by a query; it closes when the last does.
                try:
                    database = tsdb.open(place, read_only=True)
                except tsdb.StoreError as problem:
                    raise StorageUnavailable(f"{path}: {problem}") from problem
                self._open[place] = (now, database)
            return database


class _PrometheusFolders:
    """Data directories of Prometheus, by folder; read again when their files have changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[object, Source]] = {}

    def open(self, path: Path) -> Source:
        from novaql.inputs.prometheus.data_directory import (  # noqa: PLC0415 - only for these
            DataDirectory,
        )
        from novaql.tsdb.errors import StoreError  # noqa: PLC0415 - as above

        place = path.resolve()
        with self._lock:
            now = _fingerprint(place)
            before, source = self._open.get(place, (None, None))
            if source is None or before != now:
                try:
                    source = DataDirectory(place)
                except (StoreError, OSError) as problem:
                    raise StorageUnavailable(f"{path}: {problem}") from problem
                self._open[place] = (now, source)
            return source


class _LastFile:
    """The table file that was read last: notebooks ask one file again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: tuple[object, TableSource] | None = None

    def read(self, path: Path) -> TableSource:
        from novaql.inputs.open_any import open_stream  # noqa: PLC0415 - as above

        place = path.resolve()
        status = place.stat()
        key = (place, status.st_size, status.st_mtime_ns, status.st_ino)
        with self._lock:
            if self._held is not None and self._held[0] == key:
                return self._held[1]
            source = open_stream(path).collect()
            self._held = (key, source) if source.samples <= _MOST_SAMPLES_HELD else None
            return source


_databases = _Databases()
_prometheus = _PrometheusFolders()
_last_file = _LastFile()


def _fingerprint(folder: Path) -> object:
    """Changes when any file of the folder does."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(where, name))
            except FileNotFoundError:
                continue
            found.append((where, name, status.st_size, status.st_mtime_ns))
    return sorted(found)
