"""Sorted runs: the samples of one layer of a part, as flat streams with directories.

A run has each of its series once. Series with the same timestamps share one *grid*, so the times of
a grid are stored once. A stream is an array in memory (`ArrayStream`) or pages of a block
(`block/paged_stream.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import field
from functools import partial
from itertools import starmap
from typing import NamedTuple, Protocol

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import first_not_before, flat_positions, portions
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.lazy_ints import Directory, whole

WIDE_RANGE = 16
"""Ranges of one length of at least this many numbers are copied as rows."""
PORTION_TIMES = 1 << 22
"""The approximate number of times in memory while a range is located."""
PORTION_MOVED = 1 << 18
"""Numbers of short ranges that are moved at once, since their positions take several times the
memory."""


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """Tasks that copy ranges of a stream; they may run in any order and on any threads.

    parts    each task returns the positions in the target of staleness markers that it wrote, in
             any order; None: undetermined
    numbers  approximate number of values that all tasks decode
    """

    parts: Sequence[Callable[[], Ints | None]]
    numbers: int


MANY_PAGES = 12
"""A read of at least this many pages caches none of them, if all of them might not fit."""
EVERY_PAGE = 1 << 62


class PageRanges(NamedTuple):
    """Ranges grouped by page; none crosses the end of a page.

    places, starts, lengths  [Q] position in the target, position in the page, number of values
    numbers  [P] page numbers, increasing
    bounds   [P + 1] which ranges are of each page
    table    [P, 5] of each page: begin and end in the file, number of values, its first range, and
             one past its last
    mostly   [P] whether the ranges are most of the page
    """

    places: Ints
    starts: Ints
    lengths: Ints
    numbers: Ints
    bounds: Ints
    table: Ints
    mostly: Bools


@dataclass(slots=True, eq=False)
class CopyRanges:
    """Ranges of one stream, and the place of each in the target.

    places, starts, lengths  [Q] position in the target, position in the stream, number of values
    by_page  the same ranges grouped by page, which a stream with pages caches here. Threads set it
             without a lock: it depends on the ranges alone
    """

    places: Ints
    starts: Ints
    lengths: Ints
    by_page: PageRanges | None = None


class Stream(ABC):
    """A long column of numbers. A read names ranges by `starts` and `lengths`."""

    @abstractmethod
    def read(self, starts: Ints, lengths: Ints) -> Ints | Floats:
        """Return the ranges one after another, flat; of either type, but with the right bits."""

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        """`read`, for a stream of timestamps."""
        return self.read(starts, lengths).view(np.int64)

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        """`read`, for a stream of values."""
        return self.read(starts, lengths).view(np.float64)

    def plan_copy(
        self,
        out: Ints | Floats,
        ranges: CopyRanges,
        *,
        cached_pages: int = MANY_PAGES,  # noqa: ARG002 - for streams with pages
    ) -> CopyPlan:
        """Return the tasks that copy each range to its place in `out`, flat.

        cached_pages: a read of fewer pages than this caches those of which most is not copied, for
        later reads. Pages that are copied whole are not cached, since the caller caches the copy.
        """
        return CopyPlan([partial(self.copy, out, ranges.places, ranges.starts, ranges.lengths)], 0)

    def copy(self, out: Ints | Floats, places: Ints, starts: Ints, lengths: Ints) -> None:
        """Copy each range to its place in `out`, flat."""
        out[flat_positions(places, lengths)] = self.read(starts, lengths).view(out.dtype)

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:  # noqa: ARG002
        """Return for each position whether it can be read; the errors of the others are noted.

        A stream that does not override it has no damage, or raises it when it is read.
        """
        return np.ones(len(places), np.bool_)


class HistogramStream(Protocol):
    """A long column of native histograms. A read names ranges by `starts` and `lengths`."""

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        """Return the ranges one after another."""
        ...

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:
        """See `Stream.readable_mask`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RunDirectory:
    """Directories of a run of R series in G grids. Subclasses have the samples.

    identity     unique in the process; caches use it as key
    grid_of      [R] grid of each series
    value_start  [R] where the samples of a series begin in the stream of values or histograms
    grid_start   [G] where the times of a grid begin in `times`
    grid_length  [G] number of times, at least one
    grid_first   [G] earliest time, milliseconds
    grid_last    [G] latest time
    starts       start timestamps at the positions of the samples: 0 for a sample without one
    started      [R] which series have any; both are None if none has
    """

    identity: Hashable
    grid_of: Directory
    value_start: Directory
    grid_start: Directory
    grid_length: Directory
    grid_first: Directory
    grid_last: Directory
    times: Stream
    starts: Stream | None = field(default=None, kw_only=True)
    started: Bools | None = field(default=None, kw_only=True)

    @property
    def samples(self) -> int:
        return int(self.lengths.sum())

    @property
    def lengths(self) -> Ints:
        """[R] number of samples of each series."""
        return self.grid_length[whole(self.grid_of)]

    @property
    def earliest(self) -> int:
        return int(whole(self.grid_first).min())

    @property
    def latest(self) -> int:
        return int(whole(self.grid_last).max())

    def window(
        self,
        grids: Ints,
        start_ms: int | Ints,
        end_ms: int | Ints,
        read_errors: ReadErrors | None = None,
    ) -> tuple[Ints, Ints]:
        """Return for each grid the position of the first time inside the range, and one past the
        last. The range is one for all grids or one for each.

        Reads times only of grids that the range does not contain whole. With `read_errors`,
        unreadable times may be between the two positions.
        """
        low = np.zeros(len(grids), np.int64)
        high = self.grid_length[grids]
        first, last = self.grid_first[grids], self.grid_last[grids]
        outside = (last < start_ms) | (first > end_ms)
        high[outside] = 0
        cut = (~outside & ((first < start_ms) | (last > end_ms))).nonzero()[0]
        for a, b in portions(self.grid_length[grids[cut]], PORTION_TIMES):
            some = cut[a:b]
            lengths = self.grid_length[grids[some]]
            times = self._times(self.grid_start[grids[some]], lengths, read_errors)
            ends = np.cumsum(lengths)
            begins = ends - lengths
            low[some] = first_not_before(times, begins, ends, bound_of(start_ms, some)) - begins
            high[some] = first_not_before(times, begins, ends, bound_of(end_ms, some) + 1) - begins
        return low, high

    def _times(self, starts: Ints, lengths: Ints, read_errors: ReadErrors | None) -> Ints:
        """Return the times of ranges. An unreadable time is replaced by the last readable one
        before it in its range, so that each range remains sorted for bisection."""
        try:
            return self.times.ints(starts, lengths)
        except DAMAGE:
            if read_errors is None:
                raise
        places = flat_positions(starts, lengths)
        sound = np.flatnonzero(self.times.readable_mask(places, read_errors))
        # one more, for ranges that begin with an unreadable time
        times = np.full(len(places) + 1, np.iinfo(np.int64).min)
        times[sound] = self.times.ints(places[sound], np.ones(len(sound), np.int64))
        newest = np.full(len(places), -1)
        newest[sound] = sound
        newest = np.maximum.accumulate(newest)
        begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
        filled: Ints = times[np.where(newest >= begins, newest, -1)]
        return filled


@dataclass(frozen=True, slots=True, eq=False)
class SortedRun(RunDirectory):
    """A run of floats.

    unmarked  returns which of some series have no staleness marker, as far as statistics show it,
              or None if there are no statistics; raises what reading raises
    """

    values: Stream
    unmarked: Callable[[Ints], Bools] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class SortedHistogramRun(RunDirectory):
    """A run of native histograms."""

    values: HistogramStream


def bound_of(bound: int | Ints, some: Ints) -> int | Ints:
    """Return a bound of some of the series or grids."""
    return bound if isinstance(bound, int) else bound[some]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayStream(Stream):
    """A stream in memory: `numbers` is int64 times or float64 values."""

    numbers: Ints | Floats

    def read(self, starts: Ints, lengths: Ints) -> Ints | Floats:
        numbers = self.numbers
        if len(starts) == 0:
            return numbers[:0]
        first, total = int(starts[0]), int(lengths.sum())
        # Adjacent ranges are one slice, without a copy.
        if int(starts[-1] + lengths[-1]) - first == total and (
            len(starts) == 1 or bool((starts[1:] == starts[:-1] + lengths[:-1]).all())
        ):
            return numbers[first : first + total]
        width = int(lengths[0])
        if width >= WIDE_RANGE and bool((lengths == width).all()):
            # Rows of a view in which any range is a row are copied as a whole.
            shape, strides = (len(numbers) - width + 1, width), (8, 8)
            every: Floats = np.ndarray(shape, numbers.dtype, numbers, strides=strides)
            return every[starts].ravel()
        return numbers[flat_positions(starts, lengths)]

    def copy(self, out: Ints | Floats, places: Ints, starts: Ints, lengths: Ints) -> None:
        move_pieces(out, places, self.numbers, starts, lengths)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayHistograms:
    """A `HistogramStream` in memory."""

    held: Histograms

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        return self.held.take(flat_positions(starts, lengths))

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:  # noqa: ARG002 - memory is whole
        return np.ones(len(places), np.bool_)


def move_pieces(
    out: Ints | Floats, places: Ints, numbers: Ints | Floats, starts: Ints, lengths: Ints
) -> None:
    """Copy the range of `numbers` that begins at starts[i] to places[i] of `out`."""
    if len(places) == 0:
        return
    width = int(lengths[0])
    if len(places) == 1:
        to, origin = int(places[0]), int(starts[0])
        out[to : to + width] = numbers[origin : origin + width]
        return
    if bool((lengths == width).all()):
        to, origin = _distance(places, width), _distance(starts, width)
        if to and origin:
            shape = len(places), width
            target: Floats = np.ndarray(
                shape, out.dtype, out, offset=8 * int(places[0]), strides=(8 * to, 8)
            )
            target[:] = np.ndarray(
                shape, numbers.dtype, numbers, offset=8 * int(starts[0]), strides=(8 * origin, 8)
            )
            return
    # Ranges that are adjacent in both arrays are one range.
    follows = (starts[1:] == starts[:-1] + lengths[:-1]) & (
        places[1:] == places[:-1] + lengths[:-1]
    )
    heads = np.append(0, np.flatnonzero(~follows) + 1)
    if 8 * len(heads) > len(places):
        for some in starmap(slice, portions(lengths, PORTION_MOVED)):
            size = lengths[some]
            out[flat_positions(places[some], size)] = numbers[flat_positions(starts[some], size)]
        return
    sizes = np.add.reduceat(lengths, heads).tolist()
    for to, origin, size in zip(places[heads].tolist(), starts[heads].tolist(), sizes, strict=True):
        out[to : to + size] = numbers[origin : origin + size]


def _distance(places: Ints, width: int) -> int:
    """Return the distance of ranges that are evenly spaced and do not overlap, or 0."""
    if len(places) == 1:
        return width
    step = int(places[1] - places[0])
    even = step >= width and bool((places[1:] - places[:-1] == step).all())
    return step if even else 0
