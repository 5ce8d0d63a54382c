"""Sums along the rows of flat arrays: row i owns offsets[i]:offsets[i + 1]."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.tsdb.model.histograms import Floats
from novaql.tsdb.model.labels import Bools, Ints


def running_sums(values: Floats, offsets: Ints) -> Floats:
    """[P] sum of the row's values up to each place, added one by one from the left."""
    sizes = np.diff(offsets)
    out = np.empty(len(values))
    if KERNELS.ready(len(values)) is not None:
        KERNELS.call.sum_running(ints(offsets), floats(values, (-1,)), out)
        return out
    # Rows of about one size share a matrix: padding at most doubles it.
    _, magnitude = np.frexp(sizes.astype(np.float64))
    for size_class in np.unique(magnitude[sizes > 0]).tolist():
        rows = np.flatnonzero(magnitude == size_class)
        column = np.arange(int(sizes[rows].max()))
        inside = column < sizes[rows, None]
        place = (offsets[rows, None] + column)[inside]
        matrix = np.zeros(inside.shape)
        matrix[inside] = values[place]
        with np.errstate(invalid="ignore", over="ignore"):
            out[place] = np.cumsum(matrix, axis=1)[inside]
    return out


def last_of_rows(values: Floats, offsets: Ints, empty: float = 0.0) -> Floats:
    """[N] the last value of each row; of a row without any, `empty`."""
    out = np.full(len(offsets) - 1, empty)
    filled = np.flatnonzero(np.diff(offsets))
    out[filled] = values[offsets[filled + 1] - 1]
    return out


def first_marked(marked: Bools, offsets: Ints) -> Ints:
    """[N] flat place of the first marked item of each row, -1 where none is."""
    first = np.full(len(offsets) - 1, -1, np.int64)
    filled = np.flatnonzero(np.diff(offsets))
    if len(filled):
        none = len(marked)
        places = np.where(marked, np.arange(none), none)
        found = np.minimum.reduceat(places, offsets[filled])
        first[filled] = np.where(found < none, found, -1)
    return first
