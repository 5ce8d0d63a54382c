"""Batches of native histograms, and of floats of series that have both.

If a series has a float in one layer and a histogram in another one at the same time, the sample of
the younger layer replaces the other. Therefore the cuts of both kinds are read together for series
with histograms. The floats of all other series are planned as if there were no histograms.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from novaql.tsdb.model.flat_arrays import (
    bounds_of,
    is_identity,
    is_increasing,
    latest_of_each,
    portions,
)
from novaql.tsdb.model.histograms import concat_histograms
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import HistogramBatchRef
from novaql.tsdb.parts.damaged_ranges import read_around
from novaql.tsdb.parts.ranges import RangeSlice, have_starts, of_rows
from novaql.tsdb.read.batch_cache import BatchCache
from novaql.tsdb.read.batches import plan_batches
from novaql.tsdb.read.ragged_merge import row_widths
from novaql.tsdb.read.staleness import split_markers

BATCH_SAMPLES, BATCH_HISTOGRAMS = 1 << 17, 1 << 13
_NONE, _NO_VALUES = np.empty(0, np.int64), np.empty(0)


def plan_mixed(
    cuts: Sequence[RangeSlice],
    rows: int,
    cache: BatchCache,
    read_errors: ReadErrors | None = None,
) -> tuple[list[SeriesBatchRef], list[HistogramBatchRef]]:
    """Divide the samples of cuts into batches of floats and batches of histograms.

    cuts         in order of age: of equal series and times, the sample of the last cut counts
    rows         number of series in the selection's table
    read_errors  receives damage, whose samples are left out; None: damage raises when a batch is
                 loaded
    """
    native = [cut for cut in cuts if cut.is_native]
    if not native:
        return plan_batches(cuts, rows, cache.limit).refs(cache, read_errors), []
    has_native = np.zeros(rows, np.bool_)
    for cut in native:
        has_native[cut.rows] = True
    floats = [cut for cut in cuts if not cut.is_native]
    batches = plan_batches(of_rows(floats, ~has_native), rows, cache.limit).refs(cache, read_errors)
    mixed = of_rows(cuts, has_native)
    of_mixed = [cut for cut in mixed if not cut.is_native]
    for members, samples in _portions_of(of_mixed, rows, BATCH_SAMPLES):
        load = partial(_load_floats, mixed, members, read_errors)
        started = partial(load, starts=True) if have_starts(of_mixed) else None
        batches.append(SeriesBatchRef(load, samples, started=started))
    histograms = [
        HistogramBatchRef(partial(_load_histograms, mixed, members, read_errors), samples)
        for members, samples in _portions_of(native, rows, BATCH_HISTOGRAMS)
    ]
    return batches, histograms


def _portions_of(cuts: Sequence[RangeSlice], rows: int, most: int) -> list[tuple[Ints, int]]:
    """Divide the rows that have samples into portions of about `most` samples; return the rows and
    the number of samples of each."""
    widths = row_widths(cuts, rows)
    there = np.flatnonzero(widths)
    divided = [there[a:b] for a, b in portions(widths[there], most)]
    return [(members, int(widths[members].sum())) for members in divided]


def _of_members(cuts: Sequence[RangeSlice], members: Ints) -> list[RangeSlice]:
    last = max((int(cut.rows.max()) for cut in cuts), default=0)
    wanted = np.zeros(max(last, int(members.max())) + 1, np.bool_)
    wanted[members] = True
    return of_rows(cuts, wanted)


class _Resolved:
    """The samples of one kind that none of the other kind replaces.

    cuts     the cuts of this kind
    places   position of each sample among all samples of these cuts; None: every one, in order
    times    time of each sample
    rows     rows that have samples
    offsets  [rows + 1] where the samples of each row begin
    """

    def __init__(self, cuts: Sequence[RangeSlice], *, native: bool) -> None:
        self.cuts = [cut for cut in cuts if cut.is_native == native]
        self.places: Ints | None = None
        if len(cuts) == 1 == len(self.cuts) and is_increasing(cuts[0].rows):
            there = cuts[0].lengths > 0
            self.times = cuts[0].times()
            self.rows = cuts[0].rows[there].astype(np.int64)
            self.offsets = bounds_of(cuts[0].lengths[there])
            return
        owner = np.concatenate([_NONE, *(np.repeat(c.rows, c.lengths) for c in cuts)])
        times = np.concatenate([_NONE, *(cut.times() for cut in cuts)])
        of_kind = np.repeat(
            np.array([cut.is_native == native for cut in cuts], np.bool_),
            np.array([int(cut.lengths.sum()) for cut in cuts], np.int64),
        )
        order = latest_of_each(owner, times)  # the last one is of the youngest layer
        order = order[of_kind[order]]
        self.times = times[order]
        self.places = (np.cumsum(of_kind) - 1)[order]
        self.rows, counts = np.unique(owner[order], return_counts=True)
        self.offsets = np.append(0, np.cumsum(counts)).astype(np.int64)

    def starts(self) -> Ints | None:
        """Start timestamps of the samples; None if none has one."""
        if not have_starts(self.cuts):
            return None
        starts = np.concatenate([cut.starts() for cut in self.cuts])
        if self.places is not None:
            starts = starts[self.places]
        return starts if starts.any() else None


def _load_floats(
    cuts: Sequence[RangeSlice],
    members: Ints,
    read_errors: ReadErrors | None,
    *,
    starts: bool = False,
) -> SeriesBatch:
    def read(cuts: Sequence[RangeSlice]) -> SeriesBatch:
        found = _Resolved(cuts, native=False)
        values = np.concatenate([_NO_VALUES, *(cut.values() for cut in found.cuts)])
        if found.places is not None:
            values = values[found.places]
        begun = found.starts() if starts else None
        return split_markers(
            SeriesBatch.ragged(found.rows, found.times, values, found.offsets, begun)
        )

    return read_around(read, _of_members(cuts, members), read_errors)


def _load_histograms(
    cuts: Sequence[RangeSlice], members: Ints, read_errors: ReadErrors | None
) -> HistogramBatch:
    def read(cuts: Sequence[RangeSlice]) -> HistogramBatch:
        found = _Resolved(cuts, native=True)
        histograms = concat_histograms([cut.histograms() for cut in found.cuts])
        if found.places is not None and not is_identity(found.places, len(histograms)):
            histograms = histograms.take(found.places)
        return HistogramBatch(found.rows, found.times, histograms, found.offsets, found.starts())

    return read_around(read, _of_members(cuts, members), read_errors)
