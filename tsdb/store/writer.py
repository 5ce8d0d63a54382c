"""The writer of a database: appends samples, histograms, exemplars and metadata."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import numpy as np

from novaql.tsdb.errors import InvalidBatch
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.head import SAMPLE_BYTES
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.head.validate import checked, checked_exemplars, checked_native
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata
from novaql.tsdb.options import AppendResult, Sync
from novaql.tsdb.store.flusher import Flusher, is_full
from novaql.tsdb.store.state import StoreState
from novaql.tsdb.wal.writer import Position

logger = logging.getLogger("tsdb")

MOST_METADATA_BYTES = 64 << 20
"""Limit of the metadata of all metrics, which are in memory and in every manifest."""

_ENTRY_BYTES = 300
"""Bytes of the metadata of a metric besides its texts."""

_MOST_BACKLOG = 2.0
"""A writer sorts if this much waits, because the task that should have sorted is busy with a
flush."""


class Writer:
    """One thread appends at a time; others wait. `Database` describes the methods."""

    def __init__(self, state: StoreState, flusher: Flusher) -> None:
        self._state, self._log, self._flusher = state, state.log, flusher
        self._metadata_bytes: int | None = None  # counted when it is needed
        self._warned = False

    def append(self, batch: Batch) -> AppendResult:
        state = self._state
        floats, native = checked(batch), checked_native(batch)
        exemplars = checked_exemplars(batch) if state.options.max_exemplars else None
        if len(floats.values) == 0 and native is None and exemplars is None:
            return AppendResult()
        self._limit_memory()
        with state.write_lock:
            state.require_writable()
            head = state.current.head
            with head.registry_lock:
                floats = floats._replace(ids=head.registry.ids_for(batch.series, floats.ids))
                if native is not None:
                    native = native.copied(head.registry.ids_for(batch.series, native.ids))
            first_ms, last_ms = _time_range(floats, native)
            state.newest_ms = max(state.newest_ms, last_ms)
            floats, native, rejected = self._reject_late(floats, native)
            if len(floats.ids) == 0 and native is None and exemplars is None:
                return AppendResult(rejected=sum(rejected), rejected_histograms=rejected[1])
            same, late = head.repeats(floats.ids, floats.times)
            same_native, late_native = 0, 0
            if native is not None:
                same_native, late_native = head.repeats(native.ids, native.times)
            position = None
            if self._log is not None:
                position = self._log.append(head.registry, floats, native, exemplars)
            if head.appended == 0:
                self._flusher.head_began = time.monotonic()
            weight = head.weight
            head.add(floats, native, (same, same_native))
            self._flusher.appended_bytes += SAMPLE_BYTES * (head.weight - weight)
            if exemplars is not None:
                state.exemplars.add(exemplars)
            state.note_change(first_ms, last_ms)
        self._after_append(position)
        return AppendResult(
            appended=len(floats.ids) + (0 if native is None else len(native)),
            duplicates=same + same_native,
            late=late + late_native,
            rejected=sum(rejected),
            rejected_histograms=rejected[1],
            exemplars=0 if exemplars is None else len(exemplars),
        )

    def _limit_memory(self) -> None:
        """Bound the samples that wait for a sort or a flush, by doing that work in this thread."""
        current = self._state.current
        current.head.sort_repeats()
        if self._log is None or current.head.backlog >= _MOST_BACKLOG:
            current.head.sort_backlog()
        if current.frozen and is_full(current.head, self._state.options):
            current.head.part()
            if is_full(current.head, self._state.options):
                self._flusher.flush(current.head)

    def _reject_late(
        self, floats: FloatSamples, native: NativeSamples | None
    ) -> tuple[FloatSamples, NativeSamples | None, tuple[int, int]]:
        """Drop samples that are older than `out_of_order_ms` allows.

        Returns the rest, and how many floats and histograms were dropped.
        """
        allowed_ms = self._state.options.out_of_order_ms
        if allowed_ms is None:
            return floats, native, (0, 0)
        oldest_ms = self._state.newest_ms - allowed_ms
        recent = floats.times >= oldest_ms
        rejected = len(recent) - int(np.count_nonzero(recent))
        if rejected:
            floats = floats.take(recent)
        rejected_native = 0
        if native is not None:
            recent = native.times >= oldest_ms
            rejected_native = len(recent) - int(np.count_nonzero(recent))
            if rejected_native:
                native = native.take(np.flatnonzero(recent)) or None
        return floats, native, (rejected, rejected_native)

    def _after_append(self, position: Position | None) -> None:
        """Sort, flush and sync as needed, outside of the lock so that other threads append.

        position  end of the record in the log; None in memory
        """
        if position is None or self._log is None:
            return
        head = self._state.current.head
        if head.backlog >= 1 or is_full(head, self._state.options):
            self._flusher.request()
        if self._state.options.sync is Sync.ALWAYS or self._log.pace.late:
            self._log.sync(position)

    def set_metadata(self, metadata: Mapping[str, Metadata]) -> None:
        state, position = self._state, None
        with state.write_lock:
            state.require_writable()
            changed, size = self._with_space(metadata)
            if not changed:
                return
            if state.files is not None:
                position = state.files.commit_metadata(changed)
            state.metadata = {**state.metadata, **changed}
            self._metadata_bytes = size
            state.version += 1
        self._after_append(position)

    def _with_space(self, metadata: Mapping[str, Metadata]) -> tuple[dict[str, Metadata], int]:
        """Return the new entries that fit beside those of other metrics, and the bytes of all
        entries with them."""
        known, size = self._state.metadata, self._metadata_bytes
        if size is None:
            size = sum(_bytes_of(*entry) for entry in known.items())
        changed: dict[str, Metadata] = {}
        for name, entry in metadata.items():
            before = known.get(name)
            if before == entry:
                continue
            _need_text(name, entry)
            added = _bytes_of(name, entry) - (0 if before is None else _bytes_of(name, before))
            if size + added <= MOST_METADATA_BYTES:
                size += added
                changed[name] = entry
            elif not self._warned:
                self._warned = True
                logger.warning(
                    "metadata of %s is dropped, and of others may be: the store has %d MiB of it",
                    name,
                    MOST_METADATA_BYTES >> 20,
                )
        return changed, size


def _need_text(name: str, entry: Metadata) -> None:
    """Raise `InvalidBatch` for metadata that is not Unicode text, which no reader could show."""
    for text in (name, entry.type, entry.help, entry.unit):
        try:
            text.encode()
        except (AttributeError, UnicodeEncodeError) as problem:
            raise InvalidBatch(f"metadata of {name!r} is not valid Unicode: {problem}") from problem


def _bytes_of(name: str, entry: Metadata) -> int:
    return _ENTRY_BYTES + len(name) + entry.characters


def _time_range(floats: FloatSamples, native: NativeSamples | None) -> tuple[int, int]:
    """First and last time of the samples; (`MAX_TIME_MS`, `MIN_TIME_MS`) if there are none."""
    columns: list[Ints] = [floats.times] if native is None else [floats.times, native.times]
    columns = [times for times in columns if len(times)]
    first_ms = min((int(times.min()) for times in columns), default=MAX_TIME_MS)
    last_ms = max((int(times.max()) for times in columns), default=MIN_TIME_MS)
    return first_ms, last_ms
