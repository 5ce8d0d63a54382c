"""The data argument of `query` → a `Source`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from novaql.errors import InputError
from novaql.inputs.data_kinds import kind_of
from novaql.inputs.database_folders import is_database
from novaql.inputs.opened import databases
from novaql.inputs.tables.table_source import TableSource
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import Source

if TYPE_CHECKING:
    from novaql.inputs import read_options
else:
    read_options = lazy_module("novaql.inputs.read_options")

Data: TypeAlias = Any
"""Data that can be queried: see `as_source`. Frames are of packages that may not be installed."""

NO_DATA = TableSource.from_batches(SeriesTable.unlabelled(0), [])
"""A source without samples, for queries without selectors."""

DEFAULT_DATABASE = "novaql-data"
DATABASE_VARIABLE = "NOVAQL_DATA"


def as_source(data: Data = None, *, now_ms: int | None = None) -> Source:
    """The source that `data` is or names; None is the default database.

    now_ms  time of text samples and scrapes without a time (None: the time of reading)

    Kinds that can be read selector by selector (databases, data directories of Prometheus, large
    Parquet files, servers) are; a folder is opened once for the process, and again when its files
    have changed. The samples of all other kinds are read into memory. Raises `InputError`, and
    `StorageUnavailable` for a database that cannot be opened.
    """
    if data is None:
        return _default()
    kind = kind_of(data)
    if kind.open_source is not None and (source := kind.open_source(data, now_ms)) is not None:
        return source
    assert kind.open_stream is not None
    return kind.open_stream(data, read_options.ReadOptions(default_time_ms=now_ms)).collect()


def default_path() -> Path:
    """The folder of the default database: NOVAQL_DATA, else ./novaql-data."""
    return Path(os.environ.get(DATABASE_VARIABLE) or DEFAULT_DATABASE).expanduser()


def _default() -> Source:
    path = default_path()
    if is_database(path):
        return databases.open(path)
    if os.environ.get(DATABASE_VARIABLE):
        raise InputError(f"{path}, which {DATABASE_VARIABLE} names, is no database")
    raise InputError(
        f"no data was given, and there is no database in ./{DEFAULT_DATABASE}; name a file, a "
        f"folder or an address (in a shell with --data), make one with `novaql import`, or set "
        f"{DATABASE_VARIABLE}"
    )
