"""Buckets of pairs of histograms of one layout, added or subtracted."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.native.layout import chosen
from novaql.tsdb.model.histograms import Buckets
from novaql.tsdb.model.labels import Ints


def combined_buckets(
    left: Buckets, left_rows: Ints, right: Buckets, right_rows: Ints, sign: float
) -> Buckets:
    """Row left_rows[c] of one plus `sign` times row right_rows[c] of the other, which may be -1:
    nothing. Buckets without observations are dropped."""
    if not len(right.index) and not len(left.index):
        return Buckets.none(len(left_rows))
    there = right_rows >= 0
    largest = int(left.sizes[left_rows].sum() + right.sizes[right_rows[there]].sum())
    if KERNELS.ready(largest) is None:
        left, right = left.take(left_rows), right.take(np.where(there, right_rows, 0))
        return _merged(left, chosen(right, there[right.rows()]), sign)
    offsets = np.empty(len(left_rows) + 1, np.int64)
    index, population = np.empty(largest, np.int32), np.empty(largest)
    sides = [
        (
            ints(side.offsets),
            np.ascontiguousarray(side.index),
            floats(side.population, (-1,)),
            ints(rows),
        )
        for side, rows in ((left, left_rows), (right, right_rows))
    ]
    KERNELS.call.combine_buckets(*sides[0], *sides[1], sign, offsets, index, population)
    size = offsets.item(-1)
    # Returns the rest of the memory, without a copy.
    index.resize(size, refcheck=False)
    population.resize(size, refcheck=False)
    return Buckets(offsets, index, population)


def _merged(left: Buckets, right: Buckets, sign: float) -> Buckets:
    with np.errstate(invalid="ignore", over="ignore"):
        if np.array_equal(left.offsets, right.offsets) and np.array_equal(left.index, right.index):
            found = Buckets(left.offsets, left.index, left.population + sign * right.population)
            return chosen(found, found.population != 0)
        rows = np.concatenate([left.rows(), right.rows()])
        index = np.concatenate([left.index, right.index]).astype(np.int64)
        population = np.concatenate([left.population, sign * right.population])
        return Buckets.of_flat(rows, index, population, len(left.offsets) - 1)
