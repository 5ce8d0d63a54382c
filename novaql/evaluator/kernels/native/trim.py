"""Histograms without the observations below or above a value: the operators `</` and `>/`.

A bucket that holds the value is divided as `histogram_quantile` would do it. Count and sum are then
computed from the buckets, each observation in the middle of its bucket, unless nothing was removed
(Prometheus: `TrimBuckets` in model/histogram/float_histogram.go).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.native.layout import chosen
from novaql.evaluator.kernels.native.quantile import log_share
from novaql.evaluator.kernels.native.running import last_of_rows, running_sums
from novaql.tsdb.model.histogram_buckets import interleaved, negative_bounds, positive_bounds
from novaql.tsdb.model.histograms import Buckets, Floats, Histograms
from novaql.tsdb.model.labels import Bools

_Divided = tuple[Floats, Floats]
"""The remaining population of each bucket, and the assumed position of its observations."""


def trim_above(h: Histograms, cut: Floats | float) -> Histograms:
    """`h </ cut`: only the observations below the cut ([N], or one for all)."""
    return _trimmed(h, cut, _below_cut, _zero_below_cut)


def trim_below(h: Histograms, cut: Floats | float) -> Histograms:
    """`h >/ cut`: only the observations above the cut ([N], or one for all)."""
    return _trimmed(h, cut, _above_cut, _zero_above_cut)


def _trimmed(
    h: Histograms,
    cut: Floats | float,
    divide: Callable[[Floats, Floats, Floats, Floats, bool, Bools], _Divided],
    divide_zero: Callable[[Floats, Floats, Floats, Floats], _Divided],
) -> Histograms:
    cut = np.broadcast_to(np.asarray(cut, np.float64), (len(h),))
    trimmed = np.zeros(len(h), np.bool_)
    sides, counts, middles = [], [], []
    with np.errstate(all="ignore"):
        for side, (lower, upper), positive in (
            (h.positive, positive_bounds(h), True),
            (h.negative, negative_bounds(h), False),
        ):
            rows = side.rows()
            remains, middle = divide(
                side.population, lower, upper, cut[rows], positive, h.is_custom[rows]
            )
            trimmed[rows[remains != side.population]] = True
            left = Buckets(side.offsets, side.index, remains)
            sides.append(chosen(left, remains != 0))
            counts.append(remains)
            middles.append(middle)
        only_positive = (h.positive.sizes > 0) & (h.negative.sizes == 0)
        only_negative = (h.negative.sizes > 0) & (h.positive.sizes == 0)
        zero, middle = divide_zero(
            h.zero_count,
            np.where(only_positive, 0.0, -h.zero_threshold),
            np.where(only_negative, 0.0, h.zero_threshold),
            cut,
        )
        there = h.zero_count > 0
        zero = np.where(there, zero, h.zero_count)
        trimmed |= zero != h.zero_count
        counts.append(zero[there])
        middles.append(middle[there])
        runs = [h.positive.sizes, h.negative.sizes, there.astype(np.int64)]
        offsets, places = interleaved(runs)
        count = np.empty(int(offsets[-1]))
        mass = np.empty(int(offsets[-1]))
        for place, part, centre in zip(places, counts, middles, strict=True):
            count[place], mass[place] = part, part * centre
    return replace(
        h,
        count=np.where(trimmed, last_of_rows(running_sums(count, offsets), offsets), h.count),
        sum=np.where(trimmed, last_of_rows(running_sums(mass, offsets), offsets), h.sum),
        zero_count=zero,
        positive=sides[0],
        negative=sides[1],
    )


def _below_cut(
    population: Floats,
    lower: Floats,
    upper: Floats,
    cut: Floats,
    positive: bool,
    custom: Bools,
) -> _Divided:
    whole, part = upper <= cut, lower < cut
    under = population * _share_below(lower, upper, cut, positive, custom)
    remains = np.where(whole, population, np.where(part, under, 0.0))
    middle = _middle(lower, np.where(whole, upper, cut), positive, custom)
    # Of a bucket without an end, only what must be below the cut remains; a custom bucket with a
    # positive upper end is taken to begin at 0.
    endless = part & ~whole & np.isneginf(lower)
    from_zero = endless & (cut > 0) & (upper > 0) & np.isfinite(upper)
    negative = endless & ~from_zero & (upper <= 0)
    remains = np.where(endless, np.where(negative, population, 0.0), remains)
    remains = np.where(from_zero, population * cut / upper, remains)
    middle = np.where(
        endless, np.where(negative, cut, np.where(np.isinf(upper), 0.0, upper)), middle
    )
    middle = np.where(from_zero, cut / 2, middle)
    to_infinity = part & ~whole & ~endless & np.isposinf(upper)
    middle = np.where(to_infinity, lower, middle)
    return np.where(to_infinity, 0.0, remains), np.where(whole | part, middle, 0.0)


def _above_cut(
    population: Floats,
    lower: Floats,
    upper: Floats,
    cut: Floats,
    positive: bool,
    custom: Bools,
) -> _Divided:
    whole, part = lower >= cut, upper > cut
    over = population - population * _share_below(lower, upper, cut, positive, custom)
    remains = np.where(whole, population, np.where(part, over, 0.0))
    middle = _middle(np.where(whole, lower, cut), upper, positive, custom)
    endless = part & ~whole & np.isneginf(lower)
    from_zero = endless & (cut >= 0) & np.isfinite(upper)
    remains = np.where(endless, 0.0, remains)
    remains = np.where(from_zero, population * (1 - cut / upper), remains)
    middle = np.where(endless, np.where(np.isinf(upper), 0.0, upper), middle)
    middle = np.where(from_zero, (cut + upper) / 2, middle)
    to_infinity = part & ~whole & ~endless & np.isposinf(upper)
    middle = np.where(to_infinity, cut, middle)
    return np.where(to_infinity, population, remains), np.where(whole | part, middle, 0.0)


def _zero_below_cut(count: Floats, lower: Floats, upper: Floats, cut: Floats) -> _Divided:
    share = np.where(
        cut <= lower, 0.0, np.where(cut >= upper, 1.0, (cut - lower) / (upper - lower))
    )
    middle = (lower + np.where(cut >= upper, upper, cut)) / 2
    return count * share, np.where(cut <= lower, 0.0, middle)


def _zero_above_cut(count: Floats, lower: Floats, upper: Floats, cut: Floats) -> _Divided:
    share = np.where(
        cut <= lower, 1.0, np.where(cut >= upper, 0.0, (upper - cut) / (upper - lower))
    )
    middle = (np.where(cut <= lower, lower, cut) + upper) / 2
    return count * share, np.where(~(cut <= lower) & (cut >= upper), 0.0, middle)


def _share_below(
    lower: Floats, upper: Floats, cut: Floats, positive: bool, custom: Bools
) -> Floats:
    """What share of a bucket lies below a cut inside it."""
    exponential = log_share(lower, upper, cut, positive)
    return np.where(custom, (cut - lower) / (upper - lower), exponential)


def _middle(lower: Floats, upper: Floats, positive: bool, custom: Bools) -> Floats:
    """The assumed position of the observations between two ends."""
    geometric = np.sqrt(np.abs(lower * upper))
    middle = np.where(custom, (lower + upper) / 2, geometric if positive else -geometric)
    middle = np.where(np.isinf(upper), lower, middle)
    without_start = np.where(np.isinf(upper), 0.0, np.where(upper > 0, upper / 2, upper))
    return np.where(np.isinf(lower), without_start, middle)
