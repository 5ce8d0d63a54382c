"""The median gap between the samples of a selector, from which automatic windows are computed."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.planner.logical import Select
from novaql.tsdb.model.flat_arrays import flat_positions
from novaql.tsdb.model.series_batch import SeriesBatch


def median_gap_ms(context: Context, select: Select, start_ms: int, end_ms: int) -> int | None:
    """Return the median over series of the median gap between their samples of a range of time, in
    milliseconds; None if no series has two samples there.

    It depends on the samples alone, not on how they are stored.
    """
    found = context.select(
        select.matchers, start_ms, end_ms, None, frozenset(), select.alternatives
    )
    medians: list[Floats] = []
    for ref in found.batches:
        context.checkpoint()
        batch = (ref.times_only or ref.load)()
        of_grid, some = _of_grids(batch, *batch.window(start_ms, end_ms))
        medians.append(of_grid[batch.grid][some[batch.grid]])
    for histograms in found.histograms:
        context.checkpoint()
        loaded = histograms.load()
        begins, lengths = loaded.offsets[:-1], np.diff(loaded.offsets)
        of_series, some = _median_gaps(loaded.timestamps, begins, lengths)
        medians.append(of_series[some])
    whole = np.concatenate([np.zeros(0), *medians])
    return int(np.median(whole)) if len(whole) else None


def _of_grids(batch: SeriesBatch, low: Ints, high: Ints) -> tuple[Floats, Bools]:
    """[G] the median gap of the times low … high - 1 of each grid, and whether there is one.

    A gap that more than half of them have is the median. So the times of most grids are not read.
    """
    usual, others = batch.derived.gaps or _usual_gaps(batch)
    batch.derived.gaps = usual, others
    count = high - low - 1
    medians = usual.astype(np.float64)
    unsure = np.flatnonzero((count > 0) & (2 * others >= count))
    if len(unsure):
        begins = batch.grid_offsets[:-1][unsure] + low[unsure]
        medians[unsure], _ = _median_gaps(batch.times, begins, count[unsure] + 1)
    return medians, count > 0


def _usual_gaps(batch: SeriesBatch) -> tuple[Ints, Ints]:
    """[G] the gap in the middle of each grid, and how many of its gaps differ from it."""
    times, begins, lengths = batch.times, batch.grid_offsets[:-1], np.diff(batch.grid_offsets)
    if len(times) < 2:
        return np.zeros(len(begins), np.int64), np.zeros(len(begins), np.int64)
    gaps = np.diff(times)
    middle = np.clip(begins + (lengths - 1) // 2, 0, len(gaps) - 1)
    usual = gaps[middle]
    differs = np.flatnonzero(gaps != np.repeat(usual, lengths)[:-1])
    differs = differs[~np.isin(differs + 1, begins)]  # no gap lies between two grids
    owner = batch.grid_offsets.searchsorted(differs, side="right") - 1
    return usual, np.bincount(owner, minlength=len(begins))


def _median_gaps(times: Ints, begins: Ints, lengths: Ints) -> tuple[Floats, Bools]:
    """[G] the median gap of the times begins … begins + lengths - 1, and whether there is one."""
    count = np.maximum(lengths - 1, 0)
    early = flat_positions(begins, count)
    owner = np.repeat(np.arange(len(begins)), count)
    gaps = times[early + 1] - times[early]
    ordered = gaps[np.lexsort((gaps, owner))]
    if not len(ordered):
        return np.zeros(len(begins)), count > 0
    first = np.cumsum(count) - count
    last = len(ordered) - 1
    below = ordered[np.minimum(first + np.maximum(count - 1, 0) // 2, last)]
    above = ordered[np.minimum(first + count // 2, last)]
    return (below + above) / 2, count > 0
