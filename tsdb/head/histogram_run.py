"""A sorted run of native histograms in the head: a run of floats sorts their positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.head.float_run import FloatRun, HeadRun, build_run, merge_runs
from novaql.tsdb.model.flat_arrays import flat_positions, joined_starts
from novaql.tsdb.model.histograms import COLUMNS, Buckets, Histograms, concat_histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.parts.sorted_run import (
    ArrayHistograms,
    ArrayStream,
    RunDirectory,
    SortedHistogramRun,
    SortedRun,
)


@dataclass(frozen=True, slots=True, eq=False)
class NativeSamples:
    """[N] ids, milliseconds, histograms, and start timestamps; 0 for a sample without one."""

    ids: Ints
    times: Ints
    histograms: Histograms
    starts: Ints | None = None

    def copied(self, ids: Ints) -> NativeSamples:
        """Return a copy with these ids, since the owner of the other arrays may reuse them."""
        starts = None if self.starts is None else self.starts.copy()
        return NativeSamples(ids, self.times.copy(), self.histograms.copy(), starts)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        starts = 0 if self.starts is None else self.starts.nbytes
        return self.ids.nbytes + self.times.nbytes + self.histograms.nbytes + starts

    def take(self, some: Ints) -> NativeSamples:
        starts = None if self.starts is None else self.starts[some]
        return NativeSamples(self.ids[some], self.times[some], self.histograms.take(some), starts)


@dataclass(frozen=True, slots=True, eq=False)
class HistogramRun(HeadRun[SortedHistogramRun]):
    """A run of native histograms."""

    @property
    def held(self) -> Histograms:
        """All histograms, by series, then time."""
        assert isinstance(self.sorted.values, ArrayHistograms)
        return self.sorted.values.held

    @property
    def samples(self) -> int:
        return len(self.held)

    @property
    def nbytes(self) -> int:
        return self._bytes_beside_values + self.held.nbytes

    def flat(self) -> NativeSamples:
        """Return all samples, by series, then time."""
        ids, times, starts = self.places()
        return NativeSamples(ids, times, self.held, starts)

    def only(self, flat: NativeSamples, stays: Bools) -> HistogramRun | None:
        """Return a run of those samples of `flat()` that remain; None if there are none."""
        if stays.all():
            return self
        if not stays.any():
            return None
        rest = build_native(flat.take(np.flatnonzero(stays)))
        return replace(self, ids=rest.ids, sorted=rest.sorted)


def joined_native(parts: Sequence[NativeSamples]) -> NativeSamples:
    """Concatenate."""
    if len(parts) == 1:
        return parts[0]
    return NativeSamples(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.times for part in parts]),
        concat_histograms([part.histograms for part in parts]),
        joined_starts([(part.starts, len(part)) for part in parts]),
    )


def build_native(samples: NativeSamples) -> HistogramRun:
    """Sort samples in order of arrival; of equal series and time, the later one replaces the
    others."""
    order = np.lexsort((samples.times, samples.ids))
    ids, times = samples.ids[order], samples.times[order]
    same = (ids[1:] == ids[:-1]) & (times[1:] == times[:-1])
    duplicates = conflicts = 0
    if same.any():
        at = np.flatnonzero(same)
        duplicates = len(at)
        conflicts = int(np.count_nonzero(differ(samples.histograms, order[at], order[at + 1])))
        last = np.append(~same, True)
        order, ids, times = order[last], ids[last], times[last]
    # A run of floats whose values are positions of histograms determines the order.
    starts = None if samples.starts is None else samples.starts[order]
    found = build_run(ids, times, order.astype(np.float64), starts)
    return _gathered(found, samples.histograms, duplicates, conflicts)


def merge_native(older: HistogramRun, newer: HistogramRun) -> HistogramRun:
    """Merge two runs; of equal series and time, the sample of the newer run replaces the other."""
    found = merge_runs(_positions(older, 0), _positions(newer, older.samples))
    held = concat_histograms([older.held, newer.held])
    duplicates, conflicts = older.duplicates + newer.duplicates, older.conflicts + newer.conflicts
    if found.duplicates:
        (ids, times, _), (by_ids, by_times, _) = older.places(), newer.places()
        at, by = equal_places(ids, times, by_ids, by_times)
        duplicates += len(at)
        conflicts += int(np.count_nonzero(differ(held, at, by + older.samples)))
    return _gathered(found, held, duplicates, conflicts)


def _positions(run: HistogramRun, first: int) -> FloatRun:
    """Return a run of the positions of the histograms, counted from `first`, as values."""
    s = run.sorted
    values = ArrayStream(np.arange(first, first + run.samples, dtype=np.float64))
    return FloatRun(run.ids, SortedRun(**_directories(s), values=values))


def _gathered(places: FloatRun, held: Histograms, duplicates: int, conflicts: int) -> HistogramRun:
    """Return the run of the histograms at these positions of `held`."""
    s = places.sorted
    values = ArrayHistograms(held.take(places.values.astype(np.int64)))
    sorted_run = SortedHistogramRun(**_directories(s), values=values)
    return HistogramRun(places.ids, sorted_run, duplicates, conflicts)


def _directories(run: RunDirectory) -> dict[str, Any]:
    return {one.name: getattr(run, one.name) for one in fields(RunDirectory)}


def differ(h: Histograms, some: Ints, others: Ints) -> Bools:
    """[N] whether histogram some[i] differs from others[i], bit for bit."""
    different = np.zeros(len(some), np.bool_)
    for name in COLUMNS:
        column: NDArray[np.generic] = getattr(h, name)
        bits = column.view(f"u{column.itemsize}")
        different |= bits[some] != bits[others]
    for side in (h.positive, h.negative):
        different |= _buckets_differ(side, some, others)
    return different


def _buckets_differ(side: Buckets, some: Ints, others: Ints) -> Bools:
    sizes = side.sizes
    different: Bools = sizes[some] != sizes[others]
    alike = np.flatnonzero(~different)
    lengths = sizes[some[alike]]
    one = flat_positions(side.offsets[some[alike]], lengths)
    other = flat_positions(side.offsets[others[alike]], lengths)
    bits = side.population.view(np.uint64)
    unequal = (side.index[one] != side.index[other]) | (bits[one] != bits[other])
    different[np.repeat(alike, lengths)[unequal]] = True
    return different


def equal_places(ids: Ints, times: Ints, by_ids: Ints, by_times: Ints) -> tuple[Ints, Ints]:
    """Return positions with the same (id, time) in two columns of pairs; each pair occurs once in
    either."""
    if len(np.intersect1d(ids, by_ids)) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    all_ids, all_times = np.concatenate([ids, by_ids]), np.concatenate([times, by_times])
    order = np.lexsort(
        (all_times, all_ids)
    )  # stable: of equal pairs, that of the first column comes first
    some, next_ = order[:-1], order[1:]
    equal = (all_ids[some] == all_ids[next_]) & (all_times[some] == all_times[next_])
    return some[equal], next_[equal] - len(ids)
