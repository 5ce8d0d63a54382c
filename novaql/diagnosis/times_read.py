"""The times at which a query needs its parts: `offset`, `@`, ranges and subqueries move them."""

from __future__ import annotations

from dataclasses import replace

from novaql.language.ast import (
    AtEdge,
    DurationLiteral,
    DurationReference,
    MatrixSelector,
    Shifted,
    Subquery,
    VectorSelector,
)
from novaql.options import QueryOptions
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS

MOST_STEPS = 200
"""Steps of a subquery at which the inner expression is evaluated."""


def times_of(
    node: VectorSelector | MatrixSelector, options: QueryOptions
) -> tuple[VectorSelector, int, int]:
    """Return the selector of a node, and the first and the last time that it reads, within those
    that samples can have."""
    if isinstance(node, MatrixSelector):
        selector, reach = node.selector, ms_of(node.range)
        if reach is None:  # found from the data, or computed from the step
            reach = max(options.step_ms, options.lookback_ms)
        if selector.anchored or selector.smoothed:  # the last sample before the range, too
            reach += options.lookback_ms
    else:
        selector, reach = node, options.lookback_ms
    ahead = options.lookback_ms if selector.smoothed else 0
    at = moved(selector, options) or options
    return selector, _possible(at.start_ms - reach), _possible(at.end_ms + ahead)


def _possible(time_ms: int) -> int:
    return min(max(time_ms, MIN_TIME_MS), MAX_TIME_MS)


def ms_of(duration: object) -> int | None:
    """A written duration in milliseconds; None: one that is computed."""
    return duration.nanoseconds // 1_000_000 if isinstance(duration, DurationLiteral) else None


def moved(node: VectorSelector | Shifted | Subquery, options: QueryOptions) -> QueryOptions | None:
    """The options at the times of `offset` and `@`; None: they are computed."""
    offset = 0 if node.offset is None else ms_of(node.offset)
    if offset is None:
        return None
    start, end, step = options.start_ms, options.end_ms, options.step_ms
    if node.at is not None:
        when = node.at.when
        if isinstance(when, AtEdge):
            when = start if when is AtEdge.START else end
        start = end = when + node.at.plus_ms
        step = 0
    return replace(options, start_ms=start - offset, end_ms=end - offset, step_ms=step)


def inside(node: Subquery, options: QueryOptions) -> QueryOptions | None:
    """The options of the inner expression of a subquery; None: they are computed."""
    at, length = moved(node, options), ms_of(node.range)
    step = (
        ms_of(node.step) if node.step is not None else options.step_ms or options.subquery_step_ms
    )
    if isinstance(node.range, DurationReference) and step is not None:  # automatic: `rate(sum(m))`
        length = 4 * step
    if at is None or length is None:
        return None
    start, end = at.start_ms - length, at.end_ms
    least = max(1, -(-(end - start) // MOST_STEPS))
    return replace(options, start_ms=start, end_ms=end, step_ms=max(step or least, least))
