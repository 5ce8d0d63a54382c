"""Functions over range vectors: `rate(m[5m])`, `max_over_time(e[1h:1m])`, …"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.range_function import RangeFunction
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS, WindowKernel
from novaql.evaluator.kernels.started import warned_windows
from novaql.evaluator.kernels.strips import WindowSpec
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.evaluator.native_notes import OVERLAPPING, Notes
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.cell_rollup import (
    Moved,
    cell_pipeline,
    cells_as_samples,
    may_answer,
    moved,
    moved_pipeline,
    windows_read,
)
from novaql.evaluator.operators.checked_kernels import window_kernel
from novaql.evaluator.operators.extended import extended_pipeline
from novaql.evaluator.operators.reads import Read
from novaql.evaluator.operators.retained_names import has_names
from novaql.evaluator.operators.selector import view_windows
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.long_windows import COST_AT_ONCE, leaf_by_steps, row_cost
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.evaluator.pipeline.scan import pipeline_over
from novaql.evaluator.protocol import Runner
from novaql.planner.logical import (
    Plan,
)
from novaql.text.go_text import go_number, quote
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.source import Selection

COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


def scalar_arguments(run: Runner, operator: Operator) -> list[Floats]:
    """The arguments beside the range, [J] each; the lookback in seconds after them if it is one."""
    of_ranges, options = operator.range, run.context.options
    found = [run.scalar(operand) for operand in operator.operands if operand is not of_ranges]
    if RANGE_FUNCTIONS[operator.call.function].takes_lookback:
        found.append(np.full(operator.steps.count, options.lookback_ms / 1000.0))
    return found


def rollup_pipeline(run: Runner, operator: Operator) -> Pipeline:
    """A rollup of a selector's range, a batch at a time."""
    context, call, read = run.context, operator.call, operator.range.reads
    if read.select.anchored or read.select.smoothed:
        found = extended_pipeline(context, operator)
        observe = observed(context, operator, found.series, ())
        if observe is not None and found.compiled is not None:
            found = replace(found, compiled=replace(found.compiled, watch=observe.rows))
        return replace(found, observe=observe)
    function = RANGE_FUNCTIONS[call.function]
    windows, hint = Moved(read.ends_ms, read.reach_ms, None), None
    if function.cells is not None and not read.stages:
        if context.options.rollup_ms:
            windows = moved(read.ends_ms, read.range_ms, context.options.rollup_ms)
            read = Read(read.select, windows.ends_ms, windows.reach_ms, windows.reach_ms)
        hint = windows_read(context, function.cells, windows)
    selection = cells_as_samples(
        context, None if read.stages else function.cells, read.selection(context, hint)
    )
    begun = selection.starts and context.options.start_timestamps and function.reads_starts
    found = windows_pipeline(
        run,
        operator,
        selection,
        read.ends_ms,
        read.range_ms,
        starts=begun,
        reach_ms=read.reach_ms,
    )
    cells, native = selection.cells, found.has_histograms
    if cells is not None and not begun and not native and may_answer(context, call.function, cells):
        assert function.cells is not None
        observe = observed(context, operator, cells.series, ())
        found = replace(found, observe=observe)
        found = cell_pipeline(
            context, function.cells, cells, found, read.ends_ms, read.reach_ms, read.range_ms
        )
    return moved_pipeline(found, windows)


def windows_pipeline(
    run: Runner,
    operator: Operator,
    selection: Selection,
    ends_ms: Ints,
    range_ms: int,
    *,
    starts: bool = False,
    reach_ms: int | None = None,
) -> Pipeline:
    """The kernel of a call over windows of the floats of a selection. ends_ms: [J], right ends.

    starts    start timestamps are used, which compiled kernels do not read
    reach_ms  how far left of their ends windows reach; None: by `Context.reach_ms`
    """
    context, call, steps = run.context, operator.call, operator.steps
    series = selection.series
    scalars = scalar_arguments(run, operator)
    if reach_ms is None:
        reach_ms = context.reach_ms(range_ms)
    # Only windows of functions that read nothing but samples are ever moved.
    eval_ms = steps.times_ms if len(ends_ms) == steps.count else ends_ms
    function, kernel = RANGE_FUNCTIONS[call.function], window_kernel(call.function)

    # All samples of a window are read.
    window_ms = reach_ms if function.whole_window else 0

    def leaf(view: SeriesView) -> Block:
        if view.sample_count == 0:
            return Block.empty(view.rows, len(ends_ms))
        if window_ms and len(ends_ms) > 1:
            cost = view.series_count * row_cost(view, len(ends_ms), window_ms)
            if cost > 2 * COST_AT_ONCE:

                def part(some: slice) -> Block:
                    return of_steps(view, ends_ms[some], eval_ms[some], [s[some] for s in scalars])

                return leaf_by_steps(context, view, len(ends_ms), cost, part)
        return of_steps(view, ends_ms, eval_ms, scalars)

    def of_steps(
        view: SeriesView, ends_ms: Ints, eval_ms: Ints, scalars: Sequence[Floats]
    ) -> Block:
        windows = view_windows(view, ends_ms, reach_ms)
        if reach_ms != range_ms:
            windows = replace(windows, range_ms=range_ms)
        if windows.starts is not None:
            if not context.options.start_timestamps:
                windows = replace(windows, starts=None)
            elif function.counter_only:
                notes = Notes(context, series, operator.range.plan.span)
                warn_overlaps(notes, series, windows, view)
        return _rolled(kernel, windows, scalars, eval_ms, view)

    observe = observed(context, operator, series, scalars)
    compiled = None
    if not starts:
        spec = WindowSpec(ends_ms, reach_ms, range_ms, eval_ms, scalars)
        compiled = _compiled(function, selection, spec, observe)
    nameless = not (function.retains_name and has_names(operator.range.plan))
    pipeline = pipeline_over(selection, steps, leaf, nameless=nameless, starts=starts)
    return replace(pipeline, observe=observe, window_ms=window_ms, compiled=compiled)


def _compiled(
    function: RangeFunction, selection: Selection, spec: WindowSpec, observe: _Observer | None
) -> CompiledRollup | None:
    """The compiled kernel of a function over windows; None if it has none for these arguments, it
    is not ready, or an observer needs more than rows."""
    strips = function.strips
    if strips is None or (strips.accepts is not None and not strips.accepts(spec.scalars)):
        return None
    if observe is not None and not observe.by_rows:
        return None
    return CompiledRollup(
        selection.batches,
        spec,
        strips,
        whole_window=function.whole_window,
        slides=function.slides,
        watch=None if observe is None else observe.rows,
    ).if_ready()


def _rolled(
    kernel: WindowKernel,
    windows: Windows,
    scalars: Sequence[Floats],
    eval_ms: Ints,
    view: SeriesView,
) -> Block:
    per_window = [windows.per_step(scalar) for scalar in scalars]
    out, valid = kernel(windows, per_window, windows.per_step(eval_ms))
    return Block.of(view.rows, windows, out, valid)


def warn_overlaps(notes: Notes, series: SeriesTable, windows: Windows, view: SeriesView) -> None:
    """Warn of series of the view with a sample that began before the one ahead of it."""
    assert windows.cells is not None
    wrong = np.unique(windows.cells[warned_windows(windows)] // windows.grid[1])
    if len(wrong):
        rows = np.zeros(len(series), np.bool_)
        rows[view.rows[wrong]] = True
        notes.warn(OVERLAPPING, rows)


def observed(
    context: Context, operator: Operator, series: SeriesTable, scalars: Sequence[Floats]
) -> _Observer | None:
    """Return the observer that finds the warnings and infos of a rollup; None if there can be
    none."""
    observer = _Observer(context, operator, series, scalars)
    return observer if observer.watches else None


class _Observer:
    """Finds warnings and infos, block by block."""

    def __init__(
        self, context: Context, operator: Operator, series: SeriesTable, scalars: Sequence[Floats]
    ) -> None:
        self._context, self._operator = context, operator
        column = series.column(METRIC_NAME)
        doubtful = np.zeros(len(column.values), np.bool_)
        if RANGE_FUNCTIONS[operator.call.function].counter_only:
            doubtful[:] = [bool(n) and not n.endswith(COUNTER_SUFFIXES) for n in column.values]
        self._names = column
        self._doubtful = doubtful
        self._quantiles = None
        if operator.call.function in ("quantile_over_time", "quantiles_over_time:"):
            q = scalars[0]
            self._quantiles = None if ((q >= 0) & (q <= 1)).all() else q

    @property
    def watches(self) -> bool:
        return bool(self._doubtful.any()) or self._quantiles is not None

    @property
    def by_rows(self) -> bool:
        """Whether the rows that have a value are all that is needed."""
        return self._quantiles is None

    def rows(self, rows: Ints) -> None:
        """These rows of the selection have a value at some step."""
        codes = self._names.codes[rows]
        for code in np.unique(codes[self._doubtful[codes]]).tolist():
            name = quote(self._names.values[code])
            self._context.annotations.info(
                "metric might not be a counter, name does not end in "
                f"_total/_sum/_count/_bucket: {name}",
                self._operator.range.plan.span,
            )

    def __call__(self, block: Block) -> None:
        self.cells(block.rows, block.presence())

    def cells(self, rows: Ints, present: Bools) -> None:
        """Of these rows of the selection, [R], the floats at some steps are present, [R, J]."""
        if self._doubtful.any():
            suspects = np.flatnonzero(self._doubtful[self._names.codes[rows]])
            self.rows(rows[suspects[present[suspects].any(axis=1)]])
        if self._quantiles is not None:
            some: Bools = np.logical_or.reduce(present, axis=0)
            warn_quantiles(self._context, self._quantiles, some, self._operator.call.arguments[0])


def warn_quantiles(context: Context, q: Floats, steps_with_data: Bools, plan: Plan) -> None:
    """Warn of each quantile outside of 0…1 at a step that has data."""
    odd = ~((q >= 0) & (q <= 1)) & steps_with_data
    for value in dict.fromkeys(q[odd].tolist()):
        context.annotations.warn(
            f"quantile value should be between 0 and 1, got {go_number(value)}", plan.span
        )
