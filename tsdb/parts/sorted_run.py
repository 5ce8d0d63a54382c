"""Samples of one sorted layer of the store, as flat streams with directories.

A stratum holds each of its series once. Series with the same timestamps share one *grid*, so a
grid's times are stored once. Whether the streams are arrays in memory or pages on disk is the
stream's own affair.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.lazy_ints import Directory, whole


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """Copying of pieces, in parts that may be done in any order and on any threads.

    parts    each says where in the array there are staleness markers among what it wrote, in any
             order; None: it does not know
    numbers  about how many are decoded for all of them
    """

    parts: Sequence[Callable[[], Ints | None]]
    numbers: int


class Stream(Protocol):
    """A long column of numbers of which pieces can be read."""

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        """Pieces one after the other, flat. For a stream of timestamps."""
        ...

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        """Pieces one after the other, flat. For a stream of values."""
        ...

    def fill(self, out: Floats, starts: Ints) -> None:
        """Copy a piece into each row of `out`, [pieces, length]. For a stream of values."""
        ...

    def plan_copy(
        self,
        out: Ints | Floats,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        *,
        keep: bool = True,
        notes: dict[str, Any] | None = None,
    ) -> CopyPlan:
        """What there is to do to copy each piece to its place in `out`, flat.

        Whoever asks keeps what it gets: what was decoded for it alone is not kept once more.
        keep: what it leaves most of is, for those who will ask for the rest. notes: what was found
        out about these pieces; kept by who asks for the same ones of this stream again.
        """
        ...

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:
        """For each of these places whether it can be read; why others cannot is noted."""
        ...


def in_one_part(
    stream: Stream, out: Ints | Floats, places: Ints, starts: Ints, lengths: Ints
) -> CopyPlan:
    """`Stream.plan_copy` where pieces are read all at once or not at all."""

    def all_of_it() -> None:
        read = stream.floats if out.dtype == np.float64 else stream.ints
        out[flat_positions(places, lengths)] = read(starts, lengths)

    return CopyPlan([all_of_it], int(lengths.sum()))


class HistogramStream(Protocol):
    """A long column of native histograms of which pieces can be read."""

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        """Pieces one after the other."""
        ...

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:
        """As that of `Stream`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RunDirectory:
    """Directories of one layer; R series, G grids. What the samples are, a subclass says.

    identity     tells strata apart in caches, for as long as the process lives
    grid_of      [R] grid of each series
    value_start  [R] where a series' samples begin in the stream of values or histograms
    grid_start   [G] where a grid's times begin in `times`
    grid_length  [G] how many, at least one
    grid_first   [G] earliest and …
    grid_last    [G] … latest of them, milliseconds
    starts       start timestamps, in the same places as the samples: 0 where none is known
    started      [R] which series have any; both are None where none has
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
        """[R] how many samples each series has."""
        return self.grid_length[whole(self.grid_of)]

    @property
    def earliest(self) -> int:
        return int(whole(self.grid_first).min())

    @property
    def latest(self) -> int:
        return int(whole(self.grid_last).max())

    @property
    def bounds(self) -> tuple[Directory, Directory]:
        return self.grid_first, self.grid_last

    def window(
        self,
        grids: Ints,
        start_ms: int | Ints,
        end_ms: int | Ints,
        read_errors: ReadErrors | None = None,
    ) -> tuple[Ints, Ints]:
        """For each grid the first and one-past-last of its times inside the range, which is one
        for all or one for each.

        Reads the times only of grids that the range cuts. With `read_errors`, times between
        these two may be unreadable.
        """
        low = np.zeros(len(grids), np.int64)
        high = self.grid_length[grids].copy()
        first, last = self.grid_first[grids], self.grid_last[grids]
        outside = (last < start_ms) | (first > end_ms)
        high[outside] = 0
        cut = np.flatnonzero(~outside & ((first < start_ms) | (last > end_ms)))
        for some in _in_portions(cut, self.grid_length[grids[cut]]):
            lengths = self.grid_length[grids[some]]
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            times = self._times(self.grid_start[grids[some]], lengths, read_errors)
            low[some] = bisect_pieces(times, offsets, _of(start_ms, some), after=False)
            high[some] = bisect_pieces(times, offsets, _of(end_ms, some), after=True)
        return low, high

    def _times(self, starts: Ints, lengths: Ints, read_errors: ReadErrors | None) -> Ints:
        """Pieces of times; an unreadable one counts as equal to the last readable one before it in
        its piece, so that each piece is sorted still."""
        try:
            return self.times.ints(starts, lengths)
        except DAMAGE:
            if read_errors is None:
                raise
        places = flat_positions(starts, lengths)
        sound = np.flatnonzero(self.times.readable_mask(places, read_errors))
        times = np.full(len(places) + 1, np.iinfo(np.int64).min)  # and one to stand for none
        times[sound] = self.times.ints(places[sound], np.ones(len(sound), np.int64))
        newest = np.full(len(places), -1)
        newest[sound] = sound
        newest = np.maximum.accumulate(newest)
        begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
        filled: Ints = times[np.where(newest >= begins, newest, -1)]
        return filled


@dataclass(frozen=True, slots=True, eq=False)
class SortedRun(RunDirectory):
    """A layer of floats.

    unmarked  says which of some series have no staleness marker at all, and may miss some; None:
              nothing is known without looking at the values. Raises what reading raises
    """

    values: Stream
    unmarked: Callable[[Ints], Bools] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class SortedHistogramRun(RunDirectory):
    """A layer of native histograms."""

    values: HistogramStream


def _in_portions(members: Ints, lengths: Ints, most: int = 1 << 22) -> list[Ints]:
    """Split so that no portion's lengths sum to much more than `most`."""
    if len(members) == 0:
        return []
    portion = np.cumsum(lengths) // most
    return np.split(members, np.flatnonzero(np.diff(portion)) + 1)


def _of(bound: int | Ints, some: Ints) -> int | Ints:
    return bound if isinstance(bound, int) else bound[some]


def bisect_pieces(times: Ints, offsets: Ints, wanted_ms: int | Ints, *, after: bool) -> Ints:
    """`searchsorted` in each of many sorted pieces at once; positions count from a piece's start.

    times: flat; offsets: [P + 1]; wanted_ms: one for all pieces, or [P];
    after: count times equal to `wanted_ms` as smaller.
    """
    bounds = np.broadcast_to(wanted_ms + 1 if after else wanted_ms, len(offsets) - 1)
    if len(offsets) <= 9:  # few pieces: the plain way is quicker
        begins, ends = offsets[:-1].tolist(), offsets[1:].tolist()
        return np.array(
            [
                np.searchsorted(times[a:b], bound)
                for a, b, bound in zip(begins, ends, bounds.tolist(), strict=True)
            ],
            np.int64,
        )
    low, high = offsets[:-1].copy(), offsets[1:].copy()
    while True:
        open_ = low < high
        if not open_.any():
            return low - offsets[:-1]
        middle = (low + high) >> 1
        smaller = np.zeros(len(low), np.bool_)
        smaller[open_] = times[middle[open_]] < bounds[open_]
        low = np.where(smaller, middle + 1, low)
        high = np.where(open_ & ~smaller, middle, high)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayStream:
    """A stream in memory: `numbers` is int64 times or float64 values."""

    numbers: Ints | Floats

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        return _gather(self.numbers, starts, lengths).view(np.int64)

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        return _gather(self.numbers, starts, lengths).view(np.float64)

    def fill(self, out: Floats, starts: Ints) -> None:
        copy_pieces(out, self.numbers, starts)

    def plan_copy(
        self,
        out: Ints | Floats,
        places: Ints,
        starts: Ints,
        lengths: Ints,
        *,
        keep: bool = True,  # noqa: ARG002
        notes: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> CopyPlan:
        def all_of_it() -> None:
            move_pieces(out, places, self.numbers, starts, lengths)

        return CopyPlan([all_of_it], 0)

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:  # noqa: ARG002 - memory is whole
        return np.ones(len(places), np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayHistograms:
    """A `HistogramStream` in memory."""

    held: Histograms

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        return self.held.take(flat_positions(starts, lengths))

    def readable_mask(self, places: Ints, read_errors: ReadErrors) -> Bools:  # noqa: ARG002 - memory is whole
        return np.ones(len(places), np.bool_)


def copy_pieces(out: Floats, numbers: Ints | Floats, starts: Ints) -> None:
    """Copy the piece of `numbers` that begins at starts[i] into out[i], for each row of `out`."""
    count, width = out.shape
    if count > 1:
        step = int(starts[1] - starts[0])
        if step < width or not bool(((starts[1:] - starts[:-1]) == step).all()):
            out[:] = numbers[starts[:, None] + np.arange(width)]
            return
    else:
        step = width
    # Pieces at equal distances are a matrix already.
    out[:] = np.ndarray(
        (count, width), np.float64, numbers, offset=8 * int(starts[0]), strides=(8 * step, 8)
    )


def move_pieces(
    out: Ints | Floats, places: Ints, numbers: Ints | Floats, starts: Ints, lengths: Ints
) -> None:
    """Copy the piece of `numbers` that begins at starts[i] to places[i] of `out`."""
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
    # Pieces that stand end to end, here and there, are one.
    follows = (starts[1:] == starts[:-1] + lengths[:-1]) & (
        places[1:] == places[:-1] + lengths[:-1]
    )
    heads = np.append(0, np.flatnonzero(~follows) + 1)
    if 8 * len(heads) > len(places):
        out[flat_positions(places, lengths)] = numbers[flat_positions(starts, lengths)]
        return
    sizes = np.add.reduceat(lengths, heads).tolist()
    for to, origin, size in zip(places[heads].tolist(), starts[heads].tolist(), sizes, strict=True):
        out[to : to + size] = numbers[origin : origin + size]


def _distance(places: Ints, width: int) -> int:
    """The distance between pieces that do not overlap and are evenly apart, or 0."""
    if len(places) == 1:
        return width
    step = int(places[1] - places[0])
    even = step >= width and bool((places[1:] - places[:-1] == step).all())
    return step if even else 0


def _gather(numbers: Ints | Floats, starts: Ints, lengths: Ints) -> Ints | Floats:
    if len(starts) == 0:
        return numbers[:0]
    first, total = int(starts[0]), int(lengths.sum())
    # Pieces that lie end to end are one slice, and no copy.
    if int(starts[-1] + lengths[-1]) - first == total and (
        len(starts) == 1 or bool((starts[1:] == starts[:-1] + lengths[:-1]).all())
    ):
        return numbers[first : first + total]
    return numbers[flat_positions(starts, lengths)]
