"""Appends to the log, syncs it, and truncates it after a failed write."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.disk.vfs import AppendFile, Disk
from novaql.tsdb.errors import WriteFailed, write_failure
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.head.series_ids import Registry
from novaql.tsdb.index.match import label_table
from novaql.tsdb.model.exemplars import SeriesExemplars
from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Bools
from novaql.tsdb.wal.pace import Pace
from novaql.tsdb.wal.record import (
    FORMAT,
    MOST_SAMPLES,
    NATIVE_FORMAT,
    RUNS_FORMAT,
    RUNS_FROM,
    STARTS_FORMAT,
    encode_end,
    encode_exemplars,
    encode_native,
    encode_record,
    encode_samples,
    encode_segment_header,
    encode_series,
)

SEGMENT_BYTES = 64 << 20
MOST_HISTOGRAMS = 1 << 14
"""Histograms in one record; more need several."""
SUFFIX = ".wal"


def segment_name(number: int) -> str:
    return f"{number:010d}{SUFFIX}"


def segment_number(name: str) -> int | None:
    stem = name.removesuffix(SUFFIX)
    return int(stem) if name.endswith(SUFFIX) and stem.isdecimal() else None


def segment_numbers(disk: Disk, folder: Path) -> list[int]:
    """Return the numbers of the segments in a folder, increasing."""
    return sorted(n for name in disk.names(folder) if (n := segment_number(name)) is not None)


def format_of(
    floats: FloatSamples, native: NativeSamples | None, exemplars: SeriesExemplars | None = None
) -> int:
    """Return the lowest format that can have these samples."""
    if len(floats.ids) >= RUNS_FROM:
        return RUNS_FORMAT
    if exemplars is not None or floats.starts is not None:
        return STARTS_FORMAT
    if native is not None and native.starts is not None:
        return STARTS_FORMAT
    return FORMAT if native is None else NATIVE_FORMAT


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the log; everything before it was written earlier."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Tail:
    """The open segment, and the end of its last whole record."""

    file: AppendFile
    position: Position


class Log:
    """The segments of a store's log, of which the newest one is open.

    Every segment declares the series that it uses, so it can be removed once its samples are in a
    block. One thread at a time appends; any thread may call `sync`.
    """

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        store: bytes,
        first_segment: int,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        sync_when_full: bool = True,
        pace: Pace | None = None,
    ) -> None:
        self._disk, self._folder, self._store = disk, folder, store
        self.next_segment = first_segment
        self._format = FORMAT
        self._segment_bytes, self._sync_when_full = segment_bytes, sync_when_full
        self._declared: Bools = np.zeros(0, np.bool_)
        self._tail: _Tail | None = None
        self._syncing = threading.Lock()
        self._moving = threading.Lock()  # taken after `_syncing`, never before it
        self._synced = Position(0, 0)
        self._unsynced_segments: set[int] = set()
        self._left_unsynced: dict[int, AppendFile] = {}
        self._unlisted: tuple[int, _Tail] | None = None
        self.pace = Pace(None) if pace is None else pace
        self.safe: dict[int, int] = {}
        """Segment → bytes that are synced, of all segments that are still needed."""
        self.on_created: Callable[[], None] = lambda: None
        """Called after a segment is created and before anything is written to it, so that the
        manifest names it. May raise `WriteFailed`; then the segment is not used yet."""
        self.sync_failed = False
        """Set after a failed sync; the samples should be written to a block soon."""
        self.unended: set[int] = set()
        """Segments without a closing record."""
        self.on_sync_failed: Callable[[], None] = lambda: None
        """Called after a failed sync, so that the next process that opens the store does not trust
        the segment."""

    def append(
        self,
        registry: Registry,
        floats: FloatSamples,
        native: NativeSamples | None = None,
        exemplars: SeriesExemplars | None = None,
    ) -> Position:
        """Write samples of series of the registry. Raises `WriteFailed`; the log is unchanged
        then."""
        ids = floats.ids
        self.need(format_of(floats, native, exemplars))
        tail = self._open_tail(len(registry))
        every = ids if native is None else np.concatenate([ids, native.ids])
        # `_declared` has one flag for each id of the registry; this segment declares the others.
        fresh = ids[:0]
        if not (declared := self._declared[every]).all():
            used = np.zeros(len(self._declared), np.bool_)
            used[every[~declared]] = True
            fresh = np.flatnonzero(used)
        payloads = []
        if len(fresh):
            payloads.append(encode_series(fresh, label_table(registry.index(), fresh)))
        portions = (slice(at, at + MOST_SAMPLES) for at in range(0, len(ids), MOST_SAMPLES))
        payloads += [encode_samples(*floats.take(some)) for some in portions]
        if native is not None:
            for at in range(0, len(native), MOST_HISTOGRAMS):
                end = min(len(native), at + MOST_HISTOGRAMS)
                part = native if end - at == len(native) else native.take(np.arange(at, end))
                payloads.append(encode_native(part.ids, part.times, part.histograms, part.starts))
        if exemplars is not None:
            payloads.append(encode_exemplars(exemplars))
        position = self._write(tail, payloads)
        self._declared[fresh] = True
        return position

    def need(self, version: int) -> None:
        """Begin a new segment if the open one has a lower format than this."""
        if version > self._format:
            self.rotate()
            self._format = version

    def append_exemplars(self, exemplars: SeriesExemplars) -> Position:
        """Write exemplars without samples. Raises `WriteFailed`; the log is unchanged then."""
        self.need(STARTS_FORMAT)
        return self.append_payload(encode_exemplars(exemplars))

    def append_payload(self, payload: list[bytes]) -> Position:
        """Write one record of another kind."""
        return self._write(self._open_tail(0), [payload])

    def _write(self, tail: _Tail, payloads: list[list[bytes]]) -> Position:
        at = tail.position
        pieces: list[bytes] = []
        offset = at.offset
        for payload in payloads:
            record = encode_record(self._store, at.segment, offset, *payload)
            offset += sum(len(piece) for piece in record)
            pieces += record
        try:
            tail.file.append(pieces)
        except OSError as problem:
            self._cut_back(tail)
            raise write_failure(problem, "writing the log") from problem
        position = Position(at.segment, offset)
        with self._moving:
            # A failed sync of another thread may have sealed the segment during the write.
            if at.segment not in self._unsynced_segments:
                self._tail = _Tail(tail.file, position)
            self.pace.wrote()
        return position

    def _cut_back(self, tail: _Tail) -> None:
        """Remove a torn record, since readers may not find records after it."""
        try:
            tail.file.truncate(tail.position.offset)
        except OSError:
            self._seal_failed_segment()

    def _seal_failed_segment(self) -> None:
        """Stop appending to the segment, which the next `sync` handles; the next append creates
        another."""
        with self._moving:
            tail = self._tail
            if tail is not None:  # its whole records are needed like those of any other
                self.unended.add(tail.position.segment)
                self._left_unsynced[tail.position.segment] = tail.file
                self._tail = None

    def _open_tail(self, series: int) -> _Tail:
        if self._tail is not None and self._tail.position.offset >= self._segment_bytes:
            self.rotate()
        if self._tail is None:
            self._tail = self._create(self.next_segment)
            self.next_segment += 1
            self._declared = np.zeros(series, np.bool_)
        self._declared = grown(self._declared, series, 0)
        return self._tail

    def _create(self, number: int) -> _Tail:
        """Return a segment whose name and header are synced, and which the manifest names."""
        if self._unlisted is None or self._unlisted[0] != self._format:
            self._unlisted = self._format, self._new_file(number)
        tail = self._unlisted[1]
        self.safe[number] = tail.position.offset
        try:
            self.on_created()
        except WriteFailed:
            del self.safe[number]
            raise
        self._unlisted = None
        return tail

    def _new_file(self, number: int) -> _Tail:
        path = self._folder / segment_name(number)
        try:
            if self._disk.exists(path):  # left by an earlier, failed attempt
                self._disk.unlink(path)
            file = self._disk.create(path)
            try:
                file.append([encode_segment_header(self._store, number, self._format)])
                file.fsync()
                self._disk.fsync_dir(self._folder)
            except OSError:
                file.close()
                raise
        except OSError as problem:
            raise write_failure(problem, f"creating the log's segment {number}") from problem
        return _Tail(file, Position(number, file.size))

    def sync(self, position: Position | None = None) -> None:
        """Return once everything before `position` (None: everything) is durable.

        Callers that wait while another one syncs share the next sync. Raises `WriteFailed` if the
        disk does not confirm; a failed fsync is never repeated on the same file.
        """
        with self._syncing:
            lost = self._unsynced_segments
            if lost if position is None else position.segment in lost:
                raise WriteFailed("the log could not be synced")
            if position is not None and self._synced >= position and not self._left_unsynced:
                return  # the sync that this call waited for covers it
            with self._moving:
                tail = self._tail
                self.pace.begin()
            try:
                self._sync_left()
                if tail is not None and self._synced < tail.position:
                    self._sync_file(tail)
            finally:
                with self._moving:
                    self.pace.end(everything=True)

    def _sync_file(self, tail: _Tail) -> None:
        try:
            tail.file.fsync()
        except OSError as problem:
            self._mark_unsynced(tail)
            raise write_failure(problem, "syncing the log") from problem
        self._note_synced(tail.position)

    def _note_synced(self, position: Position) -> None:
        self._synced = max(self._synced, position)
        with self._moving:
            if position.offset > self.safe.get(position.segment, position.offset):
                self.safe[position.segment] = position.offset

    def _sync_left(self) -> None:
        for number, file in list(self._left_unsynced.items()):
            del self._left_unsynced[number]
            try:
                file.fsync()
                if number not in self.unended:  # bytes after its last whole record do not count
                    self._note_synced(Position(number, file.size))
            except OSError as problem:
                with self._moving:
                    self.mark_not_durable([number])
                raise write_failure(problem, "syncing the log") from problem
            finally:
                file.close()

    def _mark_unsynced(self, tail: _Tail) -> None:
        with self._moving:
            self.mark_not_durable([tail.position.segment])
            self._left_unsynced.pop(tail.position.segment, None)  # a failed fsync is never repeated
            self.unended.add(tail.position.segment)
            if self._tail is not None and self._tail.file is tail.file:
                self._tail = None

    def mark_not_durable(self, segments: Iterable[int]) -> None:
        """Mark segments as not durable, even if a later sync succeeds: their samples have to be
        written to a block."""
        self._unsynced_segments.update(segments)
        self.sync_failed = True
        self.on_sync_failed()

    @property
    def is_safe(self) -> bool:
        """Whether no segment that is still needed failed to be synced."""
        return not self._unsynced_segments

    def adopt(self, number: int) -> None:
        """Take over a segment of an earlier process, which may not have synced it: the next `sync`
        does."""
        self._left_unsynced[number] = self._disk.extend(self._folder / segment_name(number))
        self.pace.wrote()

    def drop_before(self, before_segment: int) -> None:
        """Drop all state of earlier segments, whose samples are in blocks."""
        with self._syncing, self._moving:
            self._unsynced_segments = {n for n in self._unsynced_segments if n >= before_segment}
            self.unended = {n for n in self.unended if n >= before_segment}
            self.safe = {n: size for n, size in self.safe.items() if n >= before_segment}
            for number in [n for n in self._left_unsynced if n < before_segment]:
                self._left_unsynced.pop(number).close()

    def rotate(self) -> int:
        """End the open segment, and return the number of the next one.

        The ended segment is synced and closed here, or without `sync_when_full` by the next `sync`.
        """
        with self._syncing:
            tail = self._ended_tail()
            if tail is not None:
                with self._moving:
                    self.pace.begin()
                self._leave(tail)
                self._tail = None
                with self._moving:
                    self.pace.end(everything=not self._left_unsynced)
        return self.next_segment

    def _leave(self, tail: _Tail) -> None:
        """Sync and close an ended segment; without `sync_when_full`, leave both to `sync`."""
        if self._synced < tail.position:
            if not self._sync_when_full:
                self._left_unsynced[tail.position.segment] = tail.file
                return
            with contextlib.suppress(WriteFailed):
                self._sync_file(tail)
        self._synced = max(self._synced, tail.position)
        tail.file.close()

    def _ended_tail(self) -> _Tail | None:
        """Write the closing record, without which the segment would look truncated. Returns the
        segment."""
        if self._tail is not None:
            try:
                self._write(self._tail, [encode_end()])
            except WriteFailed:
                if self._tail is not None:
                    self.unended.add(self._tail.position.segment)
        return self._tail

    def close(self) -> None:
        self.rotate()
        for file in self._left_unsynced.values():
            file.close()
        self._left_unsynced.clear()
