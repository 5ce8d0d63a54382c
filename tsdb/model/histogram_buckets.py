"""Bounds of the buckets of native histograms, and all buckets of a histogram in ascending order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histograms import (
    MAX_SCHEMA,
    MIN_SCHEMA,
    BucketRows,
    Buckets,
    Floats,
    Histograms,
)
from novaql.tsdb.model.labels import Ints

_FINEST = 1 << MAX_SCHEMA
_LARGEST = float(np.finfo(np.float64).max)

OPEN_LEFT, OPEN_RIGHT, OPEN, CLOSED = range(4)
"""Which bounds a bucket includes, numbered as in Prometheus's API."""


def _fractions() -> Floats:
    # Computed by bisection: 1/2 and 1/sqrt(2), then between any two the geometric mean. Rounded at
    # each step, this yields Prometheus's own table to the last bit.
    bounds = np.array([0.5, 1 / math.sqrt(2)])
    for schema in range(2, MAX_SCHEMA + 1):
        bounds = np.stack([bounds, bounds * 2.0 ** (2.0**-schema)], axis=1).ravel()
    return bounds


_FRACTIONS = _fractions()


def upper_bounds(schema: NDArray[np.integer], index: NDArray[np.integer]) -> Floats:
    """[P] Return upper bounds of exponential buckets; the last finite one is the largest float.

    schema, index: [P]. The lower bound of a bucket is the upper bound of the one before it.
    """
    finer = np.clip(MAX_SCHEMA - schema.astype(np.int64), 0, MAX_SCHEMA - MIN_SCHEMA)
    position = index.astype(np.int64) << finer
    exponent = np.clip((position >> MAX_SCHEMA) + 1, -2000, 2000)
    fraction = _FRACTIONS[position & (_FINEST - 1)]
    with np.errstate(over="ignore", under="ignore"):
        bound: Floats = np.ldexp(fraction, exponent.astype(np.int32))
    bound[(exponent == 1025) & (fraction == 0.5)] = _LARGEST
    return bound


def positive_bounds(h: Histograms) -> tuple[Floats, Floats]:
    """Return lower and upper bounds [P] of the positive buckets, custom ones included."""
    lower, upper = _exponential_bounds(h, h.positive)
    if h.is_custom.any():
        rows, index = h.positive.rows(), h.positive.index.astype(np.int64)
        custom = h.is_custom[rows]
        sets = h.bounds[rows[custom]]
        lower[custom] = _custom_bounds(h.custom_bounds, sets, index[custom] - 1)
        upper[custom] = _custom_bounds(h.custom_bounds, sets, index[custom])
    return lower, upper


def negative_bounds(h: Histograms) -> tuple[Floats, Floats]:
    """Return lower and upper bounds [P] of the negative buckets; the first of a row is nearest to
    zero."""
    lower, upper = _exponential_bounds(h, h.negative)
    return -upper, -lower


def _exponential_bounds(h: Histograms, side: Buckets) -> tuple[Floats, Floats]:
    """Return the bounds [P] of the buckets of one side, without its sign."""
    index = side.index.astype(np.int64)
    if len(index) and (h.schema == h.schema[0]).all():
        first, last = int(index.min()) - 1, int(index.max())
        if last - first < len(index):  # the bounds of every bucket number, once
            numbers = np.arange(first, last + 1)
            bounds = upper_bounds(np.full(len(numbers), h.schema[0]), numbers)
            return bounds[index - (first + 1)], bounds[index - first]
    schema = h.schema[side.rows()]
    return upper_bounds(schema, index - 1), upper_bounds(schema, index)


def _custom_bounds(
    sets: tuple[tuple[float, ...], ...], which: NDArray[np.int32], index: Ints
) -> Floats:
    """Return the upper bound of bucket `index` [P] of the set `which` [P]; -Inf below the first
    bucket."""
    table = np.concatenate([np.array([-np.inf, *bounds, np.inf]) for bounds in sets])
    sizes = np.array([len(bounds) for bounds in sets], np.int64)
    starts = np.cumsum(sizes + 2) - (sizes + 2)
    out: Floats = table[starts[which] + 1 + np.clip(index, -1, sizes[which])]
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Ladder(BucketRows):
    """The populated buckets of N histograms, the lowest of each first.

    lower, upper  [P] bounds
    population    [P]
    """

    lower: Floats
    upper: Floats
    population: Floats


def ladder(h: Histograms, *, whole: bool = False) -> Ladder:
    """Return all populated buckets, including the zero bucket.

    As in Prometheus's answers, a bucket that overlaps the zero bucket begins at its end, and a zero
    bucket with a negative population is left out. With `whole`, as in Prometheus's texts, buckets
    have the full width of their schema, and the zero bucket is included unless it is empty.
    """
    zero = np.flatnonzero(h.zero_count != 0 if whole else h.zero_count > 0)
    threshold = h.zero_threshold
    positive_lower, positive_upper = positive_bounds(h)
    if not whole:
        positive_lower = _outside(positive_lower, threshold, h.positive)
    if not len(zero) and not len(h.negative.index):
        return Ladder(h.positive.offsets, positive_lower, positive_upper, h.positive.population)
    negative_lower, negative_upper = negative_bounds(h)
    if not whole:
        negative_upper = -_outside(-negative_upper, threshold, h.negative)
    zeros = np.zeros(len(h), np.int64)
    zeros[zero] = 1
    parts = [h.negative.sizes, zeros, h.positive.sizes]
    offsets, (below, at_zero, above) = interleaved(parts)
    # [P] flat positions of the negative buckets, each row from its last to its first.
    ends = h.negative.offsets[:-1] + h.negative.offsets[1:] - 1
    backwards = np.repeat(ends, h.negative.sizes) - np.arange(len(h.negative.index))
    places = np.concatenate([below, at_zero, above])

    def placed(negative: Floats, middle: Floats, positive: Floats) -> Floats:
        out = np.empty(len(places))
        out[places] = np.concatenate([negative[backwards], middle[zero], positive])
        return out

    return Ladder(
        offsets,
        placed(negative_lower, -threshold, positive_lower),
        placed(negative_upper, threshold, positive_upper),
        placed(h.negative.population, h.zero_count, h.positive.population),
    )


def _outside(nearest: Floats, threshold: Floats, side: Buckets) -> Floats:
    """[P] Return the bound nearest to zero of each bucket, or the end of the zero bucket if that is
    further out."""
    reaching = (nearest > 0) & (nearest < np.fmax.reduce(threshold, initial=0.0))
    if not reaching.any():
        return nearest
    limit = threshold[side.rows()]
    return np.where(reaching & (nearest < limit), limit, nearest)


def boundary_rules(h: Histograms, rungs: Ladder) -> NDArray[np.int8]:
    """[P] which bounds each bucket includes: `OPEN_LEFT`, `OPEN_RIGHT`, `OPEN` or `CLOSED`."""
    custom = h.is_custom[rungs.rows()]
    lowest = custom & np.isneginf(rungs.lower)
    with_lower = np.where(custom, lowest, (rungs.lower < 0) | (rungs.lower == -rungs.upper))
    with_upper = custom | (rungs.upper > 0) | (rungs.lower == -rungs.upper)
    rules = np.array([OPEN, OPEN_LEFT, OPEN_RIGHT, CLOSED], np.int8)
    rule: NDArray[np.int8] = rules[2 * with_lower.astype(np.intp) + with_upper]
    return rule


def interleaved(sizes: Sequence[Ints]) -> tuple[Ints, list[Ints]]:
    """Return the layout of rows that consist of one run of each part, one after another.

    sizes  length [N] of the run that each part has in each row
    Returns the offsets [N + 1] of the rows, and for each part the positions of its flat items.
    """
    total = np.sum(sizes, axis=0, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(total)]).astype(np.int64)
    starts = offsets[:-1]
    places = []
    for size in sizes:
        places.append(flat_positions(starts, size))
        starts = starts + size
    return offsets, places
