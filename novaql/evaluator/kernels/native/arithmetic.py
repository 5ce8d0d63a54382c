"""Histograms added, subtracted, scaled and compared, pair by pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.kernels.native.layout import (
    chosen,
    compatible,
    outside_zero_bucket,
    reconcile,
)
from novaql.evaluator.kernels.native.pairs import combined_buckets
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.histograms import (
    Buckets,
    Floats,
    Histograms,
    ResetHint,
    Small,
    concat_histograms,
)
from novaql.tsdb.model.labels import Bools


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """What became of N pairs.

    histograms          the results; where the pair is not compatible, the left one
    compatible          [N] both exponential or both custom
    conflicting_resets  [N] one follows a counter reset, the hint of the other excludes one
    bounds_differed     [N] only the custom bounds that both had remain
    """

    histograms: Histograms
    compatible: Bools
    conflicting_resets: Bools
    bounds_differed: Bools


def add(a: Histograms, b: Histograms) -> Combined:
    """a + b, pair by pair."""
    return _combined(a, b, 1.0)


def subtract(a: Histograms, b: Histograms, *, gauge: bool = True) -> Combined:
    """a - b, pair by pair. The result is a gauge; with gauge=False its hint is that of a sum."""
    combined = _combined(a, b, -1.0)
    if gauge:
        return replace(combined, histograms=with_hint(combined.histograms, ResetHint.GAUGE))
    return combined


def _combined(a: Histograms, b: Histograms, sign: float) -> Combined:
    alike = compatible(a, b)
    hint = combined_hints(a.hint, b.hint)
    conflict: Bools = alike & (np.minimum(a.hint, b.hint) == ResetHint.RESET)
    conflict &= np.maximum(a.hint, b.hint) == ResetHint.NOT_RESET
    a, b, differed = reconcile(a, b)

    def together(left: Floats, right: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where(alike, left + sign * right, left)

    rows = np.arange(len(a))
    right_rows = np.where(alike, rows, -1)

    def sides(left: Buckets, right: Buckets) -> Buckets:
        right = chosen(right, outside_zero_bucket(b, right))
        return combined_buckets(left, rows, right, right_rows, sign)

    result = replace(
        a,
        hint=np.where(alike, hint, a.hint).astype(np.int8),
        count=together(a.count, b.count),
        sum=together(a.sum, b.sum),
        zero_count=together(a.zero_count, b.zero_count),
        positive=sides(a.positive, b.positive),
        negative=sides(a.negative, b.negative),
    )
    return Combined(result, alike, conflict, differed)


def combined_hints(a: Small, b: Small) -> Small:
    """[N] hint of a sum: equal ones stay, gauge wins, everything else is unknown."""
    gauge = np.maximum(a, b) == ResetHint.GAUGE
    mixed = np.where(gauge, ResetHint.GAUGE, ResetHint.UNKNOWN)
    return np.where(a == b, a, mixed).astype(np.int8)


def with_hint(h: Histograms, hint: ResetHint) -> Histograms:
    """The same with one hint for all."""
    return replace(h, hint=np.full(len(h), hint, np.int8))


def scale(h: Histograms, factor: Floats | float) -> Histograms:
    """h × factor, one factor or one a row. A negative factor makes a gauge."""
    return _each_number(h, factor, np.multiply)


def divide(h: Histograms, divisor: Floats | float) -> Histograms:
    """h / divisor, one divisor or one a row. A negative divisor makes a gauge.

    Divided by 0, count, sum and zero count are infinite or NaN, and no bucket remains.
    """
    return _each_number(h, divisor, np.divide)


def _each_number(h: Histograms, operand: Floats | float, change: np.ufunc) -> Histograms:
    operands = np.broadcast_to(np.asarray(operand, np.float64), (len(h),))

    def changed(side: Buckets) -> Buckets:
        of_bucket = operands[side.rows()]
        found = replace(side, population=change(side.population, of_bucket))
        remains = found.population != 0
        return chosen(found, remains & (of_bucket != 0) if change is np.divide else remains)

    with np.errstate(invalid="ignore", over="ignore", under="ignore", divide="ignore"):
        return replace(
            h,
            hint=np.where(operands < 0, ResetHint.GAUGE, h.hint).astype(np.int8),
            count=change(h.count, operands),
            sum=change(h.sum, operands),
            zero_count=change(h.zero_count, operands),
            positive=changed(h.positive),
            negative=changed(h.negative),
        )


def negate(h: Histograms) -> Histograms:
    """-h: a gauge."""
    return scale(h, -1.0)


def zero_like(h: Histograms) -> Histograms:
    """Empty histograms with the resolution and the custom bounds of h; zero threshold 0."""
    zero = np.zeros(len(h))
    return replace(
        with_hint(h, ResetHint.UNKNOWN),
        count=zero,
        sum=zero,
        zero_count=zero,
        zero_threshold=zero,
        positive=Buckets.none(len(h)),
        negative=Buckets.none(len(h)),
    )


def choose(mask: Bools, a: Histograms, b: Histograms) -> Histograms:
    """Row by row a where the mask [N] is set, else b."""
    rows = np.arange(len(mask), dtype=np.int64)
    return concat_histograms([a, b]).take(np.where(mask, rows, rows + len(mask)))
