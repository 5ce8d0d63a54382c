"""Layouts of buckets, and how two histograms get the same layout.

The rules are those of Prometheus: of two resolutions the coarser one remains, of two zero buckets
the wider one, of two sets of custom bounds the common bounds. Buckets are merged, never split.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.histogram_buckets import upper_bounds
from novaql.tsdb.model.histograms import Buckets, Floats, Histograms
from novaql.tsdb.model.labels import Bools, Ints

Bounds = tuple[float, ...]


def compatible(a: Histograms, b: Histograms) -> Bools:
    """[N] both exponential or both custom: only such pairs can be combined."""
    same: Bools = a.is_custom == b.is_custom
    return same


def chosen(buckets: Buckets, mask: Bools) -> Buckets:
    """Some of the buckets; mask: [P]."""
    if mask.all():
        return buckets
    sizes = np.bincount(buckets.rows()[mask], minlength=len(buckets.offsets) - 1)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Buckets(offsets, buckets.index[mask], buckets.population[mask])


def coarsened(h: Histograms, schema: NDArray[np.integer]) -> Histograms:
    """Exponential rows at schema [N], if that is coarser than their own; others unchanged."""
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
    return absorbed(h, past_populated(h, np.maximum(threshold, h.zero_threshold)))


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
        affected = np.flatnonzero(grows[rows])
        rows = rows[affected]
        index = side.index[affected].astype(np.int64)
        end = upper_bounds(h.schema[rows], index)
        cut = (upper_bounds(h.schema[rows], index - 1) < threshold[rows]) & (threshold[rows] < end)
        reached[rows[cut]] = end[cut]
    return reached


def absorbed(h: Histograms, threshold: Floats) -> Histograms:
    """Zero buckets up to threshold [N], where that is wider; it cuts no populated bucket."""
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
        sides.append(chosen(side, ~inside))
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
        differ = np.flatnonzero(left != right)
        (ones, others), which = _distinct_pairs(left[differ], right[differ])
        common = np.full(len(ones), -1, np.int32)
        sets = self.sets
        for place, (one, other) in enumerate(zip(ones.tolist(), others.tolist(), strict=True)):
            if min(one, other) >= 0:
                theirs = set(sets[other])
                both = tuple(bound for bound in sets[one] if bound in theirs)
                common[place] = self._numbers.setdefault(both, len(self._numbers))
        joint[differ] = common[which]
        return joint

    @property
    def sets(self) -> tuple[Bounds, ...]:
        return tuple(self._numbers)


def _distinct_pairs(
    left: NDArray[np.int32], right: NDArray[np.int32]
) -> tuple[tuple[Ints, Ints], Ints]:
    """Each pair once, and [N] which of them every pair is. The numbers are -1 or more."""
    width = int(right.max(initial=0)) + 2
    key = (left.astype(np.int64) + 1) * width + (right + 1)
    distinct, which = np.unique(key, return_inverse=True)
    return (distinct // width - 1, distinct % width - 1), which.astype(np.int64)


def rebucketed(h: Histograms, bounds: NDArray[np.int32], sets: tuple[Bounds, ...]) -> Histograms:
    """Custom rows with fewer bounds: bounds [N] are numbers in `sets`, -1 for exponential rows.

    Every new bound is one that the row has already.
    """
    moved = replace(h, bounds=bounds.astype(np.int32), custom_bounds=sets)
    if (h.bounds < 0).all():
        return moved
    rows = h.positive.rows()
    before = h.positive.index.astype(np.int64)
    index = moved_index(before, rows, h, moved)
    if index is before:
        return moved
    return replace(moved, positive=Buckets.of_flat(rows, index, h.positive.population, len(h)))


def moved_index(index: Ints, rows: Ints, before: Histograms, after: Histograms) -> Ints:
    """[P] numbers of buckets of `before` in the custom bounds of `after`.

    index, rows: [P] buckets and the histograms they belong to. Bounds of after [N] are those of
    before or fewer.
    """
    (ones, others), which = _distinct_pairs(before.bounds, after.bounds)
    tables, first = [], [0]
    changes = False
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        table = np.zeros(0, np.int64)
        if one >= 0 and before.custom_bounds[one] != after.custom_bounds[other]:
            target = after.custom_bounds[other]
            # The last bucket reaches to +Inf, before and after.
            ends = np.searchsorted(np.array(target), np.array(before.custom_bounds[one]))
            table = np.append(ends, len(target)).astype(np.int64)
            changes = True
        tables.append(table)
        first.append(first[-1] + len(table))
    if not changes:
        return index
    starts = np.array(first)
    size, start = np.diff(starts)[which][rows], starts[:-1][which][rows]
    place = np.clip(index, 0, np.maximum(size - 1, 0)) + start
    table = np.append(np.concatenate(tables), 0)
    moved: Ints = np.where(size > 0, table[np.minimum(place, len(table) - 1)], index)
    return moved


def reconcile(a: Histograms, b: Histograms) -> tuple[Histograms, Histograms, Bools]:
    """Pairs in one layout, and [N] whether their custom bounds had differed.

    Pairs that are not `compatible` do not change. Both results have the same custom_bounds.
    """
    alike = compatible(a, b)
    sets = BoundSets()
    left = sets.numbers(a.custom_bounds)[a.bounds]
    right = sets.numbers(b.custom_bounds)[b.bounds]
    differed: Bools = (left != right) & alike
    common = sets.intersections(left, np.where(differed, right, left))
    a = rebucketed(a, common, sets.sets)
    b = rebucketed(b, np.where(alike, common, right), sets.sets)
    threshold = np.where(alike & ~a.is_custom, common_threshold(a, b), 0.0)
    a, b = absorbed(a, threshold), absorbed(b, threshold)
    schema = np.minimum(a.schema, b.schema)
    a = coarsened(a, np.where(alike, schema, a.schema))
    b = coarsened(b, np.where(alike, schema, b.schema))
    return a, b, differed


def laid_out_as(h: Histograms, like: Histograms) -> Histograms:
    """h in the layout of `like`, row by row, which `reconcile` returned for a row of h."""
    h = rebucketed(h, like.bounds, like.custom_bounds)
    h = absorbed(h, np.where(h.is_custom, h.zero_threshold, like.zero_threshold))
    return coarsened(h, like.schema)


def outside_zero_bucket(h: Histograms, side: Buckets) -> Bools:
    """[P] which buckets of a side reach out of the zero bucket.

    The others' observations are in the zero count already: adding h to something leaves them out.
    """
    if not any_inside_zero_bucket(h, side):
        return np.ones(len(side.index), np.bool_)
    rows = side.rows()
    inside: Bools = upper_bounds(h.schema[rows], side.index) <= h.zero_threshold[rows]
    return ~inside | h.is_custom[rows]


def any_inside_zero_bucket(h: Histograms, side: Buckets) -> bool:
    """Whether a bucket of a side is inside the zero bucket: if one is, the first of its row is."""
    filled = np.flatnonzero(side.sizes)
    filled = filled[(h.zero_threshold[filled] != 0) & ~h.is_custom[filled]]
    ends = upper_bounds(h.schema[filled], side.index[side.offsets[filled]])
    return bool((ends <= h.zero_threshold[filled]).any())


def has_one_layout(h: Histograms) -> bool:
    """Whether all rows have one schema, one zero threshold and one set of custom bounds, and no
    bucket is inside the zero bucket: then buckets of equal numbers can be combined as they are."""
    columns = (h.schema, h.bounds, h.zero_threshold)
    if not len(h) or not all((column == column[0]).all() for column in columns):
        return not len(h)
    if h.is_custom[0] or h.zero_threshold[0] == 0:
        return True
    least = [side.index[side.offsets[:-1][side.sizes > 0]] for side in (h.positive, h.negative)]
    nearest = np.concatenate(least).min(initial=np.iinfo(np.int32).max)
    end = upper_bounds(h.schema[:1], np.array([nearest]))
    return bool(end[0] > h.zero_threshold[0])
