"""The median gap between the samples of a selector: automatic windows are made of it."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.planner.logical import Select
from novaql.tsdb.model.flat_arrays import flat_positions


def median_gap_ms(context: Context, select: Select, start_ms: int, end_ms: int) -> int | None:
    """Return the median over series of the median gap between their samples of a range of time, in
    milliseconds; None if no series has two samples there.

    It depends on the samples alone, not on how they are stored.
    """
    found = context.select(select.matchers, start_ms, end_ms, None, None, select.alternatives)
    medians: list[Floats] = []
    for ref in found.batches:
        context.checkpoint()
        batch = (ref.sketch or ref.load)()
        low, high = batch.window(start_ms, end_ms)
        of_grid, some = _median_gaps(batch.times, batch.grid_offsets[:-1] + low, high - low)
        medians.append(of_grid[batch.grid][some[batch.grid]])
    for histograms in found.histograms:
        context.checkpoint()
        loaded = histograms.load()
        begins, lengths = loaded.offsets[:-1], np.diff(loaded.offsets)
        of_series, some = _median_gaps(loaded.timestamps, begins, lengths)
        medians.append(of_series[some])
    whole = np.concatenate([np.zeros(0), *medians])
    return int(np.median(whole)) if len(whole) else None


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
