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
from novaql.evaluator.pipeline.scan import pipeline_over
from novaql.tsdb.model.batch_views import SeriesView, ViewMarkers
from novaql.tsdb.model.flat_arrays import flat_positions
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
    return Block.of(rows, windows, windows.last(), windows.counts > 0)


def _newest_time(windows: Windows, rows: Ints) -> Block:
    seconds = windows.times_at(windows.hi - 1) / 1000.0
    return Block.of(rows, windows, np.broadcast_to(seconds, windows.shape), windows.counts > 0)


def _without_ended(block: Block, markers: ViewMarkers, ends_ms: Ints, reach_ms: int) -> Block:
    """A block of the newest samples, less those that a staleness marker follows.

    ends_ms   [J], not decreasing
    reach_ms  length of the windows: later ones have no sample before the marker
    """
    steps = len(ends_ms)
    until_ms = np.minimum(markers.next_ms, markers.times_ms + reach_ms)
    first, end = ends_ms.searchsorted(markers.times_ms), ends_ms.searchsorted(until_ms)
    ended = np.zeros((len(block.rows), steps), np.bool_)
    ended.reshape(-1)[flat_positions(markers.series * steps + first, end - first)] = True
    there = ~ended if block.cells is None else ~ended.reshape(-1)[block.cells]
    return replace(block, valid=there if block.valid is None else block.valid & there)


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
        block = pick(view_windows(view, read.ends_ms, read.reach_ms), view.rows)
        if view.markers is None:
            return block
        return _without_ended(block, view.markers, read.ends_ms, read.reach_ms)

    compiled = None
    if pick is _newest:
        windows = WindowSpec(read.ends_ms, read.reach_ms, read.reach_ms, read.ends_ms)
        compiled = CompiledRollup(
            selection.batches, windows, StripRollup(newest), visible=True
        ).if_ready()
    return pipeline_over(selection, steps, leaf, nameless=nameless, markers=True, compiled=compiled)
