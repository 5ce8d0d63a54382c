"""One selection of the series that satisfy any of several sets of matchers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.tsdb.model.labels import Bools, concat_tables
from novaql.tsdb.model.matchers import Matcher, select_rows
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.series_batch import Derived, SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import NO_HINTS, Hints, HistogramBatchRef, Selection, Source


def select_any(
    source: Source,
    sets: Sequence[Sequence[Matcher]],
    start_ms: int,
    end_ms: int,
    hints: Hints = NO_HINTS,
) -> Selection:
    """Samples of series that satisfy any of the sets (none: all), each series' once.

    A series that two sets find has two rows in the table, one of which is in no batch.
    """
    if len(sets) < 2:
        return source.select(sets[0] if sets else [], start_ms, end_ms, hints)
    found = [source.select(one, start_ms, end_ms, hints) for one in sets]
    batches: list[SeriesBatchRef] = []
    histograms: list[HistogramBatchRef] = []
    first = 0
    for number, each in enumerate(found):
        fresh = np.ones(each.series.rows, np.bool_)
        for earlier in sets[:number]:
            fresh &= ~select_rows(each.series, earlier)
        batches += [_of_batch(ref, fresh, first) for ref in each.batches]
        histograms += [
            HistogramBatchRef(partial(_histograms, ref, fresh, first), ref.samples)
            for ref in each.histograms
        ]
        first += each.series.rows
    table = concat_tables([each.series for each in found])
    starts = any(each.starts for each in found)
    return Selection(table, batches, histograms, (start_ms, end_ms), starts=starts)


def _of_batch(ref: SeriesBatchRef, fresh: Bools, first: int) -> SeriesBatchRef:
    started = None if ref.started is None else partial(_fresh, ref.started, fresh, first)
    return SeriesBatchRef(partial(_fresh, ref.load, fresh, first), ref.samples, started=started)


def _fresh(load: Callable[[], SeriesBatch], fresh: Bools, first: int) -> SeriesBatch:
    batch = load()
    chosen = fresh[batch.rows]
    if not chosen.all():
        places = np.flatnonzero(chosen)
        widths = np.diff(batch.grid_offsets)[batch.grids_of(places)[0]]
        batch = batch.taken(places, np.zeros_like(widths), widths)
    return replace(batch, rows=batch.rows + first, derived=Derived())


def _histograms(ref: HistogramBatchRef, fresh: Bools, first: int) -> HistogramBatch:
    found = ref.load()
    chosen = fresh[found.rows]
    low, high = found.offsets[:-1][chosen], found.offsets[1:][chosen]
    return found.taken(found.rows[chosen] + first, low, high)
