"""A layer without what was deleted of it, over the same streams; nothing is read into memory.

A series that lost something in the middle is made of several pieces of its stream. The layer looks
to whoever writes it into a block like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tsdb.cuts import Cut, Piece, cut_pieces
from tsdb.damage import Losses
from tsdb.histograms import Histograms
from tsdb.labels import Bools, Ints, combine_codes
from tsdb.part import Layer
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS
from tsdb.stratum import HistogramStream, NativeStratum, Stratum, Stream, flat_positions
from tsdb.tile import Floats
from tsdb.tombstones import Intervals


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Which pieces of a stream make up another one.

    ends    [P] where each piece ends in the new stream, increasing
    shift   [P] how much further on a position of the piece is in the old stream
    """

    ends: Ints
    shift: Ints

    @classmethod
    def of(cls, starts: Ints, lengths: Ints) -> _Pieces:
        ends = np.cumsum(lengths)
        return cls(ends, starts - (ends - lengths))

    def located(self, starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
        """Where in the old stream these stretches of the new one are: starts and lengths."""
        first = np.searchsorted(self.ends, starts, side="right")
        last = np.searchsorted(self.ends, starts + lengths, side="left")
        count = np.where(lengths > 0, last - first + 1, 0)
        piece = flat_positions(first, count)
        owner = np.repeat(np.arange(len(starts)), count)
        begins = np.maximum(starts[owner], np.append(0, self.ends)[piece])
        ends = np.minimum((starts + lengths)[owner], self.ends[piece])
        return begins + self.shift[piece], ends - begins


@dataclass(frozen=True, slots=True, eq=False)
class _Spliced:
    """`Stream` made of pieces of another one."""

    stream: Stream
    pieces: _Pieces

    def ints(self, starts: Ints, lengths: Ints) -> Ints:
        return self.stream.ints(*self.pieces.located(starts, lengths))

    def floats(self, starts: Ints, lengths: Ints) -> Floats:
        return self.stream.floats(*self.pieces.located(starts, lengths))

    def fill(self, out: Floats, starts: Ints) -> None:
        out[:] = self.floats(starts, np.full(len(starts), out.shape[1])).reshape(out.shape)

    def sound(self, places: Ints, losses: Losses) -> Bools:
        there, _ = self.pieces.located(places, np.ones(len(places), np.int64))
        return self.stream.sound(there, losses)


@dataclass(frozen=True, slots=True, eq=False)
class _SplicedHistograms:
    """`HistogramStream` made of pieces of another one."""

    stream: HistogramStream
    pieces: _Pieces

    def histograms(self, starts: Ints, lengths: Ints) -> Histograms:
        return self.stream.histograms(*self.pieces.located(starts, lengths))

    def sound(self, places: Ints, losses: Losses) -> Bools:
        there, _ = self.pieces.located(places, np.ones(len(places), np.int64))
        return self.stream.sound(there, losses)


def thinned(layer: Layer, deleted: Intervals) -> Layer | None:
    """The layer without these times of these index rows; None if nothing is left of it.

    Raises as reading does: times are read of grids in which something was deleted.
    """
    stratum = layer.stratum
    series = np.arange(len(stratum.grid_of))
    rows = series if layer.ids is None else layer.ids
    if not deleted.touches(rows).any():
        return layer
    cuts = cut_pieces([Piece(stratum, series, series, deleted, rows)], MIN_TIME_MS, MAX_TIME_MS)
    if not cuts:
        return None
    of_series, low, high = _in_order(cuts)
    kept, begins, counts = np.unique(of_series, return_index=True, return_counts=True)
    leader, grid_of = _grids(stratum.grid_of[kept], low, high, begins, counts)
    # The pieces of each new grid are those of the first series that has it.
    some = flat_positions(begins[leader], counts[leader])
    size = high - low
    grid_length = np.add.reduceat(size, begins)[leader]
    grid_start = np.cumsum(grid_length) - grid_length
    old_start = np.repeat(stratum.grid_start[stratum.grid_of[kept[leader]]], counts[leader])
    times = _Spliced(stratum.times, _Pieces.of(old_start + low[some], size[some]))
    lengths = grid_length[grid_of]
    pieces = _Pieces.of(stratum.value_start[of_series] + low, size)
    one = np.ones(len(leader), np.int64)
    directories: dict[str, Any] = {
        "identity": ("thinned", stratum.identity),
        "grid_of": grid_of,
        "value_start": np.cumsum(lengths) - lengths,
        "grid_start": grid_start,
        "grid_length": grid_length,
        "grid_first": times.ints(grid_start, one),
        "grid_last": times.ints(grid_start + grid_length - 1, one),
        "times": times,
        "starts": None if stratum.starts is None else _Spliced(stratum.starts, pieces),
        "started": None if stratum.started is None else stratum.started[kept],
    }
    if isinstance(stratum, NativeStratum):
        held = _SplicedHistograms(stratum.values, pieces)
        return Layer(NativeStratum(values=held, **directories), rows[kept])
    assert isinstance(stratum, Stratum)
    return Layer(Stratum(values=_Spliced(stratum.values, pieces), **directories), rows[kept])


def _in_order(cuts: Sequence[Cut]) -> tuple[Ints, Ints, Ints]:
    """Series, low and high of every piece, by series, then time."""
    series = np.concatenate([cut.series for cut in cuts])
    low = np.concatenate([cut.low for cut in cuts])
    high = np.concatenate([cut.high for cut in cuts])
    order = np.lexsort((low, series))
    return series[order], low[order], high[order]


def _grids(grids: Ints, low: Ints, high: Ints, begins: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Series with the same pieces of the same grid: the first one of each kind, and kinds."""
    codes = [grids]
    for nth in range(int(counts.max())):
        has = counts > nth
        for bound in (low, high):
            code = np.zeros(len(grids), np.int64)
            code[has] = bound[begins[has] + nth] + 1
            codes.append(code)
    _, leader, grid_of = np.unique(
        combine_codes(codes, len(grids)), return_index=True, return_inverse=True
    )
    return leader, grid_of.ravel().astype(np.int64)
