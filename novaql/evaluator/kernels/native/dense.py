"""Buckets of histograms of one layout as matrices, with a row for each histogram and a column for
each bucket number.

Most histograms of a metric have the same layout and nearly the same populated buckets. Operations
on matrices need no sorting and no merging of bucket numbers.
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.native.layout import has_one_layout
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histograms import Buckets, Floats, Histograms
from novaql.tsdb.model.labels import Ints

MOST_FILLED = 12
"""Cells of a matrix for each populated bucket, at most. Merging a sparse bucket takes as long as
adding some thirty cells."""


@dataclass(frozen=True, slots=True, eq=False)
class DenseSide:
    """The buckets of one sign.

    first   number of the bucket of the first column
    values  [N, W] populations, 0 where a bucket is not populated
    """

    first: int
    values: Floats

    def buckets(self, values: Floats) -> Buckets:
        """Other populations [G, W] of the same bucket numbers as sparse buckets."""
        groups, width = values.shape
        flat = values.reshape(-1)
        places = np.flatnonzero(flat)
        if len(places) == len(flat):
            sizes = np.arange(groups + 1, dtype=np.int64) * width
            index = np.tile(np.arange(width, dtype=np.int32), groups) + np.int32(self.first)
            return Buckets(sizes, index, flat)
        rows, column = np.divmod(places, width)
        offsets = np.searchsorted(rows, np.arange(groups + 1)).astype(np.int64)
        return Buckets(offsets, (column + self.first).astype(np.int32), flat[places])


def dense_sides(h: Histograms) -> tuple[DenseSide, DenseSide] | None:
    """Positive and negative buckets as matrices; None if layouts differ, or if too few of the cells
    were populated."""
    if not len(h) or not has_one_layout(h):
        return None
    positive, negative = _dense(h.positive), _dense(h.negative)
    return None if positive is None or negative is None else (positive, negative)


def _dense(side: Buckets) -> DenseSide | None:
    rows, populated = len(side.offsets) - 1, len(side.index)
    if not populated:
        return DenseSide(0, np.zeros((rows, 0)))
    first, last = int(side.index.min()), int(side.index.max())
    width = last - first + 1
    if rows * width == populated:  # numbers increase inside a row, so that every row has all
        return DenseSide(first, side.population.reshape(rows, width))
    if rows * width > MOST_FILLED * populated:
        return None
    values = np.zeros(rows * width)
    base: Ints = np.arange(rows, dtype=np.int64) * width - first
    values[np.repeat(base, side.sizes) + side.index] = side.population
    return DenseSide(first, values.reshape(rows, width))
