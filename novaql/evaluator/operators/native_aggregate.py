"""sum and avg over native histograms, and how the other aggregations treat them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.group_reduce import Accumulator
from novaql.evaluator.kernels.native.folds import exactly
from novaql.evaluator.kernels.native.sums import run_sums
from novaql.evaluator.kernels.windows import Bools
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.native_notes import MIXED_SCHEMAS, Notes
from novaql.evaluator.native_pieces import run_totals
from novaql.evaluator.pipeline.fold import fold_matrix
from novaql.planner.whole_range import RANGE_CHOOSERS
from novaql.result import NativeCells
from novaql.span import Span

IGNORING = frozenset(
    {
        "min", "max", "stddev", "stdvar", "quantile", "topk", "bottomk",
        "distinct", "geomean", "histogram", "mad", "median", "mode", "quantiles", "share", "sum2",
        "zscore",
    }
) | (RANGE_CHOOSERS - {"any"})  # fmt: skip
"""Aggregations that leave histograms out."""


def without_histograms(
    context: Context, op: str, operand: StepMatrix, span: Span, read: Bools | None = None
) -> StepMatrix:
    """The operand of an aggregation; if that ignores histograms, without any, and with an info.

    read  [J] steps at which the aggregation reads its operand; None: all
    """
    if op not in IGNORING or operand.native is None:
        return operand
    found = operand.histograms()
    if (found if read is None else found[:, read]).any():
        context.annotations.info(f"ignored histogram in {op} aggregation", span)
    return operand.floats_only()


def aggregate_native(
    context: Context,
    op: str,
    operand: StepMatrix,
    groups: Groups,
    accumulator: Accumulator,
    span: Span,
) -> StepMatrix:
    """sum or avg of floats and histograms; a group that has both at a step has no result there."""
    assert operand.native is not None
    floats = replace(operand, valid=operand.floats(), native=None)
    found = fold_matrix(floats, groups, accumulator)
    steps = operand.steps
    row, step = np.nonzero(operand.histograms())
    key = groups.of_row[row] * steps + step
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    cells = key[starts]
    numbers = operand.native.which[row, step][order].astype(np.int64)
    runs = partial(run_sums, fold=exactly, mean=op == "avg")
    total = run_totals(context, operand.native.histograms, numbers, starts, runs)
    notes = Notes(context, operand.series, span)
    notes.conflicting_resets("aggregation", total.conflicting_resets)
    notes.bounds_reconciled("aggregation", total.bounds_differed)
    if total.mixed.any():
        bad = np.zeros(operand.rows, np.bool_)
        bad[row[order][np.repeat(total.mixed, np.diff(starts, append=len(key)))]] = True
        notes.warn(MIXED_SCHEMAS, bad)
    valid = found.presence().copy()
    flat = valid.reshape(-1)
    mixed = flat[cells]
    if mixed.any():
        context.annotations.warn("encountered a mix of histograms and floats for aggregation", span)
    which = np.full(valid.size, -1, np.int32)
    good = np.flatnonzero(~mixed & ~total.mixed)
    flat[cells[mixed]] = False
    flat[cells[good]] = True
    which[cells[good]] = good.astype(np.int32)
    native = NativeCells(total.histograms, which.reshape(valid.shape))
    values = np.where(native.which >= 0, 0.0, found.values)
    return replace(found, values=values, valid=valid, native=native).without_empty_rows()
