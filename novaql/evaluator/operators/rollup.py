"""Functions over range vectors: `rate(m[5m])`, `max_over_time(e[1h:1m])`, …"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.kernels.bindings import (
    COUNTER_ONLY,
    KEEP_NAME,
    WindowKernel,
)
from novaql.evaluator.kernels.started import warned_windows
from novaql.evaluator.kernels.strips import STRIP_ROLLUPS, WindowSpec
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows
from novaql.evaluator.native_notes import OVERLAPPING, Notes
from novaql.evaluator.operators.cell_rollup import (
    CELL_FUNCTIONS,
    Moved,
    cell_fragment,
    cells_as_samples,
    may_answer,
    moved,
    moved_fragment,
    windows_read,
)
from novaql.evaluator.operators.checked_kernels import window_kernel
from novaql.evaluator.operators.extended import extended_fragment
from novaql.evaluator.operators.selector import read, view_windows, window_ends
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.long_windows import COST_AT_ONCE, leaf_by_steps, row_cost
from novaql.evaluator.pipeline.model import BatchLeaf, Fragment
from novaql.evaluator.pipeline.scan import STARTS_MATTER, views_of
from novaql.evaluator.protocol import Runner
from novaql.evaluator.steps import Steps
from novaql.planner.logical import (
    FunctionCall,
    Plan,
    SubqueryWindow,
    Window,
)
from novaql.text.go_text import go_number, quote
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.model.source import Selection

WHOLE_WINDOW = frozenset(
    {
        "avg_over_time", "sum_over_time", "stddev_over_time", "stdvar_over_time", "mad_over_time",
        "quantile_over_time", "deriv", "predict_linear", "double_exponential_smoothing",
        "ts_of_min_over_time", "ts_of_max_over_time",
    }
)  # fmt: skip
"""Rollups whose work grows with the number of samples in a window."""

SLIDING = frozenset({"avg_over_time", "sum_over_time"})
"""Those whose compiled kernels look at each sample once."""

COUNTER_SUFFIXES = ("_total", "_sum", "_count", "_bucket")


def range_argument(call: FunctionCall) -> Window | SubqueryWindow:
    """The one argument that is a range vector."""
    for argument in call.arguments:
        if isinstance(argument, (Window, SubqueryWindow)):
            return argument
    raise AssertionError(f"{call.function} has no range vector")


def scalar_arguments(run: Runner, call: FunctionCall, steps: Steps) -> list[Floats]:
    return [
        run.scalar(argument, steps)
        for argument in call.arguments
        if not isinstance(argument, (Window, SubqueryWindow))
    ]


def rollup_fragment(run: Runner, call: FunctionCall, steps: Steps) -> Fragment:
    """A rollup of a selector's range, a batch at a time."""
    window = range_argument(call)
    assert isinstance(window, Window)
    context = run.context
    if window.select.anchored or window.select.smoothed:
        return extended_fragment(context, call, window, steps)
    ends_ms, range_ms = window_ends(window.select, steps), window.range_ms
    windows = Moved(ends_ms, context.reach_ms(range_ms), None)
    if context.options.rollup_ms and call.function in CELL_FUNCTIONS:
        windows = moved(ends_ms, range_ms, context.options.rollup_ms)
        range_ms = windows.reach_ms
    hint = windows_read(context, call.function, windows)
    selection = read(context, window.select, windows.ends_ms, windows.reach_ms, hint)
    selection = cells_as_samples(context, call.function, selection)
    begun = selection.starts and context.options.start_timestamps and call.function in STARTS_MATTER
    found = windows_fragment(
        run,
        call,
        steps,
        selection,
        windows.ends_ms,
        range_ms,
        starts=begun,
        reach_ms=windows.reach_ms,
    )
    cells, native = selection.cells, bool(selection.histograms)
    if cells is not None and not begun and not native and may_answer(context, call.function, cells):
        observe = observed(context, call, cells.series, ())
        found = replace(found, observe=observe)
        found = cell_fragment(
            context, call.function, cells, found, windows.ends_ms, windows.reach_ms, range_ms
        )
    return replace(moved_fragment(found, windows), has_histograms=native)


def windows_fragment(
    run: Runner,
    call: FunctionCall,
    steps: Steps,
    selection: Selection,
    ends_ms: Ints,
    range_ms: int,
    *,
    starts: bool = False,
    reach_ms: int | None = None,
) -> Fragment:
    """The kernel of `call` over windows of the floats of a selection. ends_ms: [J], right ends.

    starts    start timestamps are used, which compiled kernels do not read
    reach_ms  how far left of their ends windows reach; None: as `Context.reach_ms` says
    """
    context, series = run.context, selection.series
    scalars = scalar_arguments(run, call, steps)
    if reach_ms is None:
        reach_ms = context.reach_ms(range_ms)
    # Only windows of functions that look at nothing but samples are ever moved.
    eval_ms = steps.times_ms if len(ends_ms) == steps.count else ends_ms
    kernel = window_kernel(call.function)

    # All samples of a window are looked at.
    window_ms = reach_ms if call.function in WHOLE_WINDOW else 0

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
            elif call.function in COUNTER_ONLY:
                _warn_overlaps(context, call, series, windows, view)
        return _rolled(kernel, windows, scalars, eval_ms, view)

    nameless = call.function not in KEEP_NAME
    observe = observed(context, call, series, scalars)
    batched = None
    rollup = STRIP_ROLLUPS.get(call.function)
    if rollup is not None and not starts and (observe is None or observe.by_rows):
        watch = None if observe is None else observe.rows
        asked = WindowSpec(ends_ms, reach_ms, range_ms, eval_ms, scalars)
        batched = BatchLeaf(
            selection.batches,
            asked,
            rollup,
            whole_windows=call.function in WHOLE_WINDOW - SLIDING,
            watch=watch,
        )
    return Fragment(
        series,
        steps,
        views_of(selection, markers=False, starts=starts),
        leaf,
        (),
        nameless,
        observe,
        window_ms=window_ms,
        batched=batched,
    )


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


def _warn_overlaps(
    context: Context, call: FunctionCall, series: SeriesTable, windows: Windows, view: SeriesView
) -> None:
    assert windows.cells is not None
    wrong = np.unique(windows.cells[warned_windows(windows)] // windows.grid[1])
    if len(wrong):
        rows = np.zeros(len(series), np.bool_)
        rows[view.rows[wrong]] = True
        Notes(context, series, range_argument(call).span).warn(OVERLAPPING, rows)


def observed(
    context: Context, call: FunctionCall, series: SeriesTable, scalars: Sequence[Floats]
) -> _Observer | None:
    """What is to look at the blocks of a rollup."""
    return _Observer.of(context, call, series, scalars)


class _Observer:
    """Notices, per block, what deserves a warning or an info."""

    def __init__(
        self, context: Context, call: FunctionCall, series: SeriesTable, scalars: Sequence[Floats]
    ) -> None:
        self._context, self._call = context, call
        column = series.column(METRIC_NAME)
        doubtful = np.zeros(len(column.values), np.bool_)
        if call.function in COUNTER_ONLY:
            doubtful[:] = [bool(n) and not n.endswith(COUNTER_SUFFIXES) for n in column.values]
        self._names = column
        self._doubtful = doubtful
        self._quantiles = None
        if call.function == "quantile_over_time":
            q = scalars[0]
            self._quantiles = None if ((q >= 0) & (q <= 1)).all() else q

    @property
    def by_rows(self) -> bool:
        """Whether it is enough to know the rows that have a value."""
        return self._quantiles is None

    @classmethod
    def of(
        cls,
        context: Context,
        call: FunctionCall,
        series: SeriesTable,
        scalars: Sequence[Floats],
    ) -> _Observer | None:
        observer = cls(context, call, series, scalars)
        watches = bool(observer._doubtful.any()) or observer._quantiles is not None
        return observer if watches else None

    def rows(self, rows: Ints) -> None:
        """These rows of the selection have a value at some step."""
        codes = self._names.codes[rows]
        for code in np.unique(codes[self._doubtful[codes]]).tolist():
            name = quote(self._names.values[code])
            self._context.annotations.info(
                "metric might not be a counter, name does not end in "
                f"_total/_sum/_count/_bucket: {name}",
                range_argument(self._call).span,
            )

    def __call__(self, block: Block) -> None:
        if self._doubtful.any():
            suspects = np.flatnonzero(self._doubtful[self._names.codes[block.rows]])
            self.rows(block.rows[suspects[block.presence()[suspects].any(axis=1)]])
        if self._quantiles is not None:
            some: Bools = np.logical_or.reduce(block.presence(), axis=0)
            warn_quantiles(self._context, self._quantiles, some, self._call.arguments[0])


def warn_quantiles(context: Context, q: Floats, steps_with_data: Bools, plan: Plan) -> None:
    """Warn of each quantile outside of 0…1 at a step that has data."""
    odd = ~((q >= 0) & (q <= 1)) & steps_with_data
    for value in dict.fromkeys(q[odd].tolist()):
        context.annotations.warn(
            f"quantile value should be between 0 and 1, got {go_number(value)}", plan.span
        )
