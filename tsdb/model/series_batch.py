"""The unit in which floats pass from a source to its readers: samples of many series.

A batch has flat values, and beside them the timestamps of each grid once: series that are scraped
together share a grid. Compiled kernels read batches series by series, NumPy kernels as matrices
(`batch_views.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import first_not_before, flat_positions
from novaql.tsdb.model.labels import Floats, Ints


@dataclass(slots=True, eq=False)
class Derived:
    """Values that readers compute from a batch and cache with it.

    parts   a count, and the batch divided into that many parts: see `SeriesBatch.parts`
    falls   [S] 1 or 0: whether a series ever decreases; -1: not computed yet
    groups  the aggregation's groups, the numbers of those that occur, and [S] the place of each
            series' group among these: of the last aggregation
    gaps    [G] a gap between the times of each grid, and how many of its gaps differ from it

    Readers set fields without a lock. Each value depends on the batch alone (`groups` on its first
    item, too), so it does not matter which of two threads sets a field last.
    """

    parts: tuple[int, list[SeriesBatch]] | None = None
    falls: NDArray[np.int8] | None = None
    groups: tuple[object, tuple[Ints, Ints]] | None = None
    gaps: tuple[Ints, Ints] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Markers:
    """Times of the staleness markers of each series, increasing.

    offsets  [S + 1], series i has offsets[i]:offsets[i + 1]
    times    [K] milliseconds
    starts   [K] start timestamps, as those of `SeriesBatch`
    """

    offsets: Ints
    times: Ints
    starts: Ints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesBatch:
    """Samples of `len(rows)` series, each sorted by time with no time twice, no marker among them.

    rows          row numbers in the series table of the selection
    values        [N] flat
    offsets       [S + 1], series i has offsets[i]:offsets[i + 1]
    grid          [S] grid of each series; series of one grid are mostly adjacent
    times         [M] milliseconds of all grids, flat
    grid_offsets  [G + 1], grid g has grid_offsets[g]:grid_offsets[g + 1], as many as its series
    markers       staleness markers of the series; None: there are none
    starts        [N] start timestamp of each sample in milliseconds, 0 if unknown; None: none is
                  known, or the reader does not need them
    derived       results of readers, cached with the batch
    """

    rows: Ints
    values: Floats
    offsets: Ints
    grid: Ints
    times: Ints
    grid_offsets: Ints
    markers: Markers | None = None
    starts: Ints | None = None
    derived: Derived = field(default_factory=Derived)

    @classmethod
    def ragged(
        cls, rows: Ints, times: Ints, values: Floats, offsets: Ints, starts: Ints | None = None
    ) -> SeriesBatch:
        """A batch in which each series has its own grid. times: [N]."""
        grid = np.arange(len(rows), dtype=np.int64)
        return cls(rows, values, offsets, grid, times, offsets, starts=starts)

    @classmethod
    def regular(cls, rows: Ints, times: Ints, values: Floats) -> SeriesBatch:
        """A batch of one grid. times: [T], values: [S, T]."""
        offsets = np.arange(len(rows) + 1, dtype=np.int64) * len(times)
        grid, grid_offsets = np.zeros(len(rows), np.int64), np.array([0, len(times)], np.int64)
        return cls(rows, values.reshape(-1), offsets, grid, times, grid_offsets)

    @property
    def series_count(self) -> int:
        return len(self.rows)

    @property
    def sample_count(self) -> int:
        """Samples, staleness markers included."""
        return self.values.size + (0 if self.markers is None else len(self.markers.times))

    def window(
        self, start_ms: int, end_ms: int, grids: Ints | slice = slice(None)
    ) -> tuple[Ints, Ints]:
        """Return low and high [G], or of some grids: samples low … high - 1 are in the range."""
        begins, ends = self.grid_offsets[:-1][grids], self.grid_offsets[1:][grids]
        low = first_not_before(self.times, begins, ends, start_ms)
        high = first_not_before(self.times, begins, ends, end_ms + 1)
        return low - begins, np.maximum(low, high) - begins

    def grids_of(self, places: Ints) -> tuple[Ints, Ints]:
        """The grids of some series, increasing, and [len(places)] which of these each has."""
        used = np.zeros(len(self.grid_offsets) - 1, np.bool_)
        used[self.grid[places]] = True
        return used.nonzero()[0], (np.cumsum(used) - 1)[self.grid[places]]

    def taken(self, places: Ints, low: Ints, high: Ints) -> SeriesBatch:
        """A copy of some series. low, high: of each of their grids (`grids_of`), the samples
        low … high - 1 are copied; all staleness markers are."""
        grids, number = self.grids_of(places)
        lengths = high - low
        of_series = lengths[number]
        at = flat_positions(self.offsets[places] + low[number], of_series)
        markers = self.markers
        if markers is not None:
            marked = markers.offsets[places + 1] - markers.offsets[places]
            some = flat_positions(markers.offsets[places], marked)
            begun = None if markers.starts is None else markers.starts[some]
            markers = Markers(np.append(0, np.cumsum(marked)), markers.times[some], begun)
        return SeriesBatch(
            self.rows[places],
            self.values[at],
            np.append(0, np.cumsum(of_series)),
            number,
            self.times[flat_positions(self.grid_offsets[grids] + low, lengths)],
            np.append(0, np.cumsum(lengths)),
            markers,
            None if self.starts is None else self.starts[at],
        )

    def parts(self, count: int) -> list[SeriesBatch]:
        """The batch as at most `count` batches of about equal size: views, which are cached."""
        if count < 2:
            return [self]
        cached = self.derived.parts
        if cached is None or cached[0] != count:
            wanted = np.arange(1, count) * self.offsets.item(-1) // count
            cuts = {0, *self.offsets.searchsorted(wanted).tolist(), len(self.rows)}
            cached = count, [self.between(a, b) for a, b in pairwise(sorted(cuts))]
            self.derived.parts = cached
        return cached[1]

    def between(self, begin: int, end: int) -> SeriesBatch:
        """Series begin … end - 1, as views."""
        low, high = self.offsets[begin], self.offsets[end]
        grid = self.grid[begin:end]
        first, last = grid.min(), grid.max() + 1
        early, late = self.grid_offsets[first], self.grid_offsets[last]
        markers = self.markers
        if markers is not None:
            a, b = markers.offsets[begin], markers.offsets[end]
            starts = None if markers.starts is None else markers.starts[a:b]
            markers = Markers(markers.offsets[begin : end + 1] - a, markers.times[a:b], starts)
        return SeriesBatch(
            self.rows[begin:end],
            self.values[low:high],
            self.offsets[begin : end + 1] - low,
            grid - first,
            self.times[early:late],
            self.grid_offsets[first : last + 1] - early,
            markers,
            None if self.starts is None else self.starts[low:high],
        )

    @property
    def nbytes(self) -> int:
        arrays = [self.values, self.offsets, self.grid, self.times, self.grid_offsets, self.rows]
        if self.markers is not None:
            arrays += [self.markers.offsets, self.markers.times]
        if self.starts is not None:
            arrays.append(self.starts)
        # 64 bytes a series: `derived`, which readers fill in later.
        return sum(array.nbytes for array in arrays) + 64 * len(self.rows)


@dataclass(frozen=True, slots=True)
class SeriesBatchRef:
    """A batch that is read when `load` is called.

    load        reads and decodes; may be called on any thread, more than once
    samples     how many samples of the range it has, staleness markers included, determined without
                reading; approximate if the source has no count
    times_only  `load` with arbitrary values, for queries that need only times: it decodes less.
                None: the source has no such shortcut
    started     `load` with start timestamps; None: no sample has one
    ready       returns whether `load` reads memory only; None: it may read a disk
    """

    load: Callable[[], SeriesBatch]
    samples: int
    times_only: Callable[[], SeriesBatch] | None = None
    started: Callable[[], SeriesBatch] | None = None
    ready: Callable[[], bool] | None = None
