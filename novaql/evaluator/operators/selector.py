"""Instant selectors: the newest sample of each series within the lookback."""

from __future__ import annotations

from collections.abc import Callable
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
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.evaluator.pipeline.scan import batches_of, tiles_of
from novaql.evaluator.steps import Steps
from novaql.planner.logical import Select
from novaql.tsdb.model.samples import Tile, is_stale
from novaql.tsdb.model.source import RangeWindows, Selection


def window_ends(select: Select, steps: Steps) -> Ints:
    """[J]: the right end of the window of each step; all the same where `@` pins it."""
    if select.at_ms is None:
        return steps.times_ms - select.offset_ms
    return np.full(steps.count, select.at_ms - select.offset_ms, np.int64)


def range_read(ends_ms: Ints, reach_ms: int) -> tuple[int, int]:
    """First and last time of the windows (end - reach, end]."""
    return int(ends_ms[0]) - reach_ms + 1, int(ends_ms[-1])


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
    range_ms = range_read(ends_ms, reach_ms)
    try:
        return context.select(select.matchers, *range_ms, windows, select.labels)
    except LimitExceeded as problem:
        problem.span = problem.span or select.span
        raise


def tile_windows(
    tile: Tile, ends_ms: Ints, range_ms: int, *, like: Windows | None = None
) -> Windows:
    """The windows of every step over a tile of either layout.

    like: for these windows (of the same tile) and no others, be they empty.
    """
    if tile.offsets is None:
        return regular_windows(tile.values, tile.timestamps, ends_ms, range_ms)
    if len(tile.rows) == 1 and tile.starts is None:
        return regular_windows(tile.values[None], tile.timestamps, ends_ms, range_ms)
    cells = None if like is None else like.cells
    windows = ragged_windows(tile.values, tile.timestamps, tile.offsets, ends_ms, range_ms, cells)
    return windows if tile.starts is None else replace(windows, starts=tile.starts)


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


def select_pipeline(context: Context, select: Select, steps: Steps) -> Pipeline:
    """`m{…}` at every step."""
    return _pipeline(context, select, steps, _newest, nameless=False)


def timestamp_pipeline(context: Context, select: Select, steps: Steps) -> Pipeline:
    """`timestamp(m{…})`: Unix seconds of those samples."""
    return _pipeline(context, select, steps, _newest_time, nameless=True)


def _pipeline(
    context: Context,
    select: Select,
    steps: Steps,
    pick: Callable[[Windows, Ints], Block],
    *,
    nameless: bool,
) -> Pipeline:
    lookback_ms = context.reach_ms(context.options.lookback_ms)
    ends_ms = window_ends(select, steps)
    selection = read(context, select, ends_ms, lookback_ms)

    def leaf(tile: Tile) -> Block:
        return pick(tile_windows(tile, ends_ms, lookback_ms), tile.rows)

    compiled = None
    if pick is _newest:
        windows = WindowSpec(ends_ms, lookback_ms, lookback_ms, ends_ms)
        compiled = CompiledRollup(
            batches_of(selection), windows, StripRollup(newest), visible=True
        ).if_ready()

    return Pipeline(
        selection.series,
        steps,
        tiles_of(selection, range_read(ends_ms, lookback_ms), markers=True),
        leaf,
        (),
        nameless,
        has_histograms=bool(selection.histograms),
        compiled=compiled,
    )
