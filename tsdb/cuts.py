"""What layers have in a range of time: series, and the part of each that lies inside."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from tsdb.damage import Losses
from tsdb.histograms import Histograms
from tsdb.labels import Ints
from tsdb.stratum import ArrayStream, Grids, NativeStratum, Stratum
from tsdb.tile import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Series of one stratum that take part in a selection.

    series  stratum series
    rows    row of each in the selection's table
    """

    stratum: Grids
    series: Ints
    rows: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A piece and, for each of its series, the part of its grid that lies in the range.

    low, high    [series] positions in the grid, low < high
    first, last  [series] bounds of the times there: exact where the range leaves the grid whole
    """

    stratum: Grids
    series: Ints
    rows: Ints
    low: Ints
    high: Ints
    first: Ints
    last: Ints

    def take(self, some: Ints) -> Cut:
        return Cut(
            self.stratum, self.series[some], self.rows[some],
            self.low[some], self.high[some], self.first[some], self.last[some],
        )  # fmt: skip

    def renumbered(self, number: Ints) -> Cut:
        """The same for another table: row r is row number[r] there."""
        return replace(self, rows=number[self.rows])

    def key(self) -> Hashable:
        """Equal for cuts that read the same samples in the same order."""
        content = blake2b(self.series.tobytes(), digest_size=16)
        content.update(self.low.tobytes())
        content.update(self.high.tobytes())
        return (self.stratum.identity, content.digest())

    def times(self) -> Ints:
        grids = self.stratum.grid_of[self.series]
        return self.stratum.times.ints(
            self.stratum.grid_start[grids] + self.low, self.high - self.low
        )

    @property
    def floats(self) -> Stratum:
        assert isinstance(self.stratum, Stratum)
        return self.stratum

    @property
    def is_in_memory(self) -> bool:
        """Whether there is nothing to decode. A cache would only hold copies, one for each window
        that moved on, or views that keep a head alive which is in a block by now."""
        return isinstance(self.floats.values, ArrayStream)

    @property
    def is_native(self) -> bool:
        return isinstance(self.stratum, NativeStratum)

    def values(self) -> Floats:
        """Of a cut of floats."""
        return self.floats.values.floats(
            self.stratum.value_start[self.series] + self.low, self.high - self.low
        )

    def histograms(self) -> Histograms:
        """Of a cut of histograms."""
        assert isinstance(self.stratum, NativeStratum)
        return self.stratum.values.histograms(
            self.stratum.value_start[self.series] + self.low, self.high - self.low
        )


def cut_pieces(
    pieces: Sequence[Piece], start_ms: int, end_ms: int, losses: Losses | None = None
) -> list[Cut]:
    """What each piece has in the range; pieces and series that have nothing there are left out."""
    return [cut for piece in pieces if len((cut := _cut(piece, start_ms, end_ms, losses)).rows)]


def _cut(piece: Piece, start_ms: int, end_ms: int, losses: Losses | None) -> Cut:
    stratum = piece.stratum
    grids, place = np.unique(stratum.grid_of[piece.series], return_inverse=True)
    low, high = stratum.window(grids, start_ms, end_ms, losses)
    first = np.maximum(stratum.grid_first[grids], start_ms)
    last = np.minimum(stratum.grid_last[grids], end_ms)
    whole = Cut(
        stratum, piece.series, piece.rows, low[place], high[place], first[place], last[place]
    )
    inside = high > low
    return whole if inside.all() else whole.take(np.flatnonzero(inside[place]))
