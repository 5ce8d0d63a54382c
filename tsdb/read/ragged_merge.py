"""Groups series by their timestamps in all layers, and merges layers that overlap in time.

Grouping reads only directories, and the timestamps of grids that a range divides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.flat_arrays import NEVER, are_apart, latest_of_each
from novaql.tsdb.model.labels import Bools, Ints, Numbers, combine_codes
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.parts.ranges import RangeSlice, have_starts


def row_slots(cuts: Sequence[RangeSlice], rows: int) -> list[Numbers]:
    """For each cut: table row → position in the cut, -1 where it has no such row."""
    slots: list[Numbers] = []
    for cut in cuts:
        slot = np.full(rows, -1, np.int32)
        slot[cut.rows] = np.arange(len(cut.rows))
        slots.append(slot)
    return slots


def row_widths(cuts: Sequence[RangeSlice], rows: int) -> Ints:
    """[rows] number of samples of each row in all cuts."""
    widths = np.zeros(rows, np.int64)
    for cut in cuts:
        widths[cut.rows] += cut.lengths
    return widths


def group_rows(cuts: Sequence[RangeSlice], rows: int) -> tuple[Ints, Ints]:
    """Return the group of each row, and its position in the youngest layer that has it.

    Rows of one group have the same times in every layer. Group 0: rows without samples.
    """
    lead = np.zeros(rows, np.int64)
    for cut in cuts:
        lead[cut.rows] = cut.series
    if all(len(cut.rows) == rows and _has_one_grid(cut) for cut in cuts):
        return np.ones(rows, np.int64), lead
    absent = np.ones(rows, np.bool_)
    for cut in cuts:
        absent[cut.rows] = False
    codes = (_times_of_rows(cut, rows) for cut in cuts)  # one at a time: there may be many cuts
    group = combine_codes(codes, rows)  # rows without samples are the first group, if there are any
    return group if absent.any() else group + 1, lead


def _has_one_grid(cut: RangeSlice) -> bool:
    """Whether all series of a cut have the same times, as those of one target do."""
    grids = cut.run.grid_of[cut.series]
    return all(bool((column == column[0]).all()) for column in (grids, cut.low, cut.high))


def _times_of_rows(cut: RangeSlice, rows: int) -> Ints:
    """[rows] a number that is equal for rows with equal times in the cut; 0: not in the cut."""
    code = np.zeros(rows, np.int64)
    code[cut.rows] = _times_of(cut) + 1
    return code


def _times_of(cut: RangeSlice) -> Ints:
    """[series] a number that is equal for series with equal times in the cut."""
    grids = cut.run.grid_of[cut.series]
    low, high = np.empty((2, int(grids.max()) + 1), np.int64)
    low[grids], high[grids] = cut.low, cut.high
    if (low[grids] == cut.low).all() and (high[grids] == cut.high).all():
        return grids
    # Deletions left different ranges of one grid to its series.
    return combine_codes([grids, cut.low, cut.high], len(grids))


def groups_apart(cuts: Sequence[RangeSlice], group: Ints) -> Bools:
    """For each group whether its layers follow one another in time, without an overlap."""
    apart = np.ones(int(group.max()) + 1, np.bool_)
    if len(cuts) == 1:
        return apart
    first = np.full((len(cuts), len(apart)), NEVER)
    last = np.full((len(cuts), len(apart)), NEVER)
    for number, cut in enumerate(cuts):
        of_rows = group[cut.rows]
        first[number, of_rows], last[number, of_rows] = cut.first, cut.last
    apart[1:] = are_apart(first[:, 1:], last[:, 1:])  # no row of group 0 has samples
    return apart


def members_of(
    cuts: Sequence[RangeSlice], slots: Sequence[Numbers], rows: Ints
) -> list[RangeSlice]:
    """The cuts with only these rows; those that have none of them are left out.

    slots  see `BatchPlan`
    """
    chosen = []
    for cut, slot in zip(cuts, slots, strict=True):
        places = slot[rows].astype(np.int64)
        places = places[places >= 0]
        if len(places):
            chosen.append(cut.take(places))
    return chosen


def read_ragged(cuts: Sequence[RangeSlice], rows: Ints, *, starts: bool) -> SeriesBatch:
    """Read a batch with the samples of these rows, in their order; staleness markers are among the
    samples.

    cuts    what `members_of` returns for these rows
    starts  with start timestamps
    """
    if len(cuts) > 1:
        return merge_ragged(cuts, rows, starts=starts)
    cut = cuts[0]
    begun = cut.starts() if starts and have_starts(cuts) else None
    offsets = np.append(0, np.cumsum(cut.lengths))
    return SeriesBatch.ragged(rows, cut.times(), cut.values(), offsets, begun)


def merge_ragged(cuts: Sequence[RangeSlice], rows: Ints, *, starts: bool) -> SeriesBatch:
    """`read_ragged` for series that may be in several cuts, or several times in one, and overlap in
    time. Of equal series and times, the sample of the last cut counts."""
    times, places, offsets = _resolved(cuts, rows)
    values = np.concatenate([cut.values() for cut in cuts])[places]
    begun = None
    if starts and have_starts(cuts):
        begun = np.concatenate([cut.starts() for cut in cuts])[places]
    return SeriesBatch.ragged(rows, times, values, offsets, begun)


def _resolved(cuts: Sequence[RangeSlice], rows: Ints) -> tuple[Ints, Ints, Ints]:
    """Return times of the samples that are not replaced, their positions among the samples of all
    cuts, and the offsets of rows."""
    place = np.zeros(int(rows.max()) + 1, np.int64)
    place[rows] = np.arange(len(rows))
    owner = np.concatenate([np.repeat(place[cut.rows], cut.lengths) for cut in cuts])
    times = np.concatenate([cut.times() for cut in cuts])
    order = latest_of_each(owner, times)  # the last one is of the youngest layer
    counts = np.bincount(owner[order], minlength=len(rows))
    return times[order], order, np.append(0, np.cumsum(counts))
