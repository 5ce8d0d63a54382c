"""Functions over range vectors, computed from rollups of the store instead of samples.

If the query did not request rollups, they are used where the result is the same, bit for bit. Other
series are computed from their samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.cells import CellKernel, rolled
from novaql.evaluator.kernels.windows import Ints
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import Pipeline
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.samples import STALE, is_stale
from novaql.tsdb.model.source import CellSource, RangeWindows, Selection


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Windows whose edges are multiples of a resolution.

    ends_ms   [K] evenly spaced or all equal
    reach_ms  their length
    column    [J] which of them answers each step; None: K = J, each its own
    """

    ends_ms: Ints
    reach_ms: int
    column: Ints | None

    def spread(self, block: Block) -> Block:
        """Columns of windows → columns of steps."""
        if self.column is None:
            return block
        block = block.dense()
        return Block(block.rows, block.values[:, self.column], block.presence()[:, self.column])


def moved(ends_ms: Ints, range_ms: int, resolution_ms: int) -> Moved:
    """Ends move back, and the length up, to multiples of the resolution."""
    ends = ends_ms // resolution_ms * resolution_ms
    reach_ms = -(-range_ms // resolution_ms) * resolution_ms
    steps = np.diff(ends)
    if len(steps) == 0 or (steps == steps[0]).all():
        return Moved(ends, reach_ms, None)
    every = np.arange(ends[0], ends[-1] + 1, resolution_ms)
    return Moved(every, reach_ms, (ends - ends[0]) // resolution_ms)


def moved_pipeline(pipeline: Pipeline, windows: Moved) -> Pipeline:
    """A pipeline over moved windows as one over the steps."""
    if windows.column is None:
        return pipeline
    leaf = pipeline.leaf
    return replace(pipeline, leaf=lambda view: windows.spread(leaf(view)), compiled=None)


def windows_read(context: Context, kernel: CellKernel, windows: Moved) -> RangeWindows:
    """Describe the windows and their use to a source."""
    requested = bool(context.options.rollup_ms)
    return RangeWindows(
        windows.ends_ms,
        windows.reach_ms,
        kernel.names if requested or kernel.sample is None else (kernel.sample,),
        timed=kernel.timed,
        required=requested or kernel.sample is not None,
        samples_are_cheap=kernel.samples_are_cheap,
    )


def cells_as_samples(
    context: Context, kernel: CellKernel | None, selection: Selection
) -> Selection:
    """The selection with cells in place of samples, if the function's result is the same."""
    if kernel is None or kernel.sample is None or context.options.rollup_ms:
        return selection
    if selection.cells is None or selection.histograms:
        return selection
    return selection.cells.as_samples(kernel.sample)


def may_answer(context: Context, function: str, cells: CellSource) -> bool:
    """Whether cells can answer: the rounding of a total affects a mean, so only means of whole
    numbers can be proven equal."""
    return bool(context.options.rollup_ms) or function != "avg_over_time" or cells.whole


def cell_pipeline(
    context: Context,
    kernel: CellKernel,
    cells: CellSource,
    plain: Pipeline,
    ends_ms: Ints,
    reach_ms: int,
    range_ms: int,
) -> Pipeline:
    """The pipeline of cells; its views hold the answer for each window, STALE where there is none.

    plain: the same over samples
    """
    requested = bool(context.options.rollup_ms)

    @np.errstate(all="ignore")
    def answer(first: int, end: int) -> tuple[SeriesView]:
        columns = cells.columns(first, end)
        rows = np.arange(first, end)
        windows, found = rolled(kernel, columns, ends_ms, reach_ms, range_ms)
        assert windows.cells is not None
        out = np.full((end - first, len(ends_ms)), STALE)
        there = windows.cells[found.valid]
        out.reshape(-1)[there] = found.values[found.valid]
        if not requested:
            doubtful = windows.cells[found.valid & ~found.proven] // len(ends_ms)
            _by_samples(out, np.unique(doubtful), first, cells, plain.leaf)
        return (SeriesView(rows, ends_ms, out),)

    def leaf(view: SeriesView) -> Block:
        absent = is_stale(view.values)
        return Block(view.rows, view.values, ~absent if absent.any() else None)

    views = [partial(answer, a, b) for a, b in cells.portions()]
    return replace(plain, series=cells.series, views=views, leaf=leaf, window_ms=0, compiled=None)


def _by_samples(
    out: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    rows: Ints,
    first: int,
    cells: CellSource,
    leaf: Callable[[SeriesView], Block],
) -> None:
    """Compute rows of the answer again, from samples."""
    if len(rows) == 0:
        return
    out[rows] = STALE
    for view in cells.samples(rows + first).views(markers=False):
        block = leaf(view).dense()
        out[block.rows - first] = np.where(block.presence(), block.values, STALE)
