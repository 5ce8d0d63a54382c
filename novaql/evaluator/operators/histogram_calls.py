"""histogram_quantile and the like, over classic and native histograms in one vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import CELL_BYTES, Context
from novaql.evaluator.kernels import buckets
from novaql.evaluator.kernels.native import moments, quantile
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import JOINED_BYTES, StepMatrix, join_equal_rows, matrix, stack
from novaql.evaluator.native_notes import Notes
from novaql.evaluator.native_pieces import bucket_weights, pieces
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.classic_histogram import Measure, classic_histograms
from novaql.evaluator.operators.label_calls import check_destination
from novaql.evaluator.operators.rollup import warn_quantiles
from novaql.evaluator.protocol import Runner
from novaql.planner.logical import Plan
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import LabelColumn

NAN_RESULT = "input to histogram_quantile has NaN observations, result is NaN{}"
NAN_SKEWED = "input to histogram_quantile has NaN observations, result is skewed higher{}"
NAN_EXCLUDED = (
    "input to histogram_fraction has NaN observations, which are excluded from all fractions{}"
)
MIXED_KINDS = "vector contains a mix of classic and native histograms{}"

NativeMeasure = Callable[[Histograms, Ints], tuple[Floats, list[tuple[str, Bools]]]]
"""(histograms, step of each) → values, and infos with the cells that they are about."""


def histogram_quantile_call(run: Runner, operator: Operator) -> StepMatrix:
    """`histogram_quantile(q, v)`, and with a label also the bounds of the buckets."""
    q, below, *label = operator.operands
    operand = run.vector(below)
    found = _quantile(run, operand, q, below)
    if not label:
        return found
    numbers, floats = run.scalar(q), operand.floats_only()

    def bound(number: int) -> StepMatrix:
        def measure(bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, None]:
            return buckets.quantile_bounds(numbers, bounds, counts, used)[number], None

        return classic_histograms(run.context, floats, below.steps, below.plan.span, measure)

    return with_bounds(run, operator, label[0], [found, bound(0), bound(1)])


def with_bounds(
    run: Runner, operator: Operator, label: Operator, parts: list[StepMatrix]
) -> StepMatrix:
    """A result with its lower and upper bounds, which have the label."""
    name, function, span = run.text(label), operator.call.function, label.plan.span
    check_destination(name, function, span)
    MadeLabels(run.context, function, span).check_name(name)
    result, *bounds = parts
    named = [
        replace(part, series=part.series.with_column(name, LabelColumn.constant(text, part.rows)))
        for part, text in zip(bounds, ("lower", "upper"), strict=True)
    ]
    return join_equal_rows(stack([result, *named]))


def _quantile(run: Runner, operand: StepMatrix, quantiles: Operator, below: Operator) -> StepMatrix:
    q = run.scalar(quantiles)
    warn_quantiles(run.context, q, np.ones(len(q), np.bool_), quantiles.plan)  # data or no data

    def classic(bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, buckets.Repaired]:
        return buckets.bucket_quantile(q, bounds, counts, used)

    def native(histograms: Histograms, step: Ints) -> tuple[Floats, list[tuple[str, Bools]]]:
        found = quantile.histogram_quantile(histograms, q[step])
        return found.values, [(NAN_RESULT, found.nan_result), (NAN_SKEWED, found.skewed)]

    return both_kinds(run, operand, below, classic, native)


def histogram_fraction_call(run: Runner, operator: Operator) -> StepMatrix:
    """`histogram_fraction(low, high, v)`."""
    *bounds_of, below = operator.operands
    low, high = (run.scalar(bound) for bound in bounds_of)

    def classic(bounds: Floats, counts: Floats, used: Ints) -> tuple[Floats, None]:
        return buckets.bucket_fraction(low, high, bounds, counts, used), None

    def native(histograms: Histograms, step: Ints) -> tuple[Floats, list[tuple[str, Bools]]]:
        found = quantile.histogram_fraction(histograms, low[step], high[step])
        return found.values, [(NAN_EXCLUDED, found.nan_excluded)]

    operand = run.vector(below)
    return both_kinds(run, operand, below, classic, native)


def both_kinds(
    run: Runner,
    operand: StepMatrix,
    below: Operator,
    classic: Measure,
    native: NativeMeasure,
) -> StepMatrix:
    """Classic histograms (floats with `le`) and native ones; both in one have no result."""
    if operand.native is None:
        return classic_histograms(run.context, operand, below.steps, below.plan.span, classic)
    notes = Notes(run.context, operand.series, below.plan.span)
    of_native = _measured(run.context, operand, native, notes)
    floats = operand.floats_only()
    if floats.rows == 0:
        return of_native
    of_classic = classic_histograms(run.context, floats, below.steps, below.plan.span, classic)
    return _without_doubles(run, of_classic, of_native, below.plan)


def _measured(
    context: Context, operand: StepMatrix, measure: NativeMeasure, notes: Notes
) -> StepMatrix:
    """A number for every native histogram."""
    assert operand.native is not None
    there = operand.histograms()
    row, step = np.nonzero(there)
    numbers = operand.native.which[row, step].astype(np.int64)
    histograms = operand.native.histograms
    values = np.zeros(operand.values.shape)
    noted: dict[str, Bools] = {}
    for some in pieces(context, bucket_weights(histograms)[numbers]):
        found, infos = measure(histograms.take(numbers[some]), step[some])
        values[row[some], step[some]] = found
        for template, where in infos:
            rows = noted.setdefault(template, np.zeros(operand.rows, np.bool_))
            rows[row[some][where]] = True
    for template, rows in noted.items():
        notes.info_for_metric(template, rows)
    return matrix(operand.series, values, there, nameless=True).without_empty_rows()


def _without_doubles(
    run: Runner, classic: StepMatrix, native: StepMatrix, operand_plan: Plan
) -> StepMatrix:
    both = stack([classic, native])
    keys = both.series.keys()
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    present = both.presence()
    double = np.add.reduceat(present[order].astype(np.int32), starts, axis=0) > 1
    clash = np.zeros(present.shape, np.bool_)
    clash[order] = np.repeat(double, np.diff(starts, append=len(keys)), axis=0)
    notes = Notes(run.context, both.series, operand_plan.span)
    notes.warn_for_metric(MIXED_KINDS, clash)
    return join_equal_rows(replace(both, valid=present & ~clash))


def histogram_quantiles_call(run: Runner, operator: Operator) -> StepMatrix:
    """One row per histogram and quantile, the quantile of each step written into a label."""
    below, name, *quantiles = operator.operands
    label, function, steps = run.text(name), operator.call.function, operator.steps
    MadeLabels(run.context, function, name.plan.span).check_name(label)
    operand = run.vector(below)
    texts_of = [
        np.array([open_metrics_float(q) for q in run.scalar(one).tolist()], np.object_)
        for one in quantiles
    ]
    copies = sum(len(set(texts)) for texts in texts_of)
    run.context.admit_cells(operand.rows, steps.count, CELL_BYTES * copies + JOINED_BYTES, function)
    parts = []
    for one, texts in zip(quantiles, texts_of, strict=True):
        found = _quantile(run, operand, one, below)
        for text in dict.fromkeys(texts):
            series = found.series.with_column(label, LabelColumn.constant(text, found.rows))
            there = found.presence() & (texts == text)
            parts.append(replace(found, series=series, valid=there))
    return join_equal_rows(stack(parts)).without_empty_rows()


def open_metrics_float(value: float) -> str:
    """`0.9`, `1.0`, `+Inf`: a number as OpenMetrics writes it in labels."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))


STATISTICS: dict[str, Callable[[Histograms], Floats]] = {
    "histogram_count": lambda h: h.count,
    "histogram_sum": lambda h: h.sum,
    "histogram_avg": moments.average,
    "histogram_stddev": moments.standard_deviation,
    "histogram_stdvar": moments.variance,
}


def histogram_statistic(run: Runner, operator: Operator) -> StepMatrix:
    """histogram_count, _sum, _avg, _stddev, _stdvar: of native histograms; floats are left out."""
    operand = run.vector(operator.operands[0])
    if operand.native is None:
        return operand.take(np.zeros(operand.rows, np.bool_))
    notes = Notes(run.context, operand.series, operator.plan.span)
    statistic = STATISTICS[operator.call.function]
    return _measured(run.context, operand, lambda h, _step: (statistic(h), []), notes)
