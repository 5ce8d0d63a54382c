"""The head: samples as they arrive, sorted incrementally when they are read.

An append copies arrays into a buffer and sorts nothing. A reader first updates the runs: the
samples since the last read become a run, and runs of similar size are merged, so each sample is
moved a logarithmic number of times, however often the head is read.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.head.mixed_run import Chunk, MixedRun, build_mixed, merge_mixed
from novaql.tsdb.head.series_ids import HeadIndex, Registry
from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from novaql.tsdb.parts.part import Layer
from novaql.tsdb.parts.sorted_run import SortedHistogramRun
from novaql.tsdb.parts.tombstones import Deletion, Intervals

BUFFER_SAMPLES = 1 << 16
UNSORTED_SAMPLES = 1 << 18
"""Samples that wait unsorted, about 6 MiB; sorted ones take a third of the memory …"""
UNSORTED_PER_SERIES = 4
"""… or as many for each series, so that a run has several samples of a series."""
SAMPLE_BYTES = 24  # id, time and value of an unsorted sample
REPEATS = 1 << 18  # replaced samples that wait before a writer sorts, about 6 MiB

_numbers = itertools.count()
Arrays = tuple[Ints, Ints, Floats]


@dataclass(frozen=True, eq=False)
class HeadPart:
    """The `Part` of a head at one moment. Properties that depend on all series are computed once,
    since each query needs them.

    appended  number of samples that were appended before, duplicates included
    """

    origin: Hashable
    head_index: HeadIndex
    runs: tuple[MixedRun, ...]
    appended: int

    @cached_property
    def identity(self) -> Hashable:
        return self.origin, self.head_index.rows

    @cached_property
    def first_ms(self) -> int:
        firsts = (layer.run.earliest for layer in self.layers())
        return min(firsts, default=MAX_TIME_MS)

    @cached_property
    def last_ms(self) -> int:
        lasts = (layer.run.latest for layer in self.layers())
        return max(lasts, default=MIN_TIME_MS)

    @property
    def samples(self) -> int:
        return sum(run.samples for run in self.runs)

    @cached_property
    def has_histograms(self) -> bool:
        return any(isinstance(layer.run, SortedHistogramRun) for layer in self.layers())

    @property
    def downsampled_ms(self) -> int:
        return 0

    def index(self) -> HeadIndex:
        return self.head_index

    def layers(self) -> Sequence[Layer]:
        return self._layers

    @cached_property
    def _layers(self) -> Sequence[Layer]:
        return [layer for run in self.runs for layer in run.layers()]

    def rollups(self) -> tuple[()]:
        """Returns none."""
        return ()

    def active_rows(self, start_ms: int, end_ms: int) -> None:
        """Returns None: a head spans little time, so nearly all of its series are active in any
        range."""

    def verify_index(self) -> None:
        """Does nothing: memory cannot be damaged."""

    def deleted(self) -> None:
        """Returns None: the head removes deleted samples."""


class Head:
    """The samples that are in no block. One thread adds; any number of threads call `part()`."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.appended = 0
        self.weight = 0
        """Appended samples, a histogram counted as the number of samples of equal memory."""
        self._repeats = 0  # weight of samples that replace others, since the last sort
        self._sorted = 0  # `weight` at the last sort
        self._sorted_bytes = 0  # of the runs of `_part`
        self._newest: Ints = np.full(64, MIN_TIME_MS)
        # guards the five fields below and the registry; held briefly
        self._arrived = threading.Lock()
        self._sealed: list[Chunk] = []
        self._buffer = _empty_buffer()
        self._begun: Ints | None = None  # start timestamps of the buffer, if any sample has one
        self._filled = 0
        self._taken = 0  # samples of the buffer that are in a chunk or run
        self._sorting = threading.Lock()  # one reader at a time updates the runs
        self._part = HeadPart(("head", next(_numbers)), self.registry.index(), (), 0)

    @property
    def registry_lock(self) -> threading.Lock:
        """Held while the registry changes, so that `part()` never reads a partial change."""
        return self._arrived

    @property
    def nbytes(self) -> int:
        """Bytes of all samples; series are not included."""
        return self._sorted_bytes + self.unsorted_bytes

    @property
    def unsorted_bytes(self) -> int:
        """Bytes of the samples that wait unsorted."""
        return SAMPLE_BYTES * (self.weight - self._sorted)

    @property
    def backlog(self) -> float:
        """Samples that wait unsorted, as a share of how many may."""
        most = max(UNSORTED_SAMPLES, UNSORTED_PER_SERIES * len(self.registry))
        return (self.weight - self._sorted) / most

    def newest(self, ids: Ints) -> Ints:
        """Return the latest time of each series; `MIN_TIME_MS` for a new one. For the writer."""
        self._newest = grown(self._newest, len(self.registry), MIN_TIME_MS)
        return self._newest[ids]

    def repeats(self, ids: Ints, times: Ints) -> tuple[int, int]:
        """Return how many samples have the newest time of their series, and how many an older
        one."""
        newest = self.newest(ids)
        later = int(np.count_nonzero(times > newest))
        if later == len(times):  # nearly always
            return 0, 0
        same = int(np.count_nonzero(times == newest))
        return same, len(times) - later - same

    def add(
        self,
        floats: FloatSamples,
        native: NativeSamples | None = None,
        repeats: tuple[int, int] = (0, 0),
    ) -> None:
        """Add samples, which readers see all at once; histograms are later than floats.

        The arrays of floats are copied; those of histograms are not.

        repeats  how many floats and histograms repeat the newest time of their series
        """
        if len(floats.ids):
            self._note_newest(floats.ids, floats.times)
        if native is not None:
            self._note_newest(native.ids, native.times)
        with self._arrived:
            if len(floats.ids):
                self._put(floats)
            if native is not None:
                self._seal_buffer()
                self._sealed.append(native)
                self.appended += len(native)
                weight = max(len(native), native.nbytes // SAMPLE_BYTES)
                self.weight += weight
                self._repeats += weight * repeats[1] // max(1, len(native))
            self._repeats += repeats[0]

    def _note_newest(self, ids: Ints, times: Ints) -> None:
        self.newest(ids[:0])
        if len(ids) == 1 or bool((ids[1:] > ids[:-1]).all()):
            self._newest[ids] = np.maximum(self._newest[ids], times)
        else:
            np.maximum.at(self._newest, ids, times)

    def _put(self, floats: FloatSamples) -> None:
        ids, times, values, starts = floats
        count = len(ids)
        self.appended += count
        self.weight += count
        if count > BUFFER_SAMPLES // 4:
            self._seal_buffer()
            begun = None if starts is None else starts.copy()
            self._sealed.append(FloatSamples(ids.copy(), times.copy(), values.copy(), begun))
            return
        if self._filled + count > BUFFER_SAMPLES:
            self._seal_buffer()
            self._buffer = _empty_buffer()
            self._begun = None
            self._filled = self._taken = 0
        end = self._filled + count
        if starts is not None:
            if self._begun is None:
                self._begun = np.zeros(BUFFER_SAMPLES, np.int64)
            self._begun[self._filled : end] = starts
        for column, fresh in zip(self._buffer, (ids, times, values), strict=True):
            column[self._filled : end] = fresh
        self._filled = end

    def _seal_buffer(self) -> None:
        """Turn the new samples of the buffer into a chunk; later samples follow it in the
        buffer."""
        if self._filled > self._taken:
            waiting = slice(self._taken, self._filled)
            begun = None if self._begun is None else self._begun[waiting]
            ids, times, values = self._buffer
            self._sealed.append(FloatSamples(ids[waiting], times[waiting], values[waiting], begun))
            self._taken = self._filled

    def _take_unsorted(self) -> tuple[list[Chunk], HeadIndex, int]:
        """Return the chunks since the last call, the index, and the number of samples. The chunks
        share the buffer up to where it is filled; later appends write only after that."""
        with self._arrived:
            self._seal_buffer()
            chunks = self._sealed
            self._sealed = []
            self._repeats, self._sorted = 0, self.weight
            known = self._part.head_index
            if len(self.registry) != known.rows:
                known = self.registry.index()
            return chunks, known, self.appended

    def part(self) -> HeadPart:
        """Return all samples that were added before this call, sorted."""
        part = self._part
        if part.appended == self.appended:
            return part
        with self._sorting:
            if self._part.appended == self.appended:
                return self._part
            before = self._sorted
            chunks, index, appended = self._take_unsorted()
            runs = self._part.runs
            if chunks:
                try:
                    runs = (*runs, build_mixed(chunks))
                except BaseException:
                    self._put_back(chunks, before)
                    raise
            # The part has all samples before runs are merged: a merge may fail for lack of memory.
            self._set(HeadPart(self._part.origin, index, runs, appended))
            if runs:
                self._set(replace(self._part, runs=_with_run(runs[:-1], runs[-1])))
            return self._part

    def _put_back(self, chunks: list[Chunk], sorted_before: int) -> None:
        """Return the chunks of a sort that failed, so that the next one has them."""
        with self._arrived:
            self._sealed = [*chunks, *self._sealed]
            self._sorted = sorted_before

    def _set(self, part: HeadPart) -> None:
        self._part = part
        self._sorted_bytes = sum(run.nbytes for run in part.runs)

    def sort_backlog(self) -> None:
        """Sort if much is unsorted, so that memory is bounded without readers."""
        if self.backlog >= 1:
            self.part()

    def sort_repeats(self) -> None:
        """Sort if most unsorted samples replace others, since a sort leaves one of each. For the
        writer."""
        repeats = self._repeats
        if repeats >= REPEATS and 4 * repeats > 3 * (self.weight - self._sorted):
            self.part()

    def without(self, deletion: Deletion) -> HeadPart:
        """Return `part()` without deleted samples, for `replace_part`. The caller prevents appends
        in between."""
        part = self.part()
        deleted = Intervals.of(part.head_index, [deletion])
        runs = (run.without(deleted) for run in part.runs)
        return replace(part, runs=tuple(run for run in runs if run.samples))

    def replace_part(self, part: HeadPart) -> None:
        """Replace the part; readers that have the former one are not affected."""
        with self._sorting:
            self._set(part)

    def delete(self, deletion: Deletion) -> None:
        """Remove samples. For the writer."""
        self.replace_part(self.without(deletion))

    def compact(self) -> HeadPart:
        """Return `part()`, merged to a single run."""
        self.part()
        with self._sorting:
            runs = self._part.runs
            while len(runs) > 1:
                runs = (*runs[:-2], merge_mixed(runs[-2], runs[-1]))
            self._set(replace(self._part, runs=runs))
            return self._part


def _with_run(runs: tuple[MixedRun, ...], fresh: MixedRun) -> tuple[MixedRun, ...]:
    while runs and runs[-1].samples < 2 * fresh.samples:
        fresh = merge_mixed(runs[-1], fresh)
        runs = runs[:-1]
    return (*runs, fresh)


def _empty_buffer() -> Arrays:
    return (
        np.empty(BUFFER_SAMPLES, np.int64),
        np.empty(BUFFER_SAMPLES, np.int64),
        np.empty(BUFFER_SAMPLES),
    )
