"""The windows of a test case as a batch, and the result of a compiled kernel for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.strips import (
    StripRollup,
    Strips,
    WindowSpec,
    alive,
    cells,
    holding,
    known,
    spread,
    strips_of,
)
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.tsdb.model.series_batch import SeriesBatch
from novaql.tsdb.read.staleness import split_markers


def batch_of(windows: Windows) -> SeriesBatch:
    series = windows.grid[0]
    rows = np.arange(series, dtype=np.int64)
    if windows.offsets is None:
        return split_markers(SeriesBatch.regular(rows, windows.times, windows.values))
    return split_markers(SeriesBatch.ragged(rows, windows.times, windows.values, windows.offsets))


def spread_out(strips: Strips, rollup: StripRollup, *, visible: bool) -> tuple[Floats, Bools]:
    """All cells of all series, [S, J]; missing ones are 0. Two portions, to test both ends."""
    series = strips.batch.series_count
    out = np.zeros((series, strips.steps))
    valid = np.zeros(out.shape, np.bool_)
    place = np.arange(series, dtype=np.int64)
    for begin, end in ((0, series // 2), (series // 2, series)):
        values = np.full(int(strips.cells[end] - strips.cells[begin]), np.nan)
        rollup.fill(strips, begin, end, values)
        marked = visible and strips.batch.markers is not None
        present = alive(strips, begin, end) if marked else holding(strips, rollup.samples)
        if rollup.gaps:
            present = known(strips, rollup.samples, begin, end, values)
        spread(cells(strips, values, present, place, begin, end), out, valid)
    return out, valid


def rolled(
    function: str,
    windows: Windows,
    ends_ms: Ints,
    *,
    scalars: Sequence[Floats] = (),
    eval_ms: Ints | None = None,
    batch: SeriesBatch | None = None,
    before_ms: int = 0,
) -> tuple[Floats, Bools]:
    """A function of ranges by its compiled kernel; ends_ms, eval_ms, scalars: [J].

    batch      of these windows, which was perhaps looked at before
    before_ms  not 0: the windows are `anchored`, see `WindowSpec`
    """
    at = ends_ms if eval_ms is None else eval_ms
    range_ms, entry = windows.range_ms, RANGE_FUNCTIONS[function]
    asked = WindowSpec(ends_ms, range_ms, range_ms, at, scalars, before_ms)
    strips = strips_of(batch or batch_of(windows), asked)
    rollup = entry.anchored if before_ms else entry.strips
    assert rollup is not None
    return spread_out(strips, rollup, visible=False)
