"""Merged samples of series that overlap in time in several blocks, or were deleted in part.

Each read merges the series that it needs, so that no others are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions, latest_of_each, portions
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import SortedRun, Stream
from novaql.tsdb.parts.tombstones import Intervals

What = Literal["values", "starts"]
PORTION = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The floats of one block.

    series   [T] series of the run for each row of the union of all blocks; -1: it has none
    rows     [series] index row of the block for each series of the run; for `deleted`
    deleted  deleted time in the block
    """

    run: SortedRun
    series: Ints
    rows: Ints
    deleted: Intervals | None

    def of(self, rows: Ints, among: Bools | None = None) -> tuple[Ints, Ints]:
        """Return which of some rows the source has, and their series; among: only these rows."""
        series = self.series[rows]
        there = np.flatnonzero(series >= 0 if among is None else (series >= 0) & among)
        return there, series[there]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Merged samples of rows, by row, then time: number of samples of each row, times, and
    values."""

    lengths: Ints
    times: Ints
    numbers: Ints | Floats


def merged(sources: Sequence[Source], rows: Ints, what: What | None) -> Merged:
    """Return the samples of these rows of the union in all sources, which are in order of age."""
    owner, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    numbers = [_zeros(0, what)]
    for source in sources:
        there, series = source.of(rows)
        run = source.run
        grids = run.grid_of[series]
        lengths = run.grid_length[grids]
        at = np.repeat(there, lengths)
        when = run.times.ints(run.grid_start[grids], lengths)
        read = _read(run, run.value_start[series], lengths, what)
        if source.deleted is not None:
            gone = source.deleted.mask(np.repeat(source.rows[series], lengths), when)
            at, when, read = at[~gone], when[~gone], read[~gone]
        owner.append(at)
        times.append(when)
        numbers.append(read)
    all_owners, all_times = np.concatenate(owner), np.concatenate(times)
    order = latest_of_each(all_owners, all_times)  # the last one is from the youngest source
    counts = np.bincount(all_owners[order], minlength=len(rows))
    found = np.concatenate([column.view(np.int64) for column in numbers])[order]
    return Merged(counts, all_times[order], found if what == "starts" else found.view(np.float64))


def _read(run: SortedRun, starts: Ints, lengths: Ints, what: What | None) -> Ints | Floats:
    if what == "values":
        return run.values.floats(starts, lengths)
    if what == "starts" and run.starts is not None:
        return run.starts.ints(starts, lengths)
    return _zeros(int(lengths.sum()), what)


def _zeros(count: int, what: What | None) -> Ints | Floats:
    return np.zeros(count, np.int64) if what == "starts" else np.zeros(count)


def merged_times(sources: Sequence[Source], rows: Ints) -> tuple[Ints, Ints]:
    """Return the number of merged samples of each row, and the times of all, flat."""
    lengths, times = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    sizes = np.zeros(len(rows), np.int64)
    for source in sources:
        there, series = source.of(rows)
        sizes[there] += source.run.grid_length[source.run.grid_of[series]]
    for first, end in portions(sizes, PORTION):
        found = merged(sources, rows[first:end], None)
        lengths.append(found.lengths)
        times.append(found.times)
    return np.concatenate(lengths), np.concatenate(times)


@dataclass(frozen=True, slots=True, eq=False)
class MergeStream(Stream):
    """A stream of the merged samples of rows, one row after another.

    rows     [K] of the union
    offsets  [K + 1] where each row begins
    """

    sources: Sequence[Source]
    rows: Ints
    offsets: Ints
    what: What

    def read(self, starts: Ints, lengths: Ints) -> Ints | Floats:
        """Return the ranges, which must not span two rows."""
        number = np.searchsorted(self.offsets, starts, side="right") - 1
        used, place = np.unique(number, return_inverse=True)
        found = merged(self.sources, self.rows[used], self.what)
        begins = np.cumsum(found.lengths) - found.lengths
        local = begins[place.ravel()] + starts - self.offsets[number]
        return found.numbers[flat_positions(local, lengths)]
