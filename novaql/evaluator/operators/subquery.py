"""Subqueries: an expression evaluated at separate steps, as a range vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.windows import Ints
from novaql.evaluator.matrix import StepMatrix, empty_matrix
from novaql.evaluator.native_notes import Notes
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.mixed_rollup import mixed_rollup
from novaql.evaluator.operators.ranges import Ranges
from novaql.evaluator.operators.rollup import (
    windows_pipeline,
)
from novaql.evaluator.pipeline.collect import collect_all
from novaql.evaluator.protocol import Runner
from novaql.evaluator.steps import Steps
from novaql.evaluator.working_memory import admit_work
from novaql.fast_dataclass import dataclass
from novaql.planner.logical import SubqueryWindow
from novaql.tsdb.model.batch_views import BatchViews
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Selection
from novaql.tsdb.read.staleness import split_markers


@dataclass(frozen=True, slots=True, eq=False)
class SubqueryPoints:
    """The inner expression at all points that any step's window needs.

    inner   as a matrix; floats and natives: the same as batches, whose rows are its rows
    """

    inner: StepMatrix
    floats: SeriesBatch
    natives: tuple[HistogramBatch, ...]


def subquery_ends(window: SubqueryWindow, steps: Steps) -> Ints:
    """[J]: right ends of the windows."""
    if window.at_ms is None:
        return steps.times_ms - window.offset_ms
    return np.full(steps.count, window.at_ms - window.offset_ms, np.int64)


def inner_steps(context: Context, window: SubqueryWindow, steps: Steps) -> Steps:
    """All points that any step's window needs: multiples of the subquery's step."""
    ends_ms = subquery_ends(window, steps)
    left_ms = int(ends_ms[0]) - context.reach_ms(window.range_ms)
    first = left_ms // window.step_ms * window.step_ms + window.step_ms
    inside = Steps.between(first, int(ends_ms[-1]), window.step_ms)
    context.admit_times(inside)  # the points alone may be too many
    return inside


def subquery_points(run: Runner, window: Operator) -> SubqueryPoints:
    """Evaluate the inner expression once, for the windows of all steps."""
    inside = window.operands[0].steps
    if inside.count == 0:
        none = np.zeros(0, np.int64)
        empty = SeriesBatch.ragged(none, none, np.zeros(0), np.zeros(1, np.int64))
        return SubqueryPoints(empty_matrix(0), empty, ())
    inner = run.vector(window.operands[0])
    admit_work(run.context, "subquery", inner.rows, inside.count)
    rows = np.arange(inner.rows, dtype=np.int64)
    times = inside.times_ms
    there = inner.floats()
    if there.all():
        values = np.ascontiguousarray(inner.values)
        return SubqueryPoints(inner, split_markers(SeriesBatch.regular(rows, times, values)), ())
    flat_times = np.broadcast_to(times, there.shape)[there]
    floats = SeriesBatch.ragged(rows, flat_times, inner.values[there], _offsets(there))
    floats = split_markers(floats)
    if inner.native is None:
        return SubqueryPoints(inner, floats, ())
    native = inner.histograms()
    some = native.any(axis=1)
    histograms = inner.native.histograms.take(inner.native.which[native].astype(np.int64))
    # Samples between two points are unknown, so the reset hints of the samples do not apply.
    held = HistogramBatch(
        rows[some],
        np.broadcast_to(times, native.shape)[native],
        histograms.without_reset_hints(),
        _offsets(native[some]),
    )
    return SubqueryPoints(inner, floats, (held,))


def _offsets(there: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Ints:
    counts = np.count_nonzero(there, axis=1)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def subquery_rollup(run: Runner, operator: Operator) -> StepMatrix:
    """A rollup of a subquery."""
    call, steps, window = operator.call, operator.steps, operator.range.plan
    assert isinstance(window, SubqueryWindow)
    points = subquery_points(run, operator.range)
    if points.natives:
        return _mixed(run, operator, window, points)
    ends_ms = subquery_ends(window, steps)
    ref = SeriesBatchRef(lambda: points.floats, points.floats.sample_count)
    pipeline = windows_pipeline(
        run,
        operator,
        Selection(points.inner.series, [ref]),
        ends_ms,
        window.range_ms,
    )
    found = collect_all(pipeline, run.context)
    nameless = points.inner.nameless | (not RANGE_FUNCTIONS[call.function].retains_name)
    return replace(found, nameless=nameless).without_empty_rows()


def _mixed(
    run: Runner, operator: Operator, window: SubqueryWindow, points: SubqueryPoints
) -> StepMatrix:
    """A rollup of a subquery whose points may be native histograms."""
    steps = operator.steps
    run.context.admit_matrix(points.inner.rows, steps.count)
    ranges = Ranges(
        points.inner.series,
        list(BatchViews(points.floats, MIN_TIME_MS, MAX_TIME_MS, markers=False)),
        points.natives,
        subquery_ends(window, steps),
        steps.times_ms,
        window.range_ms,
        run.context.reach_ms(window.range_ms),
    )
    notes = Notes(run.context, points.inner.series, window.span)
    found = mixed_rollup(run, operator, ranges, notes)
    nameless = points.inner.nameless | found.nameless
    return replace(found, nameless=nameless).without_empty_rows()
