"""A range vector as the answer of an instant query: raw samples with their own times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import Context
from novaql.evaluator.matrix import drop_names
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.extended import exact_ends
from novaql.evaluator.operators.mixed_select import load_histograms, loaded_histograms
from novaql.evaluator.operators.reads import Read
from novaql.evaluator.operators.selector import exact_views
from novaql.evaluator.operators.subquery import subquery_points
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import working_bytes
from novaql.result import NativeCells, Points
from novaql.tsdb.model.batch_views import BatchViews, SeriesView
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.histograms import concat_histograms
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Selection


def range_vector(run: Runner, operator: Operator) -> tuple[SeriesTable, Points]:
    """Series that have samples in the window of the only step, and those samples."""
    if operator.read is None:
        points = subquery_points(run, operator)
        series = drop_names(points.inner.series, points.inner.nameless)
        views = list(BatchViews(points.floats, MIN_TIME_MS, MAX_TIME_MS))
        return _points(run.context, series, views, points.natives)
    read, select = operator.read, operator.select
    selection = read.selection(run.context)
    if select.anchored or select.smoothed:
        return _with_exact_ends(run, read, selection)
    run.context.admit_cells(1, selection.samples, working_bytes("range"), "a range vector")
    views = list(exact_views(run.context, selection))
    natives = loaded_histograms(run.context, selection, select)
    return _points(run.context, selection.series, views, natives)


def _with_exact_ends(run: Runner, read: Read, selection: Selection) -> tuple[SeriesTable, Points]:
    select = read.select
    if any(len(load_histograms(ref, select).timestamps) for ref in selection.histograms):
        modifier = "smoothed" if select.smoothed else "anchored"
        raise EvaluationError(f"{modifier} modifier is not supported with histograms")
    window = int(read.ends_ms[0]), read.range_ms, run.context.options.lookback_ms
    views = [
        exact_ends(view, *window, smoothed=select.smoothed)
        for view in exact_views(run.context, selection)
    ]
    return _points(run.context, selection.series, views, [])


def _points(
    context: Context,
    series: SeriesTable,
    views: Sequence[SeriesView],
    natives: Sequence[HistogramBatch],
) -> tuple[SeriesTable, Points]:
    flat = []
    for view in views:
        context.checkpoint()
        flat.append(view.ragged())
    whole = np.zeros(0, np.int64)
    floats = np.concatenate([np.zeros(0), *(t.values for t in flat)])
    both: list[SeriesView | HistogramBatch] = [*flat, *natives]
    parts = [(t.rows, t.offsets, t.timestamps) for t in both]
    rows = np.concatenate(
        [whole, *(np.repeat(r, np.diff(o)) for r, o, _ in parts if o is not None)]
    )
    times = np.concatenate([whole, *(t for _, _, t in parts)])
    histograms = concat_histograms([part.histograms for part in natives])
    values = np.concatenate([floats, np.zeros(len(histograms))])
    which = np.concatenate([np.full(len(floats), -1), np.arange(len(histograms))]).astype(np.int32)
    rank = np.empty(len(series), np.int64)
    order = series.order()
    rank[order] = np.arange(len(series))
    context.checkpoint()
    heads = np.concatenate([whole, *(r for r, _, _ in parts)])
    lengths = np.concatenate([whole, *(np.diff(o) for _, o, _ in parts if o is not None)])
    if len(np.unique(heads)) == len(heads):  # the samples of each series are together, in order
        segments = np.argsort(rank[heads])
        begins = np.cumsum(lengths) - lengths
        by_series = flat_positions(begins[segments], lengths[segments])
    else:  # for example, floats and histograms of one series
        by_series = np.lexsort((times, rank[rows]))
    context.checkpoint()
    counts = np.bincount(rank[rows], minlength=len(series))
    there = np.flatnonzero(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[there])]).astype(np.int64)
    native = NativeCells(histograms, which[by_series]) if len(histograms) else None
    return series.take(order[there]), Points(offsets, times[by_series], values[by_series], native)
