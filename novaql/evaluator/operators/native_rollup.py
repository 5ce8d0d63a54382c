"""Functions over ranges of native histograms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.native.arithmetic import (
    divide,
    scale,
    with_hint,
)
from novaql.evaluator.kernels.native.rate import Differences
from novaql.evaluator.kernels.native.resets import resets_before
from novaql.evaluator.kernels.native.sums import run_sums
from novaql.evaluator.kernels.rate import changed, extrapolation_factor, fell
from novaql.evaluator.kernels.started import (
    begins_inside,
    factor_from_start,
    started_again,
    warned_windows,
)
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.native_notes import (
    MIXED_SCHEMAS,
    NOT_COUNTER,
    NOT_GAUGE,
    OVERLAPPING,
    Notes,
)
from novaql.evaluator.native_pieces import (
    bucket_weights,
    pieces,
    window_differences,
    window_totals,
)
from novaql.fast_dataclass import dataclass
from novaql.result import NativeCells
from novaql.tsdb.model.histograms import Histograms, ResetHint, concat_histograms, equal_histograms

if TYPE_CHECKING:
    from novaql.evaluator.operators.ranges import Ranges


@dataclass(frozen=True, slots=True, eq=False)
class HistogramCells:
    """Histograms, and where each belongs: cells [K] in a flat [S × J]."""

    cells: Ints
    histograms: Histograms

    def beside(self, floats: StepMatrix) -> StepMatrix:
        """Floats, and these histograms at places where there are no floats."""
        which = np.full(floats.values.shape, -1, np.int32)
        which.reshape(-1)[self.cells] = np.arange(len(self.cells), dtype=np.int32)
        native = NativeCells(self.histograms, which)
        values = np.where(which >= 0, 0.0, floats.values)
        return replace(floats, values=values, valid=floats.presence() | (which >= 0), native=native)


def _chosen(ranges: Ranges, allowed: Bools, fewest: int, anyway: Bools | None = None) -> Ints:
    """Windows with enough histograms (or `anyway`) whose cell is allowed."""
    enough = ranges.native_windows.counts >= fewest
    if anyway is not None:
        enough = enough | anyway
    return np.flatnonzero(enough & allowed.reshape(-1)[ranges.native_cells])


def _series(ranges: Ranges, windows: Ints, where: Bools) -> Bools:
    """[S]: the series that have a window for which `where` holds."""
    series, steps = ranges.shape
    out = np.zeros(series, np.bool_)
    out[ranges.native_cells[windows[where]] // steps] = True
    return out


def _joined(found: Sequence[HistogramCells]) -> HistogramCells:
    cells = np.concatenate([part.cells for part in found])
    return HistogramCells(cells, concat_histograms([part.histograms for part in found]))


def histogram_totals(ranges: Ranges, allowed: Bools, notes: Notes, *, mean: bool) -> HistogramCells:
    """sum_over_time and avg_over_time."""
    return _joined([_totals(part, allowed, notes, mean=mean) for part in ranges.native_parts])


def _totals(ranges: Ranges, allowed: Bools, notes: Notes, *, mean: bool) -> HistogramCells:
    windows = _chosen(ranges, allowed, 1)
    all_windows = ranges.native_windows
    totals = window_totals(
        notes.context,
        ranges.native.histograms,
        all_windows.lo[windows],
        all_windows.hi[windows],
        partial(run_sums, mean=mean),
    )
    notes.warn(MIXED_SCHEMAS, _series(ranges, windows, totals.mixed))
    notes.conflicting_resets("aggregation", totals.conflicting_resets)
    notes.bounds_reconciled("aggregation", totals.bounds_differed)
    good = np.flatnonzero(~totals.mixed)
    return HistogramCells(ranges.native_cells[windows[good]], totals.histograms.take(good))


def histogram_rate(
    ranges: Ranges, allowed: Bools, notes: Notes, *, is_counter: bool, is_rate: bool
) -> HistogramCells:
    """rate, increase, delta: the difference of the ends, extrapolated as floats are."""
    return _joined(
        [
            _rate(part, allowed, notes, is_counter=is_counter, is_rate=is_rate)
            for part in ranges.native_parts
        ]
    )


def _rate(
    ranges: Ranges, allowed: Bools, notes: Notes, *, is_counter: bool, is_rate: bool
) -> HistogramCells:
    all_windows, held = ranges.native_windows, ranges.native
    started = None
    from_start = np.zeros(len(all_windows.lo), np.bool_)
    if is_counter and all_windows.starts is not None:
        started = started_again(held.timestamps, all_windows.starts, held.offsets)
        from_start = begins_inside(all_windows)
        every = np.arange(len(from_start))
        notes.warn(OVERLAPPING, _series(ranges, every, warned_windows(all_windows)))
    windows = _chosen(ranges, allowed, 2, from_start)
    lo, hi = all_windows.lo[windows], all_windows.hi[windows]
    # A window of one sample that began inside has grown by that sample.
    alone = hi - lo == 1
    pairs = np.flatnonzero(~alone)
    found = window_differences(
        notes.context,
        held.histograms,
        lo[pairs],
        hi[pairs],
        counter=is_counter,
        started=started,
        from_zero=from_start[windows[pairs]],
    )
    note_differences(notes, found, lambda where: _series(ranges, windows[pairs], where))
    notes.context.checkpoint()
    growth, first_count, mixed = found.histograms, found.first_count, found.mixed
    if alone.any():
        singles = held.histograms.take(lo[alone])
        back = np.argsort(np.concatenate([pairs, np.flatnonzero(alone)]))
        growth = concat_histograms([growth, singles]).take(back)
        first_count = np.concatenate([first_count, singles.count])[back]
        mixed = np.concatenate([mixed, np.zeros(len(singles), np.bool_)])[back]
    if all_windows.starts is not None and is_counter:
        count = np.zeros(len(all_windows.lo))
        first = count.copy()
        count[windows], first[windows] = growth.count, first_count
        factor = factor_from_start(all_windows, first, count)[windows]
    else:
        factor = extrapolation_factor(
            held.timestamps[lo],
            held.timestamps[hi - 1],
            hi - lo,
            all_windows.ends_ms[windows],
            ranges.range_ms,
            first=first_count if is_counter else None,
            increase=growth.count,
        )
    if is_rate:
        factor = factor / (ranges.range_ms / 1000.0)
    good = np.flatnonzero(~mixed)
    notes.context.checkpoint()
    if len(good) < len(mixed):
        growth, factor = growth.take(good), factor[good]
    scaled = scale(growth, factor)
    return HistogramCells(ranges.native_cells[windows[good]], with_hint(scaled, ResetHint.GAUGE))


def note_differences(notes: Notes, found: Differences, cells: Callable[[Bools], Bools]) -> None:
    """Annotate differences found in windows; cells: where it holds [C] → [S] or [S, J]."""
    notes.warn(MIXED_SCHEMAS, cells(found.mixed))
    notes.warn(NOT_COUNTER, cells(found.not_counter))
    notes.warn(NOT_GAUGE, cells(found.not_gauge))
    notes.bounds_reconciled("subtraction", found.bounds_differed_subtracting)
    notes.bounds_reconciled("addition", found.bounds_differed_adding)


def histogram_instant_change(
    ranges: Ranges, notes: Notes, *, is_rate: bool
) -> tuple[HistogramCells, Bools, Bools]:
    """irate, idelta: of the last two samples, if both are histograms.

    Also returns [S, J] where one of the two is a histogram and the other a float, and where both
    are floats.
    """
    never = np.iinfo(np.int64).min
    size = ranges.shape[0] * ranges.shape[1]
    newest, second = np.full(size, never), np.full(size, never)
    for part in ranges.native_parts:
        windows, times = part.native_windows, part.native.timestamps
        newest[part.native_cells] = times[windows.hi - 1]
        two = windows.counts >= 2
        second[part.native_cells[two]] = times[windows.hi[two] - 2]
    float_newest, float_second = (t.reshape(-1) for t in ranges.last_two_float_times())
    both_native = (second > float_newest) & (second != never)
    both_float = (float_second > newest) & (float_second != never)
    there = (newest != never).astype(int) + (second != never)
    there += (float_newest != never).astype(int) + (float_second != never)
    mixed = (there >= 2) & ~both_native & ~both_float
    found = [_last_change(part, both_native, notes, is_rate) for part in ranges.native_parts]
    return _joined(found), mixed.reshape(ranges.shape), both_float.reshape(ranges.shape)


def _last_change(ranges: Ranges, allowed: Bools, notes: Notes, is_rate: bool) -> HistogramCells:
    """irate or idelta of the last two histograms of each window whose cell is allowed."""
    held, all_windows = ranges.native, ranges.native_windows
    windows = np.flatnonzero(allowed[ranges.native_cells])
    hi = all_windows.hi[windows]
    hint = held.histograms.hint
    gauges = (hint[hi - 1] == ResetHint.GAUGE), (hint[hi - 2] == ResetHint.GAUGE)
    started = None
    if is_rate:
        notes.warn(NOT_COUNTER, _series(ranges, windows, gauges[0] | gauges[1]))
        if all_windows.starts is not None:
            started = started_again(held.timestamps, all_windows.starts, held.offsets)
    else:
        notes.warn(NOT_GAUGE, _series(ranges, windows, ~(gauges[0] & gauges[1])))
    found = window_differences(
        notes.context,
        held.histograms,
        hi - 2,
        hi,
        counter=is_rate,
        started=started,
        from_zero=np.zeros(len(windows), np.bool_),
    )
    notes.warn(MIXED_SCHEMAS, _series(ranges, windows, found.mixed))
    notes.bounds_reconciled("subtraction", found.bounds_differed_subtracting)
    result = found.histograms
    if is_rate:
        result = divide(result, (held.timestamps[hi - 1] - held.timestamps[hi - 2]) / 1000.0)
    good = np.flatnonzero(~found.mixed)
    if len(good) < len(windows):
        result = result.take(good)
    return HistogramCells(ranges.native_cells[windows[good]], result)


def histogram_events(context: Context, function: str, ranges: Ranges) -> tuple[Floats, Bools]:
    """changes and resets, over floats and histograms in the order of time.

    A change of the sample's kind is both.
    """
    values, valid = ranges.rolled(function, [])
    series = np.unique(np.concatenate([part.rows for part in ranges.natives]))
    row, time, event = merged_events(context, function, ranges, series)
    counted, there = ranges.count_events(row, time, event)
    values[series], valid[series] = counted[series], there[series]
    return values, valid


def _events_before(context: Context, function: str, h: Histograms) -> Bools:
    """[N] whether there was a change (or reset) between the row before and this one."""
    found = np.zeros(len(h), np.bool_)
    for some in pieces(context, bucket_weights(h)):
        first = max(some.start - 1, 0)
        piece = h.between(first, some.stop)
        if function == "resets":
            before = resets_before(piece)
        else:
            count = len(piece)
            same = equal_histograms(piece.between(0, count - 1), piece.between(1, count))
            before = np.append(False, ~same)
        found[some] = before[some.start - first :]
    return found


def merged_events(
    context: Context, function: str, ranges: Ranges, series: Ints
) -> tuple[Ints, Ints, Bools]:
    """Samples of some series, floats and histograms in the order of time.

    Row and time of each, and whether there was a change (or reset) between it and the one before.
    """
    rows, times, floats, float_starts = ranges.flat_floats(series)
    native_row, native_time, native_starts = ranges.flat_natives()
    row = np.concatenate([rows, native_row])
    time = np.concatenate([times, native_time])
    number = np.concatenate([np.full(len(rows), -1), np.arange(len(native_row))])
    value = np.concatenate([floats, np.zeros(len(native_row))])
    order = np.lexsort((time, row))
    row, time, number, value = row[order], time[order], number[order], value[order]
    begun = np.concatenate([float_starts, native_starts])[order]
    event = np.zeros(len(row), np.bool_)
    a, b = number[:-1], number[1:]
    same_series = row[1:] == row[:-1]
    event[1:] = same_series & ((a < 0) != (b < 0))
    both_float = np.flatnonzero(same_series & (a < 0) & (b < 0))
    float_event = fell if function == "resets" else changed
    event[both_float + 1] = float_event(value[both_float], value[both_float + 1])
    # Two histograms without a float between them are neighbours among the histograms, too.
    both = np.flatnonzero(same_series & (a >= 0) & (b >= 0))
    before = [_events_before(context, function, part.histograms) for part in ranges.natives]
    event[both + 1] = np.concatenate(before)[b[both]]
    if function == "resets":
        bounds = np.append(np.flatnonzero(~np.insert(same_series, 0, False)), len(row))
        event |= started_again(time, begun, bounds)
    return row, time, event
