"""An embedded column store for metrics.

with tsdb.open("metrics") as database:
    database.append(batch)
    database.select([Matcher("__name__", MatchOp.EQUAL, "up")], start_ms, end_ms)

The names below are loaded when they are first used: the engine needs the contracts (`labels`,
`tile`, `selection`, …), and not the store behind them, until there is a database to open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from novaql.tsdb.copies import Copied as Copied
    from novaql.tsdb.copies import backup as backup
    from novaql.tsdb.copies import restore as restore
    from novaql.tsdb.copies import snapshot as snapshot
    from novaql.tsdb.damage import Losses as Losses
    from novaql.tsdb.database import Database as Database
    from novaql.tsdb.errors import Corrupted as Corrupted
    from novaql.tsdb.errors import InvalidBatch as InvalidBatch
    from novaql.tsdb.errors import NotAStore as NotAStore
    from novaql.tsdb.errors import ReadFailed as ReadFailed
    from novaql.tsdb.errors import ReadOnly as ReadOnly
    from novaql.tsdb.errors import ReadOnlyDisk as ReadOnlyDisk
    from novaql.tsdb.errors import StorageFull as StorageFull
    from novaql.tsdb.errors import StoreClosed as StoreClosed
    from novaql.tsdb.errors import StoreError as StoreError
    from novaql.tsdb.errors import StoreLocked as StoreLocked
    from novaql.tsdb.errors import StoreNotFound as StoreNotFound
    from novaql.tsdb.errors import TargetInUse as TargetInUse
    from novaql.tsdb.errors import UnknownFormat as UnknownFormat
    from novaql.tsdb.errors import WriteFailed as WriteFailed
    from novaql.tsdb.exemplars import SeriesExemplars as SeriesExemplars
    from novaql.tsdb.fsio import Disk
    from novaql.tsdb.histograms import MAX_SCHEMA as MAX_SCHEMA
    from novaql.tsdb.histograms import MIN_SCHEMA as MIN_SCHEMA
    from novaql.tsdb.histograms import Buckets as Buckets
    from novaql.tsdb.histograms import Histograms as Histograms
    from novaql.tsdb.label_counts import cardinality as cardinality
    from novaql.tsdb.labels import METRIC_NAME as METRIC_NAME
    from novaql.tsdb.labels import Bools as Bools
    from novaql.tsdb.labels import Ints as Ints
    from novaql.tsdb.labels import LabelColumn as LabelColumn
    from novaql.tsdb.labels import SeriesTable as SeriesTable
    from novaql.tsdb.labels import concat_tables as concat_tables
    from novaql.tsdb.manifest import blocks_on_disk as blocks_on_disk
    from novaql.tsdb.matchers import Matcher as Matcher
    from novaql.tsdb.matchers import MatchOp as MatchOp
    from novaql.tsdb.matchers import PatternTooCostly as PatternTooCostly
    from novaql.tsdb.matchers import compile_regex as compile_regex
    from novaql.tsdb.options import AppendResult as AppendResult
    from novaql.tsdb.options import CompactionResult as CompactionResult
    from novaql.tsdb.options import StoreOptions as StoreOptions
    from novaql.tsdb.options import Sync
    from novaql.tsdb.repairing import Repaired as Repaired
    from novaql.tsdb.repairing import repair as repair
    from novaql.tsdb.selection import FIRST_SAMPLE_MS as FIRST_SAMPLE_MS
    from novaql.tsdb.selection import LAST_SAMPLE_MS as LAST_SAMPLE_MS
    from novaql.tsdb.selection import MAX_TIME_MS as MAX_TIME_MS
    from novaql.tsdb.selection import MIN_TIME_MS as MIN_TIME_MS
    from novaql.tsdb.selection import Hints as Hints
    from novaql.tsdb.selection import HistogramRef as HistogramRef
    from novaql.tsdb.selection import Metadata as Metadata
    from novaql.tsdb.selection import Selection as Selection
    from novaql.tsdb.selection import Source as Source
    from novaql.tsdb.selection import TileRef as TileRef
    from novaql.tsdb.tile import STALE as STALE
    from novaql.tsdb.tile import Batch as Batch
    from novaql.tsdb.tile import Floats as Floats
    from novaql.tsdb.tile import HistogramSamples as HistogramSamples
    from novaql.tsdb.tile import HistogramTile as HistogramTile
    from novaql.tsdb.tile import Tile as Tile
    from novaql.tsdb.tile import is_stale as is_stale
    from novaql.tsdb.tombstones import DeleteResult as DeleteResult
    from novaql.tsdb.verify import check as check
else:
    from novaql.lazy_exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "copies": ("Copied", "backup", "restore", "snapshot"),
            "damage": ("Losses",),
            "database": ("Database",),
            "errors": (
                "Corrupted",
                "InvalidBatch",
                "NotAStore",
                "ReadFailed",
                "ReadOnly",
                "ReadOnlyDisk",
                "StorageFull",
                "StoreClosed",
                "StoreError",
                "StoreLocked",
                "StoreNotFound",
                "TargetInUse",
                "UnknownFormat",
                "WriteFailed",
            ),
            "exemplars": ("SeriesExemplars",),
            "histograms": ("MAX_SCHEMA", "MIN_SCHEMA", "Buckets", "Histograms"),
            "label_counts": ("cardinality",),
            "labels": (
                "METRIC_NAME",
                "Bools",
                "Ints",
                "LabelColumn",
                "SeriesTable",
                "concat_tables",
            ),
            "manifest": ("blocks_on_disk",),
            "matchers": ("MatchOp", "Matcher", "PatternTooCostly", "compile_regex"),
            "options": (
                "AppendResult",
                "CompactionResult",
                "StoreOptions",
            ),
            "repairing": ("Repaired", "repair"),
            "selection": (
                "FIRST_SAMPLE_MS",
                "LAST_SAMPLE_MS",
                "MAX_TIME_MS",
                "MIN_TIME_MS",
                "Hints",
                "HistogramRef",
                "Metadata",
                "Selection",
                "Source",
                "TileRef",
            ),
            "tile": (
                "STALE",
                "Batch",
                "Floats",
                "HistogramSamples",
                "HistogramTile",
                "Tile",
                "is_stale",
            ),
            "tombstones": ("DeleteResult",),
            "verify": ("check",),
        },
    )
    __all__ += ["memory", "open"]


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
