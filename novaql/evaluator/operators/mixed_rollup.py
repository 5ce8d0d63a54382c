"""Functions over ranges that may hold native histograms beside floats.

Kernels of floats compute the one, kernels of histograms the other. This module joins the two
answers, and warns of windows in which they cannot be joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novaql.evaluator.kernels.bindings import KEEP_NAME
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.native_notes import IGNORED_IN_RANGE, MIXED_FLOATS, Notes
from novaql.evaluator.operators.exact_ranges import exact_rollup
from novaql.evaluator.operators.mixed_select import Newest, loaded_histograms
from novaql.evaluator.operators.native_rollup import (
    HistogramCells,
    histogram_average,
    histogram_events,
    histogram_instant_change,
    histogram_rate,
    histogram_sum,
)
from novaql.evaluator.operators.ranges import Ranges
from novaql.evaluator.operators.rollup import scalar_arguments
from novaql.evaluator.operators.selector import exact_views, read, window_ends
from novaql.evaluator.protocol import Runner
from novaql.evaluator.steps import Steps
from novaql.planner.logical import FunctionCall, Window
from novaql.result import NativeCells

FLOATS_ONLY = frozenset(
    {
        "min_over_time", "max_over_time", "stddev_over_time", "stdvar_over_time", "deriv",
        "quantile_over_time", "mad_over_time", "predict_linear", "double_exponential_smoothing",
        "ts_of_min_over_time", "ts_of_max_over_time",
    }
)  # fmt: skip
"""Functions that ignore histograms."""


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """values, valid [S, J] of floats, and the cells that are histograms."""

    values: Floats
    valid: Bools
    native: HistogramCells | None = None


def mixed_window_rollup(
    run: Runner, call: FunctionCall, window: Window, steps: Steps
) -> StepMatrix:
    """A rollup of a selector's range in which there are histograms."""
    context = run.context
    if window.select.anchored or window.select.smoothed:
        return exact_rollup(run, call, window, steps)
    ends_ms = window_ends(window.select, steps)
    reach_ms = context.reach_ms(window.range_ms)
    selection = read(context, window.select, ends_ms, reach_ms)
    context.admit_matrix(len(selection.series), steps.count)
    ranges = Ranges(
        selection.series,
        list(exact_views(context, selection)),
        loaded_histograms(context, selection, window.select),
        ends_ms,
        steps.times_ms,
        window.range_ms,
        reach_ms,
    )
    notes = Notes(context, selection.series, window.span)
    scalars = scalar_arguments(run, call, steps)
    return mixed_rollup(call.function, ranges, scalars, notes).without_empty_rows()


def mixed_rollup(
    function: str, ranges: Ranges, scalars: Sequence[Floats], notes: Notes
) -> StepMatrix:
    """A rollup of floats and histograms. `notes` speaks at the place of the range vector."""
    with np.errstate(all="ignore"):
        answer = _answer(function, ranges, scalars, notes)
    nameless = np.full(len(ranges.series), function not in KEEP_NAME)
    values, valid = answer.values, answer.valid
    if answer.native is None:
        return StepMatrix(ranges.series, values, valid, nameless)
    which = np.full(values.size, -1, np.int32)
    cells = answer.native.cells
    which[cells] = np.arange(len(cells), dtype=np.int32)
    valid = valid.copy()
    valid.reshape(-1)[cells] = True
    values = np.where(which.reshape(values.shape) >= 0, 0.0, values)
    native = NativeCells(answer.native.histograms, which.reshape(values.shape))
    return StepMatrix(ranges.series, values, valid, nameless, native=native)


def _answer(function: str, ranges: Ranges, scalars: Sequence[Floats], notes: Notes) -> _Answer:
    match function:
        case "count_over_time":
            total = ranges.float_counts + ranges.native_counts
            return _Answer(total.astype(np.float64), total > 0)
        case "present_over_time":
            return _Answer(np.ones(ranges.shape), ranges.float_counts + ranges.native_counts > 0)
        case "last_over_time" | "first_over_time":
            newest = ranges.edge(notes.context, oldest=function == "first_over_time")
            notes.context.checkpoint()
            return _edge(newest)
        case "ts_of_last_over_time" | "ts_of_first_over_time":
            newest = ranges.edge(notes.context, oldest=function == "ts_of_first_over_time")
            return _Answer(np.where(newest.there, newest.times_ms / 1000.0, 0.0), newest.there)
        case "changes" | "resets":
            return _Answer(*histogram_events(notes.context, function, ranges))
        case _ if function in FLOATS_ONLY:
            values, valid = ranges.rolled(function, scalars)
            both = (ranges.float_counts > 0) & (ranges.native_counts > 0)
            notes.info(IGNORED_IN_RANGE, both)
            return _Answer(values, valid)
        case "irate" | "idelta":
            values, valid = ranges.rolled(function, scalars)
            native, mixed, of_floats = histogram_instant_change(
                ranges, notes, is_rate=function == "irate"
            )
            notes.warn(MIXED_FLOATS, mixed)
            return _Answer(values, valid & of_floats, native)
        case _:
            return _one_kind(function, ranges, scalars, notes)


def _edge(newest: Newest) -> _Answer:
    cells = np.flatnonzero(newest.there & (newest.which >= 0))
    picked = newest.histograms.take(newest.which.reshape(-1)[cells].astype(np.int64))
    return _Answer(newest.values, newest.there, HistogramCells(cells, picked))


def _one_kind(function: str, ranges: Ranges, scalars: Sequence[Floats], notes: Notes) -> _Answer:
    """Functions that need windows of one kind: sum, avg, rate, increase, delta."""
    values, valid = ranges.rolled(function, scalars)
    mixed = (ranges.float_counts > 0) & (ranges.native_counts > 0)
    notes.warn(MIXED_FLOATS, mixed)
    match function:
        case "sum_over_time":
            native = histogram_sum(ranges, ~mixed, notes)
        case "avg_over_time":
            native = histogram_average(ranges, ~mixed, notes)
        case _:
            native = histogram_rate(
                ranges,
                ~mixed,
                notes,
                is_counter=function != "delta",
                is_rate=function == "rate",
            )
    return _Answer(values, valid & ~mixed, native)
