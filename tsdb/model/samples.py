"""Samples of several series, as the engine reads them.

Everything that one scrape brings has the same timestamp, so the samples of a target are a matrix.
A `Tile` holds such a matrix (regular), or, for series that share timestamps with nobody, flat
arrays with row offsets (ragged). `Batch` is the form in which samples are written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Ints, SeriesTable

Floats = NDArray[np.float64]
"""Values of samples."""

Bits = NDArray[np.uint64]

STALE_BITS = 0x7FF0000000000002
"""Bit pattern of the staleness marker, a NaN with a payload of its own (`value.StaleNaN`)."""

STALE: float = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
"""The staleness marker as a float. Compare bits, not values: it is a NaN."""


def is_stale(values: Floats) -> NDArray[np.bool_]:
    """Where the staleness marker stands."""
    stale: NDArray[np.bool_] = values.view(np.uint64) == STALE_BITS
    return stale


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """Samples of `len(rows)` series, each sorted by time with no time twice.

    rows        row numbers in the series table of the selection, one per series of this tile
    timestamps  milliseconds. Regular: [T], shared by every series. Ragged: flat [N]
    values      regular: [S, T], C-contiguous. Ragged: flat [N]
    offsets     None: regular. Ragged: [S + 1], series i owns offsets[i]:offsets[i + 1]

    starts      ragged tiles only: flat [N], milliseconds at which each sample's counting began, 0
                where that is not known; None: of no sample

    Staleness markers are ordinary values here (`is_stale`). Arrays are read-only by agreement.
    """

    rows: Ints
    timestamps: Ints
    values: Floats
    offsets: Ints | None = None
    starts: Ints | None = None

    @property
    def series_count(self) -> int:
        return len(self.rows)

    @property
    def sample_count(self) -> int:
        return self.values.size

    def ragged(self) -> Tile:
        """The same samples in the ragged layout."""
        if self.offsets is not None:
            return self
        series, width = self.values.shape
        return Tile(
            self.rows,
            np.tile(self.timestamps, series),
            self.values.ravel(),
            np.arange(series + 1, dtype=np.int64) * width,
        )

    def rows_between(self, first: int, end: int) -> Tile:
        """The series at places first … end - 1, as views."""
        rows = self.rows[first:end]
        if self.offsets is None:
            return Tile(rows, self.timestamps, self.values[first:end])
        part = slice(int(self.offsets[first]), int(self.offsets[end]))
        offsets = self.offsets[first : end + 1] - self.offsets[first]
        starts = None if self.starts is None else self.starts[part]
        return Tile(rows, self.timestamps[part], self.values[part], offsets, starts)

    def without_stale(self) -> Tile:
        """The same samples less the staleness markers."""
        # The sum is NaN if any value is, so one cheap pass settles the usual case.
        with np.errstate(invalid="ignore"):  # the marker is a signalling NaN
            total = np.add.reduce(self.values, axis=None)
        if not np.isnan(total):
            return self
        stale = is_stale(self.values)
        if not stale.any():
            return self
        if self.offsets is None:
            per_column = stale.sum(axis=0)
            if ((per_column == 0) | (per_column == len(self.rows))).all():
                keep = per_column == 0
                return Tile(self.rows, self.timestamps[keep], self.values[:, keep])
        flat = self.ragged()
        assert flat.offsets is not None
        keep = ~is_stale(flat.values)
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        starts = None if flat.starts is None else flat.starts[keep]
        offsets = kept_before[flat.offsets]
        return Tile(self.rows, flat.timestamps[keep], flat.values[keep], offsets, starts)


@dataclass(frozen=True, slots=True, eq=False)
class HistogramTile:
    """Native histogram samples of several series, each sorted by time with no time twice.

    rows        row numbers in the series table of the selection, one per series of this tile
    timestamps  [N] milliseconds
    histograms  N of them
    offsets     [S + 1], series i owns offsets[i]:offsets[i + 1]
    starts      [N] as in `Tile`

    The end of a series of histograms is marked by a staleness marker among its floats.
    """

    rows: Ints
    timestamps: Ints
    histograms: Histograms
    offsets: Ints
    starts: Ints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HistogramSamples:
    """Native histograms to store: [N] rows of the batch's series table, times, histograms.

    starts  [N] start timestamps as in `Batch`
    """

    series_index: Ints
    timestamps: Ints
    histograms: Histograms
    starts: Ints | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples to store, column by column: labels once for each series, then arrays.

    series        label sets, each once; every one has at least one label
    series_index  [N] row of `series` of each sample
    timestamps    [N] milliseconds since 1970
    values        [N] any float64; the bits are stored unchanged

    starts        [N] milliseconds at which each sample's counting began, 0: unknown; None: of no
                  sample
    native        native histogram samples beside the floats, if there are any
    exemplars     of rows of `series`, if there are any

    Samples may be in any order.
    """

    series: SeriesTable
    series_index: Ints
    timestamps: Ints
    values: Floats
    native: HistogramSamples | None = None
    starts: Ints | None = None
    exemplars: Exemplars | None = None

    def __len__(self) -> int:
        return len(self.values) + (0 if self.native is None else len(self.native.timestamps))


SMALL_TILE = 2048
"""Groups of fewer values are not worth a tile of their own and join a ragged one."""


def tiles_from_flat(
    series_index: Ints,
    timestamps: Ints,
    values: Floats,
    starts: Ints | None = None,
    *,
    max_values: int = 1 << 17,
) -> list[Tile]:
    """Cut samples sorted by (series, time) into tiles, series with equal timestamps together.

    series_index, timestamps, values, starts: [N], sorted by series, then time, no pair twice.
    Rows of the tiles are the numbers in `series_index`. A tile holds at most about `max_values`
    values, unless one series alone has more.
    """
    if len(series_index) == 0:
        return []
    firsts = np.flatnonzero(np.diff(series_index, prepend=series_index[0] - 1))
    offsets = np.append(firsts, len(series_index)).astype(np.int64)
    rows = series_index[firsts].astype(np.int64)
    lengths = np.diff(offsets)
    group, grid_of_group = timestamp_groups(timestamps, offsets, lengths)
    if starts is not None:  # tiles with start timestamps are ragged
        group = np.arange(len(rows))
        grid_of_group = group.tolist()
    order = np.argsort(group, kind="stable")
    bounds = np.flatnonzero(np.diff(group[order], prepend=-1, append=len(grid_of_group) + 1))
    tiles: list[Tile] = []
    lonely: list[Ints] = []
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        members = order[first:last]
        width = int(lengths[members[0]])
        if len(members) == 1 or len(members) * width < SMALL_TILE:
            lonely.append(members)
            continue
        grid = timestamps[offsets[members[0]] : offsets[members[0]] + width]
        tall = max(1, max_values // max(1, width))
        for at in range(0, len(members), tall):
            some = members[at : at + tall]
            picked = values[offsets[some][:, None] + np.arange(width)]
            tiles.append(Tile(rows[some], grid, picked))
    if lonely:
        tiles.extend(
            _ragged_tiles(
                np.concatenate(lonely), rows, offsets, timestamps, values, starts, max_values
            )
        )
    return tiles


def timestamp_groups(timestamps: Ints, offsets: Ints, lengths: Ints) -> tuple[Ints, Sequence[int]]:
    """Number the distinct timestamp arrays; equal arrays, equal numbers."""
    # (length, first, last, sum, sum of squares mod 2^64) tells grids apart but for deliberate
    # collisions, so members are then compared with their group's first one, whole.
    wrapped = timestamps.astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (wrapped * np.uint64(0x9E3779B97F4A7C15)) ^ (wrapped >> np.uint64(7))
        squares = np.add.reduceat(mixed * mixed, offsets[:-1])
        sums = np.add.reduceat(mixed, offsets[:-1])
    signature = np.stack([lengths.astype(np.uint64), sums, squares], axis=1)
    _, first_of, group = np.unique(signature, axis=0, return_index=True, return_inverse=True)
    group = group.ravel().astype(np.int64)
    leader = first_of[group]
    # Flat position of the leader's sample for every sample.
    shift = offsets[leader] - offsets[:-1]
    flat = np.arange(len(timestamps)) + np.repeat(shift, lengths)
    unequal = np.add.reduceat((timestamps[flat] != timestamps).astype(np.int64), offsets[:-1]) > 0
    strangers = np.flatnonzero(unequal)
    group[strangers] = len(first_of) + np.arange(len(strangers))
    return group, [*first_of.tolist(), *strangers.tolist()]


def _ragged_tiles(
    members: Ints,
    rows: Ints,
    offsets: Ints,
    timestamps: Ints,
    values: Floats,
    starts: Ints | None,
    max_values: int,
) -> list[Tile]:
    lengths = offsets[members + 1] - offsets[members]
    ends = np.cumsum(lengths)
    piece = (ends - 1) // max_values
    tiles = []
    for some in np.split(members, np.flatnonzero(np.diff(piece)) + 1):
        size = offsets[some + 1] - offsets[some]
        local = np.concatenate([[0], np.cumsum(size)])
        flat = np.arange(local[-1]) + np.repeat(offsets[some] - local[:-1], size)
        begun = None if starts is None else starts[flat]
        tiles.append(Tile(rows[some], timestamps[flat], values[flat], local, begun))
    return tiles
