"""Where the buckets of native histograms lie, and all buckets of a histogram as one ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.histograms import MAX_SCHEMA, MIN_SCHEMA, Buckets, Floats, Histograms
from novaql.tsdb.model.labels import Ints

_FINEST = 1 << MAX_SCHEMA
_LARGEST = float(np.finfo(np.float64).max)

OPEN_LEFT, OPEN_RIGHT, OPEN, CLOSED = range(4)
"""Which ends belong to a bucket, numbered as Prometheus's API numbers them."""


def _fractions() -> Floats:
    # Halved again and again: 1/2 and 1/sqrt(2), then between any two the one that is a root of two
    # further. Rounded at each step, this gives Prometheus's own table to the last bit.
    bounds = np.array([0.5, 1 / math.sqrt(2)])
    for schema in range(2, MAX_SCHEMA + 1):
        bounds = np.stack([bounds, bounds * 2.0 ** (2.0**-schema)], axis=1).ravel()
    return bounds


_FRACTIONS = _fractions()


def upper_bounds(schema: NDArray[np.integer], index: NDArray[np.integer]) -> Floats:
    """[P] upper ends of exponential buckets; the last one that is finite is the largest float.

    schema, index: [P]. The lower end of a bucket is the upper end of the one before it.
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
    """Lower and upper ends [P] of the positive buckets; custom ones are among them."""
    rows, index = h.positive.rows(), h.positive.index.astype(np.int64)
    schema = h.schema[rows]
    lower, upper = upper_bounds(schema, index - 1), upper_bounds(schema, index)
    custom = h.is_custom[rows]
    if custom.any():
        sets = h.bounds[rows[custom]]
        lower[custom] = _custom_bounds(h.custom_bounds, sets, index[custom] - 1)
        upper[custom] = _custom_bounds(h.custom_bounds, sets, index[custom])
    return lower, upper


def negative_bounds(h: Histograms) -> tuple[Floats, Floats]:
    """Lower and upper ends [P] of the negative buckets; the nearest to zero is a row's first."""
    schema, index = h.schema[h.negative.rows()], h.negative.index.astype(np.int64)
    return -upper_bounds(schema, index), -upper_bounds(schema, index - 1)


def _custom_bounds(
    sets: tuple[tuple[float, ...], ...], which: NDArray[np.int32], index: Ints
) -> Floats:
    """Upper end of bucket `index` [P] of the set `which` [P]; -Inf below the first bucket."""
    table = np.concatenate([np.array([-np.inf, *bounds, np.inf]) for bounds in sets])
    sizes = np.array([len(bounds) for bounds in sets], np.int64)
    starts = np.cumsum(sizes + 2) - (sizes + 2)
    out: Floats = table[starts[which] + 1 + np.clip(index, -1, sizes[which])]
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """The populated buckets of N histograms: row i owns offsets[i]:offsets[i + 1], lowest first.

    lower, upper  [P] ends
    population    [P]
    """

    offsets: Ints
    lower: Floats
    upper: Floats
    population: Floats

    @property
    def sizes(self) -> Ints:
        """Buckets of each row."""
        return np.diff(self.offsets)

    def rows(self) -> Ints:
        """[P]: the row of each bucket."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), self.sizes)


def ladder(h: Histograms, *, whole: bool = False) -> Ladder:
    """Every populated bucket, the zero bucket among them.

    A bucket that reaches into the zero bucket begins where that ends, and a zero bucket with a
    negative population is left out, as in Prometheus's answers. With `whole`, buckets are as wide
    as their schema makes them, and the zero bucket is there unless it is empty: as in its texts.
    """
    zero = np.flatnonzero(h.zero_count != 0 if whole else h.zero_count > 0)
    zeros = np.zeros(len(h), np.int64)
    zeros[zero] = 1
    parts = [h.negative.sizes, zeros, h.positive.sizes]
    offsets, (below, at_zero, above) = interleaved(parts)
    backwards = _mirrored(h.negative)
    places = np.concatenate([below, at_zero, above])
    threshold = h.zero_threshold
    negative_lower, negative_upper = negative_bounds(h)
    positive_lower, positive_upper = positive_bounds(h)
    if not whole:
        limit = threshold[h.positive.rows()]
        reaching = (positive_lower > 0) & (positive_lower < limit)
        positive_lower = np.where(reaching, limit, positive_lower)
        limit = -threshold[h.negative.rows()]
        reaching = (negative_upper < 0) & (negative_upper > limit)
        negative_upper = np.where(reaching, limit, negative_upper)

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


def boundary_rules(h: Histograms, rungs: Ladder) -> NDArray[np.int8]:
    """[P] which ends belong to each bucket: `OPEN_LEFT`, `OPEN_RIGHT`, `OPEN` or `CLOSED`."""
    custom = h.is_custom[rungs.rows()]
    lowest = custom & np.isneginf(rungs.lower)
    with_lower = np.where(custom, lowest, (rungs.lower < 0) | (rungs.lower == -rungs.upper))
    with_upper = custom | (rungs.upper > 0) | (rungs.lower == -rungs.upper)
    rules = np.array([OPEN, OPEN_LEFT, OPEN_RIGHT, CLOSED], np.int8)
    rule: NDArray[np.int8] = rules[2 * with_lower.astype(np.intp) + with_upper]
    return rule


def interleaved(sizes: Sequence[Ints]) -> tuple[Ints, list[Ints]]:
    """Rows that consist of one run of each part, one behind the other.

    sizes  length [N] of the run that each part has in each row
    Returns the offsets [N + 1] of the rows, and for each part the places of its flat items.
    """
    total = np.sum(sizes, axis=0, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(total)]).astype(np.int64)
    starts = offsets[:-1]
    places = []
    for size in sizes:
        before = np.cumsum(size) - size
        places.append(np.arange(int(size.sum())) + np.repeat(starts - before, size))
        starts = starts + size
    return offsets, places


def _mirrored(buckets: Buckets) -> Ints:
    """[P] flat places of the buckets, each row from its last to its first."""
    ends = buckets.offsets[:-1] + buckets.offsets[1:] - 1
    return np.repeat(ends, buckets.sizes) - np.arange(len(buckets.index))
