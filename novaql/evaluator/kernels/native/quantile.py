"""Quantiles of native histograms, and the share of observations in a range.

The positions of observations inside a bucket are unknown. They are assumed to be spread evenly in
the zero bucket and in custom buckets, and on a logarithmic scale elsewhere, as in Prometheus
(`HistogramQuantile`, `HistogramFraction` in promql/quantile.go).
"""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.native.running import first_marked, last_of_rows, running_sums
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histogram_buckets import Ladder, ladder
from novaql.tsdb.model.histograms import Floats, Histograms
from novaql.tsdb.model.labels import Bools, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles:
    """values [N].

    nan_result  [N] NaN was observed, and the quantile is among what was no number
    skewed      [N] NaN was observed: it counts as above all buckets, so the value is too high
    """

    values: Floats
    nan_result: Bools
    skewed: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Fractions:
    """values [N]; nan_excluded [N]: NaN was observed, and belongs to no range."""

    values: Floats
    nan_excluded: Bools


def histogram_quantile(h: Histograms, q: Floats | float) -> Quantiles:
    """The value below which a share q ([N], or one for all) of the observations lies.

    -Inf for q < 0 and +Inf for q > 1; NaN without observations, or if q is NaN.
    """
    q = np.broadcast_to(np.asarray(q, np.float64), (len(h),))
    with np.errstate(all="ignore"):
        found = _quantiles(h, q)
    usual = (q >= 0) & (q <= 1) & (h.count != 0)
    outside = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan))
    return Quantiles(
        np.where(usual, found.values, outside), found.nan_result & usual, found.skewed & usual
    )


def _quantiles(h: Histograms, q: Floats) -> Quantiles:
    rungs = ladder(h)
    with_nan = np.isnan(h.sum)
    # From the nearer end; NaN is in no bucket, and counts as the highest of all.
    upward = with_nan | (q < 0.5)
    rank = np.where(upward, q, 1 - q) * h.count
    rows = rungs.rows()
    walk = _walk(rungs, upward)
    running = running_sums(rungs.population[walk], rungs.offsets)
    total = last_of_rows(running, rungs.offsets)
    place = first_marked(running >= rank[rows], rungs.offsets)
    filled = rungs.sizes > 0
    place = np.where(place >= 0, place, rungs.offsets[1:] - 1)  # else the last one, never reached

    def at_place(values: Floats) -> Floats:
        out = np.zeros(len(h))
        out[filled] = values[place[filled]]
        return out

    lower, upper = at_place(rungs.lower[walk]), at_place(rungs.upper[walk])
    population, below = at_place(rungs.population[walk]), at_place(running)
    custom = h.is_custom
    lower, upper = _one_sided(h, lower, upper, ~custom & (lower < 0) & (upper > 0))
    bottom = custom & np.isneginf(lower)
    top = custom & ~bottom & np.isposinf(upper)
    settled = (bottom & (upper <= 0)) | top
    lower = np.where(bottom & ~settled, 0.0, lower)

    count = np.where(below > h.count, h.count, below)  # rounding may have made it larger than 1
    missed = ~settled & (count < rank)
    rank = np.where(upward, rank - (count - population), count - rank)
    values = _inside(lower, upper, rank / population, linear=custom | ((lower <= 0) & (upper >= 0)))
    values = np.where(missed, np.where(with_nan, np.nan, upper), values)
    values = np.where(settled, np.where(top, lower, upper), values)
    skewed = with_nan & ~settled & ~missed & (count + (total - below) < h.count)
    return Quantiles(values, missed & with_nan, skewed)


def _walk(rungs: Ladder, upward: Bools) -> Ints:
    """[P] flat places of the buckets, in the order in which each row is searched."""
    places = np.arange(len(rungs.population))
    ends = rungs.offsets[:-1] + rungs.offsets[1:] - 1
    backwards = np.repeat(ends, rungs.sizes) - places
    walk: Ints = np.where(np.repeat(upward, rungs.sizes), places, backwards)
    return walk


def _inside(lower: Floats, upper: Floats, share: Floats, linear: Bools) -> Floats:
    """The value at a share of the way through a bucket."""
    evenly = lower + (upper - lower) * share
    if linear.all():
        return evenly
    log_lower, log_upper = np.log2(np.abs(lower)), np.log2(np.abs(upper))
    above = np.exp2(log_lower + (log_upper - log_lower) * share)
    below = -np.exp2(log_upper + (log_lower - log_upper) * (1 - share))
    return np.where(linear, evenly, np.where(lower > 0, above, below))


def _one_sided(
    h: Histograms, lower: Floats, upper: Floats, around_zero: Bools, rows: Ints | None = None
) -> tuple[Floats, Floats]:
    """A bucket around zero ends at zero, if there is nothing else on its other side."""
    negative, positive = h.negative.sizes > 0, h.positive.sizes > 0
    if rows is not None:
        negative, positive = negative[rows], positive[rows]
    lower = np.where(around_zero & positive & ~negative, 0.0, lower)
    upper = np.where(around_zero & negative & ~positive, 0.0, upper)
    return lower, upper


def histogram_fraction(h: Histograms, low: Floats | float, high: Floats | float) -> Fractions:
    """The share of observations between low and high ([N] each, or one for all).

    NaN without observations or for a NaN bound; 0 if low ≥ high.
    """
    low = np.broadcast_to(np.asarray(low, np.float64), (len(h),))
    high = np.broadcast_to(np.asarray(high, np.float64), (len(h),))
    rungs = ladder(h)
    rows = rungs.rows()
    zero = (rungs.lower <= 0) & (rungs.upper >= 0)
    lower, upper = _one_sided(h, rungs.lower, rungs.upper, zero, rows)
    rungs = Ladder(rungs.offsets, lower, upper, rungs.population)
    running = running_sums(rungs.population, rungs.offsets)
    total = last_of_rows(running, rungs.offsets)
    with_nan = np.isnan(h.sum)
    count = np.where(with_nan, total, h.count)
    with np.errstate(all="ignore"):
        linear = zero | h.is_custom[rows]
        ranks = [_below(bound, rungs, rows, running, linear, count) for bound in (low, high)]
        share = (ranks[1] - ranks[0]) / h.count
    values = np.where(low >= high, 0.0, share)
    unknown = (h.count == 0) | np.isnan(low) | np.isnan(high)
    excluded = with_nan & (total < h.count) & ~unknown & ~(low >= high)
    return Fractions(np.where(unknown, np.nan, values), excluded)


def log_share(lower: Floats, upper: Floats, bound: Floats, positive: Bools | bool) -> Floats:
    """What share of an exponential bucket lies below a bound inside it; positive: its sign."""
    log_lower, log_upper = np.log2(np.abs(lower)), np.log2(np.abs(upper))
    log_bound = np.log2(np.abs(bound))
    share: Floats = np.where(
        positive,
        (log_bound - log_lower) / (log_upper - log_lower),
        1 - (log_bound - log_upper) / (log_lower - log_upper),
    )
    return share


def _below(
    bound: Floats, rungs: Ladder, rows: Ints, running: Floats, linear: Bools, count: Floats
) -> Floats:
    """[N] observations below a bound."""
    limit = bound[rows]
    place = first_marked((rungs.lower >= limit) | (rungs.upper > limit), rungs.offsets)
    found = place >= 0
    out = count.copy()
    place, bound = place[found], bound[found]
    at_start = place == rungs.offsets[:-1][found]
    before = np.where(at_start, 0.0, running[place - 1])
    lower, upper, population = rungs.lower[place], rungs.upper[place], rungs.population[place]
    evenly = before + population * (bound - lower) / (upper - lower)
    evenly = np.where(np.isneginf(lower), population, evenly)
    share = log_share(lower, upper, bound, bound > 0)
    within = np.where(linear[place], evenly, before + population * share)
    rank = np.where(lower >= bound, before, within)
    out[found] = np.where(rank > count[found], count[found], rank)
    return out
