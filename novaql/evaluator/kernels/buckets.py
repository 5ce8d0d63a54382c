"""Quantiles and fractions of classic histograms: cumulative counts below increasing bounds.

The interpolation follows Prometheus's `bucketQuantile` and `BucketFraction` (promql/quantile.go).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.fast_dataclass import dataclass

SMALL_DELTA_TOLERANCE = 1e-12
"""Relative decrease between neighbouring buckets that counts as rounding noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """Cumulative counts made monotonic, and the changes that this required.

    forced       where a decrease larger than noise was raised, per (histogram, step)
    least_bound, greatest_bound   bounds of the first and last bucket raised (meaning only there)
    largest      the largest decrease raised
    """

    counts: Floats
    forced: Bools
    least_bound: Floats
    greatest_bound: Floats
    largest: Floats


def make_monotonic(bounds: Floats, counts: Floats, used: Ints) -> Repaired:
    """bounds, counts: [B, H, J], increasing bounds along the first axis; used: [H, J] of them."""
    out = counts.copy()
    shape = counts.shape[1:]
    forced = np.zeros(shape, np.bool_)
    least, greatest = np.full(shape, np.nan), np.full(shape, np.nan)
    largest = np.zeros(shape)
    for b in range(1, counts.shape[0]):
        before, now = out[b - 1], counts[b]
        delta = np.abs(before - now)
        close = (before == now) | (
            delta
            <= SMALL_DELTA_TOLERANCE * np.minimum(np.abs(before) + np.abs(now), np.finfo(float).max)
        )
        raised = ~close & (now < before) & (b < used)  # padding is no decrease
        if raised.any():
            least = np.where(raised & ~forced, bounds[b], least)
            greatest = np.where(raised, bounds[b], greatest)
            largest = np.where(raised, np.maximum(largest, before - now), largest)
            forced |= raised
        out[b] = np.where(close | raised, before, now)
    return Repaired(out, forced, least, greatest, largest)


def merge_equal_bounds(bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, Floats, Ints]:
    """Add up buckets with one bound (`le="1"` and `le="1.0"`). All [B, …]; used: […]."""
    place = np.arange(bounds.shape[0]).reshape(-1, *([1] * (bounds.ndim - 1)))
    same = np.zeros(bounds.shape, np.bool_)
    same[1:] = (bounds[1:] == bounds[:-1]) & (place[1:] < used)
    if not same.any():
        return bounds, counts, used
    target = np.cumsum(~same, axis=0) - 1
    inside = place < used
    merged_bounds = np.full(bounds.shape, np.inf)
    merged_counts = np.zeros(counts.shape)
    for b in range(bounds.shape[0]):  # as many rounds as there are buckets
        row = target[b][None]
        ok = inside[b]
        old = np.take_along_axis(merged_counts, row, 0)[0]
        np.put_along_axis(merged_counts, row, np.where(ok, old + counts[b], old)[None], 0)
        old_bound = np.take_along_axis(merged_bounds, row, 0)[0]
        np.put_along_axis(merged_bounds, row, np.where(ok, bounds[b], old_bound)[None], 0)
    return merged_bounds, merged_counts, used - (same & inside).sum(axis=0)


def _pick(values: Floats, index: Ints) -> Floats:
    picked: Floats = np.take_along_axis(values, np.clip(index, 0, len(values) - 1)[None], 0)[0]
    return picked


def bucket_quantile(
    q: Floats, bounds: Floats, counts: Floats, used: Ints
) -> tuple[Floats, Repaired]:
    """Value below which the fraction q of the observations lies.

    q: [J]; bounds, counts: [B, H, J], bounds increasing, cumulative counts; used: [H, J] buckets
    that count (the rest is padding with +Inf bounds). NaN without a +Inf bucket, with fewer than
    two buckets or without observations; linear inside a bucket, from 0 in the lowest one. Counts
    are repaired only for a quantile that is read from them.
    """
    bounds, counts, used = merge_equal_bounds(bounds, counts, used)
    shape = counts.shape[1:]
    repaired = make_monotonic(bounds, counts, used)
    counts = repaired.counts
    top = used - 1
    total = _pick(counts, top)
    good = (used >= 2) & np.isposinf(_pick(bounds, top)) & (total != 0)
    rank = q * total
    bucket = _first_reaching(rank, counts, top)
    upper = _pick(bounds, bucket)
    lower = np.where(bucket > 0, _pick(bounds, bucket - 1), 0.0)
    below = np.where(bucket > 0, _pick(counts, bucket - 1), 0.0)
    inside = _pick(counts, bucket) - below
    out = lower + (upper - lower) * ((rank - below) / inside)
    out = np.where((bucket == 0) & (upper <= 0), upper, out)
    out = np.where(bucket == top, _pick(bounds, top - 1), out)
    out = np.where(good, out, np.nan)
    out = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, out))
    repaired = replace(repaired, forced=repaired.forced & good & (q >= 0) & (q <= 1))
    return np.where(np.isnan(q), np.nan, np.broadcast_to(out, shape)), repaired


def quantile_bounds(q: Floats, bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, Floats]:
    """The bounds of the bucket with the quantile; arguments as of `bucket_quantile`.

    NaN where the quantile is; -Inf and the lowest bound below 0, the highest finite bound and
    +Inf above 1, and for a quantile in the +Inf bucket.
    """
    value, _ = bucket_quantile(q, bounds, counts, used)
    bounds, counts, used = merge_equal_bounds(bounds, counts, used)
    top = used - 1
    counts = make_monotonic(bounds, counts, used).counts
    bucket = _first_reaching(q * _pick(counts, top), counts, top)
    upper = _pick(bounds, bucket)
    lower = np.where(bucket > 0, _pick(bounds, bucket - 1), np.minimum(upper, 0.0))
    beyond = (bucket == top) | (q > 1)
    lower = np.where(beyond, _pick(bounds, top - 1), lower)
    upper = np.where(beyond, np.inf, upper)
    lower = np.where(q < 0, -np.inf, lower)
    upper = np.where(q < 0, bounds[0], upper)
    unknown = np.isnan(value)
    return np.where(unknown, np.nan, lower), np.where(unknown, np.nan, upper)


def bucket_share(
    le: Floats, bounds: Floats, counts: Floats, used: Ints
) -> tuple[Floats, Floats, Floats]:
    """The share of the observations up to `le`, and the least and greatest that it can be.

    le: [J]; others as of `bucket_quantile`. Counts that fall are raised to those before them.
    Linear inside a bucket; of the +Inf bucket nothing is counted. NaN without observations.
    """
    counts = np.maximum.accumulate(np.maximum(counts, 0.0), axis=0)
    place = np.arange(len(bounds)).reshape(-1, 1, 1)
    below: Ints = ((bounds <= le) & (place < used)).sum(axis=0)
    total = counts[-1]
    least = np.where(below > 0, _pick(counts, below - 1), 0.0) / total
    left = np.where(below > 0, _pick(bounds, below - 1), 0.0)
    right, most = _pick(bounds, below), _pick(counts, below) / total
    inside = (le - left) / (right - left)
    share = np.where(np.isposinf(right), least, least + (most - least) * inside)
    exact = left == le
    share, most = np.where(exact, least, share), np.where(exact, least, most)
    all_of_it = (below >= used) | np.isposinf(le)
    found = []
    for one in (share, least, np.where(np.isposinf(right), 1.0, most)):
        one = np.where(all_of_it, 1.0, np.where(le < 0, 0.0, one))
        found.append(np.where(np.isnan(le) | np.isnan(total / total), np.nan, one))
    return found[0], found[1], found[2]


def _first_reaching(rank: Floats, counts: Floats, top: Ints) -> Ints:
    """The first bucket below `top` whose count reaches the rank, else `top`.

    A binary search, as Prometheus's: with NaN among the counts the order of the probes decides.
    """
    low, high = np.zeros_like(top), top.copy()
    while (open_ := low < high).any():
        middle = (low + high) >> 1
        reached = _pick(counts, middle) >= rank
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    return low


def bucket_fraction(
    low: Floats, high: Floats, bounds: Floats, counts: Floats, used: Ints
) -> Floats:
    """Fraction of the observations between low and high, linear inside buckets.

    Shapes as above. Counts are taken as they are: unlike a quantile, a fraction does not need them
    to be monotonic.
    """
    bounds, counts, used = merge_equal_bounds(bounds, counts, used)
    total = _pick(counts, used - 1)
    good = np.isposinf(_pick(bounds, used - 1)) & (total != 0)
    fraction = (
        _rank_below(high, bounds, counts, used, total)
        - _rank_below(low, bounds, counts, used, total)
    ) / total
    out = np.where(low >= high, 0.0, fraction)
    out = np.where(good, out, np.nan)
    return np.where(np.isnan(low) | np.isnan(high), np.nan, out)


def _rank_below(x: Floats, bounds: Floats, counts: Floats, used: Ints, total: Floats) -> Floats:
    """[H, J] observations below x; all of them where x lies above every bucket.

    The position of observations in an infinitely wide bucket is unknown: those of the lowest bucket
    count at its lower end, those of the highest one at its upper end.
    """
    shape = counts.shape[1:]
    found, rank, below = np.zeros(shape, np.bool_), np.zeros(shape), np.zeros(shape)
    # The lowest bucket starts at 0 if its bound is positive, else at -Inf.
    lower = np.where(bounds[0] > 0, 0.0, -np.inf)
    for b in range(bounds.shape[0]):
        upper, inside = bounds[b], b < used
        starts = ~found & inside & (lower >= x)
        rank = np.where(starts, below, rank)
        found |= starts
        holds = ~found & inside & (lower < x) & (upper > x)
        linear = below + (counts[b] - below) * (x - lower) / (upper - lower)
        rank = np.where(holds, np.where(np.isneginf(lower), counts[b], linear), rank)
        found |= holds
        below, lower = counts[b], upper
    return np.where(found & ~(rank > total), rank, total)
