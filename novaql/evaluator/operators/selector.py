"""Instant selectors: the newest sample of each series within the lookback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.strips import StripRollup, WindowSpec, newest
from novaql.evaluator.kernels.windows import (
    Ints,
    Windows,
    ragged_windows,
    regular_windows,
)
from novaql.evaluator.operator import Operator
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.evaluator.pipeline.scan import views_of
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.samples import is_stale
from novaql.tsdb.model.source import Selection


def exact_views(
    context: Context, selection: Selection, *, markers: bool = False
) -> Iterator[SeriesView]:
    """The floats of the range of a selection, a checkpoint before each batch."""
    for ref in selection.batches:
        context.checkpoint()
        yield from selection.views_of(ref, markers=markers)


def view_windows(
    view: SeriesView, ends_ms: Ints, range_ms: int, *, like: Windows | None = None
) -> Windows:
    """The windows of every step over a view of either layout.

    like: for these windows (of the same view) and no others, be they empty.
    """
    if view.offsets is None:
        return regular_windows(view.values, view.timestamps, ends_ms, range_ms)
    if len(view.rows) == 1 and view.starts is None:
        return regular_windows(view.values[None], view.timestamps, ends_ms, range_ms)
    cells = None if like is None else like.cells
    windows = ragged_windows(view.values, view.timestamps, view.offsets, ends_ms, range_ms, cells)
    return windows if view.starts is None else replace(windows, starts=view.starts)


def _newest(windows: Windows, rows: Ints) -> Block:
    values = windows.last()
    valid = windows.counts > 0
    # A staleness marker ends its series at once. One sum shows whether there is any NaN.
    if np.isnan(np.add.reduce(values, axis=None)):
        valid = valid & ~is_stale(values)
    return Block.of(rows, windows, values, valid)


def _newest_time(windows: Windows, rows: Ints) -> Block:
    seconds = windows.times_at(windows.hi - 1) / 1000.0
    valid = (windows.counts > 0) & ~is_stale(windows.last())
    there = np.broadcast_to(seconds, windows.shape)
    return Block.of(rows, windows, there, valid)


def select_pipeline(context: Context, operator: Operator) -> Pipeline:
    """`m{…}` at every step."""
    return _pipeline(context, operator, _newest, nameless=False)


def timestamp_pipeline(context: Context, operator: Operator) -> Pipeline:
    """`timestamp(m{…})`: Unix seconds of those samples."""
    return _pipeline(context, operator, _newest_time, nameless=True)


def _pipeline(
    context: Context,
    operator: Operator,
    pick: Callable[[Windows, Ints], Block],
    *,
    nameless: bool,
) -> Pipeline:
    read, steps = operator.reads, operator.steps
    selection = read.selection(context)

    def leaf(view: SeriesView) -> Block:
        return pick(view_windows(view, read.ends_ms, read.reach_ms), view.rows)

    compiled = None
    if pick is _newest:
        windows = WindowSpec(read.ends_ms, read.reach_ms, read.reach_ms, read.ends_ms)
        compiled = CompiledRollup(
            selection.batches, windows, StripRollup(newest), visible=True
        ).if_ready()

    return Pipeline(
        selection.series,
        steps,
        views_of(selection, markers=True),
        leaf,
        (),
        nameless,
        has_histograms=bool(selection.histograms),
        compiled=compiled,
    )
