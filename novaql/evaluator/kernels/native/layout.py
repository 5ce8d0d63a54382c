"""Where buckets lie, and how two histograms get the same layout.

The rules are those of Prometheus: of two resolutions the coarser one remains, of two zero buckets
the wider one, of two sets of custom bounds what both have. Buckets are merged, never split.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tsdb.histograms import MAX_SCHEMA, MIN_SCHEMA, Buckets, Floats, Histograms
from tsdb.labels import Bools, Ints

Bounds = tuple[float, ...]

_FINEST = 1 << MAX_SCHEMA
_FRACTIONS = np.array([math.exp2(step / _FINEST) for step in range(_FINEST)])
_LARGEST = float(np.finfo(np.float64).max)


def upper_bounds(schema: NDArray[np.integer], index: NDArray[np.integer]) -> Floats:
    """[P] upper ends of exponential buckets; the last one that is finite is the largest float.

    schema, index: [P]. The lower end of a bucket is the upper end of the one before it.
    """
    finer = np.clip(MAX_SCHEMA - schema.astype(np.int64), 0, MAX_SCHEMA - MIN_SCHEMA)
    position = index.astype(np.int64) << finer
    exponent = np.clip(position // _FINEST, -2000, 2000)
    fraction = _FRACTIONS[position % _FINEST]
    with np.errstate(over="ignore", under="ignore"):
        bound = np.ldexp(fraction, exponent.astype(np.int32))
    bound[(exponent == 1024) & (fraction == 1.0)] = _LARGEST
    return bound


def compatible(a: Histograms, b: Histograms) -> Bools:
    """[N] both exponential or both custom: only such pairs can be combined."""
    same: Bools = a.is_custom == b.is_custom
    return same


def kept(buckets: Buckets, keep: Bools) -> Buckets:
    """The buckets that `keep` [P] names."""
    if keep.all():
        return buckets
    sizes = np.bincount(buckets.rows()[keep], minlength=len(buckets.offsets) - 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Buckets(offsets, buckets.index[keep], buckets.population[keep])


def coarsened(h: Histograms, schema: NDArray[np.integer]) -> Histograms:
    """Exponential rows at schema [N], where that is coarser than their own; others as they are."""
    shift = np.where(h.is_custom, 0, np.maximum(h.schema.astype(np.int64) - schema, 0))
    if not shift.any():
        return h
    return replace(
        h,
        schema=(h.schema - shift).astype(np.int8),
        positive=_shifted(h.positive, shift),
        negative=_shifted(h.negative, shift),
    )


def shifted_index(index: NDArray[np.integer], shift: NDArray[np.integer]) -> Ints:
    """Number of the bucket, `shift` schemas coarser, that holds bucket `index`."""
    moved: Ints = ((index.astype(np.int64) - 1) >> shift) + 1
    return moved


def _shifted(buckets: Buckets, shift: Ints) -> Buckets:
    rows = buckets.rows()
    index = shifted_index(buckets.index, shift[rows])
    return Buckets.of_flat(rows, index, buckets.population, len(shift))


def widened(h: Histograms, threshold: Floats) -> Histograms:
    """Zero buckets up to threshold [N], where that is further out than their own.

    A threshold inside a populated bucket moves to that bucket's end. Populated buckets below the
    threshold go into the zero bucket. Custom rows stay.
    """
    return _absorbed(h, past_populated(h, np.maximum(threshold, h.zero_threshold)))


def past_populated(h: Histograms, threshold: Floats) -> Floats:
    """The thresholds [N], those that cut a populated bucket moved to the end of that bucket.

    What is not wider than a row's own threshold stays, and so do custom rows' thresholds.
    """
    grows = (threshold > h.zero_threshold) & ~h.is_custom
    threshold = np.where(grows, threshold, h.zero_threshold)
    if not grows.any():
        return threshold
    # Both signs have the same bounds: a threshold lies in one cell, and past it it lies on a bound.
    reached = threshold.copy()
    for side in (h.positive, h.negative):
        rows = side.rows()
        asked = np.flatnonzero(grows[rows])
        rows = rows[asked]
        index = side.index[asked].astype(np.int64)
        end = upper_bounds(h.schema[rows], index)
        cut = (upper_bounds(h.schema[rows], index - 1) < threshold[rows]) & (threshold[rows] < end)
        reached[rows[cut]] = end[cut]
    return reached


def _absorbed(h: Histograms, threshold: Floats) -> Histograms:
    """Zero buckets up to threshold [N], which cuts no populated bucket where it is wider."""
    grows = threshold > h.zero_threshold
    if not grows.any():
        return h
    zero_count = h.zero_count.copy()
    sides = []
    for side in (h.positive, h.negative):
        rows = side.rows()
        inside = grows[rows]
        inside[inside] = (
            upper_bounds(h.schema[rows[inside]], side.index[inside]) <= threshold[rows[inside]]
        )
        np.add.at(zero_count, rows[inside], side.population[inside])
        sides.append(kept(side, ~inside))
    return replace(
        h,
        zero_count=zero_count,
        zero_threshold=np.where(grows, threshold, h.zero_threshold),
        positive=sides[0],
        negative=sides[1],
    )


def common_threshold(a: Histograms, b: Histograms) -> Floats:
    """[N] the least zero threshold that both of a pair can have; NaN where one is NaN."""
    threshold = np.maximum(a.zero_threshold, b.zero_threshold)
    if np.array_equal(a.zero_threshold, b.zero_threshold):
        return threshold
    while True:
        further = np.maximum(past_populated(a, threshold), past_populated(b, threshold))
        if np.array_equal(further, threshold, equal_nan=True):
            return threshold
        threshold = further


class BoundSets:
    """Sets of custom bounds by number, each set once."""

    def __init__(self, sets: Iterable[Bounds] = ()) -> None:
        self._numbers: dict[Bounds, int] = {}
        self.numbers(sets)

    def numbers(self, sets: Iterable[Bounds]) -> NDArray[np.int32]:
        """Numbers of the sets, then -1: index -1, no custom bounds, stays -1."""
        numbers = [self._numbers.setdefault(s, len(self._numbers)) for s in sets]
        return np.array([*numbers, -1], np.int32)

    def intersections(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int32]:
        """[N] numbers of the bounds that both sets of a pair have; -1 where one is -1."""
        joint = left.copy()
        differ = left != right
        pairs, which = np.unique(
            np.stack([left[differ], right[differ]]), axis=1, return_inverse=True
        )
        sets = self.sets
        common = []
        for one, other in pairs.T.tolist():
            if min(one, other) < 0:
                common.append(-1)
                continue
            theirs = set(sets[other])
            both = tuple(bound for bound in sets[one] if bound in theirs)
            common.append(self._numbers.setdefault(both, len(self._numbers)))
        joint[differ] = np.array(common, np.int32)[which.ravel()]
        return joint

    @property
    def sets(self) -> tuple[Bounds, ...]:
        return tuple(self._numbers)


def rebucketed(
    h: Histograms, bounds: NDArray[np.int32], sets: tuple[Bounds, ...]
) -> Histograms:
    """Custom rows with fewer bounds: bounds [N] are numbers in `sets`, -1 for exponential rows.

    Every new bound is one that the row has already.
    """
    rows = h.positive.rows()
    index = moved_to_bounds(h.positive.index, h.bounds[rows], h.custom_bounds, bounds[rows], sets)
    positive = h.positive
    if not np.array_equal(index, positive.index):
        positive = Buckets.of_flat(rows, index, positive.population, len(h))
    return replace(h, bounds=bounds.astype(np.int32), custom_bounds=sets, positive=positive)


def moved_to_bounds(
    index: NDArray[np.int32],
    old: NDArray[np.int32],
    old_sets: tuple[Bounds, ...],
    new: NDArray[np.int32],
    new_sets: tuple[Bounds, ...],
) -> Ints:
    """[P] numbers that custom buckets `index` [P] have when the bounds change from `old` to `new`.

    old, new: [P] numbers in old_sets and new_sets; where one is negative the bucket stays.
    """
    moved = index.astype(np.int64)
    custom = np.flatnonzero((old >= 0) & (new >= 0))
    if not len(custom):
        return moved
    pairs, which = np.unique(np.stack([old[custom], new[custom]]), axis=1, return_inverse=True)
    places, first = [], [0]
    for one, other in pairs.T.tolist():
        target = new_sets[other]
        # The last bucket reaches to +Inf, before and after.
        places.append(np.append(np.searchsorted(target, old_sets[one]), len(target)))
        first.append(first[-1] + len(places[-1]))
    starts = np.array(first)
    last = np.diff(starts)[which.ravel()] - 1
    moved[custom] = np.concatenate(places)[
        starts[which.ravel()] + np.clip(moved[custom], 0, last)
    ]
    return moved


def reconcile(a: Histograms, b: Histograms) -> tuple[Histograms, Histograms, Bools]:
    """Pairs in one layout, and [N] whether their custom bounds had differed.

    Pairs that are not `compatible` stay as they are. Both results have the same custom_bounds.
    """
    alike = compatible(a, b)
    sets = BoundSets()
    left = sets.numbers(a.custom_bounds)[a.bounds]
    right = sets.numbers(b.custom_bounds)[b.bounds]
    differed: Bools = (left != right) & alike
    common = sets.intersections(left, np.where(differed, right, left))
    a = rebucketed(a, common, sets.sets)
    b = rebucketed(b, np.where(alike, common, right), sets.sets)
    threshold = np.where(alike, common_threshold(a, b), 0.0)
    a, b = _absorbed(a, threshold), _absorbed(b, threshold)
    schema = np.minimum(a.schema, b.schema)
    a = coarsened(a, np.where(alike, schema, a.schema))
    b = coarsened(b, np.where(alike, schema, b.schema))
    return a, b, differed
