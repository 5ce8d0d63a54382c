"""A database of metrics: append, select, flush, close."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from novaql.lazy_exports import lazy_module
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.directory.open import open_files
from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.head.head import Head
from novaql.tsdb.index.cardinality import Cardinality, cardinality
from novaql.tsdb.model.exemplars import SeriesExemplars
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, NO_HINTS, Hints, Metadata, Selection
from novaql.tsdb.options import (
    AppendResult,
    CompactionResult,
    OpenReport,
    StoreOptions,
    StoreStats,
    Sync,
)
from novaql.tsdb.parts.tombstones import DeleteResult
from novaql.tsdb.read.rollup_query import RolledUp, roll_up
from novaql.tsdb.runtime.periodic import PeriodicTask
from novaql.tsdb.store.compactor import Compactor
from novaql.tsdb.store.deleter import Deleter
from novaql.tsdb.store.flusher import Flusher
from novaql.tsdb.store.reader import Reader
from novaql.tsdb.store.state import StoreState
from novaql.tsdb.store.writer import Writer

if TYPE_CHECKING:
    from novaql.tsdb.maintenance import backup as copies
    from novaql.tsdb.maintenance.backup import Copied
    from novaql.tsdb.maintenance.check import Violation
else:
    copies = lazy_module("novaql.tsdb.maintenance.backup")

FLUSH_CHECK_S, MAINTENANCE_S = 5.0, 30.0
"""How often the tasks check whether the head has to be flushed, or blocks merged or removed."""
_OPEN_ATTEMPTS = 3
"""A writer in another process may replace blocks while a reader opens them."""


class Database:
    """Metrics on disk (`tsdb.open`) or in memory (`tsdb.memory`). A `Source`.

    All methods may be called from any thread. One thread appends at a time; others wait. Readers
    never wait for a writer: each call reads an immutable set of parts.
    """

    def __init__(self, files: Files | None, head: Head, options: StoreOptions) -> None:
        self.options = options
        self._identity = object()
        self._state = StoreState(files, head, options)
        self._reader = Reader(self._state)
        self._flusher = Flusher(self._state)
        self._compactor = Compactor(self._state, self._flusher, self._reader.evict)
        self._deleter = Deleter(self._state, self._compactor.apply_tombstones)
        self._tasks: list[PeriodicTask] = []
        self._writer = Writer(self._state, self._flusher)
        if self._state.log is not None:
            flush = self._start("flush", self._flusher.flush_if_due, FLUSH_CHECK_S)
            self._flusher.request = flush.wake
            self._start("maintain", self._compactor.maintain, MAINTENANCE_S)
            if options.sync is Sync.INTERVAL:
                self._start("sync", self._flusher.sync_if_due, options.sync_interval_s / 4)

    def _start(self, name: str, method: Callable[[], None], interval_s: float) -> PeriodicTask:
        task = PeriodicTask(f"tsdb-{name}", method, interval_s)
        self._tasks.append(task)
        return task

    # Reading

    def has_histograms(self) -> bool:
        """See `Source`. True if a block cannot be read, since it may contain some."""
        return self._reader.has_histograms()

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        """See `Source.select`. A block or page that cannot be read raises `Corrupted` or
        `ReadFailed`, here or when its samples are loaded; with `hints.read_errors` it is noted
        there and skipped.
        """
        return self._reader.select(matchers, start_ms, end_ms, hints)

    def downsampled_range(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """See `Downsampled`."""
        return self._state.downsampled_range(start_ms, end_ms)

    def series(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None = None,
    ) -> SeriesTable:
        """See `Source.series`. `read_errors`, here and in `label_names` and `label_values`: as in
        `Hints`; without it, a look-up ignores what the log has lost."""
        return self._reader.look_up(matcher_sets, start_ms, end_ms, read_errors).series()

    def label_names(
        self,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        read_errors: ReadErrors | None = None,
    ) -> list[str]:
        """See `Source.label_names`."""
        return self._reader.look_up(matcher_sets, start_ms, end_ms, read_errors).label_names()

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        read_errors: ReadErrors | None = None,
    ) -> list[str]:
        """See `Source.label_values`."""
        return self._reader.look_up(matcher_sets, start_ms, end_ms, read_errors).label_values(name)

    def exemplars(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> SeriesExemplars:
        """Exemplars of a range, both ends included, of series that satisfy any of the sets of
        matchers: by series, then time, equal ones once. The store has the newest `max_exemplars`.
        """
        self._state.require_open()
        return self._state.exemplars.select(matcher_sets, start_ms, end_ms)

    def rollup(
        self,
        matchers: Sequence[Matcher],
        resolution_ms: int,
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None = None,
    ) -> RolledUp:
        """Count, sum, minimum, maximum, first and last value and increase of every series in each
        cell of (start, end], equal to those of its samples. They are read from the rollups of
        blocks that have this resolution (`rollups_ms`), and computed from samples elsewhere.

        Raises `ValueError` if an end of the range is not a multiple of the resolution.
        """
        self._state.report_lost(read_errors)
        parts, caches = self._state.parts(), self._reader.caches
        return roll_up(parts, matchers, resolution_ms, start_ms, end_ms, caches, read_errors)

    def cardinality(
        self,
        limit: int = 10,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> Cardinality:
        """The `limit` metrics, labels, and pairs of label and value that most series of a range
        have."""
        return cardinality(self.series(matcher_sets, start_ms, end_ms), limit)

    def metadata(self) -> dict[str, Metadata]:
        """See `Source.metadata`."""
        return dict(self._state.metadata)

    def blocks(self) -> tuple[BlockEntry, ...]:
        """The manifest's entry of each block, in order of age."""
        return tuple(block.entry for block in self._state.current.blocks)

    def time_range(self) -> tuple[int, int] | None:
        """First and last time of any sample; None for an empty database."""
        return self._reader.time_range()

    # Writing

    def append(self, batch: Batch) -> AppendResult:
        """Store samples. When this returns they are visible, and as safe as `sync` promises.

        Of samples with equal series and time, the one that arrived last replaces the others; the
        histograms of a batch are later than its floats. Raises `InvalidBatch`, `ReadOnly`,
        `StoreClosed`, or `WriteFailed`, after which the batch may be appended again.
        """
        return self._writer.append(batch)

    def set_metadata(self, metadata: Mapping[str, Metadata]) -> None:
        """Store type, help and unit of metrics; later ones replace earlier ones. When this returns
        they are as safe as `sync` promises. Drops what exceeds 64 MiB. Raises as `append` does."""
        self._writer.set_metadata(metadata)

    def delete(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        *,
        dry_run: bool = False,
    ) -> DeleteResult:
        """Delete the samples of a range, both ends included, of series that satisfy any of the
        sets of matchers; and their exemplars.

        When this returns no read finds them, and no crash or power cut restores them, in every
        `sync` mode. Samples that are appended later are not affected, even with the same times.
        Disk space becomes free when blocks are rewritten: by compaction or `clean_tombstones`.
        Where only rollups are left, each cell with a sample in the range is deleted as a whole.

        dry_run  change nothing, and return what would be deleted

        Raises `ValueError` (no matchers, no range), `InvalidDeletion` (matchers above 1 MiB),
        `ReadOnly`, `StoreClosed`, and `WriteFailed`, after which nothing is deleted.
        """
        return self._deleter.delete(matcher_sets, start_ms, end_ms, dry_run=dry_run)

    # Durability and maintenance

    def sync(self) -> None:
        """Make everything appended so far durable. Raises `WriteFailed`."""
        self._flusher.sync()

    def sync_if_due(self) -> None:
        """Sync the log if its oldest unsynced record is older than half of `sync_interval_s`."""
        self._flusher.sync_if_due()

    def flush(self) -> None:
        """Move all samples from the head to blocks, and drop their part of the log.

        In memory: sort the head into a single run. Readers and writers continue meanwhile. Raises
        `WriteFailed`; no sample is then lost, and the next flush retries.
        """
        self._flusher.flush()

    def flush_if_due(self) -> None:
        """Flush a head that is full, or old, or whose log could not be synced."""
        self._flusher.flush_if_due()

    def compact(self) -> CompactionResult:
        """Flush, then merge and compress all blocks that can be, even where it saves little.

        Blocks that cannot be read stay as they are and are named in the program's log. Raises
        `WriteFailed`, after which nothing has changed, and another call continues.
        """
        return self._compactor.compact()

    def clean_tombstones(self) -> int:
        """Rewrite the blocks with deleted samples without these, and return how many there were.

        Blocks that cannot be read stay as they are and are named in the program's log. Raises
        `WriteFailed`; blocks that were rewritten before stay so.
        """
        return self._compactor.clean_tombstones()

    def maintain(self) -> None:
        """Apply retention, many deletions and, with `compaction`, merges. A thread calls this."""
        self._compactor.maintain()

    def apply_retention(self, now_ms: int | None = None) -> list[str]:
        """Remove blocks beyond `retention_ms`, `rollup_retention_ms` or `retention_bytes`, and
        return their names. With `rollup_retention_ms`, rollups replace the samples of blocks that
        are older than `retention_ms`.

        now_ms: the time from which age counts, if not that of the clock. Raises `WriteFailed`.
        """
        return self._compactor.apply_retention(now_ms)

    def snapshot(self, target: str | Path, *, skip_head: bool = False) -> Copied:
        """Copy the database as it is now to a new directory, by links if the file system has them.

        skip_head  leave out samples that are in no block yet

        The copy is a store that can be opened or copied. Raises `TargetInUse` for a directory that
        is not empty, `ReadFailed`, `WriteFailed`; after an error there is no copy.
        """
        files, metadata = self._flusher.end_segment(), self._state.metadata
        return copies.snapshot(
            files.path, target, log=not skip_head, metadata=metadata, disk=files.disk
        )

    def backup(self, target: str | Path) -> Copied:
        """Bring a copy in another directory up to date, or make it. See `tsdb.backup`."""
        files = self._flusher.end_segment()
        return copies.backup(files.path, target, disk=files.disk)

    def check(self) -> list[Violation]:
        """Verify every checksum and invariant of the files. Returns nothing for a sound store."""
        return self._reader.check()

    # State

    @property
    def version(self) -> int:
        """Grows with every change that a reader could see. For caches of answers."""
        return self._state.version

    def changed_since(self, version: int) -> tuple[int, list[tuple[int, int]]]:
        """The current version, and ranges of time (milliseconds, both ends included) outside of
        which no sample was added or removed since an earlier `version` of this object.

        Raises `StoreClosed`.
        """
        return self._state.changed_since(version)

    @property
    def identity(self) -> object:
        """Equal only for this object, not for the same files opened again."""
        return self._identity

    @property
    def path(self) -> Path | None:
        """The directory; None in memory."""
        return None if self._state.files is None else self._state.files.path

    @property
    def open_report(self) -> OpenReport:
        """What opening found: samples read from the log, and what could not be read."""
        return OpenReport() if self._state.files is None else self._state.files.report

    def stats(self) -> StoreStats:
        """Return the current figures. Sorts new samples, as a read does."""
        return self._reader.stats()

    def release_unused(self) -> None:
        """Evict everything that no query has used lately; a server calls it once a minute."""
        self._reader.release_unused()

    def clear_pages(self) -> None:
        """Evict all decoded pages and samples."""
        self._reader.clear_pages()

    def clear_cache(self) -> None:
        """Evict everything that is cached: samples, plans, and the series of matchers."""
        self._reader.clear_cache()

    def hold(self) -> bool:
        """Open the files of all blocks, so that a writer in another process may remove them. False
        if a file is missing or cannot be opened; a read of it reports the error."""
        return self._state.hold_blocks()

    def close(self) -> None:
        """Flush a large head, sync the log, and release the directory. A second call does nothing.

        Raises `WriteFailed` if the disk rejects a write that has to be durable, but closes
        nevertheless.
        """
        state = self._state
        if state.closed_in_fork():
            return
        self._compactor.stopping.set()
        for task in self._tasks:
            task.stop()
        if state.closed:
            return
        try:
            if state.log is not None:
                self._flusher.flush_before_close()
                self._compactor.remove_unused()
        finally:
            with state.write_lock:
                state.closed = True
                if state.files is not None:
                    state.files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_database(
    path: str | Path, *, sync: Sync | str, read_only: bool, disk: Disk | None, **options: Any
) -> Database:
    """See `tsdb.open`."""
    settings = StoreOptions(sync=Sync(sync), **options)
    attempt = 1
    while True:
        files, head = open_files(disk or Disk(), Path(path), settings, read_only=read_only)
        database = Database(files, head, settings)
        if not read_only or database.hold() or attempt == _OPEN_ATTEMPTS:
            return database
        attempt += 1


def memory_database(**options: Any) -> Database:
    """See `tsdb.memory`."""
    return Database(None, Head(), StoreOptions(**options))
