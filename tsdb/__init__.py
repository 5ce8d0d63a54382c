"""An embedded column store for metrics.

with tsdb.open("metrics") as database:
    database.append(batch)
    database.select([Matcher("__name__", MatchOp.EQUAL, "up")], start_ms, end_ms)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tsdb.check import Violation, check
from tsdb.database import Database
from tsdb.errors import (
    Corrupted,
    InvalidBatch,
    NotAStore,
    ReadFailed,
    ReadOnly,
    StorageFull,
    StoreClosed,
    StoreError,
    StoreLocked,
    StoreNotFound,
    UnknownFormat,
    WriteFailed,
)
from tsdb.files import open_files
from tsdb.fsio import Disk, RealDisk
from tsdb.head.head import Head
from tsdb.labels import METRIC_NAME, LabelColumn, SeriesTable
from tsdb.matchers import Matcher, MatchOp
from tsdb.options import AppendResult, OpenReport, StoreOptions, StoreStats, Sync
from tsdb.selection import Hints, Metadata, Selection, Source, TileRef
from tsdb.tile import STALE, Batch, Tile


def open(
    path: str | Path,
    *,
    sync: Sync | str = Sync.INTERVAL,
    read_only: bool = False,
    disk: Disk | None = None,
    **options: Any,
) -> Database:
    """Open the store in a directory; create it if there is none (not with `read_only`).

    sync       when an append is safe from a power cut: "always", "interval" or "os"
    read_only  write nothing at all, not even a lock; the data is as of now
    options    fields of `StoreOptions`, such as sync_interval_s=1.0 or cache_bytes=0

    Raises `StoreNotFound`, `NotAStore`, `StoreLocked` (another writer has it), `Corrupted`,
    `WriteFailed`, `ReadFailed`; `ValueError` and `TypeError` for a wrong option.
    """
    settings = StoreOptions(sync=Sync(sync), **options)
    files, head = open_files(disk or RealDisk(), Path(path), settings, read_only=read_only)
    return Database(files, head, settings)


def memory(**options: Any) -> Database:
    """An empty database that lives in memory alone, with the same interface."""
    return Database(None, Head(), StoreOptions(**options))


__all__ = [
    "METRIC_NAME",
    "STALE",
    "AppendResult",
    "Batch",
    "Corrupted",
    "Database",
    "Disk",
    "Hints",
    "InvalidBatch",
    "LabelColumn",
    "MatchOp",
    "Matcher",
    "Metadata",
    "NotAStore",
    "OpenReport",
    "ReadFailed",
    "ReadOnly",
    "Selection",
    "SeriesTable",
    "Source",
    "StorageFull",
    "StoreClosed",
    "StoreError",
    "StoreLocked",
    "StoreNotFound",
    "StoreOptions",
    "StoreStats",
    "Sync",
    "Tile",
    "TileRef",
    "UnknownFormat",
    "Violation",
    "WriteFailed",
    "check",
    "memory",
    "open",
]
