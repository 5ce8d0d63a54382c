"""A `Source` read to its end: its samples as batches to store."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from novaql.inputs.batch_stream import BatchStream
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch, HistogramBatch, HistogramSamples
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, Selection, Source


def source_stream(source: Source) -> BatchStream:
    """Every sample of a source that loads a selection as a whole: one metric after another."""
    window = MIN_TIME_MS, MAX_TIME_MS
    names = ["", *source.label_values(METRIC_NAME, [], *window)]
    metrics = ([Matcher(METRIC_NAME, MatchOp.EQUAL, name)] for name in names)
    batches = (batch for one in metrics for batch in selection_batches(source.select(one, *window)))
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
