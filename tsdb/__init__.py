"""An embedded column store for metrics.

with tsdb.open("metrics") as database:
    database.append(batch)
    database.select([Matcher("__name__", MatchOp.EQUAL, "up")], start_ms, end_ms)

The names below are loaded when they are first used: the engine needs the contracts (`labels`,
`series_batch`, `source`, …), but not the store that implements them until a database is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from novaql.tsdb import database as _store
    from novaql.tsdb.database import Database as Database
    from novaql.tsdb.directory.manifest import blocks_on_disk as blocks_on_disk
    from novaql.tsdb.disk.vfs import Disk
    from novaql.tsdb.errors import Corrupted as Corrupted
    from novaql.tsdb.errors import InvalidBatch as InvalidBatch
    from novaql.tsdb.errors import InvalidDeletion as InvalidDeletion
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
    from novaql.tsdb.errors import TooManyDeletions as TooManyDeletions
    from novaql.tsdb.errors import UnknownFormat as UnknownFormat
    from novaql.tsdb.errors import WriteFailed as WriteFailed
    from novaql.tsdb.index.cardinality import cardinality as cardinality
    from novaql.tsdb.maintenance.backup import Copied as Copied
    from novaql.tsdb.maintenance.backup import backup as backup
    from novaql.tsdb.maintenance.backup import restore as restore
    from novaql.tsdb.maintenance.backup import snapshot as snapshot
    from novaql.tsdb.maintenance.check import check as check
    from novaql.tsdb.model.batch_views import SeriesView as SeriesView
    from novaql.tsdb.model.exemplars import SeriesExemplars as SeriesExemplars
    from novaql.tsdb.model.histograms import MAX_SCHEMA as MAX_SCHEMA
    from novaql.tsdb.model.histograms import MIN_SCHEMA as MIN_SCHEMA
    from novaql.tsdb.model.histograms import Buckets as Buckets
    from novaql.tsdb.model.histograms import Histograms as Histograms
    from novaql.tsdb.model.interruption import checkpoint as checkpoint
    from novaql.tsdb.model.interruption import interruptible as interruptible
    from novaql.tsdb.model.labels import METRIC_NAME as METRIC_NAME
    from novaql.tsdb.model.labels import Bools as Bools
    from novaql.tsdb.model.labels import Ints as Ints
    from novaql.tsdb.model.labels import LabelColumn as LabelColumn
    from novaql.tsdb.model.labels import SeriesTable as SeriesTable
    from novaql.tsdb.model.labels import concat_tables as concat_tables
    from novaql.tsdb.model.matchers import Matcher as Matcher
    from novaql.tsdb.model.matchers import MatchOp as MatchOp
    from novaql.tsdb.model.matchers import PatternTooCostly as PatternTooCostly
    from novaql.tsdb.model.matchers import compile_regex as compile_regex
    from novaql.tsdb.model.read_errors import ReadErrors as ReadErrors
    from novaql.tsdb.model.samples import STALE as STALE
    from novaql.tsdb.model.samples import Batch as Batch
    from novaql.tsdb.model.samples import Floats as Floats
    from novaql.tsdb.model.samples import HistogramBatch as HistogramBatch
    from novaql.tsdb.model.samples import HistogramSamples as HistogramSamples
    from novaql.tsdb.model.samples import is_stale as is_stale
    from novaql.tsdb.model.series_batch import SeriesBatch as SeriesBatch
    from novaql.tsdb.model.series_batch import SeriesBatchRef as SeriesBatchRef
    from novaql.tsdb.model.source import FIRST_SAMPLE_MS as FIRST_SAMPLE_MS
    from novaql.tsdb.model.source import LAST_SAMPLE_MS as LAST_SAMPLE_MS
    from novaql.tsdb.model.source import MAX_TIME_MS as MAX_TIME_MS
    from novaql.tsdb.model.source import MIN_TIME_MS as MIN_TIME_MS
    from novaql.tsdb.model.source import Hints as Hints
    from novaql.tsdb.model.source import HistogramBatchRef as HistogramBatchRef
    from novaql.tsdb.model.source import Metadata as Metadata
    from novaql.tsdb.model.source import Selection as Selection
    from novaql.tsdb.model.source import Source as Source
    from novaql.tsdb.options import AppendResult as AppendResult
    from novaql.tsdb.options import CompactionResult as CompactionResult
    from novaql.tsdb.options import StoreOptions as StoreOptions
    from novaql.tsdb.options import Sync
    from novaql.tsdb.parts.tombstones import DeleteResult as DeleteResult
    from novaql.tsdb.recovery.repair import Repaired as Repaired
    from novaql.tsdb.recovery.repair import repair as repair
    from novaql.tsdb.runtime.buffer_pool import release_unused_buffers as release_unused_buffers
    from novaql.tsdb.runtime.cache_budget import CacheBudget as CacheBudget
    from novaql.tsdb.runtime.freed_memory import return_freed_memory as return_freed_memory
    from novaql.tsdb.runtime.lru_cache import ByteCache as ByteCache
    from novaql.tsdb.runtime.lru_cache import cache_of_short as cache_of_short
else:
    from novaql.lazy_exports import lazy_exports, lazy_module

    _store = lazy_module("novaql.tsdb.database")
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "database": "Database",
            "directory.manifest": "blocks_on_disk",
            "errors": (
                "Corrupted InvalidBatch InvalidDeletion NotAStore ReadFailed ReadOnly ReadOnlyDisk "
                "StorageFull StoreClosed StoreError StoreLocked StoreNotFound TargetInUse "
                "TooManyDeletions UnknownFormat WriteFailed"
            ),
            "index.cardinality": "cardinality",
            "maintenance.backup": "Copied backup restore snapshot",
            "maintenance.check": "check",
            "model.batch_views": "SeriesView",
            "model.exemplars": "SeriesExemplars",
            "model.histograms": "MAX_SCHEMA MIN_SCHEMA Buckets Histograms",
            "model.interruption": "checkpoint interruptible",
            "model.labels": "METRIC_NAME Bools Ints LabelColumn SeriesTable concat_tables",
            "model.matchers": "MatchOp Matcher PatternTooCostly compile_regex",
            "model.read_errors": "ReadErrors",
            "model.samples": "STALE Batch Floats HistogramBatch HistogramSamples is_stale",
            "model.series_batch": "SeriesBatch SeriesBatchRef",
            "model.source": (
                "FIRST_SAMPLE_MS LAST_SAMPLE_MS MAX_TIME_MS MIN_TIME_MS Hints HistogramBatchRef "
                "Metadata Selection Source"
            ),
            "options": "AppendResult CompactionResult StoreOptions",
            "parts.tombstones": "DeleteResult",
            "recovery.repair": "Repaired repair",
            "runtime.buffer_pool": "release_unused_buffers",
            "runtime.cache_budget": "CacheBudget",
            "runtime.freed_memory": "return_freed_memory",
            "runtime.lru_cache": "ByteCache cache_of_short",
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
    return _store.open_database(path, sync=sync, read_only=read_only, disk=disk, **options)


def memory(**options: Any) -> Database:
    """Return an empty database in memory, with the same interface."""
    return _store.memory_database(**options)
