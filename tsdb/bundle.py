"""Samples of many series in one piece, for kernels that walk series by series.

Where a tile is a matrix of series that share timestamps, a bundle holds series of any number of
grids: flat values, and beside them the times of each grid once. One call of a kernel then does the
work of hundreds of tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdb.labels import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Markers:
    """Times of the staleness markers of each series, increasing.

    offsets  [S + 1], series i owns offsets[i]:offsets[i + 1]
    times    [K] milliseconds
    """

    offsets: Ints
    times: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """Samples of `len(rows)` series, each sorted by time with no time twice, no marker among them.

    rows          row numbers in the series table of the selection
    values        [N] flat
    offsets       [S + 1], series i owns offsets[i]:offsets[i + 1]
    grid          [S] grid of each series; series of one grid mostly stand side by side
    times         [M] milliseconds of all grids, flat
    grid_offsets  [G + 1], grid g owns grid_offsets[g]:grid_offsets[g + 1], as many as its series
    markers       where series had staleness markers; None: nowhere
    notes         what readers found out about these samples, kept with them. Never part of them
    """

    rows: Ints
    values: Floats
    offsets: Ints
    grid: Ints
    times: Ints
    grid_offsets: Ints
    markers: Markers | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def series_count(self) -> int:
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        arrays = [self.values, self.offsets, self.grid, self.times, self.grid_offsets, self.rows]
        if self.markers is not None:
            arrays += [self.markers.offsets, self.markers.times]
        # Room for what is noted of series and grids, and the groups that series are in.
        return sum(array.nbytes for array in arrays) + 24 * len(self.rows)


@dataclass(frozen=True, slots=True)
class BundleRef:
    """A bundle that is read when asked for.

    load     reads and decodes; may be called on any thread, more than once
    samples  about how many samples it holds, known without reading
    """

    load: Callable[[], Bundle]
    samples: int


def piece_positions(starts: Ints, lengths: Ints) -> Ints:
    """Positions of all pieces, one piece after the other: start, start + 1, …, next start, …"""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    positions: Ints = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return positions
