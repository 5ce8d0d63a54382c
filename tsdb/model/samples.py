"""Samples as they are written (`Batch`), and native histograms as they are read.

Floats are read as `model/series_batch.py` describes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.exemplars import Exemplars
from novaql.tsdb.model.flat_arrays import flat_positions, portions
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Floats as Floats
from novaql.tsdb.model.labels import Ints, SeriesTable

Bits = NDArray[np.uint64]

PORTION_GROUPED = 1 << 18
"""Timestamps that are compared at once; a comparison takes several times their memory."""

STALE_BITS = 0x7FF0000000000002
"""Bit pattern of the staleness marker, a NaN with a special payload (`value.StaleNaN`)."""

STALE: float = float(np.array([STALE_BITS], np.uint64).view(np.float64)[0])
"""The staleness marker as a float. Compare bits, not values: it is a NaN."""


def is_stale(values: Floats) -> NDArray[np.bool_]:
    """Return where the staleness marker is."""
    stale: NDArray[np.bool_] = values.view(np.uint64) == STALE_BITS
    return stale


@dataclass(frozen=True, slots=True, eq=False)
class HistogramBatch:
    """Native histogram samples of several series, each sorted by time with no time twice.

    rows        row numbers in the series table of the selection, one per series
    timestamps  [N] milliseconds
    histograms  N of them
    offsets     [S + 1], series i owns offsets[i]:offsets[i + 1]
    starts      [N] as in `SeriesBatch`

    The end of a series of histograms is marked by a staleness marker among its floats.
    """

    rows: Ints
    timestamps: Ints
    histograms: Histograms
    offsets: Ints
    starts: Ints | None = None

    def taken(self, rows: Ints, low: Ints, high: Ints) -> HistogramBatch:
        """The samples low … high - 1 of some series; rows: the row number of each series."""
        some = high > low
        size = high[some] - low[some]
        flat = flat_positions(low[some], size)
        return HistogramBatch(
            rows[some],
            self.timestamps[flat],
            self.histograms.take(flat),
            np.append(0, np.cumsum(size)),
            None if self.starts is None else self.starts[flat],
        )


@dataclass(frozen=True, slots=True, eq=False)
class HistogramSamples:
    """Native histograms to store: [N] rows of the batch's series table, times, histograms.

    starts  [N] start timestamps as in `Batch`
    """

    series_index: Ints
    timestamps: Ints
    histograms: Histograms
    starts: Ints | None = None

    def take(self, places: Ints, rows: Ints | None = None) -> HistogramSamples:
        """Some samples. rows: the row of each of them; None: as before."""
        return HistogramSamples(
            self.series_index[places] if rows is None else rows,
            self.timestamps[places],
            self.histograms.take(places),
            None if self.starts is None else self.starts[places],
        )


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


def timestamp_groups(timestamps: Ints, offsets: Ints, lengths: Ints) -> tuple[Ints, Sequence[int]]:
    """Number the distinct timestamp arrays; equal arrays, equal numbers."""
    # Members are compared with their group's first one, whole, since signatures may collide.
    parts = portions(lengths, PORTION_GROUPED)
    signature = np.empty(len(lengths), np.uint64)
    for first, end in parts:
        of_part = timestamps[offsets[first] : offsets[end]]
        signature[first:end] = _signatures(of_part, offsets[first:end] - offsets[first])
    _, first_of, group = np.unique(signature, return_index=True, return_inverse=True)
    group = group.ravel().astype(np.int64)
    leader = first_of[group]
    longer = lengths != lengths[leader]
    leader[longer] = np.flatnonzero(longer)
    unequal = np.empty(len(lengths), np.bool_)
    for first, end in parts:
        begin, some = offsets[first], slice(first, end)
        of_part = timestamps[begin : offsets[end]]
        of_leader = timestamps[flat_positions(offsets[leader[some]], lengths[some])]
        unequal[some] = np.logical_or.reduceat(of_leader != of_part, offsets[some] - begin)
    unlike = np.flatnonzero(unequal | longer)
    group[unlike] = len(first_of) + np.arange(len(unlike))
    return group, [*first_of.tolist(), *unlike.tolist()]


def _signatures(timestamps: Ints, begins: Ints) -> Bits:
    """Return a number for each timestamp array: sum and sum of squares, mod 2^64, which distinguish
    grids but for deliberate collisions."""
    wrapped = timestamps.astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (wrapped * np.uint64(0x9E3779B97F4A7C15)) ^ (wrapped >> np.uint64(7))
        squares: Bits = np.add.reduceat(mixed * mixed, begins)
        sums: Bits = np.add.reduceat(mixed, begins)
        return (sums ^ (squares >> np.uint64(1))) * np.uint64(0xBF58476D1CE4E5B9) + squares
