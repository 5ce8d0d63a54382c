"""Functions over ranges that may hold native histograms beside floats.

Kernels of floats compute the one, kernels of histograms the other. This module joins the two
answers, and warns of windows in which they cannot be joined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.native_notes import IGNORED_IN_RANGE, MIXED_FLOATS, Notes
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.exact_ranges import exact_rollup
from novaql.evaluator.operators.mixed_select import Newest
from novaql.evaluator.operators.native_rollup import (
    HistogramCells,
    histogram_events,
    histogram_instant_change,
    histogram_rate,
    histogram_totals,
)
from novaql.evaluator.operators.ranges import Ranges
from novaql.evaluator.operators.retained_names import has_names
from novaql.evaluator.operators.rollup import observed, scalar_arguments, warn_overlaps
from novaql.evaluator.protocol import Runner
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.flat_arrays import is_identity


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
    ranges = Ranges.of(context, read, steps)
    notes = Notes(context, ranges.series, operator.range.plan.span)
    found = mixed_rollup(run, operator, ranges, notes).without_empty_rows()
    return found if has_names(operator.range.plan) else found.mark_nameless()


def mixed_rollup(run: Runner, operator: Operator, ranges: Ranges, notes: Notes) -> StepMatrix:
    """A rollup of floats and histograms. `notes` annotates the place of the range vector."""
    function, scalars = operator.call.function, scalar_arguments(run, operator)
    with np.errstate(all="ignore"):
        answer = _answer(operator, ranges, scalars, notes)
    observe = observed(run.context, operator, ranges.series, scalars)
    if observe is not None:
        observe.cells(np.arange(len(ranges.series)), answer.valid)
    if RANGE_FUNCTIONS[function].counter_only:
        for view in ranges.floats:
            if view.sample_count and view.starts is not None:
                warn_overlaps(notes, ranges.series, ranges.windows(view), view)
    nameless = not RANGE_FUNCTIONS[function].retains_name
    floats = matrix(ranges.series, answer.values, answer.valid, nameless=nameless)
    return floats if answer.native is None else answer.native.beside(floats)


def _answer(operator: Operator, ranges: Ranges, scalars: Sequence[Floats], notes: Notes) -> _Answer:
    match function := operator.call.function:
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
            # Prometheus annotates the first argument, which is the quantile in quantile_over_time.
            first = operator.call.arguments[0].span
            Notes(notes.context, ranges.series, first).info(IGNORED_IN_RANGE, both)
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
    rows = newest.which.reshape(-1)[cells].astype(np.int64)
    picked = newest.histograms
    if not is_identity(rows, len(picked)):
        picked = picked.take(rows)
    return _Answer(newest.values, newest.there, HistogramCells(cells, picked))


def _one_kind(function: str, ranges: Ranges, scalars: Sequence[Floats], notes: Notes) -> _Answer:
    """Functions that need windows of one kind: sum, avg, rate, increase, delta."""
    values, valid = ranges.rolled(function, scalars)
    mixed = (ranges.float_counts > 0) & (ranges.native_counts > 0)
    notes.warn(MIXED_FLOATS, mixed)
    if function in ("sum_over_time", "avg_over_time"):
        mean = function == "avg_over_time"
        native = histogram_totals(ranges, ~mixed, notes, mean=mean)
    else:
        is_counter, is_rate = function != "delta", function == "rate"
        native = histogram_rate(ranges, ~mixed, notes, is_counter=is_counter, is_rate=is_rate)
    return _Answer(values, valid & ~mixed, native)
