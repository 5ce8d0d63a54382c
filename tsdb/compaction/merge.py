"""Merges blocks, with bounded memory.

Most series end in one block before they begin in the next: the new block concatenates their samples
without decoding them together. Series that overlap in time, or were deleted in part, are merged
sample by sample while they are written. Native histograms are merged in memory, with the floats of
the series that have both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.block.contents import Content, arrange
from novaql.tsdb.compaction.merge_directories import merged_floats
from novaql.tsdb.compaction.merge_stream import Source
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.head.mixed_run import Chunk, MixedRun, build_mixed
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.parts.merge_series import unite
from novaql.tsdb.parts.part import Layer, Part
from novaql.tsdb.parts.series_keys import SeriesKeys
from novaql.tsdb.parts.sorted_run import SortedHistogramRun, SortedRun


def merged_content(parts: Sequence[Part]) -> Content | None:
    """Return the samples of parts, in order of age: of equal series and times, the sample of the
    last part; without deleted samples. None if there are none.

    Raises `Corrupted` or `Unreadable`, now or when the content is read.
    """
    union = unite(((part, np.arange(part.index().rows)) for part in parts), SeriesKeys())
    rows_of = [table_rows.astype(np.int64) for _, table_rows in union.found]
    layers = [
        (part, layer, table_rows[_index_rows(layer)])
        for part, table_rows in zip(parts, rows_of, strict=True)
        for layer in part.layers()
    ]
    count = union.table.rows
    mixed = np.zeros(count, np.bool_)
    for _, layer, rows in layers:
        if isinstance(layer.run, SortedHistogramRun):
            mixed[rows] = True
    sources = [
        _source(part, layer, rows, count, mixed)
        for part, layer, rows in layers
        if isinstance(layer.run, SortedRun)
    ]
    run = _mixed_run(layers, mixed) if mixed.any() else MixedRun(None)
    found = [merged_floats(sources, run.floats)]
    if run.native is not None:
        found.append(Layer(run.native.sorted, run.native.ids))
    present = [layer for layer in found if layer is not None]
    return arrange(present, union.table.take)


def _index_rows(layer: Layer) -> Ints:
    return np.arange(len(layer.run.grid_of)) if layer.ids is None else layer.ids


def _source(part: Part, layer: Layer, rows: Ints, count: int, mixed: Bools) -> Source:
    assert isinstance(layer.run, SortedRun)
    series = np.full(count, -1)
    series[rows] = np.arange(len(rows))
    series[mixed] = -1
    return Source(layer.run, series, _index_rows(layer), part.deleted())


def _mixed_run(layers: Sequence[tuple[Part, Layer, Ints]], mixed: Bools) -> MixedRun:
    """Merge, in memory, the series that have histograms in any part."""
    chunks: list[Chunk] = []
    for part, layer, rows in layers:
        series = np.flatnonzero(mixed[rows])
        run = layer.run
        grids = run.grid_of[series]
        lengths = run.grid_length[grids]
        times = run.times.ints(run.grid_start[grids], lengths)
        left = np.ones(len(times), np.bool_)
        deleted = part.deleted()
        if deleted is not None:
            index_rows = np.repeat(_index_rows(layer)[series], lengths)
            left = ~deleted.mask(index_rows, times)
        if not left.any():
            continue
        ids = np.repeat(rows[series], lengths)
        begins = run.value_start[series]
        starts = None if run.starts is None else run.starts.ints(begins, lengths)
        if isinstance(run, SortedHistogramRun):
            histograms = run.values.histograms(begins, lengths)
            samples = NativeSamples(ids, times, histograms, starts)
            chunks.append(samples.take(np.flatnonzero(left)))
        else:
            assert isinstance(run, SortedRun)
            values = run.values.floats(begins, lengths)
            chunks.append(FloatSamples(ids, times, values, starts).take(left))
    return build_mixed(chunks) if chunks else MixedRun(None)
