"""`anchored` and `smoothed` where there are native histograms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.extended import Ends, find_ends
from novaql.evaluator.kernels.native.arithmetic import scale
from novaql.evaluator.kernels.native.exact_ends import exact_differences
from novaql.evaluator.kernels.native.interpolate import between
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, ragged_windows
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.native_notes import IGNORED_IN_RANGE, MIXED_FLOATS, MIXED_SCHEMAS, Notes
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.extended import (
    check_modifier,
    extended_pipeline,
    smoothed_pipeline,
)
from novaql.evaluator.operators.mixed_select import loaded_histograms, newest_samples
from novaql.evaluator.operators.native_rollup import (
    HistogramCells,
    merged_events,
    note_differences,
)
from novaql.evaluator.operators.ranges import Ranges
from novaql.evaluator.operators.rollup import observed
from novaql.evaluator.operators.selector import exact_views
from novaql.evaluator.pipeline.collect import collect_all
from novaql.evaluator.protocol import Runner
from novaql.tsdb.model.histograms import ResetHint, concat_histograms


def exact_rollup(run: Runner, operator: Operator) -> StepMatrix:
    """rate, increase, delta, changes or resets between exact ends, of floats and histograms."""
    context, call, read = run.context, operator.call, operator.range.reads
    select, steps, span = read.select, operator.steps, operator.range.plan.span
    check_modifier(call, select)
    ranges = Ranges.of(context, read, steps)
    notes = Notes(context, ranges.series, span)
    lookback_ms = context.options.lookback_ms
    exact = _Exact(read.ends_ms, read.range_ms, lookback_ms, select.smoothed)
    with np.errstate(all="ignore"):
        if call.function in ("changes", "resets"):
            values, valid = _events(context, call.function, ranges, exact)
            return matrix(ranges.series, values, valid, nameless=True).without_empty_rows()
        floats = collect_all(extended_pipeline(context, operator), context)
        mixed = (ranges.float_counts > 0) & (ranges.native_counts > 0)
        if RANGE_FUNCTIONS[call.function].floats_only:
            notes.info(IGNORED_IN_RANGE, mixed)
            return floats.without_empty_rows()
        notes.warn(MIXED_FLOATS, mixed)
        native = _growth(call.function, ranges, exact, ~mixed, notes)
    valid = floats.presence() & ~mixed
    if (observe := observed(context, operator, ranges.series, ())) is not None:
        observe.cells(np.arange(len(ranges.series)), valid)
    found = matrix(ranges.series, floats.values, valid, nameless=True)
    return native.beside(found).without_empty_rows()


class _Exact:
    """The parameters of windows with exact ends: [J] right ends, length, lookback."""

    def __init__(self, ends_ms: Ints, range_ms: int, lookback_ms: int, smoothed: bool) -> None:
        self.ends_ms, self.range_ms = ends_ms, range_ms
        self.lookback_ms, self.smoothed = lookback_ms, smoothed

    def ends(self, times: Ints, offsets: Ints) -> tuple[Windows, Ends]:
        """The samples at the ends of the windows of a flat sequence of samples."""
        ahead_ms = self.lookback_ms if self.smoothed else 0
        nothing = np.zeros(len(times))
        reach_ms = self.range_ms + self.lookback_ms + ahead_ms
        wide = ragged_windows(nothing, times, offsets, self.ends_ms + ahead_ms, reach_ms)
        base = ragged_windows(nothing, times, offsets, self.ends_ms, self.range_ms, wide.cells)
        before = ragged_windows(
            nothing, times, offsets, self.ends_ms - 1, self.range_ms, wide.cells
        )
        return wide, find_ends(base, wide, before.hi, smoothed=self.smoothed)


def _growth(
    function: str, ranges: Ranges, exact: _Exact, allowed: Bools, notes: Notes
) -> HistogramCells:
    held, counter = ranges.native, function != "delta"
    wide, ends = exact.ends(held.timestamps, held.offsets)
    assert wide.cells is not None
    steps = len(exact.ends_ms)
    cells = held.rows[wide.cells // steps] * steps + wide.cells % steps
    windows = np.flatnonzero(ends.valid & allowed.reshape(-1)[cells])
    found = exact_differences(
        held.histograms,
        ends.first[windows],
        ends.last[windows],
        left_share=ends.left_share[windows],
        right_share=ends.right_share[windows],
        counter=counter,
    )

    def where(mask: Bools) -> Bools:
        out = np.zeros(ranges.shape, np.bool_)
        out.reshape(-1)[cells[windows[mask]]] = True
        return out

    note_differences(notes, found, where)
    good = np.flatnonzero(~found.mixed)
    histograms = found.histograms.take(good)
    if function == "rate":
        histograms = scale(histograms, 1000.0 / exact.range_ms)
    return HistogramCells(cells[windows[good]], histograms)


def _events(context: Context, function: str, ranges: Ranges, exact: _Exact) -> tuple[Floats, Bools]:
    every_row = np.arange(len(ranges.series), dtype=np.int64)
    row, time, event = merged_events(context, function, ranges, every_row)
    rows, firsts = np.unique(row, return_index=True)
    wide, ends = exact.ends(time, np.append(firsts, len(row)).astype(np.int64))
    running = np.concatenate([[0.0], np.cumsum(event)])
    counted = running[ends.last + 1] - running[np.minimum(ends.first + 1, ends.last + 1)]
    values, valid = np.zeros(ranges.shape), np.zeros(ranges.shape, np.bool_)
    values[rows], valid[rows] = wide.on_grid(counted, ends.valid)
    return values, valid


def smoothed_select(context: Context, operator: Operator) -> StepMatrix:
    """`m smoothed`: interpolated at each step; the last value if no sample follows."""
    read, steps = operator.reads, operator.steps
    lookback_ms, select = context.options.lookback_ms, read.select
    ends_ms, selection = read.ends_ms, read.selection(context)
    natives = loaded_histograms(context, selection, select)
    floats, rows = list(exact_views(context, selection)), len(selection.series)
    behind = newest_samples(rows, floats, natives, ends_ms, lookback_ms, context=context)
    ahead = newest_samples(
        rows,
        floats,
        natives,
        ends_ms + lookback_ms,
        lookback_ms,
        oldest=True,
        context=context,
    )
    notes = Notes(context, selection.series, select.span)
    both = behind.there & ahead.there & (behind.times_ms < ends_ms)
    around = Ranges(
        selection.series,
        floats,
        natives,
        ends_ms + lookback_ms,
        steps.times_ms,
        2 * lookback_ms,
        2 * lookback_ms,
    )
    differs = (around.float_counts > 0) & (around.native_counts > 0)
    notes.warn(MIXED_FLOATS, differs)
    smoothed = collect_all(smoothed_pipeline(context, operator), context)
    is_native = behind.there & (behind.which >= 0) & ~differs
    cells = np.flatnonzero(is_native)
    with np.errstate(all="ignore"):
        follow = (both & is_native).reshape(-1)[cells]
        lower = behind.histograms.take(behind.which.reshape(-1)[cells].astype(np.int64))
        # Where nothing follows, the lower one itself is the upper one.
        itself = len(ahead.histograms) + np.arange(len(cells))
        upper_number = np.where(follow, ahead.which.reshape(-1)[cells], itself)
        upper = concat_histograms([ahead.histograms, lower]).take(upper_number)
        before = behind.times_ms.reshape(-1)[cells]
        after = np.where(follow, ahead.times_ms.reshape(-1)[cells], before + 1)
        at = np.broadcast_to(ends_ms, is_native.shape).reshape(-1)[cells]
        share = np.where(follow, (at - before) / np.maximum(after - before, 1), 0.0)
        gauges = (lower.hint == ResetHint.GAUGE) & (upper.hint == ResetHint.GAUGE)
        found = between(lower, upper, share, counter=~gauges)
    # A hint is about two successive samples. A copied one has no meaning.
    carried = ~follow & (before < at)
    hints = np.where(carried, ResetHint.UNKNOWN, found.histograms.hint).astype(np.int8)
    histograms = replace(found.histograms, hint=hints)
    clash = np.zeros(is_native.shape, np.bool_)
    clash.reshape(-1)[cells[~found.compatible]] = True
    notes.warn(MIXED_SCHEMAS, clash)
    there = np.flatnonzero(found.compatible)
    native = HistogramCells(cells[there], histograms.take(there))
    visible = behind.there & ~differs & ~is_native
    return native.beside(matrix(selection.series, smoothed.values, visible)).without_empty_rows()
