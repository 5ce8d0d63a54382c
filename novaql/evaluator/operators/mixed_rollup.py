"""Functions over ranges that may hold native histograms beside floats.

Kernels of floats compute the one, kernels of histograms the other. This module joins the two
answers, and warns of windows in which they cannot be joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.native_notes import IGNORED_IN_RANGE, MIXED_FLOATS, Notes
from novaql.evaluator.operator import Operator
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
from novaql.evaluator.operators.selector import exact_views
from novaql.evaluator.protocol import Runner
from novaql.result import NativeCells


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """values, valid [S, J] of floats, and the cells that are histograms."""

    values: Floats
    valid: Bools
    native: HistogramCells | None = None


def mixed_window_rollup(run: Runner, operator: Operator) -> StepMatrix:
    """A rollup of a selector's range in which there are histograms."""
    context, steps, read = run.context, operator.steps, operator.range.reads
    if read.select.anchored or read.select.smoothed:
        return exact_rollup(run, operator)
    selection = read.selection(context)
    context.admit_matrix(len(selection.series), steps.count)
    ranges = Ranges(
        selection.series,
        list(exact_views(context, selection)),
        loaded_histograms(context, selection, read.select),
        read.ends_ms,
        steps.times_ms,
        read.range_ms,
        read.reach_ms,
    )
    notes = Notes(context, selection.series, operator.range.plan.span)
    scalars = scalar_arguments(run, operator)
    return mixed_rollup(operator.call.function, ranges, scalars, notes).without_empty_rows()


def mixed_rollup(
    function: str, ranges: Ranges, scalars: Sequence[Floats], notes: Notes
) -> StepMatrix:
    """A rollup of floats and histograms. `notes` speaks at the place of the range vector."""
    with np.errstate(all="ignore"):
        answer = _answer(function, ranges, scalars, notes)
    nameless = np.full(len(ranges.series), not RANGE_FUNCTIONS[function].retains_name)
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
        case _ if RANGE_FUNCTIONS[function].floats_only:
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
