"""Caches of opened data: a query over the same folder or file opens it once for the process.

An entry is opened again when its files have changed. The earlier source may still be in use by a
query; it closes when the last reference to it is gone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaql import tsdb
from novaql.errors import StorageUnavailable
from novaql.inputs.tables.table_source import TableSource
from novaql.lazy_exports import lazy_module
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.source import Source

if TYPE_CHECKING:
    from novaql.inputs import files
    from novaql.inputs.prometheus import data_directory
else:
    files = lazy_module("novaql.inputs.files")
    data_directory = lazy_module("novaql.inputs.prometheus.data_directory")

_MANIFESTS = ("MANIFEST", "MANIFEST.copy")  # every database has the first, unless it is damaged
_TABLE_SUFFIXES = (".parquet", ".pq", ".csv")  # a text file may take the time of reading
_MOST_CACHED_SAMPLES = 10_000_000


def is_database(path: Path) -> bool:
    """Whether a path is the folder of a database."""
    if any((path / name).is_file() for name in _MANIFESTS):
        return True
    return (path / "LOCK").is_file() and all((path / name).is_dir() for name in ("wal", "blocks"))


def is_unchanging_table(path: Path) -> bool:
    """Whether a path is a table file, whose samples are the same each time it is read."""
    return path.suffix.lower() in _TABLE_SUFFIXES and path.is_file()


class OpenedFolders:
    """Sources of folders, by path. Thread-safe.

    open_folder  opens one
    """

    def __init__(self, open_folder: Callable[[Path], Source]) -> None:
        self._open_folder = open_folder
        self._lock = threading.Lock()
        self._opened: dict[Path, tuple[object, Source]] = {}

    def open(self, path: Path) -> Source:
        """The source of a folder. Raises `StorageUnavailable`."""
        place = path.resolve()
        with self._lock:
            now = _fingerprint(place)
            before, source = self._opened.get(place, (None, None))
            if source is None or before != now:
                try:
                    source = self._open_folder(place)
                except (StoreError, OSError) as problem:
                    raise StorageUnavailable(f"{path}: {problem}") from problem
                self._opened[place] = (now, source)
            return source


class LastTableFile:
    """The table file that was read last: notebooks query one file repeatedly. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[object, TableSource] | None = None

    def open(self, path: Path) -> TableSource:
        """The samples of a file. Caches at most ten million. Raises `InputError`."""
        place = path.resolve()
        status = place.stat()
        key = (place, status.st_size, status.st_mtime_ns, status.st_ino)
        with self._lock:
            if self._last is not None and self._last[0] == key:
                return self._last[1]
            source = files.read_paths([path]).collect()
            self._last = (key, source) if source.samples <= _MOST_CACHED_SAMPLES else None
            return source


def _open_database(folder: Path) -> Any:
    return tsdb.open(folder, read_only=True)


databases = OpenedFolders(_open_database)
prometheus_folders = OpenedFolders(lambda folder: data_directory.DataDirectory(folder))
table_files = LastTableFile()


def _fingerprint(folder: Path) -> object:
    """A value that differs when any file of the folder does."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.stat(os.path.join(where, name))
            except FileNotFoundError:
                continue
            found.append((where, name, status.st_size, status.st_mtime_ns))
    return sorted(found)
