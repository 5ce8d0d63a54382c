"""Values of a result: which of them are native histograms, and points with their own times."""

from __future__ import annotations

from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats


@dataclass(frozen=True, slots=True, eq=False)
class NativeCells:
    """Which values are native histograms.

    histograms  the histograms that occur, and possibly others
    which       shaped like the values: number of the histogram, or -1 where the value is a float
    """

    histograms: Histograms
    which: NDArray[np.int32]

    def occurring(self) -> tuple[Histograms, Ints]:
        """The histograms that occur, and for each cell with a histogram, in order, its number."""
        used, place = np.unique(self.which[self.which >= 0], return_inverse=True)
        return self.histograms.take(used.astype(np.int64)), place


def native_where(
    native: NativeCells | None, cells: Bools | Ints | slice | EllipsisType
) -> NativeCells | None:
    """The selected cells, flat; None if none of them is a histogram."""
    if native is None:
        return None
    which = native.which[cells].ravel()
    return NativeCells(native.histograms, which) if (which >= 0).any() else None


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Ragged form: row i has times_ms[offsets[i]:offsets[i + 1]] and the values at the same places.

    native  which points are native histograms (`which` is flat, like the values), or None: no
            point is; the floats of histograms are undefined
    """

    offsets: Ints
    times_ms: Ints
    values: Floats
    native: NativeCells | None = None

    def floats(self) -> Floats:
        """The values, NaN for each that is a histogram."""
        if self.native is None:
            return self.values
        return np.where(self.native.which < 0, self.values, np.nan)

    def between(self, first: int, last: int) -> Points:
        """The points of rows from one number up to another one, exclusively; copies none."""
        some = slice(int(self.offsets[first]), int(self.offsets[last]))
        return Points(
            self.offsets[first : last + 1] - self.offsets[first],
            self.times_ms[some],
            self.values[some],
            native_where(self.native, some),
        )

    def take(self, rows: Ints) -> Points:
        """The points of rows by number, in any order."""
        sizes = np.diff(self.offsets)[rows]
        some = flat_positions(self.offsets[rows], sizes)
        return Points(
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            self.times_ms[some],
            self.values[some],
            native_where(self.native, some),
        )


def points_at(
    times_ms: Ints, values: Floats, valid: Bools | None, native: NativeCells | None
) -> Points:
    """The present points of rows that share their times; `valid` None: all are present."""
    rows, steps = values.shape
    if valid is None:
        return Points(
            np.arange(rows + 1, dtype=np.int64) * steps,
            np.tile(times_ms, rows),
            values.ravel(),
            native_where(native, ...),
        )
    counts: Ints = np.count_nonzero(valid, axis=1).astype(np.int64)
    return Points(
        np.concatenate([[0], np.cumsum(counts)]),
        np.broadcast_to(times_ms, valid.shape)[valid],
        values[valid],
        native_where(native, valid),
    )
