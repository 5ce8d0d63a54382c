"""Long windows: a stretch of steps at a time, with a checkpoint between two stretches.

One series whose windows hold many samples is as much work as thousands of others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.strips import StripRollup, Strips, strips_of
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.evaluator.pipeline.block import Block
from novaql.tsdb.model.batch_views import SeriesView

COST_AT_ONCE = 1 << 21
"""Samples read between two checkpoints: some tenths of a second of work at most, which
quantiles take."""


def row_cost(view: SeriesView, steps: int, reach_ms: int) -> int:
    """About how many samples windows of `reach_ms` read in one series of a view."""
    if view.series_count == 0 or view.sample_count == 0:
        return 0
    times = view.timestamps
    first, last = (times[0], times[-1]) if view.offsets is None else (times.min(), times.max())
    each = view.sample_count / view.series_count
    in_window = min(each, 1 + each * reach_ms / max(1, int(last - first)))
    return int(steps * in_window) + 1


def stretches(steps: int, cost: int) -> list[slice]:
    """Steps in stretches of about `COST_AT_ONCE`; cost: of all of them."""
    parts = min(steps, -(-cost // COST_AT_ONCE))
    bounds = np.linspace(0, steps, max(parts, 1) + 1).astype(np.int64).tolist()
    return [slice(a, b) for a, b in pairwise(bounds)]


def leaf_by_steps(
    context: Context, view: SeriesView, steps: int, cost: int, leaf: Callable[[slice], Block]
) -> Block:
    """A block of one view, made a stretch of steps at a time."""
    rows = len(view.rows)
    values, there = np.zeros((rows, steps)), np.zeros((rows, steps), np.bool_)
    for some in stretches(steps, cost):
        context.checkpoint()
        block = leaf(some).dense()
        values[:, some], there[:, some] = block.values, block.presence()
    return Block(view.rows, values, there)


def fill_by_steps(
    context: Context, rollup: StripRollup, strips: Strips, series: int, cost: int, out: Floats
) -> None:
    """The cells of one series of a batch, as `rollup.fill` writes them."""
    spec, grid = strips.spec, int(strips.batch.grid[series])
    out[: int(strips.cells[series + 1] - strips.cells[series])] = 0.0
    for some in stretches(strips.steps, cost):
        context.checkpoint()
        part = strips_of(
            strips.batch,
            replace(
                spec,
                ends_ms=spec.ends_ms[some],
                eval_ms=spec.eval_ms[some],
                scalars=[_some(scalar, some) for scalar in spec.scalars],
            ),
        )
        cells = int(part.cells[series + 1] - part.cells[series])
        if cells:
            at = some.start + int(part.first[grid]) - int(strips.first[grid])
            found = np.empty(cells)
            rollup.fill(part, series, series + 1, found)
            out[at : at + cells] = found


def _some(scalar: Floats | Ints, some: slice) -> Floats:
    return np.ascontiguousarray(scalar[some], np.float64)
