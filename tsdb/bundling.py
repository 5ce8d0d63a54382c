"""How samples become bundles: from a tile, and with staleness markers taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tsdb.bundle import Bundle, Markers, piece_positions
from tsdb.tile import Tile, is_stale


def bundle_of_tile(tile: Tile) -> Bundle:
    """The samples of a tile, start timestamps left out."""
    series = len(tile.rows)
    if tile.offsets is not None:
        grid = np.arange(series, dtype=np.int64)
        offsets = np.ascontiguousarray(tile.offsets, np.int64)
        return split_markers(
            Bundle(tile.rows, tile.values, offsets, grid, tile.timestamps, offsets)
        )
    width = len(tile.timestamps)
    return split_markers(
        Bundle(
            tile.rows,
            tile.values.reshape(-1),
            np.arange(series + 1, dtype=np.int64) * width,
            np.zeros(series, np.int64),
            tile.timestamps,
            np.array([0, width], np.int64),
        )
    )


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
