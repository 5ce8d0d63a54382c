"""Samples of many series in one piece, for kernels that walk series by series.

Where a tile is a matrix of series that share timestamps, a bundle holds series of any number of
grids: flat values, and beside them the times of each grid once. One call of a kernel then does the
work of hundreds of tiles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tsdb.labels import Ints
from tsdb.tile import Floats, Tile, is_stale


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
        # Room for what is noted of series and grids.
        return sum(array.nbytes for array in arrays) + 2 * len(self.rows)

    @classmethod
    def of_tile(cls, tile: Tile) -> Bundle:
        """The samples of a tile, start timestamps left out."""
        series = len(tile.rows)
        if tile.offsets is not None:
            numbers = np.arange(series, dtype=np.int64)
            offsets = np.ascontiguousarray(tile.offsets, np.int64)
            return split_markers(
                cls(tile.rows, tile.values, offsets, numbers, tile.timestamps, offsets)
            )
        width = len(tile.timestamps)
        return split_markers(
            cls(
                tile.rows,
                tile.values.reshape(-1),
                np.arange(series + 1, dtype=np.int64) * width,
                np.zeros(series, np.int64),
                tile.timestamps,
                np.array([0, width], np.int64),
            )
        )


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


def split_markers(bundle: Bundle) -> Bundle:
    """The same with staleness markers taken from among the samples."""
    # The sum is NaN if any value is, so one cheap pass settles the usual case.
    with np.errstate(invalid="ignore", over="ignore"):  # the marker is a signalling NaN
        total = np.add.reduce(bundle.values)
    if not np.isnan(total):
        return bundle
    stale = is_stale(bundle.values)
    at = np.flatnonzero(stale)
    if len(at) == 0:
        return bundle
    series = len(bundle.rows)
    owner = bundle.offsets.searchsorted(at, side="right") - 1
    place = at - bundle.offsets[owner]
    counts = np.bincount(owner, minlength=series)
    marker_offsets = np.append(0, np.cumsum(counts))
    times = bundle.times[bundle.grid_offsets[bundle.grid[owner]] + place]
    # Series of one grid share times still if none of them has a marker, or each one at one place.
    kind = np.full(series, -1)
    kind[owner] = place
    several = np.flatnonzero(counts > 1)
    kind[several] = int(place.max()) + 1 + several
    code = bundle.grid * (int(kind.max()) + 2) + kind + 1
    _, member, grid = np.unique(code, return_index=True, return_inverse=True)
    lengths = np.diff(bundle.offsets)[member]
    kept = ~stale[piece_positions(bundle.offsets[member], lengths)]
    grid_times = bundle.times[
        piece_positions(bundle.grid_offsets[bundle.grid[member]], lengths)[kept]
    ]
    lengths = lengths - counts[member]
    return replace(
        bundle,
        values=bundle.values[~stale],
        offsets=bundle.offsets - marker_offsets,
        grid=grid.astype(np.int64),
        times=grid_times,
        grid_offsets=np.append(0, np.cumsum(lengths)),
        markers=Markers(marker_offsets, times),
        notes={},
    )
