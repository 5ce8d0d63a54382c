"""The floats of a selection as views of its batches, which are read ahead."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline, ViewsOf
from novaql.evaluator.steps import Steps
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.batch_views import BatchViews, SeriesView
from novaql.tsdb.model.series_batch import SeriesBatchRef
from novaql.tsdb.model.source import Selection
from novaql.tsdb.runtime.forks import after_fork

if TYPE_CHECKING:
    from concurrent import futures
else:  # it loads logging, 5 ms
    futures = lazy_module("concurrent.futures")

READ_AHEAD = 2
"""Batches that are read while the views of another one are computed. Each is some MiB, and threads
share the work of reading one."""

AT_HAND_S = 0.0005
"""A batch that loads sooner is not decoded: another thread would cost more than it saves."""


def views_of(selection: Selection, *, markers: bool, starts: bool = False) -> list[ViewsOf]:
    """The floats of a selection, for NumPy; samples outside its range may be among them.

    markers   with staleness markers, beside the samples
    starts    with start timestamps
    """

    def views(ref: SeriesBatchRef) -> Iterable[SeriesView]:
        load = ref.started if starts and ref.started is not None else ref.load
        return BatchViews(load(), *selection.range_ms, exact=False, markers=markers)

    return [partial(views, ref) for ref in selection.batches]


def pipeline_over(
    selection: Selection,
    steps: Steps,
    leaf: Callable[[SeriesView], Block],
    *,
    nameless: bool,
    markers: bool = False,
    starts: bool = False,
    compiled: CompiledRollup | None = None,
) -> Pipeline:
    """A pipeline over the floats of a selection, which NumPy runs without `compiled`; see
    `views_of` for the rest."""
    return Pipeline(
        selection.series,
        steps,
        views_of(selection, markers=markers, starts=starts),
        leaf,
        nameless,
        has_histograms=bool(selection.histograms),
        compiled=compiled,
    )


def read_ahead(views: Sequence[ViewsOf]) -> Iterator[SeriesView]:
    """The views of each batch; batches are read ahead after the first one that was not cached."""
    loads = iter(views)
    for load in loads:
        began = time.perf_counter()
        loaded = load()
        at_hand = time.perf_counter() - began < AT_HAND_S
        yield from loaded
        if not at_hand:
            break
    waiting: deque[futures.Future[Iterable[SeriesView]]] = deque()
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
def _readers() -> futures.ThreadPoolExecutor:
    """Threads that decode batches, shared by all queries of the process."""
    return futures.ThreadPoolExecutor(2, thread_name_prefix="novaql-read")


# A forked process has the pool but none of its threads: it would wait for them forever.
after_fork(_readers.cache_clear)
