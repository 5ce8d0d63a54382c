"""Instant selectors: the newest sample of each series within the lookback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from novaql.errors import LimitExceeded
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.strips import StripRollup, WindowSpec, newest
from novaql.evaluator.kernels.windows import (
    Ints,
    Windows,
    ragged_windows,
    regular_windows,
)
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import BatchLeaf, Fragment
from novaql.evaluator.pipeline.scan import views_of
from novaql.evaluator.steps import Steps
from novaql.planner.logical import Select
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.samples import is_stale
from novaql.tsdb.model.source import RangeWindows, Selection


def window_ends(select: Select, steps: Steps) -> Ints:
    """[J]: the right end of the window of each step; all the same where `@` pins it."""
    if select.at_ms is None:
        return steps.times_ms - select.offset_ms
    return np.full(steps.count, select.at_ms - select.offset_ms, np.int64)


def read(
    context: Context,
    select: Select,
    ends_ms: Ints,
    reach_ms: int,
    windows: RangeWindows | None = None,
) -> Selection:
    """Samples of (first end - reach, last end], admitted to the budget.

    windows: all that is wanted of the floats, if that is known.
    """
    range_ms = int(ends_ms[0]) - reach_ms + 1, int(ends_ms[-1])
    try:
        return context.select(select.matchers, *range_ms, windows, select.labels)
    except LimitExceeded as problem:
        problem.span = problem.span or select.span
        raise


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
    # A staleness marker ends its series at once. One sum tells whether any NaN is there.
    if np.isnan(np.add.reduce(values, axis=None)):
        valid = valid & ~is_stale(values)
    return Block.of(rows, windows, values, valid)


def _newest_time(windows: Windows, rows: Ints) -> Block:
    seconds = windows.times_at(windows.hi - 1) / 1000.0
    valid = (windows.counts > 0) & ~is_stale(windows.last())
    there = np.broadcast_to(seconds, windows.shape)
    return Block.of(rows, windows, there, valid)


def select_fragment(context: Context, select: Select, steps: Steps) -> Fragment:
    """`m{…}` at every step."""
    return _fragment(context, select, steps, _newest, nameless=False)


def timestamp_fragment(context: Context, select: Select, steps: Steps) -> Fragment:
    """`timestamp(m{…})`: Unix seconds of those samples."""
    return _fragment(context, select, steps, _newest_time, nameless=True)


def _fragment(
    context: Context,
    select: Select,
    steps: Steps,
    pick: Callable[[Windows, Ints], Block],
    *,
    nameless: bool,
) -> Fragment:
    lookback_ms = context.reach_ms(context.options.lookback_ms)
    ends_ms = window_ends(select, steps)
    selection = read(context, select, ends_ms, lookback_ms)

    def leaf(view: SeriesView) -> Block:
        return pick(view_windows(view, ends_ms, lookback_ms), view.rows)

    batched = None
    if pick is _newest:
        windows = WindowSpec(ends_ms, lookback_ms, lookback_ms, ends_ms)
        batched = BatchLeaf(selection.batches, windows, StripRollup(newest), visible=True)

    return Fragment(
        selection.series,
        steps,
        views_of(selection, markers=True),
        leaf,
        (),
        nameless,
        has_histograms=bool(selection.histograms),
        batched=batched,
    )
