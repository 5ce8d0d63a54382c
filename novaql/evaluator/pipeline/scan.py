"""The floats of a selection as batches, and as tiles that are read ahead."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from novaql.evaluator.pipeline.model import TilesOf
from novaql.tsdb.model.batch_tiles import BatchTiles
from novaql.tsdb.model.samples import Tile
from novaql.tsdb.model.series_batch import SeriesBatchRef
from novaql.tsdb.model.source import Selection
from novaql.tsdb.read.staleness import batch_of_tile

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

READ_AHEAD = 2
"""Batches that are read while the tiles of another one are computed. Each is some MiB, and threads
share the work of reading one."""

AT_HAND_S = 0.0005
"""A batch that loads sooner is not decoded: another thread would cost more than it saves."""


def batches_of(selection: Selection) -> Sequence[SeriesBatchRef]:
    """The floats of a selection as batches, without start timestamps."""
    if selection.batches is not None:
        return selection.batches
    return [
        SeriesBatchRef(lambda ref=ref: batch_of_tile(ref.load()), ref.samples)  # type: ignore[misc]
        for ref in selection.tiles
    ]


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


def read_ahead(tiles: Sequence[TilesOf]) -> Iterator[Tile]:
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
