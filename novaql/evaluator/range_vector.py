"""A range vector as the answer of an instant query: raw samples with their own times."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.kernels.windows import Ints
from novaql.evaluator.matrix import drop_names
from novaql.evaluator.operators.selector import read, window_ends
from novaql.evaluator.operators.subquery import subquery_points
from novaql.evaluator.protocol import Runner
from novaql.evaluator.steps import Steps
from novaql.planner.logical import SubqueryWindow, Window
from novaql.result import Points
from tsdb.labels import SeriesTable
from tsdb.tile import Tile


def range_vector(
    run: Runner, plan: Window | SubqueryWindow, steps: Steps
) -> tuple[SeriesTable, Points]:
    """Series that have samples in the window of the only step, and those samples."""
    if isinstance(plan, SubqueryWindow):
        points = subquery_points(run, plan, steps)
        series = drop_names(points.inner.series, points.inner.nameless)
        tiles = [points.floats]
    else:
        ends_ms = window_ends(plan.select, steps)
        selection = read(run.context, plan.select, ends_ms, run.context.reach_ms(plan.range_ms))
        series = selection.series
        tiles = []
        for ref in selection.tiles:
            run.context.checkpoint()
            tiles.append(ref.load().without_stale())
    return _points(series, tiles)


def _points(series: SeriesTable, tiles: list[Tile]) -> tuple[SeriesTable, Points]:
    flat = [tile.ragged() for tile in tiles]
    rows = np.concatenate([np.zeros(0, np.int64), *(np.repeat(t.rows, _lengths(t)) for t in flat)])
    times = np.concatenate([np.zeros(0, np.int64), *(t.timestamps for t in flat)])
    values = np.concatenate([np.zeros(0), *(t.values for t in flat)])
    rank = np.empty(len(series), np.int64)
    order = series.order()
    rank[order] = np.arange(len(series))
    by_series = np.argsort(rank[rows], kind="stable")
    counts = np.bincount(rank[rows], minlength=len(series))
    there = np.flatnonzero(counts)
    offsets = np.concatenate([[0], np.cumsum(counts[there])]).astype(np.int64)
    return series.take(order[there]), Points(offsets, times[by_series], values[by_series])


def _lengths(tile: Tile) -> Ints:
    assert tile.offsets is not None
    return np.diff(tile.offsets)
