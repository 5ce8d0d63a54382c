"""All samples of a `Source`, as batches, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from novaql.inputs.batch_stream import BatchStream
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.matchers import Matcher, MatchOp
from novaql.tsdb.model.samples import Batch, HistogramSamples, HistogramTile, Tile
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
    """Every tile as a batch; all batches share one table of series."""
    for reference in selection.tiles:
        yield float_batch(selection.series, reference.load())
    for native in selection.histograms:
        yield histogram_batch(selection.series, native.load())


def float_batch(series: SeriesTable, tile: Tile) -> Batch:
    flat = tile.ragged()
    assert flat.offsets is not None
    rows = np.repeat(flat.rows, np.diff(flat.offsets))
    return Batch(series, rows, flat.timestamps, flat.values, starts=flat.starts)


def histogram_batch(series: SeriesTable, tile: HistogramTile) -> Batch:
    rows = np.repeat(tile.rows, np.diff(tile.offsets))
    none = np.zeros(0, np.int64)
    native = HistogramSamples(rows, tile.timestamps, tile.histograms, tile.starts)
    return Batch(series, none, none, np.zeros(0), native)
