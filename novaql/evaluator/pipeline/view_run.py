"""Pipelines that NumPy runs: a view of a batch at a time goes through the rollup and all stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.pipeline.batch_run import batch_blocks
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.long_windows import COST_AT_ONCE, row_cost
from novaql.evaluator.pipeline.model import Pipeline
from novaql.evaluator.pipeline.scan import read_ahead
from novaql.tsdb.model.batch_views import SeriesView

T = TypeVar("T")
JOINED_CELLS = 1 << 15
"""Blocks with fewer values than this are joined before work with a cost for each block: 256 KiB."""


def blocks(
    pipeline: Pipeline,
    context: Context,
    work: Callable[[Block], T],
    *,
    join: bool = False,
    dense: bool = False,
) -> Iterator[T]:
    """Run a pipeline: yield the results of `work` for each block, in the order of the batches.

    join   small blocks are joined before
    dense  packed ones, too, so that no block is packed

    Where compiled kernels answer, blocks are of batches and `work` may be called on any thread, so
    it must not share state between blocks. Else the next batches are decoded on other
    threads while this one computes.
    """
    if pipeline.compiled is not None:
        yield from batch_blocks(pipeline, context, work)
        return
    made = _blocks(pipeline, context)
    for block in _joined(made, dense=dense) if join else made:
        with np.errstate(all="ignore"):
            done = work(block)
        yield done


def _blocks(pipeline: Pipeline, context: Context) -> Iterator[Block]:
    for view in _pieces(read_ahead(pipeline.views), pipeline):
        context.checkpoint()
        with np.errstate(all="ignore"):
            leaf = pipeline.leaf(view)
            if pipeline.observe is not None:
                pipeline.observe(leaf)
            block = pipeline.staged(leaf)
        yield block


def _joined(blocks: Iterator[Block], *, dense: bool) -> Iterator[Block]:
    """The same series and values in larger blocks, where blocks are small and not packed."""
    small: list[Block] = []
    cells = 0
    for made in blocks:
        block = made.dense() if dense else made
        if block.cells is not None or block.values.size >= JOINED_CELLS:
            yield block
            continue
        small.append(block)
        cells += block.values.size
        if cells >= JOINED_CELLS:
            yield Block.joined(small)
            small, cells = [], 0
    if small:
        yield Block.joined(small)


def _pieces(views: Iterator[SeriesView], pipeline: Pipeline) -> Iterator[SeriesView]:
    window_ms, steps = pipeline.window_ms, pipeline.steps.count
    for view in views:
        if not window_ms:
            yield view
            continue
        tall = max(1, COST_AT_ONCE // max(row_cost(view, steps, window_ms), 1))
        if view.series_count <= tall:
            yield view
            continue
        for first in range(0, view.series_count, tall):
            yield view.rows_between(first, min(first + tall, view.series_count))
