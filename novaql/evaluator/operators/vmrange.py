"""Buckets of VictoriaMetrics, which have a label `vmrange="low...high"`, as buckets with `le`."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.log_buckets import cumulated
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix, matrix, stack
from novaql.evaluator.operators.classic_histogram import parse_bounds
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import LabelColumn, SeriesTable

INFINITE = "+Inf"


@dataclass(frozen=True, slots=True, eq=False)
class RangeBuckets:
    """Rows that count between two bounds.

    labels    [R] without `le` and `vmrange`; group: [R] equal for buckets of one histogram
    low, high [R]: numbers of texts in `texts`
    counts    [R, J]; present: [R, J] where there is a count
    """

    labels: SeriesTable
    group: Ints
    low: Ints
    high: Ints
    texts: tuple[str, ...]
    counts: Floats
    present: Bools


def le_buckets(found: RangeBuckets) -> StepMatrix:
    """The same buckets cumulated, with `le`.

    Ranges without any observation are omitted. If a range does not begin at the end of the one
    before, a bucket up to its beginning precedes it; the last bucket is +Inf. All buckets of a
    histogram have a value at the steps at which any of them has one.
    """
    bounds = parse_bounds(LabelColumn(np.zeros(0, np.int32), found.texts))
    order = np.lexsort((bounds[found.high], found.group))
    group, low, high = found.group[order], found.low[order], found.high[order]
    positive = found.present & (found.counts > 0)
    some: Bools = np.logical_or.reduce(positive, axis=1)
    used = some[order]
    begins = np.diff(group, prepend=-1) != 0
    ends = np.append(begins[1:], True)[: len(group)]
    closing = np.flatnonzero(ends & ~(used & np.isposinf(bounds[high])))
    counted = np.flatnonzero(used)
    first_counted = np.diff(group[counted], prepend=-1) != 0
    before = np.where(first_counted, 0.0, np.roll(bounds[high[counted]], 1))
    opening = counted[bounds[low[counted]] != before]
    infinity = len(found.texts)
    # Places in the order of buckets: of each range first its opening, then itself, then the end.
    place = np.concatenate([3 * opening, 3 * counted + 1, 3 * closing + 2])
    text = np.concatenate([low[opening], high[counted], np.full(len(closing), infinity)])
    source = np.concatenate([opening, counted, closing])
    counts = np.zeros((len(place), found.counts.shape[1]))
    of_counted = slice(len(opening), len(opening) + len(counted))
    counts[of_counted] = np.where(positive, found.counts, 0.0)[order[counted]]
    by_place = np.argsort(place)
    text, source, counts = text[by_place], source[by_place], counts[by_place]
    of_group = group[source]
    first = np.maximum.accumulate(
        np.where(np.diff(of_group, prepend=-1) != 0, np.arange(len(of_group)), 0)
    )
    labels = found.labels.take(order[source]).with_column("le", _texts(text, found.texts))
    _, number = np.unique(found.group, return_inverse=True)
    there = np.zeros((int(number.max(initial=-1)) + 1, counts.shape[1]), np.bool_)
    np.logical_or.at(there, number, found.present)
    return matrix(labels, cumulated(counts, first), there[number[order[source]]])


def _texts(which: Ints, texts: tuple[str, ...]) -> LabelColumn:
    """A column of these texts; one more is infinity."""
    ids: dict[str, int] = {"": 0}
    codes = np.array([ids.setdefault(text, len(ids)) for text in (*texts, INFINITE)], np.int32)
    return LabelColumn(codes[which], tuple(ids))


def with_le(operand: StepMatrix) -> StepMatrix:
    """Rows with `vmrange` as buckets with `le`; rows with `le` alone stay; others are left out."""
    column = operand.series.column("vmrange")
    ranged = column.codes != 0
    classic = operand.take(~ranged & (operand.series.column("le").codes != 0))
    if not ranged.any():
        return classic
    texts: dict[str, int] = {}
    pairs = [_pair(value, texts) for value in column.values]
    bounds = np.array([[-1, -1] if pair is None else pair for pair in pairs], np.int64)
    ranged &= bounds[column.codes, 0] >= 0
    rows = operand.take(ranged)
    if not rows.rows:
        return classic
    low, high = bounds[column.codes[ranged]].T
    labels = rows.series.drop(["le", "vmrange"])
    group = labels.keys() * 2 + rows.nameless
    made = le_buckets(
        RangeBuckets(labels, group, low, high, tuple(texts), rows.values, rows.presence())
    )
    if rows.nameless.all():
        made = made.mark_nameless()
    return stack([classic, made]) if classic.rows else made


def _pair(value: str, texts: dict[str, int]) -> tuple[int, int] | None:
    """The bounds of `low...high`, as numbers of texts; None if it is no range."""
    low, dots, high = value.partition("...")
    if not dots:
        return None
    if np.isnan(parse_bounds(LabelColumn(np.zeros(0, np.int32), (low, high)))).any():
        return None
    return texts.setdefault(low, len(texts)), texts.setdefault(high, len(texts))
