"""A database of metrics: append, select, flush, close."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tsdb import reader
from tsdb.assemble import tile_bytes
from tsdb.background import Repeater
from tsdb.batches import checked, checked_native
from tsdb.block.pages import PageCache, page_bytes
from tsdb.block.reader import Block, BlockEntry
from tsdb.cache import ByteCache
from tsdb.errors import ReadOnly, StoreClosed
from tsdb.files import Files, open_files
from tsdb.fsio import Disk, RealDisk
from tsdb.head.head import Head
from tsdb.head.native import NativeSamples
from tsdb.labels import Ints, SeriesTable
from tsdb.matchers import Matcher
from tsdb.options import AppendResult, OpenReport, StoreOptions, StoreStats, Sync
from tsdb.part import Part
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS, NO_HINTS, Hints, Metadata, Selection
from tsdb.tile import Batch
from tsdb.verify import Violation, check_blocks, check_log
from tsdb.wal.writer import Position


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """What the database consists of at one moment, in order of age."""

    blocks: tuple[Block, ...]
    frozen: tuple[tuple[Head, int], ...]  # being flushed; and where the log goes on after each
    head: Head


class Database:
    """Metrics on disk (`tsdb.open`) or in memory (`tsdb.memory`). A `Source`.

    One thread appends at a time; others wait. Readers never wait for a writer: each call looks at
    a list of unchanging parts. All methods may be called from any thread.
    """

    def __init__(self, files: Files | None, head: Head, options: StoreOptions) -> None:
        self.options = options
        self._files = files
        self._read_only = files is not None and files.log is None
        half = options.cache_bytes // 2
        self._pages: PageCache = ByteCache(half, page_bytes)
        self._caches = reader.Caches(
            ByteCache(options.cache_bytes - half, tile_bytes),
            ByteCache(reader.UNION_CACHE_BYTES, reader.union_bytes),
        )
        blocks = () if files is None else files.manifest.blocks
        self._state = _State(tuple(self._block(entry) for entry in blocks), (), head)
        self._metadata: dict[str, Metadata] = {}
        if files is not None:
            self._metadata.update(files.manifest.metadata)
        self._version = 1 if head.appended or blocks else 0
        self._newest_ms = MIN_TIME_MS
        self._closed = False
        self._writing = threading.Lock()
        self._flushing = threading.Lock()  # taken before `_writing`
        self._first_append = time.monotonic()
        self._past = (0, 0)  # duplicates and conflicts of heads that are in blocks now
        self._workers = self._start_workers()

    def _block(self, entry: BlockEntry) -> Block:
        assert self._files is not None
        return Block(self._files.disk, self._files.blocks_path, entry, self._pages)

    def _start_workers(self) -> list[Repeater]:
        if self._files is None or self._read_only:
            return []
        workers = [Repeater(self, "flush_if_due", 5.0)]
        if self.options.sync is Sync.INTERVAL:
            workers.append(Repeater(self, "sync", self.options.sync_interval_s))
        return workers

    # Writing

    def append(self, batch: Batch) -> AppendResult:
        """Store samples. When this returns they are visible, and as safe as `sync` promises.

        Of samples with equal series and time the one that came last stands; the histograms of a
        batch count as later than its floats. Raises `InvalidBatch`, `ReadOnly`, `StoreClosed`, or
        `WriteFailed`, after which the batch may be appended again.
        """
        series_index, times, values = checked(batch)
        histograms = checked_native(batch)
        if len(values) == 0 and histograms is None:
            return AppendResult()
        self._make_room()
        with self._writing:
            self._need_writable()
            head = self._state.head
            with head.registry_lock:
                row_ids = head.registry.ids_of(batch.series)
            ids, native = row_ids[series_index], None
            if histograms is not None:
                native = NativeSamples.copied(row_ids[histograms[0]], *histograms[1:])
            rejected = 0
            newest = max((int(t.max()) for t in _times(times, native)), default=MIN_TIME_MS)
            self._newest_ms = max(self._newest_ms, newest)
            if self.options.out_of_order_ms is not None:
                oldest = self._newest_ms - self.options.out_of_order_ms
                rejected = sum(int(np.count_nonzero(t < oldest)) for t in _times(times, native))
                if rejected:
                    keep = times >= oldest
                    ids, times, values = ids[keep], times[keep], values[keep]
                    if native is not None:
                        native = native.take(np.flatnonzero(native.times >= oldest)) or None
                if len(ids) == 0 and native is None:
                    return AppendResult(rejected=rejected)
            known = [head.repeats(ids, times)]
            if native is not None:
                known.append(head.repeats(native.ids, native.times))
            result = AppendResult(
                appended=len(ids) + (0 if native is None else len(native)),
                duplicates=sum(same for same, _ in known),
                late=sum(late for _, late in known),
                rejected=rejected,
            )
            position = None
            if self._files is not None and self._files.log is not None:
                if native is not None:
                    self._files.allow_histograms()
                position = self._files.log.append(head.registry, ids, times, values, native)
            if head.appended == 0:
                self._first_append = time.monotonic()
            head.add(ids, times, values, native)
            self._version += 1
        self._after_append(position)
        return result

    def _make_room(self) -> None:
        """Flushing keeps up with appending, or appending waits."""
        state = self._state
        if state.frozen and state.head.weight >= self.options.flush_samples:
            self.flush()

    def _after_append(self, position: Position | None) -> None:
        if position is None:
            return
        assert self._files is not None
        log = self._files.log
        assert log is not None
        if self._state.head.weight >= self.options.flush_samples:
            self._workers[0].wake()
        if self.options.sync is Sync.ALWAYS:
            log.sync(position)

    def _need_writable(self) -> None:
        if self._closed:
            raise StoreClosed
        if self._read_only:
            raise ReadOnly

    def sync(self) -> None:
        """Make everything appended so far durable. Raises `WriteFailed`."""
        files = self._files
        if files is not None and files.log is not None and not self._closed:
            files.log.sync()

    def flush_if_due(self) -> None:
        """Flush a head that is full, or old, or whose log the disk could not sync."""
        head = self._state.head
        old = time.monotonic() - self._first_append >= self.options.flush_after_s
        full = head.weight >= self.options.flush_samples
        files = self._files
        unsafe = files is not None and files.log is not None and files.log.sync_failed
        if self._state.frozen or (head.appended and (old or full or unsafe)):
            self.flush()

    def flush(self) -> None:
        """Move everything from the head into blocks, and give up its part of the log.

        In memory: sort the head into one layer. Readers and writers go on meanwhile. Raises
        `WriteFailed`; nothing is lost then, and the next flush tries again.
        """
        with self._flushing:
            files = self._files
            if files is None:
                self._state.head.compact()
                return
            with self._writing:
                self._need_writable()
                self._freeze()
            while self._state.frozen:
                head, log_start = self._state.frozen[0]
                part = head.compact()
                entries = files.commit_head(part, log_start, self.options.block_ms)
                with self._writing:
                    state = self._state
                    self._past = (
                        self._past[0] + sum(run.duplicates for run in part.runs),
                        self._past[1] + sum(run.conflicts for run in part.runs),
                    )
                    self._state = replace(
                        state,
                        blocks=(*state.blocks, *(self._block(entry) for entry in entries)),
                        frozen=state.frozen[1:],
                    )

    def _freeze(self) -> None:
        """From here on samples go into a new head and a new segment of the log."""
        state = self._state
        if state.head.appended == 0:
            return
        assert self._files is not None
        log = self._files.log
        assert log is not None
        log_start = log.rotate()
        log.sync_failed = False
        self._state = _State(state.blocks, (*state.frozen, (state.head, log_start)), Head())

    def set_metadata(self, metadata: Mapping[str, Metadata]) -> None:
        """Remember type, help and unit of metrics; later ones replace earlier ones."""
        with self._writing:
            self._need_writable()
            changed = {n: m for n, m in metadata.items() if self._metadata.get(n) != m}
            if not changed:
                return
            if self._files is not None:
                self._files.commit_metadata(changed)
            self._metadata = {**self._metadata, **changed}
            self._version += 1

    # Reading

    def _parts(self) -> list[Part]:
        if self._closed:
            raise StoreClosed
        state = self._state
        heads = [*(head for head, _ in state.frozen), state.head]
        return [*state.blocks, *(part for head in heads if (part := head.part()).runs)]

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,  # noqa: ARG002  (nothing would be read less)
    ) -> Selection:
        """See `Source.select`. Loading a tile raises `Corrupted` if a page of it is damaged."""
        return reader.select(self._parts(), matchers, start_ms, end_ms, self._caches)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """See `Source.series`."""
        return reader.series(self._parts(), matcher_sets, start_ms, end_ms)

    def label_names(
        self,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> list[str]:
        """See `Source.label_names`."""
        return reader.label_names(self._parts(), matcher_sets, start_ms, end_ms)

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> list[str]:
        """See `Source.label_values`."""
        return reader.label_values(self._parts(), name, matcher_sets, start_ms, end_ms)

    def metadata(self) -> dict[str, Metadata]:
        """See `Source.metadata`."""
        return dict(self._metadata)

    def time_range(self) -> tuple[int, int] | None:
        """First and last time of any sample; None for an empty database."""
        parts = self._parts()
        if not parts:
            return None
        return min(part.first_ms for part in parts), max(part.last_ms for part in parts)

    @property
    def version(self) -> int:
        """Grows with every change that a reader could see. For caches of answers."""
        return self._version

    @property
    def path(self) -> Path | None:
        """The directory; None in memory."""
        return None if self._files is None else self._files.path

    @property
    def open_report(self) -> OpenReport:
        """What opening found: samples read back, and what could not be."""
        return OpenReport() if self._files is None else self._files.report

    def stats(self) -> StoreStats:
        """Figures of this moment. Sorts what has arrived, as a read does."""
        span = self.time_range()
        state = self._state
        heads = [head.part() for head, _ in state.frozen] + [state.head.part()]
        runs = [run for part in heads for run in part.runs]
        log = None if self._files is None else self._files.log
        pages, tiles = self._pages.stats(), self._caches.tiles.stats()
        return StoreStats(
            version=self._version,
            blocks=len(state.blocks),
            block_samples=sum(block.entry.samples for block in state.blocks),
            block_bytes=sum(block.entry.bytes for block in state.blocks),
            head_series=heads[-1].index().rows,
            head_samples=sum(run.samples for run in runs),
            duplicates=self._past[0] + sum(run.duplicates for run in runs),
            conflicts=self._past[1] + sum(run.conflicts for run in runs),
            first_ms=None if span is None else span[0],
            last_ms=None if span is None else span[1],
            log_segment=0 if log is None else log.next_segment - 1,
            cache=pages + tiles,
        )

    def clear_cache(self) -> None:
        """Forget decoded pages and tiles."""
        self._pages.clear()
        self._caches.tiles.clear()
        self._caches.unions.clear()

    def check(self) -> list[Violation]:
        """Verify every checksum and invariant of the files. Empty: all is well."""
        if self._closed:
            raise StoreClosed
        if self._files is None:
            return []
        files = self._files
        with self._flushing:
            found = check_blocks(files.disk, files.path)
            with self._writing:  # a record that is half written would look torn
                return found + check_log(files.disk, files.path)

    # Ending

    def close(self) -> None:
        """Finish: flush a large head, sync the log, let go of the directory. Again: nothing."""
        for worker in self._workers:
            worker.stop()
        if self._closed:
            return
        files = self._files
        try:
            if files is not None and not self._read_only:
                state = self._state
                waiting = state.head.weight
                if state.frozen or waiting >= self.options.close_flush_samples:
                    self.flush()
        finally:
            with self._writing:
                self._closed = True
                if files is not None:
                    files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_database(
    path: str | Path, *, sync: Sync | str, read_only: bool, disk: Disk | None, **options: Any
) -> Database:
    """See `tsdb.open`."""
    settings = StoreOptions(sync=Sync(sync), **options)
    files, head = open_files(disk or RealDisk(), Path(path), settings, read_only=read_only)
    return Database(files, head, settings)


def memory_database(**options: Any) -> Database:
    """See `tsdb.memory`."""
    return Database(None, Head(), StoreOptions(**options))


def _times(times: Ints, native: NativeSamples | None) -> list[Ints]:
    """Times of the floats and of the histograms, where there are any."""
    both = [times] if native is None else [times, native.times]
    return [column for column in both if len(column)]
