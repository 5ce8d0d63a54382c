"""The writing side of a database: samples and metadata come in."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from novaql.tsdb.head.float_run import Floating
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.head.validate import checked, checked_exemplars, checked_native, checked_starts
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Metadata
from novaql.tsdb.options import AppendResult, Sync
from novaql.tsdb.store.keeping import Snapshots
from novaql.tsdb.wal.writer import Position


class Writes(Snapshots):
    """One thread appends at a time; others wait."""

    def append(self, batch: Batch) -> AppendResult:
        """Store samples. When this returns they are visible, and as safe as `sync` promises.

        Of samples with equal series and time the one that came last stands; the histograms of a
        batch count as later than its floats. Raises `InvalidBatch`, `ReadOnly`, `StoreClosed`, or
        `WriteFailed`, after which the batch may be appended again.
        """
        series_index, times, values = checked(batch)
        starts = checked_starts(batch.starts, len(values), "values")
        histograms = checked_native(batch)
        exemplars = checked_exemplars(batch) if self.options.max_exemplars else None
        if len(values) == 0 and histograms is None and exemplars is None:
            return AppendResult()
        self._make_room()
        with self._writing:
            self._need_writable()
            head = self._state.head
            native = None
            with head.registry_lock:
                ids = head.registry.ids_for(batch.series, series_index)
                if histograms is not None:
                    own = head.registry.ids_for(batch.series, histograms[0])
                    native = NativeSamples.copied(own, *histograms[1:])
            floats, rejected, late_histograms = Floating(ids, times, values, starts), 0, 0
            came = _times(times, native)
            oldest_ms = min((int(t.min()) for t in came), default=MAX_TIME_MS)
            newest_ms = max((int(t.max()) for t in came), default=MIN_TIME_MS)
            self._newest_ms = max(self._newest_ms, newest_ms)
            if self.options.out_of_order_ms is not None:
                oldest = self._newest_ms - self.options.out_of_order_ms
                rejected = sum(int(np.count_nonzero(t < oldest)) for t in _times(times, native))
                if rejected:
                    floats = floats.take(times >= oldest)
                    late_histograms = rejected - (len(times) - len(floats.ids))
                    if native is not None:
                        native = native.take(np.flatnonzero(native.times >= oldest)) or None
                if len(floats.ids) == 0 and native is None and exemplars is None:
                    return AppendResult(rejected=rejected, rejected_histograms=late_histograms)
            known = [head.repeats(floats.ids, floats.times), (0, 0)]
            if native is not None:
                known[1] = head.repeats(native.ids, native.times)
            result = AppendResult(
                appended=len(floats.ids) + (0 if native is None else len(native)),
                duplicates=sum(same for same, _ in known),
                late=sum(late for _, late in known),
                rejected=rejected,
                rejected_histograms=late_histograms,
                exemplars=0 if exemplars is None else len(exemplars),
            )
            position = None
            if self._files is not None and self._files.log is not None:
                position = self._files.log.append(head.registry, floats, native, exemplars)
            if head.appended == 0:
                self._first_append = time.monotonic()
            head.add(floats, native, (known[0][0], known[1][0]))
            if exemplars is not None:
                self._exemplars.add(exemplars)
            self._note_change(oldest_ms, newest_ms)
        self._after_append(position)
        return result

    def _make_room(self) -> None:
        """Flushing keeps up with appending, or appending waits; in memory, sorting does."""
        state = self._state
        state.head.drop_repeats()
        if self._files is None:
            state.head.keep_up()
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
        if self.options.sync is Sync.ALWAYS or log.pace.late:
            log.sync(position)

    def set_metadata(self, metadata: Mapping[str, Metadata]) -> None:
        """Remember type, help and unit of metrics; later ones replace earlier ones. When this
        returns they are as safe as `sync` promises. Raises as `append` does."""
        position = None
        with self._writing:
            self._need_writable()
            changed = {n: m for n, m in metadata.items() if self._metadata.get(n) != m}
            if not changed:
                return
            if self._files is not None:
                position = self._files.commit_metadata(changed)
            self._metadata = {**self._metadata, **changed}
            self._version += 1
        self._after_append(position)


def _times(times: Ints, native: NativeSamples | None) -> list[Ints]:
    """Times of the floats and of the histograms, where there are any."""
    both = [times] if native is None else [times, native.times]
    return [column for column in both if len(column)]
