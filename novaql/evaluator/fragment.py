"""The part of a plan that runs tile by tile.

A fragment is: a selection of tiles, a leaf that turns one tile into a block of steps, and stages
that change blocks elementwise. Its blocks go into a sink, which either collects them into a matrix
or folds them into groups (`sinks.py`). One tile and one accumulator are all it holds, so the memory
of `sum by (job) (rate(...))` does not grow with the number of series.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from novaql.evaluator.batched import BatchLeaf, batch_blocks, usable
from novaql.evaluator.block import Block
from novaql.evaluator.context import Context
from novaql.evaluator.freed_memory import keep_freed_memory
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.long_windows import COST_AT_ONCE, row_cost
from novaql.evaluator.steps import Steps
from novaql.tsdb.model.batch_tiles import BatchTiles
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Tile
from novaql.tsdb.model.series_batch import SeriesBatchRef
from novaql.tsdb.model.source import Selection

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

READ_AHEAD = 3
"""Tiles being decoded while another one is computed."""


AT_HAND_S = 0.0005
"""A tile that is there sooner need not be decoded: handing it to another thread costs more."""

T = TypeVar("T")
TilesOf = Callable[[], Iterable[Tile]]
"""Reads some samples of a selection, a batch or so, and returns them as tiles. May be called on any
thread, more than once."""

Stage = Callable[[Floats, Bools | None], tuple[Floats, Bools | None]]


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """series: labels of all rows; tiles: their samples; nameless: whether the name is marked to go.

    observe  is told each block after the leaf, before the stages (for annotations)
    window_ms  of windows whose samples the leaf looks at, all of them at each step; a tile that
               has too many is worked off in pieces, so that a checkpoint is never far. 0: it does
               not
    has_histograms  the selection holds native histograms, which a fragment cannot take
    batched  the same over batches, for compiled kernels; None: there are none for it
    """

    series: SeriesTable
    steps: Steps
    tiles: Sequence[TilesOf]
    leaf: Callable[[Tile], Block]
    stages: tuple[Stage, ...]
    nameless: bool
    observe: Callable[[Block], None] | None = None
    has_histograms: bool = False
    window_ms: int = 0
    batched: BatchLeaf | None = None

    def staged(self, leaf: Block) -> Block:
        """What the stages make of a block of the leaf. Packed if it is and there are none."""
        if not self.stages:
            return leaf
        leaf = leaf.dense()
        values, valid = leaf.values, leaf.valid
        for stage in self.stages:
            values, valid = stage(values, valid)
        return Block(leaf.rows, values, valid)


def tiles_of(
    selection: Selection, range_ms: tuple[int, int], *, markers: bool, starts: bool = False
) -> list[TilesOf]:
    """The floats of a selection; samples outside its range may be among them.

    range_ms  first and last time of the selection
    markers   with staleness markers
    starts    with start timestamps
    """
    if selection.batches is None:
        return [lambda ref=ref: (ref.load(),) for ref in selection.tiles]  # type: ignore[misc]

    def tiles(ref: SeriesBatchRef) -> Iterable[Tile]:
        load = ref.started if starts and ref.started is not None else ref.load
        return BatchTiles(load(), *range_ms, exact=False, markers=markers)

    return [partial(tiles, ref) for ref in selection.batches]


JOINED_CELLS = 1 << 15
"""Blocks with fewer values than this are joined for what costs by the block: 256 KiB."""


def blocks(
    fragment: Fragment, context: Context, work: Callable[[Block], T], *, join: bool = False
) -> Iterator[T]:
    """Run a fragment: what `work` makes of each block, in the order of the tiles.

    join  small blocks are joined before

    Where compiled kernels answer, blocks are of batches and `work` may be called on any thread, so
    it may touch nothing that another block's touches. Else the next tiles are decoded on other
    threads while this one computes.
    """
    if usable(fragment.batched):
        yield from batch_blocks(fragment, context, work)
        return
    keep_freed_memory()
    made = _blocks(fragment, context)
    for block in _joined(made) if join else made:
        with np.errstate(all="ignore"):
            done = work(block)
        yield done


def _blocks(fragment: Fragment, context: Context) -> Iterator[Block]:
    for tile in _pieces(_read(fragment.tiles), fragment):
        context.checkpoint()
        with np.errstate(all="ignore"):
            leaf = fragment.leaf(tile)
            if fragment.observe is not None:
                fragment.observe(leaf)
            block = fragment.staged(leaf)
        yield block


def _joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same series and values in larger blocks, where blocks are small and not packed."""
    small: list[Block] = []
    cells = 0
    for block in blocks:
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


def _pieces(tiles: Iterator[Tile], fragment: Fragment) -> Iterator[Tile]:
    window_ms, steps = fragment.window_ms, fragment.steps.count
    for tile in tiles:
        if not window_ms:
            yield tile
            continue
        tall = max(1, COST_AT_ONCE // max(row_cost(tile, steps, window_ms), 1))
        if tile.series_count <= tall:
            yield tile
            continue
        for first in range(0, tile.series_count, tall):
            yield tile.rows_between(first, min(first + tall, tile.series_count))


def _read(tiles: Sequence[TilesOf]) -> Iterator[Tile]:
    """The tiles, read ahead from the first one on that was not at hand."""
    loads = iter(tiles)
    for load in loads:
        began = time.perf_counter()
        loaded = load()
        at_hand = time.perf_counter() - began < AT_HAND_S
        yield from loaded
        if not at_hand:
            break
    waiting: deque[Future[Iterable[Tile]]] = deque()
    try:
        for load in loads:
            waiting.append(_readers().submit(load))
            if len(waiting) > READ_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@cache
def _readers() -> ThreadPoolExecutor:
    """Threads that decode tiles, shared by all queries of the process."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 5 ms, logging with it

    return ThreadPoolExecutor(2, thread_name_prefix="novaql-read")


# A forked process has the pool but none of its threads: it would wait for them for ever.
os.register_at_fork(after_in_child=_readers.cache_clear)
