"""Functions of native histograms, for one histogram, in plain loops."""

from __future__ import annotations

import math
from dataclasses import replace

from novaql.model.float_histogram import (
    FloatHistogram,
    populations,
    spans_of,
    upper_bound,
)

Bucket = tuple[float, float, float]
"""Lower end, upper end, population."""


def ends(one: FloatHistogram, index: int, *, negative: bool = False) -> tuple[float, float]:
    """Lower and upper end of a bucket."""
    if one.custom:
        bounds = (-math.inf, *one.custom_values, math.inf)
        return bounds[index], bounds[index + 1]
    near, far = upper_bound(one.schema, index - 1), upper_bound(one.schema, index)
    return (-far, -near) if negative else (near, far)


def buckets(one: FloatHistogram) -> list[Bucket]:
    """Populated buckets from the lowest to the highest, cut where the zero bucket ends."""
    limit = one.zero_threshold
    out = []
    for index, count in reversed(populations(one.negative).items()):
        low, high = ends(one, index, negative=True)
        out.append((low, min(high, -limit), count))
    if one.zero_count > 0:
        out.append((-limit, limit, one.zero_count))
    for index, count in populations(one.positive).items():
        low, high = ends(one, index)
        out.append((low if one.custom else max(low, limit), high, count))
    return [bucket for bucket in out if bucket[2] != 0]


def _one_sided(one: FloatHistogram, low: float, high: float) -> tuple[float, float]:
    if one.positive and not one.negative:
        return 0.0, high
    if one.negative and not one.positive:
        return low, 0.0
    return low, high


def quantile(one: FloatHistogram, q: float) -> tuple[float, str]:
    """The quantile, and the effect of NaN observations on it: "", "nan" or "skewed"."""
    if q < 0 or q > 1:
        return math.copysign(math.inf, q), ""
    if math.isnan(q) or one.count == 0:
        return math.nan, ""
    from_below = math.isnan(one.sum) or q < 0.5
    steps = buckets(one) if from_below else buckets(one)[::-1]
    rank = (q if from_below else 1 - q) * one.count
    low = high = inside = seen = 0.0
    place = -1
    for place, (low, high, inside) in enumerate(steps):  # noqa: B007 - used below
        seen += inside
        if seen >= rank:
            break
    if one.custom:
        if low == -math.inf:
            if high <= 0:
                return high, ""
            low = 0.0
        elif high == math.inf:
            return low, ""
    elif low < 0 < high:
        low, high = _one_sided(one, low, high)
    seen = min(seen, one.count)
    if seen < rank:
        return (math.nan, "nan") if math.isnan(one.sum) else (high, "")
    rest = sum(bucket[2] for bucket in steps[place + 1 :])
    note = "skewed" if math.isnan(one.sum) and seen + rest < one.count else ""
    if inside == 0:
        return math.nan, note
    share = (rank - (seen - inside) if from_below else seen - rank) / inside
    if one.custom or low <= 0 <= high:
        return low + (high - low) * share, note
    if low > 0:
        return low * (high / low) ** share, note
    return -(-high * (low / high) ** (1 - share)), note


def fraction(one: FloatHistogram, low: float, high: float) -> float:
    """The share of observations between two values."""
    if one.count == 0 or math.isnan(low) or math.isnan(high):
        return math.nan
    if low >= high:
        return 0.0
    return (_rank(one, high) - _rank(one, low)) / one.count


def _rank(one: FloatHistogram, value: float) -> float:
    seen = 0.0
    steps = buckets(one)
    total = sum(step[2] for step in steps) if math.isnan(one.sum) else one.count
    for low, high, count in steps:
        around_zero = low <= 0 <= high
        if around_zero:
            low, high = _one_sided(one, low, high)
        if low >= value:
            return min(seen, total)
        if high > value:
            if one.custom or around_zero:
                inside = count * (value - low) / (high - low)
                return min(count if low == -math.inf else seen + inside, total)
            share = math.log2(value / low) / math.log2(high / low)
            return min(seen + count * share, total)
        seen += count
    return total


def variance(one: FloatHistogram) -> float:
    if one.count == 0:
        return math.nan
    mean = one.sum / one.count
    squares = []
    for low, high, count in buckets(one):
        if one.custom:
            middle = (low + high) / 2
        elif low <= 0 <= high:
            middle = 0.0
        else:
            middle = math.copysign(math.sqrt(low * high), high)
        squares.append(count * (middle - mean) * (middle - mean))
    return sum(squares) / one.count


def trimmed(one: FloatHistogram, cut: float, *, below: bool) -> FloatHistogram:
    """A histogram of the observations below the cut, or of those above it."""
    kept_sides: list[dict[int, float]] = []
    count = total = 0.0
    changed = False
    for side, negative in ((one.positive, False), (one.negative, True)):
        kept = {}
        for index, population in populations(side).items():
            low, high = ends(one, index, negative=negative)
            remains, middle = _kept(one, low, high, cut, below=below)
            kept[index] = population * remains
            changed |= remains != 1
            count += kept[index]
            total += kept[index] * middle
        kept_sides.append(kept)
    zero_count = one.zero_count
    if zero_count > 0:
        low, high = _one_sided(one, -one.zero_threshold, one.zero_threshold)
        start, end = (low, min(cut, high)) if below else (max(cut, low), high)
        share = (end - start) / (high - low) if end > start else 0.0
        if low == high:
            share = float(cut >= high if below else cut <= low)
            share *= float(not (below and cut <= low))
        zero_count *= share
        changed |= share != 1
        count += zero_count
        total += zero_count * (start + end) / 2 if share else 0.0
    if not changed:
        return one
    return replace(
        one,
        count=count,
        sum=total,
        zero_count=zero_count,
        positive=spans_of(kept_sides[0]),
        negative=spans_of(kept_sides[1]),
    )


def _kept(
    one: FloatHistogram, low: float, high: float, cut: float, *, below: bool
) -> tuple[float, float]:
    """The share of a bucket that remains, and the value that its observations are assumed to
    have."""
    if high <= cut if below else low >= cut:
        return 1.0, _middle(one, low, high)
    if low >= cut if below else high <= cut:
        return 0.0, 0.0
    if low == -math.inf:
        if high > 0 and math.isfinite(high) and cut >= 0:
            return (cut / high, cut / 2) if below else (1 - cut / high, (cut + high) / 2)
        return (1.0, cut) if below and high <= 0 else (0.0, 0.0)
    if high == math.inf:
        return (0.0, 0.0) if below else (1.0, cut)
    if one.custom:
        share = (cut - low) / (high - low)
    else:
        share = math.log2(cut / low) / math.log2(high / low)
    if below:
        return share, _middle(one, low, cut)
    return 1 - share, _middle(one, cut, high)


def _middle(one: FloatHistogram, low: float, high: float) -> float:
    if low == -math.inf:
        return 0.0 if high == math.inf else high / 2 if high > 0 else high
    if high == math.inf:
        return low
    if one.custom:
        return (low + high) / 2
    return math.copysign(math.sqrt(low * high), high)
