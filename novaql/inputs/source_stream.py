"""A `Source` read to its end: its samples as batches to store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from novaql.inputs.batch_stream import BatchStream
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch, HistogramBatch, HistogramSamples
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Selection, Source

Window = tuple[int, int]
EVERYTHING: Window = (MIN_TIME_MS, MAX_TIME_MS)


def source_stream(
    source: Source,
    matcher_sets: Sequence[Sequence[Matcher]] = (),
    window: Window = EVERYTHING,
    *,
    by_metric: bool = False,
) -> BatchStream:
    """Samples of a source; those of series that satisfy two sets of matchers are in it twice.

    by_metric  select one metric after another: for sources that load a selection as a whole
    """
    sets = list(matcher_sets) or [[]]
    if by_metric:
        names = [name for one in sets for name in source.label_values(METRIC_NAME, [one], *window)]
        wanted = [
            [*one, Matcher(METRIC_NAME, MatchOp.EQUAL, name)]
            for one in sets
            for name in ["", *dict.fromkeys(names)]
        ]
    else:
        wanted = [list(one) for one in sets]
    batches = (batch for one in wanted for batch in selection_batches(source.select(one, *window)))
    return BatchStream(batches, source.metadata())


def selection_batches(selection: Selection) -> Iterator[Batch]:
    """Every sample, some at a time; all batches have one and the same table of series."""
    for view in selection.views():
        yield float_batch(selection.series, view)
    for native in selection.histograms:
        yield histogram_batch(selection.series, native.load())


def float_batch(series: SeriesTable, view: SeriesView) -> Batch:
    """The samples of a view."""
    flat = view.ragged()
    return Batch(series, flat.owners(), flat.timestamps, flat.values, starts=flat.starts)


def histogram_batch(series: SeriesTable, found: HistogramBatch) -> Batch:
    """The histograms of a batch that was read."""
    rows = np.repeat(found.rows, np.diff(found.offsets))
    none = np.zeros(0, np.int64)
    native = HistogramSamples(rows, found.timestamps, found.histograms, found.starts)
    return Batch(series, none, none, np.zeros(0), native)
