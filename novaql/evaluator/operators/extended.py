"""`rate(m[5m] anchored)`, `increase(m[5m] smoothed)`, `m smoothed`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import Context
from novaql.evaluator.kernels.extended import Extended, extend
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.strips import WindowSpec
from novaql.evaluator.kernels.windows import Ints
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.selector import view_windows
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.evaluator.pipeline.scan import pipeline_over
from novaql.planner.logical import FunctionCall, Select
from novaql.tsdb.model.batch_views import SeriesView

ANCHORED = sorted(
    name for name, f in RANGE_FUNCTIONS.items() if f.exact_ends is not None and not f.anchors
)
ALWAYS_ANCHORED = frozenset(name for name, f in RANGE_FUNCTIONS.items() if f.anchors)
SMOOTHED = sorted(name for name, f in RANGE_FUNCTIONS.items() if f.smoothed)


def check_modifier(call: FunctionCall, select: Select) -> None:
    """Raise unless the function supports exact ends."""
    if call.function in ALWAYS_ANCHORED and not select.smoothed:
        return
    for set_, name, allowed in (
        (select.anchored, "anchored", ANCHORED),
        (select.smoothed, "smoothed", SMOOTHED),
    ):
        if set_ and call.function not in allowed:
            raise EvaluationError(
                f"{name} modifier can only be used with: {', '.join(allowed)} - "
                f"not with {call.function}"
            )


def extended_windows(
    view: SeriesView,
    ends_ms: Ints,
    range_ms: int,
    lookback_ms: int,
    *,
    smoothed: bool,
    counter: bool,
) -> Extended:
    """The windows of a view with their ends found. There are no staleness markers in it."""
    reach_ms = lookback_ms if smoothed else 0
    wide = view_windows(view, ends_ms + reach_ms, range_ms + lookback_ms + reach_ms)
    base = view_windows(view, ends_ms, range_ms, like=wide)
    before_end = view_windows(view, ends_ms - 1, range_ms, like=wide).hi
    return extend(base, wide, before_end, smoothed=smoothed, counter=counter)


def extended_pipeline(context: Context, operator: Operator) -> Pipeline:
    """A rollup with exact ends, a view at a time."""
    call, steps, read = operator.call, operator.steps, operator.range.reads
    select = read.select
    check_modifier(call, select)
    lookback_ms = context.options.lookback_ms
    selection = read.selection(context)
    function = RANGE_FUNCTIONS[call.function]
    kernel = function.exact_ends
    assert kernel is not None

    def leaf(view: SeriesView) -> Block:
        if view.sample_count == 0:
            return Block.empty(view.rows, steps.count)
        found = extended_windows(
            view,
            read.ends_ms,
            read.range_ms,
            lookback_ms,
            smoothed=select.smoothed,
            counter=function.counter_only,
        )
        return Block.of(view.rows, found.inner, *kernel(found))

    pipeline = pipeline_over(selection, steps, leaf, nameless=True)
    if function.anchored is None or select.smoothed:
        return pipeline
    ends_ms, range_ms = read.ends_ms, read.range_ms
    spec = WindowSpec(ends_ms, range_ms, range_ms, ends_ms, before_ms=lookback_ms)
    compiled = CompiledRollup(selection.batches, spec, function.anchored).if_ready()
    return replace(pipeline, compiled=compiled)


def exact_ends(
    view: SeriesView, end_ms: int, range_ms: int, lookback_ms: int, *, smoothed: bool
) -> SeriesView:
    """The samples of one window between two points that are its exact ends. There are no staleness
    markers in the view.

    A range vector has no type, counter or gauge: its ends are those of gauges.
    """
    if view.sample_count == 0:
        return view
    with np.errstate(all="ignore"):
        found = extended_windows(
            view, np.array([end_ms]), range_ms, lookback_ms, smoothed=smoothed, counter=False
        )
    inner = found.inner
    shape, width = inner.shape, inner.values.shape[-1]
    lo, hi = (np.broadcast_to(bound, shape).reshape(-1) for bound in (inner.lo, inner.hi))
    row = np.arange(len(lo)) if inner.cells is None else inner.cells
    base = row * width if inner.cells is None else np.zeros(len(row), np.int64)
    some = np.flatnonzero(np.broadcast_to(found.valid, shape).reshape(-1))
    sizes = (hi - lo)[some] + 2
    offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    of = np.repeat(some, sizes)
    sample = np.clip(lo[of] + place - 1, 0, width - 1)
    times = inner.times[sample]
    values = inner.values.reshape(-1)[base[of] + sample]
    for at, moment, value in (
        (offsets[:-1], end_ms - range_ms, found.left),
        (offsets[1:] - 1, end_ms, found.right),
    ):
        times[at] = moment
        values[at] = np.broadcast_to(value, shape).reshape(-1)[some]
    return SeriesView(view.rows[row[some]], times, values, offsets)


def smoothed_pipeline(context: Context, operator: Operator) -> Pipeline:
    """`m smoothed`: interpolated at each step; the last value if no sample follows."""
    lookback_ms = context.options.lookback_ms
    read, steps = operator.reads, operator.steps
    ends_ms, selection = read.ends_ms, read.selection(context)

    def leaf(view: SeriesView) -> Block:
        if view.sample_count == 0:
            return Block.empty(view.rows, steps.count)
        behind = view_windows(view, ends_ms, lookback_ms)
        ahead = view_windows(view, ends_ms + lookback_ms, lookback_ms, like=behind)
        low, high = behind.last(), behind.at(behind.hi)
        low_ms, high_ms = behind.times_at(behind.hi - 1), behind.times_at(behind.hi)
        gap = np.maximum(high_ms - low_ms, 1)
        followed = (ahead.hi > ahead.lo) & (low_ms < behind.ends_ms)
        between = low + (high - low) * (behind.ends_ms - low_ms) / gap
        values = np.where(followed, between, low)
        return Block.of(view.rows, behind, values, behind.counts > 0)

    return pipeline_over(selection, steps, leaf, nameless=False)
