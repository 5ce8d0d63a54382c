"""Whether a counter was reset between one histogram and the next."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.dispatch import KERNELS, floats, ints
from novaql.evaluator.kernels.native.layout import (
    BoundSets,
    coarsened,
    has_one_layout,
    past_populated,
    rebucketed,
    widened,
)
from novaql.tsdb.model.histogram_buckets import upper_bounds
from novaql.tsdb.model.histograms import Buckets, Histograms, ResetHint
from novaql.tsdb.model.labels import Bools


def detect_reset(previous: Histograms, current: Histograms) -> Bools:
    """[N] current[i] comes after a reset that previous[i] came before.

    The hint of the current one decides; without a hint, and for gauges, a reset is a change that a
    growing counter cannot have: fewer observations, altogether or in a bucket, a finer resolution,
    a narrower zero bucket or one that cuts what was a populated bucket, exponential after custom
    buckets or the other way round. Of different custom bounds the common ones are compared.
    """
    reset: Bools = current.hint == ResetHint.RESET
    unknown = np.flatnonzero(~reset & (current.hint != ResetHint.NOT_RESET))
    if not len(unknown):
        return reset
    if len(unknown) < len(reset):
        previous, current = previous.take(unknown), current.take(unknown)
    reset[unknown] = _shrank(previous, current)
    return reset


def resets_before(h: Histograms) -> Bools:
    """[N] a reset lies between the row before and this one; never before the first row."""
    before = np.zeros(len(h), np.bool_)
    if len(h) < 2:
        return before
    if not has_one_layout(h):
        before[1:] = detect_reset(h.between(0, len(h) - 1), h.between(1, len(h)))
        return before
    before[1:] = (h.count[1:] < h.count[:-1]) | (h.zero_count[1:] < h.zero_count[:-1])
    for side in (h.positive, h.negative):
        before |= _rows_with_fewer(side)
    before[1:] &= h.hint[1:] != ResetHint.NOT_RESET
    before[1:] |= h.hint[1:] == ResetHint.RESET
    return before


def _rows_with_fewer(side: Buckets) -> Bools:
    """[N] rows in which a bucket of the row before has fewer observations, or is missing."""
    found = np.zeros(len(side.offsets) - 1, np.bool_)
    if KERNELS.ready(len(side.index)) is not None:
        index, population = np.ascontiguousarray(side.index), floats(side.population, (-1,))
        KERNELS.call.find_shrunk(ints(side.offsets), index, population, found)
        return found
    earlier = side.between(0, len(found) - 1)
    fewer = np.flatnonzero(_has_fewer(earlier, side.between(1, len(found))))
    found[1 + earlier.rows_of(fewer)] = True
    return found


def _shrank(previous: Histograms, current: Histograms) -> Bools:
    changed: Bools = current.schema > previous.schema
    changed |= current.is_custom & ~previous.is_custom
    changed |= current.zero_threshold < previous.zero_threshold
    shrank = changed | (current.count < previous.count)
    left = np.flatnonzero(~changed)
    if not len(left):
        return shrank
    if len(left) < len(changed):
        previous, current = previous.take(left), current.take(left)
    shrank[left] |= _lost_observations(previous, current)
    return shrank


def _lost_observations(previous: Histograms, current: Histograms) -> Bools:
    """Bucket by bucket, for pairs of one kind whose layout may have changed as a counter's may."""
    threshold = current.zero_threshold
    lost: Bools = past_populated(previous, threshold) > threshold
    lost |= current.zero_count < widened(previous, threshold).zero_count
    # Buckets inside the wider zero bucket are still part of what a coarser bucket contained before.
    previous = coarsened(previous, current.schema)
    previous, current = _with_common_bounds(previous, current)
    for before, after in (
        (previous.positive, current.positive),
        (previous.negative, current.negative),
    ):
        fewer = np.flatnonzero(_has_fewer(before, after))
        rows = before.rows_of(fewer)
        inside = (threshold > 0)[rows] & ~current.is_custom[rows]
        end = upper_bounds(current.schema[rows[inside]], before.index[fewer[inside]])
        inside[inside] = end <= threshold[rows[inside]]
        lost[rows[~inside]] = True
    return lost


def _with_common_bounds(a: Histograms, b: Histograms) -> tuple[Histograms, Histograms]:
    sets = BoundSets()
    left = sets.numbers(a.custom_bounds)[a.bounds]
    right = sets.numbers(b.custom_bounds)[b.bounds]
    common = sets.intersections(left, right)
    return rebucketed(a, common, sets.sets), rebucketed(b, common, sets.sets)


def _has_fewer(before: Buckets, after: Buckets) -> Bools:
    """[P] which buckets of `before` have fewer observations in the same row of `after`, or are
    missing there."""
    keys = (before.rows() << 33) + before.index
    theirs = (after.rows() << 33) + after.index
    place = np.searchsorted(theirs, keys).astype(np.int64)
    found = place < len(theirs)
    found[found] = theirs[place[found]] == keys[found]
    fewer = ~found
    fewer[found] = after.population[place[found]] < before.population[found]
    return fewer
