"""What functions over ranges make of native histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from novaql.evaluator.kernels.native.arithmetic import (
    choose,
    divide,
    equal,
    scale,
    subtract,
    with_hint,
)
from novaql.evaluator.kernels.native.rate import differences
from novaql.evaluator.kernels.native.resets import detect_reset
from novaql.evaluator.kernels.native.sums import RunTotals, mean_runs, sum_runs
from novaql.evaluator.kernels.rate import extrapolation_factor
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.native_notes import MIXED_SCHEMAS, NOT_COUNTER, NOT_GAUGE, Notes
from tsdb.histograms import Histograms, ResetHint

if TYPE_CHECKING:
    from novaql.evaluator.operators.ranges import Ranges


@dataclass(frozen=True, slots=True, eq=False)
class HistogramCells:
    """Histograms, and where each belongs: cells [K] in a flat [S × J]."""

    cells: Ints
    histograms: Histograms


def _chosen(ranges: Ranges, allowed: Bools, fewest: int) -> Ints:
    """Windows with enough histograms whose cell is allowed."""
    enough = ranges.native_windows.counts >= fewest
    return np.flatnonzero(enough & allowed.reshape(-1)[ranges.native_cells])


def _cells(ranges: Ranges, windows: Ints, where: Bools) -> Bools:
    """[S, J]: the cells of the windows for which `where` holds."""
    out = np.zeros(ranges.shape, np.bool_)
    out.reshape(-1)[ranges.native_cells[windows[where]]] = True
    return out


def histogram_sum(ranges: Ranges, allowed: Bools, notes: Notes) -> HistogramCells:
    """sum_over_time."""
    return _totals(ranges, allowed, notes, mean=False)


def histogram_average(ranges: Ranges, allowed: Bools, notes: Notes) -> HistogramCells:
    """avg_over_time."""
    return _totals(ranges, allowed, notes, mean=True)


def _totals(ranges: Ranges, allowed: Bools, notes: Notes, *, mean: bool) -> HistogramCells:
    windows = _chosen(ranges, allowed, 1)
    lo, sizes = ranges.native_windows.lo[windows], ranges.native_windows.counts[windows]
    starts = np.cumsum(sizes) - sizes
    flat = np.arange(sizes.sum()) + np.repeat(lo - starts, sizes)
    contents = ranges.native.histograms.take(flat)
    totals: RunTotals = mean_runs(contents, starts) if mean else sum_runs(contents, starts)
    notes.warn(MIXED_SCHEMAS, _cells(ranges, windows, totals.mixed))
    if totals.conflicting_resets.any():
        notes.conflicting_resets("aggregation")
    if totals.bounds_differed.any():
        notes.bounds_reconciled("aggregation")
    good = np.flatnonzero(~totals.mixed)
    return HistogramCells(ranges.native_cells[windows[good]], totals.histograms.take(good))


def histogram_rate(
    ranges: Ranges, allowed: Bools, notes: Notes, *, is_counter: bool, is_rate: bool
) -> HistogramCells:
    """rate, increase, delta: the difference of the ends, extrapolated as floats are."""
    windows = _chosen(ranges, allowed, 2)
    all_windows, tile = ranges.native_windows, ranges.native
    lo, hi = all_windows.lo[windows], all_windows.hi[windows]
    found = differences(tile.histograms, lo, hi, counter=is_counter)
    notes.warn(MIXED_SCHEMAS, _cells(ranges, windows, found.mixed))
    notes.warn(NOT_COUNTER, _cells(ranges, windows, found.not_counter))
    notes.warn(NOT_GAUGE, _cells(ranges, windows, found.not_gauge))
    if found.bounds_differed_subtracting.any():
        notes.bounds_reconciled("subtraction")
    if found.bounds_differed_adding.any():
        notes.bounds_reconciled("addition")
    factor = extrapolation_factor(
        tile.timestamps[lo],
        tile.timestamps[hi - 1],
        hi - lo,
        all_windows.ends_ms[windows],
        ranges.range_ms,
        first=found.first_count if is_counter else None,
        increase=found.histograms.count,
    )
    if is_rate:
        factor = factor / (ranges.range_ms / 1000.0)
    good = np.flatnonzero(~found.mixed)
    scaled = scale(found.histograms.take(good), factor[good])
    return HistogramCells(ranges.native_cells[windows[good]], with_hint(scaled, ResetHint.GAUGE))


def histogram_instant_change(
    ranges: Ranges, notes: Notes, *, is_rate: bool
) -> tuple[HistogramCells, Bools]:
    """irate, idelta: of the last two samples, if both are histograms.

    Also tells [S, J] where one of the two is a histogram and the other a float.
    """
    tile, all_windows = ranges.native, ranges.native_windows
    flat_cells = ranges.native_cells
    never = np.iinfo(np.int64).min
    size = ranges.shape[0] * ranges.shape[1]
    newest, second = np.full(size, never), np.full(size, never)
    newest[flat_cells] = tile.timestamps[all_windows.hi - 1]
    two = all_windows.counts >= 2
    second[flat_cells[two]] = tile.timestamps[all_windows.hi[two] - 2]
    float_newest, float_second = (t.reshape(-1) for t in ranges.last_two_float_times())
    both_native = (second > float_newest) & (second != never)
    both_float = (float_second > newest) & (float_second != never)
    there = (newest != never).astype(int) + (second != never)
    there += (float_newest != never).astype(int) + (float_second != never)
    mixed = (there >= 2) & ~both_native & ~both_float
    windows = np.flatnonzero(both_native[flat_cells])
    hi = all_windows.hi[windows]
    last, before = tile.histograms.take(hi - 1), tile.histograms.take(hi - 2)
    gauges = (last.hint == ResetHint.GAUGE), (before.hint == ResetHint.GAUGE)
    if is_rate:
        notes.warn(NOT_COUNTER, _cells(ranges, windows, gauges[0] | gauges[1]))
        whole = detect_reset(before, last)
    else:
        notes.warn(NOT_GAUGE, _cells(ranges, windows, ~(gauges[0] & gauges[1])))
        whole = np.zeros(len(windows), np.bool_)
    change = subtract(last, before)
    mismatched = ~change.compatible & ~whole
    notes.warn(MIXED_SCHEMAS, _cells(ranges, windows, mismatched))
    if (change.bounds_differed & ~whole).any():
        notes.bounds_reconciled("subtraction")
    result = with_hint(choose(whole, last, change.histograms), ResetHint.GAUGE)
    if is_rate:
        result = divide(result, (tile.timestamps[hi - 1] - tile.timestamps[hi - 2]) / 1000.0)
    good = np.flatnonzero(~mismatched)
    cells = HistogramCells(flat_cells[windows[good]], result.take(good))
    return cells, mixed.reshape(ranges.shape)


def histogram_events(function: str, ranges: Ranges) -> tuple[Floats, Bools]:
    """changes and resets, over floats and histograms in the order of time.

    A change of the sample's kind is both.
    """
    values, valid = ranges.rolled(function, [])
    tile = ranges.native
    series = np.unique(tile.rows)
    native_row = np.repeat(tile.rows, np.diff(tile.offsets))
    rows, times, floats = ranges.flat_floats(series)
    row = np.concatenate([rows, native_row])
    time = np.concatenate([times, tile.timestamps])
    number = np.concatenate([np.full(len(rows), -1), np.arange(len(native_row))])
    value = np.concatenate([floats, np.zeros(len(native_row))])
    order = np.lexsort((time, row))
    row, time, number, value = row[order], time[order], number[order], value[order]
    event = np.zeros(len(row), np.bool_)
    a, b = number[:-1], number[1:]
    same_series = row[1:] == row[:-1]
    event[1:] = same_series & ((a < 0) != (b < 0))
    both_float = np.flatnonzero(same_series & (a < 0) & (b < 0))
    v, w = value[both_float], value[both_float + 1]
    event[both_float + 1] = (
        w < v if function == "resets" else (v != w) & ~(np.isnan(v) & np.isnan(w))
    )
    both = np.flatnonzero(same_series & (a >= 0) & (b >= 0))
    earlier, later = tile.histograms.take(a[both]), tile.histograms.take(b[both])
    event[both + 1] = (
        detect_reset(earlier, later) if function == "resets" else ~equal(earlier, later)
    )
    counted, there = ranges.count_events(row, time, event)
    values[series], valid[series] = counted[series], there[series]
    return values, valid
