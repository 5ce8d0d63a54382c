"""Instant selectors over series that may hold native histograms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.native.resets import resets_before
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, ragged_windows
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.selector import exact_views, view_windows
from novaql.fast_dataclass import dataclass
from novaql.planner.logical import Select
from novaql.result import NativeCells
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.histograms import Histograms, ResetHint, concat_histograms
from novaql.tsdb.model.samples import HistogramBatch, is_stale
from novaql.tsdb.model.source import HistogramBatchRef, Selection

NEVER = np.iinfo(np.int64).min


def load_histograms(ref: HistogramBatchRef, select: Select) -> HistogramBatch:
    """The batch; where only counts and sums will be used, with resets that no hint marks.

    Prometheus finds them in the same way, as it reads counts and sums without the buckets.
    """
    found = ref.load()
    if not select.counts_only:
        return found
    h = found.histograms
    reset = resets_before(h)
    hints = np.where(reset, np.int8(ResetHint.RESET), np.int8(ResetHint.NOT_RESET))
    unknown = h.hint == ResetHint.UNKNOWN
    unknown[found.offsets[:-1]] = False  # the sample before the first one is unknown
    return replace(found, histograms=replace(h, hint=np.where(unknown, hints, h.hint)))


def loaded_histograms(
    context: Context, selection: Selection, select: Select
) -> list[HistogramBatch]:
    """Those of a selection, a checkpoint before each."""
    found = []
    for ref in selection.histograms:
        context.checkpoint()
        found.append(load_histograms(ref, select))
    return found


def histogram_windows(batch: HistogramBatch, ends_ms: Ints, range_ms: int) -> Windows:
    """Windows over histograms, whose positions in the batch count; they have no values."""
    nothing = np.zeros(len(batch.timestamps))
    return ragged_windows(nothing, batch.timestamps, batch.offsets, ends_ms, range_ms)


@dataclass(frozen=True, slots=True, eq=False)
class Newest:
    """The newest (or oldest) sample of each series in each window, [S, J].

    times_ms  its time, NEVER where the window is empty
    values    the float, 0 for a histogram
    starts_ms its start timestamp, 0 where it is not known
    which     number of the histogram, -1 for a float
    """

    times_ms: Ints
    values: Floats
    which: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    histograms: Histograms
    starts_ms: Ints

    @property
    def there(self) -> Bools:
        there: Bools = self.times_ms != NEVER
        return there


def newest_samples(
    rows: int,
    views: Iterable[SeriesView],
    natives: Sequence[HistogramBatch],
    ends_ms: Ints,
    range_ms: int,
    *,
    oldest: bool = False,
    context: Context,
) -> Newest:
    """Of `rows` series, staleness markers among the views included.

    views: the floats; natives: the histograms.
    """
    shape = (rows, len(ends_ms))
    times = np.full(shape, NEVER, np.int64)
    values, which = np.zeros(shape), np.full(shape, -1, np.int32)
    starts = np.zeros(shape, np.int64)
    for view in views:
        context.checkpoint()
        if view.sample_count == 0:
            continue
        windows = view_windows(view, ends_ms, range_ms)
        place = windows.lo if oldest else windows.hi - 1
        there = windows.counts > 0
        values[view.rows], valid = windows.on_grid(windows.at(place), there)
        at_ms, _ = windows.on_grid(windows.times_at(place), there)
        times[view.rows] = np.where(valid, at_ms, NEVER)
        if view.starts is not None:
            starts[view.rows], _ = windows.on_grid(view.starts.take(place), there)
    held: list[Histograms] = []
    before = 0
    for part in natives:
        context.checkpoint()
        windows = histogram_windows(part, ends_ms, range_ms)
        place = windows.lo if oldest else windows.hi - 1
        there = windows.counts > 0
        position, valid = windows.on_grid(place, there)
        at_ms, _ = windows.on_grid(windows.times_at(place), there)
        mine = times[part.rows]
        wins = valid & ((mine == NEVER) | ((at_ms < mine) if oldest else (at_ms > mine)))
        times[part.rows] = np.where(wins, at_ms, mine)
        used, places = _used(position, wins, len(part.timestamps))
        which[part.rows] = np.where(wins, places + before, which[part.rows])
        begun = np.zeros(wins.shape, np.int64)
        if part.starts is not None:
            begun, _ = windows.on_grid(part.starts.take(place), there)
        starts[part.rows] = np.where(wins, begun, starts[part.rows])
        held.append(part.histograms if used is None else part.histograms.take(used))
        before += len(held[-1])
    values[which >= 0] = 0.0
    context.checkpoint()
    return Newest(times, values, which, concat_histograms(held), starts)


def _used(position: Ints, wins: Bools, count: int) -> tuple[Ints | None, Ints]:
    """The histograms of a batch of `count` that a step shows, and the position of each among them;
    None: so many that copying some of them takes as long as copying all."""
    shown = np.zeros(count, np.bool_)
    shown[position[wins]] = True
    used = np.flatnonzero(shown)
    if 2 * len(used) >= count:
        return None, position
    return used, (np.cumsum(shown) - 1)[position]


def mixed_select(context: Context, operator: Operator) -> StepMatrix:
    """`m{…}` at every step, floats and histograms."""
    newest, selection, valid = _visible(context, operator)
    native = NativeCells(newest.histograms, newest.which)
    floats = matrix(selection.series, newest.values, valid)
    return replace(floats, native=native).without_empty_rows()


def mixed_timestamp(context: Context, operator: Operator) -> StepMatrix:
    """`timestamp(m{…})`."""
    newest, selection, valid = _visible(context, operator)
    seconds = np.where(valid, newest.times_ms / 1000.0, 0.0)
    return matrix(selection.series, seconds, valid, nameless=True).without_empty_rows()


def start_timestamps(context: Context, operator: Operator) -> StepMatrix:
    """`start_timestamp(m{…})`: Unix seconds, 0 where it is not known."""
    newest, selection, valid = _visible(context, operator)
    seconds = newest.starts_ms / 1000.0
    return matrix(selection.series, seconds, valid, nameless=True).without_empty_rows()


def _visible(context: Context, operator: Operator) -> tuple[Newest, Selection, Bools]:
    read, steps, select = operator.reads, operator.steps, operator.select
    selection = read.selection(context)
    context.admit_matrix(len(selection.series), steps.count)
    natives = loaded_histograms(context, selection, select)
    views = exact_views(context, selection, markers=True)
    rows = len(selection.series)
    newest = newest_samples(rows, views, natives, read.ends_ms, read.reach_ms, context=context)
    ended = (newest.which < 0) & is_stale(newest.values)
    return newest, selection, newest.there & ~ended
