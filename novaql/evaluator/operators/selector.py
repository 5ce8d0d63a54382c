"""Instant selectors: the newest sample of each series within the lookback."""

from __future__ import annotations

from collections.abc import Callable
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
from novaql.evaluator.pipeline.scan import batches_of, tiles_of
from novaql.tsdb.model.samples import Tile, is_stale


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

    def leaf(tile: Tile) -> Block:
        return pick(tile_windows(tile, read.ends_ms, read.reach_ms), tile.rows)

    compiled = None
    if pick is _newest:
        windows = WindowSpec(read.ends_ms, read.reach_ms, read.reach_ms, read.ends_ms)
        compiled = CompiledRollup(
            batches_of(selection), windows, StripRollup(newest), visible=True
        ).if_ready()

    return Pipeline(
        selection.series,
        steps,
        tiles_of(selection, read.span_ms, markers=True),
        leaf,
        (),
        nameless,
        has_histograms=bool(selection.histograms),
        compiled=compiled,
    )
