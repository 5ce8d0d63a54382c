"""An embedded column store for metrics.

with tsdb.open("metrics") as database:
    database.append(batch)
    database.select([Matcher("__name__", MatchOp.EQUAL, "up")], start_ms, end_ms)

The names below are loaded when they are first used: the engine needs the contracts (`labels`,
`tile`, `selection`, …), and not the store behind them, until there is a database to open.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from novaql.tsdb.copies import Copied, backup, restore, snapshot
    from novaql.tsdb.damage import Losses
    from novaql.tsdb.database import Database
    from novaql.tsdb.errors import (
        Corrupted,
        InvalidBatch,
        NotAStore,
        ReadFailed,
        ReadOnly,
        ReadOnlyDisk,
        StorageFull,
        StoreClosed,
        StoreError,
        StoreLocked,
        StoreNotFound,
        TargetInUse,
        UnknownFormat,
        Unreadable,
        WriteFailed,
    )
    from novaql.tsdb.fsio import Disk
    from novaql.tsdb.histograms import Histograms
    from novaql.tsdb.labels import METRIC_NAME, LabelColumn, SeriesTable
    from novaql.tsdb.matchers import Matcher, MatchOp
    from novaql.tsdb.options import (
        AppendResult,
        CompactionResult,
        OpenReport,
        StoreOptions,
        StoreStats,
        Sync,
    )
    from novaql.tsdb.repairing import Repaired, repair
    from novaql.tsdb.selection import Hints, HistogramRef, Metadata, Selection, Source, TileRef
    from novaql.tsdb.tile import STALE, Batch, HistogramSamples, HistogramTile, Tile
    from novaql.tsdb.verify import Violation, check

_MODULE_OF = {
    "METRIC_NAME": "labels",
    "STALE": "tile",
    "AppendResult": "options",
    "Batch": "tile",
    "CompactionResult": "options",
    "Copied": "copies",
    "Corrupted": "errors",
    "Database": "database",
    "Disk": "fsio",
    "Hints": "selection",
    "HistogramRef": "selection",
    "HistogramSamples": "tile",
    "HistogramTile": "tile",
    "Histograms": "histograms",
    "InvalidBatch": "errors",
    "LabelColumn": "labels",
    "Losses": "damage",
    "MatchOp": "matchers",
    "Matcher": "matchers",
    "Metadata": "selection",
    "NotAStore": "errors",
    "OpenReport": "options",
    "ReadFailed": "errors",
    "ReadOnly": "errors",
    "ReadOnlyDisk": "errors",
    "Repaired": "repairing",
    "Selection": "selection",
    "SeriesTable": "labels",
    "Source": "selection",
    "StorageFull": "errors",
    "StoreClosed": "errors",
    "StoreError": "errors",
    "StoreLocked": "errors",
    "StoreNotFound": "errors",
    "StoreOptions": "options",
    "StoreStats": "options",
    "Sync": "options",
    "TargetInUse": "errors",
    "Tile": "tile",
    "TileRef": "selection",
    "UnknownFormat": "errors",
    "Unreadable": "errors",
    "Violation": "verify",
    "WriteFailed": "errors",
    "backup": "copies",
    "check": "verify",
    "repair": "repairing",
    "restore": "copies",
    "snapshot": "copies",
}


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        if name in _MODULE_OF.values():  # `tsdb.selection` works after `import tsdb`
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def open(
    path: str | Path,
    *,
    sync: Sync | str = "interval",
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
    from novaql.tsdb.database import open_database  # noqa: PLC0415 - the store is loaded at first use

    return open_database(path, sync=sync, read_only=read_only, disk=disk, **options)


def memory(**options: Any) -> Database:
    """An empty database that lives in memory alone, with the same interface."""
    from novaql.tsdb.database import memory_database  # noqa: PLC0415 - as above

    return memory_database(**options)


__all__ = [
    "METRIC_NAME",
    "STALE",
    "AppendResult",
    "Batch",
    "CompactionResult",
    "Copied",
    "Corrupted",
    "Database",
    "Disk",
    "Hints",
    "HistogramRef",
    "HistogramSamples",
    "HistogramTile",
    "Histograms",
    "InvalidBatch",
    "LabelColumn",
    "Losses",
    "MatchOp",
    "Matcher",
    "Metadata",
    "NotAStore",
    "OpenReport",
    "ReadFailed",
    "ReadOnly",
    "ReadOnlyDisk",
    "Repaired",
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
    "TargetInUse",
    "Tile",
    "TileRef",
    "UnknownFormat",
    "Unreadable",
    "Violation",
    "WriteFailed",
    "backup",
    "check",
    "memory",
    "open",
    "repair",
    "restore",
    "snapshot",
]
