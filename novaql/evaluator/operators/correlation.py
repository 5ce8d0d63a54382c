"""`correlation(a[1h], b[1h])`: how closely two series are correlated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.correlations import correlations
from novaql.evaluator.kernels.windows import Floats, Ints, ragged_windows
from novaql.evaluator.matrix import StepMatrix, drop_names, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.range_samples import RangeSamples
from novaql.evaluator.protocol import Runner
from novaql.text.go_text import label_text
from novaql.tsdb.model.labels import concat_tables


def correlation(run: Runner, operator: Operator) -> StepMatrix:
    """Pearson's coefficient of the pairs of samples in each window.

    Series with the same labels except the name are paired. A sample of the first is paired with
    the newest one of the second at or before it, within the lookback, if both are in the ranges.
    """
    call = operator.call
    left, right = (RangeSamples.of(run, call, operand) for operand in operator.operands)
    pairs_left, pairs_right = _pairs(left, right)
    run.context.admit_matrix(len(pairs_left), len(left.ends_ms))
    x, y, times, seen, offsets = _joined(
        left, right, pairs_left, pairs_right, run.context.options.lookback_ms
    )
    windows = ragged_windows(x, times, offsets, left.ends_ms, left.reach_ms)
    # A step knows only the samples in its own two ranges, whatever other steps have read.
    cells, reach_ms = windows.cells, right.reach_ms
    first = ragged_windows(y, seen, offsets, right.ends_ms, reach_ms, cells).lo
    last = ragged_windows(x, times, offsets, right.ends_ms, reach_ms, cells).hi
    lo = np.maximum(windows.lo, first)
    windows = replace(windows, lo=lo, hi=np.maximum(lo, np.minimum(windows.hi, last)))
    others = replace(windows, values=y)
    found, valid = correlations(windows, others, run.context.checkpoint)
    values, there = windows.on_grid(found, valid)
    series = drop_names(left.series.take(pairs_left), np.ones(len(pairs_left), np.bool_))
    return matrix(series, values, there).without_empty_rows()


def _pairs(left: RangeSamples, right: RangeSamples) -> tuple[Ints, Ints]:
    """Rows of both sides that have the same labels but for the name."""
    bare = [drop_names(s.series, np.ones(len(s.series), np.bool_)) for s in (left, right)]
    keys = concat_tables(bare).keys()
    of_left, of_right = keys[: len(left.series)], keys[len(left.series) :]
    both = ("first", bare[0], of_left), ("second", bare[1], of_right)
    for side, series, found in both:
        values, first, count = np.unique(found, return_index=True, return_counts=True)
        if len(values) < len(found):
            row = int(first[count > 1][0])
            raise EvaluationError(
                f"correlation(): several series of the {side} range vector have the labels "
                f"{label_text(series.labels(row))}"
            )
    _, rows_left, rows_right = np.intersect1d(of_left, of_right, return_indices=True)
    return np.sort(rows_left), rows_right[np.argsort(rows_left)]


def _joined(
    left: RangeSamples,
    right: RangeSamples,
    rows_left: Ints,
    rows_right: Ints,
    lookback_ms: int,
) -> tuple[Floats, Floats, Ints, Ints, Ints]:
    """Values of both sides, times of both, and offsets of the pairs of samples, series after
    series."""
    pair, times, x = _of_pairs(left, rows_left)
    other, other_times, y = _of_pairs(right, rows_right)
    earliest = min(times.min(initial=0), other_times.min(initial=0))
    width = max(times.max(initial=0), other_times.max(initial=0)) - earliest + 1
    before = (
        np.searchsorted(
            other * width + (other_times - earliest),
            pair * width + (times - earliest),
            side="right",
        )
        - 1
    )
    at = np.maximum(before, 0)
    some = np.zeros(len(pair), np.bool_)
    if len(other):
        near = times - other_times[at] < lookback_ms
        some = (before >= 0) & (other[at] == pair) & near
    counts = np.bincount(pair[some], minlength=len(rows_left))
    offsets = np.append(0, np.cumsum(counts)).astype(np.int64)
    if not len(other):
        return x[some], y, times[some], other_times, offsets
    return x[some], y[at[some]], times[some], other_times[at[some]], offsets


def _of_pairs(samples: RangeSamples, rows: Ints) -> tuple[Ints, Ints, Floats]:
    """Number of the pair, time and value of the samples of these rows, in this order."""
    number = np.full(len(samples.series), -1, np.int64)
    number[rows] = np.arange(len(rows))
    pair = number[samples.rows]
    some = np.flatnonzero(pair >= 0)
    pair, times = pair[some], samples.times[some]
    in_order = (pair[1:] > pair[:-1]) | ((pair[1:] == pair[:-1]) & (times[1:] > times[:-1]))
    if in_order.all():  # as most sources return them
        return pair, times, samples.values[some]
    order = np.lexsort((times, pair))
    return pair[order], times[order], samples.values[some[order]]
