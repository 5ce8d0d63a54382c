"""Caches of opened data: a query over the same folder or file opens it once for the process.

An entry is opened again when its files have changed. The earlier source may still be in use by a
query; it closes when the last reference to it is gone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
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
    from novaql.inputs.parquet import opening as parquet_opening
    from novaql.inputs.parquet.source import ParquetSource
    from novaql.inputs.prometheus import data_directory
    from novaql.inputs.tables import column_roles
else:
    files = lazy_module("novaql.inputs.files")
    parquet_opening = lazy_module("novaql.inputs.parquet.opening")
    column_roles = lazy_module("novaql.inputs.tables.column_roles")
    data_directory = lazy_module("novaql.inputs.prometheus.data_directory")

_CSV_SUFFIXES = (".csv",)  # a text file may take the time of reading
LARGE_BYTES = 4 << 20
"""Parquet files with more bytes are read selector by selector."""

_MOST_CACHED_SAMPLES = 10_000_000


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


class LastTables:
    """The table files that were read last: notebooks query the same ones repeatedly. Thread-safe.

    Large Parquet files are a `ParquetSource`, which reads what each selector needs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[object, TableSource | ParquetSource] | None = None

    def open(self, paths: Sequence[Path]) -> TableSource | ParquetSource | None:
        """The samples of files, folders and patterns; None if some of it is no table file, whose
        samples are the same each time it is read. Caches at most ten million samples that are in
        memory. Raises `InputError`."""
        if len(paths) == 1 and _is_csv(paths[0]):
            found: list[Path] | None = [paths[0].resolve()]
        else:
            found = files.parquet_files(paths)
        if not found:
            return None
        status = [path.stat() for path in found]
        key = [
            (path, path.absolute(), one.st_size, one.st_mtime_ns, one.st_ino)
            for path, one in zip(found, status, strict=True)
        ]
        with self._lock:
            if self._last is not None and self._last[0] == key:
                return self._last[1]
            large = None if _is_csv(found[0]) else large_source(found)
            source = large or files.read_paths(paths).collect()
            in_memory = source.samples if isinstance(source, TableSource) else 0
            held = in_memory <= _MOST_CACHED_SAMPLES
            self._last = (key, source) if held else None
            return source


def large_source(
    paths: Sequence[Path], columns: column_roles.Columns | None = None
) -> ParquetSource | None:
    """A source of paths that name large Parquet files without histograms; None for all others.
    Raises `InputError`."""
    found = files.parquet_files(paths)
    if not found or sum(path.stat().st_size for path in found) <= LARGE_BYTES:
        return None
    return parquet_opening.local_source(found, columns or column_roles.BY_NAME)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() in _CSV_SUFFIXES and path.is_file()


def _open_database(folder: Path) -> Any:
    return tsdb.open(folder, read_only=True)


databases = OpenedFolders(_open_database)
prometheus_folders = OpenedFolders(lambda folder: data_directory.DataDirectory(folder))
table_files = LastTables()


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
