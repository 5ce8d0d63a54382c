"""What layers have in a range of time: series, and the part of each that lies inside."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints, Numbers, combine_codes
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import ArrayStream, RunDirectory, SortedHistogramRun, SortedRun
from novaql.tsdb.parts.tombstones import Intervals

MANY_SERIES = 4096
"""From so many on it is their memory that counts, and not how long an array takes to be made."""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesSubset:
    """Series of one stratum that take part in a selection.

    series     stratum series
    rows       row of each in the selection's table
    deleted    what is to be left out of the part that the stratum belongs to …
    part_rows  … and the row of each series in the index of that part
    """

    stratum: RunDirectory
    series: Ints
    rows: Numbers
    deleted: Intervals | None = None
    part_rows: Ints | None = None

    def take(self, some: Ints) -> SeriesSubset:
        """These series, whatever was deleted of them."""
        return SeriesSubset(self.stratum, self.series[some], self.rows[some])


@dataclass(frozen=True, slots=True, eq=False)
class RangeSlice:
    """A piece and, for each of its series, the part of its grid that lies in the range.

    low, high    [series] positions in the grid, low < high; those of many series in four bytes
                 each, or as one number where all are the same: a plan holds them for every block
    start_ms, end_ms  the range, of all series or of each
    untouched    nothing of these series was deleted: what lies outside the range may be read, too
    """

    stratum: RunDirectory
    series: Ints
    rows: Numbers
    low: Numbers
    high: Numbers
    start_ms: int | Ints
    end_ms: int | Ints
    untouched: bool = False

    @property
    def lengths(self) -> Ints:
        """[series] how many samples of each lie in the range."""
        return (self.high - self.low).astype(np.int64, copy=False)

    @property
    def first(self) -> Ints:
        """[series] a bound of the times there: exact where the range leaves the grid whole."""
        first: Ints = self.stratum.grid_first[self.stratum.grid_of[self.series]]
        return np.maximum(first, self.start_ms)

    @property
    def last(self) -> Ints:
        """As `first`."""
        last: Ints = self.stratum.grid_last[self.stratum.grid_of[self.series]]
        return np.minimum(last, self.end_ms)

    def take(self, some: Ints) -> RangeSlice:
        return RangeSlice(
            self.stratum, self.series[some], self.rows[some],
            self.low[some], self.high[some],
            _of(self.start_ms, some), _of(self.end_ms, some), self.untouched,
        )  # fmt: skip

    def widened(self) -> RangeSlice:
        """With all samples of those series of which the range leaves half or more."""
        if not self.untouched:
            return self
        grids = self.stratum.grid_of[self.series]
        every = self.stratum.grid_length[grids]
        taken = self.lengths
        wide = (taken < every) & (2 * taken >= every)
        if not wide.any():
            return self
        every_one = bool(wide.all())
        return replace(
            self,
            low=_compact(np.where(wide, 0, self.low)),
            high=_compact(np.where(wide, every, self.high)),
            start_ms=_EVER[0] if every_one else np.where(wide, _EVER[0], self.start_ms),
            end_ms=_EVER[1] if every_one else np.where(wide, _EVER[1], self.end_ms),
        )

    def renumbered(self, number: Numbers) -> RangeSlice:
        """The same for another table: row r is row number[r] there."""
        return replace(self, rows=number[self.rows])

    def key(self) -> Hashable:
        """Equal for cuts that read the same samples in the same order."""
        content = blake2b(self.series.tobytes(), digest_size=16)
        content.update(self.low.astype(np.int32, copy=False).tobytes())
        content.update(self.high.astype(np.int32, copy=False).tobytes())
        return (self.stratum.identity, content.digest())

    def times(self) -> Ints:
        grids = self.stratum.grid_of[self.series]
        return self.stratum.times.ints(self.stratum.grid_start[grids] + self.low, self.lengths)

    @property
    def started(self) -> Bools | None:
        """[series] which have start timestamps; None if none has."""
        every = self.stratum.started
        return None if every is None else every[self.series]

    def starts(self) -> Ints:
        """Start timestamps, 0 where there is none."""
        lengths = self.lengths
        if self.stratum.starts is None:
            return np.zeros(int(lengths.sum()), np.int64)
        return self.stratum.starts.ints(self.stratum.value_start[self.series] + self.low, lengths)

    @property
    def floats(self) -> SortedRun:
        assert isinstance(self.stratum, SortedRun)
        return self.stratum

    @property
    def is_in_memory(self) -> bool:
        """Whether there is nothing to decode. A cache would only hold copies, one for each window
        that moved on, or views that keep a head alive which is in a block by now."""
        return isinstance(self.floats.values, ArrayStream)

    @property
    def is_native(self) -> bool:
        return isinstance(self.stratum, SortedHistogramRun)

    def values(self) -> Floats:
        """Of a cut of floats."""
        return self.floats.values.floats(
            self.stratum.value_start[self.series] + self.low, self.lengths
        )

    def histograms(self) -> Histograms:
        """Of a cut of histograms."""
        assert isinstance(self.stratum, SortedHistogramRun)
        return self.stratum.values.histograms(
            self.stratum.value_start[self.series] + self.low, self.lengths
        )


def of_rows(cuts: Sequence[RangeSlice], wanted: Bools) -> list[RangeSlice]:
    """What cuts have of the rows of a table for which `wanted` is true."""
    chosen = []
    for cut in cuts:
        inside = wanted[cut.rows]
        if inside.all():
            chosen.append(cut)
        elif inside.any():
            chosen.append(cut.take(np.flatnonzero(inside)))
    return chosen


def bytes_of(cuts: Iterable[RangeSlice]) -> int:
    """Memory that cuts hold: arrays that several share count once, repeated numbers not at all."""
    fields = ("series", "rows", "low", "high", "start_ms", "end_ms")
    held = [getattr(cut, name) for cut in cuts for name in fields]
    arrays = {id(one): one for one in held if isinstance(one, np.ndarray)}
    return sum(array.strides[0] * len(array) for array in arrays.values())


def have_starts(cuts: Iterable[RangeSlice]) -> bool:
    """Whether a sample of them may have a start timestamp."""
    return any(started.any() for cut in cuts if (started := cut.started) is not None)


def started_rows(cuts: Sequence[RangeSlice], rows: int) -> Bools | None:
    """Which rows of a table have a start timestamp in some layer; None if none has."""
    found = None
    for cut in cuts:
        started = cut.started
        if started is not None and started.any():
            found = np.zeros(rows, np.bool_) if found is None else found
            found[cut.rows[started]] = True
    return found


def cut_ranges(
    pieces: Sequence[SeriesSubset],
    start_ms: int,
    end_ms: int,
    read_errors: ReadErrors | None = None,
) -> list[RangeSlice]:
    """What each piece has in the range; pieces and series that have nothing there are left out."""
    cuts = (
        _cut(left, begin, end, read_errors)
        for piece in pieces
        for left, begin, end in _not_deleted(piece, start_ms, end_ms)
    )
    return [cut for cut in cuts if len(cut.rows)]


def _not_deleted(
    piece: SeriesSubset, start_ms: int, end_ms: int
) -> list[tuple[SeriesSubset, int | Ints, int | Ints]]:
    """The piece and its range; or several, none of which has a series twice, with ranges [series]
    that leave out what was deleted."""
    if piece.deleted is None or piece.part_rows is None:
        return [(piece, start_ms, end_ms)]
    hit = piece.deleted.touches(piece.part_rows)
    if not hit.any():
        return [(piece, start_ms, end_ms)]
    some = np.flatnonzero(hit)
    out: list[tuple[SeriesSubset, int | Ints, int | Ints]] = [
        (piece.take(some[places]), starts, ends)
        for places, starts, ends in piece.deleted.kept(piece.part_rows[some], start_ms, end_ms)
    ]
    if len(some) < len(hit):
        out.append((piece.take(np.flatnonzero(~hit)), start_ms, end_ms))
    return out


def _cut(
    piece: SeriesSubset, start_ms: int | Ints, end_ms: int | Ints, read_errors: ReadErrors | None
) -> RangeSlice:
    stratum = piece.stratum
    own = stratum.grid_of[piece.series]
    one_range = False
    if isinstance(start_ms, int) or isinstance(end_ms, int):
        one_range = True
        grids, place = np.unique(own, return_inverse=True)
    else:
        bounds = [np.unique(bound, return_inverse=True)[1] for bound in (start_ms, end_ms)]
        _, first, place = np.unique(
            combine_codes([own, *bounds], len(own)), return_index=True, return_inverse=True
        )
        grids, start_ms, end_ms = own[first], start_ms[first], end_ms[first]
    low, high = stratum.window(grids, start_ms, end_ms, read_errors)
    whole = RangeSlice(
        stratum, piece.series, piece.rows, _compact(low[place]), _compact(high[place]),
        _of(start_ms, place), _of(end_ms, place), untouched=one_range,
    )  # fmt: skip
    inside = high > low
    return whole if inside.all() else whole.take(np.flatnonzero(inside[place]))


def _compact(positions: Ints) -> Numbers:
    """[series] the same positions, of many series in less memory."""
    if len(positions) < MANY_SERIES:
        return positions
    if bool((positions == positions[0]).all()):
        return np.broadcast_to(positions[:1].copy(), len(positions))
    return positions.astype(np.int32)


_EVER = -(2**62), 2**62


def _of(bound: int | Ints, some: Ints) -> int | Ints:
    """A bound of all series, or of each, for some of them."""
    return bound if isinstance(bound, int) else bound[some]
