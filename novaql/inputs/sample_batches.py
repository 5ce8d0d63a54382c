"""Batches of samples that are in memory."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from novaql.tsdb.model.flat_arrays import first_not_before, flat_positions
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats, HistogramBatch, HistogramSamples, timestamp_groups
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.read.staleness import split_markers


def batch_of_samples(
    series_index: Ints,
    timestamps: Ints,
    values: Floats,
    starts: Ints | None = None,
    row_of: Ints | None = None,
) -> SeriesBatch:
    """A batch of samples that are sorted by series, then time, no pair twice. Series with equal
    timestamps share a grid and are adjacent, in order of their rows.

    row_of  the row of each number in `series_index`; None: the number itself
    """
    firsts = np.flatnonzero(np.diff(series_index, prepend=-1))
    offsets = np.append(firsts, len(series_index)).astype(np.int64)
    rows = series_index[firsts].astype(np.int64)
    rows = rows if row_of is None else row_of[rows]
    batch = batch_of_columns(rows, offsets, timestamps, values, starts)
    if np.may_share_memory(batch.values, values):  # they may be those of a frame, which may change
        return replace(batch, values=batch.values.copy())
    return batch


def batch_of_columns(
    rows: Ints, offsets: Ints, timestamps: Ints, values: Floats, starts: Ints | None = None
) -> SeriesBatch:
    """The same of series that `offsets` separates, as in `SeriesBatch`; each has samples.
    The values of the batch may be a view."""
    lengths = np.diff(offsets)
    if len(rows) == 0:
        return SeriesBatch.ragged(rows, timestamps, values, offsets)
    if starts is None and (lengths == lengths[0]).all():
        times = timestamps.reshape(len(rows), -1)
        if (times == times[0]).all():
            matrix = values.reshape(times.shape)
            if not (np.diff(rows) > 0).all():
                order = np.argsort(rows, kind="stable")
                rows, matrix = rows[order], matrix[order]
            return split_markers(SeriesBatch.regular(rows, times[0].copy(), matrix))
    group, leaders = timestamp_groups(timestamps, offsets, lengths)
    order = np.lexsort((rows, group))
    at = flat_positions(offsets[:-1][order], lengths[order])
    leader = np.asarray(leaders)
    return split_markers(
        SeriesBatch(
            rows[order],
            values[at],
            np.append(0, np.cumsum(lengths[order])),
            group[order],
            timestamps[flat_positions(offsets[:-1][leader], lengths[leader])],
            np.append(0, np.cumsum(lengths[leader])),
            starts=None if starts is None else starts[at],
        )
    )


def histogram_batch_of(native: HistogramSamples) -> HistogramBatch:
    """A batch of native histograms that are sorted by series, then time."""
    firsts = np.flatnonzero(np.diff(native.series_index, prepend=-1))
    offsets = np.append(firsts, len(native.series_index)).astype(np.int64)
    rows = native.series_index[firsts]
    return HistogramBatch(rows, native.timestamps, native.histograms, offsets, native.starts)


def samples_between(batch: SeriesBatch, places: Ints, start_ms: int, end_ms: int) -> Ints:
    """[len(places)] samples of each of these series in the range, staleness markers included."""
    grids, number = batch.grids_of(places)
    low, high = batch.window(start_ms, end_ms, grids)
    counts: Ints = (high - low)[number]
    markers = batch.markers
    if markers is None:
        return counts
    begins, ends = markers.offsets[places], markers.offsets[places + 1]
    first = first_not_before(markers.times, begins, ends, start_ms)
    last = first_not_before(markers.times, begins, ends, end_ms + 1)
    counts += np.maximum(last - first, 0)
    return counts


def part_of(
    batch: SeriesBatch, places: Ints, rows: Ints, start_ms: int, end_ms: int
) -> SeriesBatchRef | None:
    """Some series of a batch, with at least their samples of the range; None if they have none.

    places  their positions in the batch, increasing
    rows    their row numbers in the selection
    """
    samples = int(samples_between(batch, places, start_ms, end_ms).sum())
    if samples == 0:
        return None
    load = partial(_part, batch, places, rows, start_ms, end_ms)
    if batch.starts is None:
        return SeriesBatchRef(load, samples)
    bare = replace(batch, starts=None)
    return SeriesBatchRef(
        partial(_part, bare, places, rows, start_ms, end_ms), samples, started=load
    )


def _part(batch: SeriesBatch, places: Ints, rows: Ints, start_ms: int, end_ms: int) -> SeriesBatch:
    first, last = int(places[0]), int(places[-1])
    grids, number = batch.grids_of(places)
    low, high = batch.window(start_ms, end_ms, grids)
    if last - first == len(places) - 1:
        every = int(batch.offsets[last + 1] - batch.offsets[first])
        if 2 * int((high - low)[number].sum()) >= every:  # views of a bit more cost nothing
            if len(places) == len(batch.rows) and (rows == batch.rows).all():
                return batch
            return replace(batch.between(first, last + 1), rows=rows)
    return replace(batch.taken(places, low, high), rows=rows)
