"""Views of batches: matrices of series that share timestamps, and the other series.

NumPy kernels work on views of about `VIEW_VALUES` samples, which fit into the processor's cache.
A batch has several of them. A view of series that share their timestamps copies nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import first_not_before, flat_positions, portions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE, Floats
from novaql.tsdb.model.series_batch import SeriesBatch

VIEW_VALUES = 1 << 17
REGULAR_FROM = 4096
"""Groups of fewer values share a view: a separate view would cost more than it saves."""

Places = Ints | slice
"""Series of a batch, by their position in it."""


class ViewMarkers(NamedTuple):
    """Staleness markers of the series of a view, in order of series and time.

    series    [K] position of the series in the view
    times_ms  [K]
    next_ms   [K] time of the first sample of the series after each, `NO_SAMPLE` if there is none
    """

    series: Ints
    times_ms: Ints
    next_ms: Ints

    def between(self, first: int, end: int) -> ViewMarkers:
        """Those of the series at positions first … end - 1."""
        some = slice(*self.series.searchsorted((first, end)))
        return ViewMarkers(self.series[some] - first, self.times_ms[some], self.next_ms[some])


NO_SAMPLE = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class SeriesView:
    """Samples of `len(rows)` series of a batch, each sorted by time with no time twice.

    rows        row numbers in the series table of the selection
    timestamps  milliseconds. Regular: [T], shared by every series. Ragged: flat [N]
    values      regular: [S, T]. Ragged: flat [N]
    offsets     None: regular. Ragged: [S + 1], series i owns offsets[i]:offsets[i + 1]
    starts      ragged views only: flat [N], start timestamps as those of `SeriesBatch`
    markers     staleness markers beside the samples; None: there are none, or they are among the
                samples as ordinary values (`is_stale`), or the reader does not need them

    Arrays are read-only by agreement.
    """

    rows: Ints
    timestamps: Ints
    values: Floats
    offsets: Ints | None = None
    starts: Ints | None = None
    markers: ViewMarkers | None = None

    @property
    def series_count(self) -> int:
        return len(self.rows)

    @property
    def sample_count(self) -> int:
        return self.values.size

    @property
    def bounds(self) -> Ints:
        """[S + 1] offsets of the series among the samples, which are one series after the other."""
        if self.offsets is not None:
            return self.offsets
        return np.arange(len(self.rows) + 1, dtype=np.int64) * len(self.timestamps)

    def owners(self) -> Ints:
        """[N] the row of each sample of the ragged layout."""
        return np.repeat(self.rows, np.diff(self.bounds))

    def ragged(self) -> SeriesView:
        """The same samples in the ragged layout."""
        if self.offsets is not None:
            return self
        times = np.tile(self.timestamps, len(self.rows))
        return SeriesView(self.rows, times, self.values.ravel(), self.bounds)

    def rows_between(self, first: int, end: int) -> SeriesView:
        """The series at positions first … end - 1, as views."""
        rows = self.rows[first:end]
        markers = None if self.markers is None else self.markers.between(first, end)
        if self.offsets is None:
            return SeriesView(rows, self.timestamps, self.values[first:end], markers=markers)
        part = slice(int(self.offsets[first]), int(self.offsets[end]))
        offsets = self.offsets[first : end + 1] - self.offsets[first]
        starts = None if self.starts is None else self.starts[part]
        return SeriesView(rows, self.timestamps[part], self.values[part], offsets, starts, markers)


class BatchViews:
    """Views of the samples of a batch that lie in a range.

    start_ms, end_ms  the range
    exact    False: samples outside the range do no harm, and may be in a view if that saves a copy
    markers  with staleness markers: among the samples, or beside them if not exact
    """

    def __init__(
        self,
        batch: SeriesBatch,
        start_ms: int,
        end_ms: int,
        *,
        exact: bool = True,
        markers: bool = True,
    ) -> None:
        self._batch, self._exact = batch, exact
        self.range_ms = start_ms, end_ms
        self._markers = batch.markers if markers else None
        self._low, self._high = batch.window(start_ms, end_ms)

    def __iter__(self) -> Iterator[SeriesView]:
        """Yield views of all series."""
        batch = self._batch
        widths = (self._high - self._low)[batch.grid]
        for some in split_views(batch.grid, widths, regular=batch.starts is None):
            view = self.view(some)
            if self._markers is not None and not self._exact and self._has_markers(some):
                view = replace(view, markers=self._beside(view, some))
            yield view

    def view(self, places: Places) -> SeriesView:
        """The samples of some series in the range; if exact, staleness markers among them."""
        batch = self._batch
        rows, grid = batch.rows[places], batch.grid[places]
        begins, ends = batch.offsets[:-1][places], batch.offsets[1:][places]
        times_at = batch.grid_offsets[grid]
        low, high = self._low[grid], self._high[grid]
        marked = self._exact and self._markers is not None and self._has_markers(places)
        if isinstance(places, slice) and batch.starts is None and not marked:
            if bool((grid == grid[0]).all()):
                width = int(ends[0] - begins[0])
                matrix = batch.values[int(begins[0]) : int(ends[-1])].reshape(len(rows), width)
                when = batch.times[int(times_at[0]) : int(times_at[0]) + width]
                some = slice(int(low[0]), int(high[0]))
                if not self._exact and 4 * (some.stop - some.start) >= 3 * width:
                    some = slice(None)  # `take` copies rows that are not contiguous
                return SeriesView(rows, when[some], matrix[:, some])
            every, taken = int(ends[-1] - begins[0]), int((high - low).sum())
            if taken == every or (not self._exact and 2 * taken >= every):
                if bool((grid[1:] - grid[:-1] == 1).all()):
                    # Each series has its own grid, so that times are in the order of values.
                    times = batch.times[int(times_at[0]) : int(times_at[0]) + every]
                else:
                    times = batch.times[flat_positions(times_at, ends - begins)]
                values = batch.values[int(begins[0]) : int(ends[-1])]
                return SeriesView(rows, times, values, np.append(begins, ends[-1]) - begins[0])
        lengths = high - low
        at = flat_positions(begins + low, lengths)
        times = batch.times[flat_positions(times_at + low, lengths)]
        starts = None if batch.starts is None else batch.starts[at]
        offsets = np.append(0, np.cumsum(lengths))
        found = SeriesView(rows, times, batch.values[at], offsets, starts)
        if marked:
            found = self._with_markers(found, places)
        if found.starts is not None and not found.starts.any():
            found = SeriesView(rows, found.timestamps, found.values, found.offsets)
        return found

    def _has_markers(self, places: Places) -> bool:
        markers = self._markers
        assert markers is not None
        return bool((markers.offsets[1:][places] > markers.offsets[:-1][places]).any())

    def _markers_of(self, places: Places) -> tuple[Ints, Ints]:
        """Positions of the markers in the range of some series, and of the series of each."""
        markers = self._markers
        assert markers is not None
        begins = markers.offsets[:-1][places]
        lengths = markers.offsets[1:][places] - begins
        at = flat_positions(begins, lengths)
        owner = np.repeat(np.arange(len(begins)), lengths)
        inside = (markers.times[at] >= self.range_ms[0]) & (markers.times[at] <= self.range_ms[1])
        return at[inside], owner[inside]

    def _beside(self, found: SeriesView, places: Places) -> ViewMarkers:
        markers, times = self._markers, found.timestamps
        assert markers is not None
        at, owner = self._markers_of(places)
        when = markers.times[at]
        if found.offsets is None:
            place, ends = times.searchsorted(when), np.full(len(at), len(times))
        else:
            ends = found.offsets[owner + 1]
            place = first_not_before(times, found.offsets[owner], ends, when)
        known = times[np.minimum(place, len(times) - 1)] if len(times) else when
        return ViewMarkers(owner, when, np.where(place < ends, known, NO_SAMPLE))

    def _with_markers(self, found: SeriesView, places: Places) -> SeriesView:
        """A ragged view with the staleness markers of its series; regular if all times agree."""
        markers, series = self._markers, len(found.rows)
        assert markers is not None
        assert found.offsets is not None
        at, owner = self._markers_of(places)
        when, offsets = markers.times[at], found.offsets
        before = first_not_before(found.timestamps, offsets[owner], offsets[owner + 1], when)
        # Position of each marker, and of each sample, in the result.
        place = before + np.arange(len(at))
        other = np.ones(len(found.values) + len(at), np.bool_)
        other[place] = False
        times, values = np.empty(len(other), np.int64), np.empty(len(other))
        times[place], times[other] = when, found.timestamps
        values[place], values[other] = STALE, found.values
        offsets = offsets + np.append(0, np.cumsum(np.bincount(owner, minlength=series)))
        starts = None
        if found.starts is not None:
            starts = np.zeros(len(other), np.int64)
            starts[other] = found.starts
            if markers.starts is not None:
                starts[place] = markers.starts[at]
        elif series > 1 and len(times) and bool((np.diff(offsets) == offsets[1]).all()):
            by_series = times.reshape(series, -1)
            if bool((by_series == by_series[0]).all()):
                return SeriesView(found.rows, by_series[0].copy(), values.reshape(series, -1))
        return SeriesView(found.rows, times, values, offsets, starts)


def split_views(group: Ints, widths: Ints, *, regular: bool) -> Iterator[Places]:
    """Series of a batch divided into views of about `VIEW_VALUES` samples.

    group    [S] series with one number share their timestamps; they are adjacent
    widths   [S] samples of each
    regular  large groups get separate views; False: all series share views
    """
    every = np.arange(len(group))
    pooled = every
    if regular and len(group):
        begins = np.flatnonzero(np.diff(group, prepend=-1))
        counts = np.diff(np.append(begins, len(group)))
        large = (counts > 1) & (counts * widths[begins] >= REGULAR_FROM)
        for begin, count in zip(begins[large].tolist(), counts[large].tolist(), strict=True):
            tall = max(1, VIEW_VALUES // int(widths[begin]))
            for first in range(begin, begin + count, tall):
                yield slice(first, min(first + tall, begin + count))
        pooled = every[~np.repeat(large, counts)]
    for first, end in portions(widths[pooled], VIEW_VALUES):
        some = pooled[first:end]
        adjacent = int(some[-1] - some[0]) == len(some) - 1
        yield slice(int(some[0]), int(some[-1]) + 1) if adjacent else some
