"""query(): arguments → options and data → the engine's answer, on one screen.

The first query loads the engine, not `import novaql`, so the import alone costs little.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from novaql.cancellation import Cancellation
from novaql.errors import ArgumentError
from novaql.options import Limits, NameRemoval, QueryOptions
from novaql.timeparse import DurationLike, TimeLike, duration_ms, to_ms

if TYPE_CHECKING:
    from novaql.evaluator.estimate import Estimate
    from novaql.evaluator.profile import Profile
    from novaql.result import Result
    from novaql.result_cache import ResultCache
    from novaql.tsdb.model.source import Source

__all__ = ["Cancellation", "evaluate", "explain", "query", "query_options", "warmup"]


def query(
    expr: str,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    name_removal: NameRemoval | str = NameRemoval.DELAYED,
    left_closed: bool = False,
    limits: Limits | None = None,
    strict: bool = False,
    rollup: DurationLike | None = None,
    cache: ResultCache | None = None,
) -> Result:
    """Evaluate a NovaQL expression over data.

    expr      PromQL
    data      a database, a path, a frame, a table, a URL, or any `Source`; None: the default
              database (`NOVAQL_DATA`, else `./novaql-data`)
    time      instant query at this time (default: now). Datetimes, RFC 3339 texts, Unix seconds
    start, end, step   range query at start, start + step, … ≤ end; all three are needed
    lookback  how long a sample stays visible to an instant selector
    timeout   wall-clock budget; None for no limit
    name_removal   "delayed": removes the metric's name at the end of the query; "eager": at each
              function, the default of Prometheus servers
    left_closed    ranges and lookback include their left end, as they did before Prometheus 3
    limits    budget in samples, series, points and bytes
    strict    raise `StorageUnavailable` if a database is damaged; otherwise the query skips what it
              cannot read, and its `warnings` name the file and the position
    rollup    use rollups of this resolution for windows of avg, count, first, last, max, min,
              present and sum `_over_time`, `rate`, `increase` and `delta`: a window's end moves
              back, and its length up, to a multiple of it. None: only if the answer is the same
    cache     reuses unchanged steps of earlier range queries over a database; use one cache for
              all queries of a program

    Raises `QueryError` for an error in the text, `ArgumentError` for other arguments,
    `EvaluationError` if the data does not allow the query, and other errors of `novaql.errors`.
    """
    if not isinstance(expr, str):
        raise ArgumentError("expr", f"is a text, this is {type(expr).__name__}")
    asked_ms = int(clock.time() * 1000)
    options = query_options(
        time=time,
        start=start,
        end=end,
        step=step,
        lookback=lookback,
        timeout=timeout,
        name_removal=name_removal,
        left_closed=left_closed,
        limits=limits,
        strict=strict,
        rollup=rollup,
    )
    from novaql.engine import selects_data  # noqa: PLC0415 - loaded by the first query
    from novaql.inputs.resolve import NO_DATA, as_source  # noqa: PLC0415 - likewise

    # A wrong query is told before any data is opened; one without selectors needs none.
    selects = selects_data(expr)
    source = as_source(data, now_ms=asked_ms) if selects or data is not None else NO_DATA
    result = evaluate(expr, source, options, cache=cache)
    notes: tuple[str, ...] = getattr(source, "notes", ())
    return replace(result, warnings=(*result.warnings, *notes)) if notes else result


def query_options(
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    name_removal: NameRemoval | str = NameRemoval.DELAYED,
    left_closed: bool = False,
    limits: Limits | None = None,
    strict: bool = False,
    rollup: DurationLike | None = None,
) -> QueryOptions:
    """The arguments of `query`, checked and brought to milliseconds."""
    lookback_ms = duration_ms(lookback, argument="lookback")
    if lookback_ms <= 0:
        raise ArgumentError("lookback", "must be greater than 0")
    timeout_s = None if timeout is None else duration_ms(timeout, argument="timeout") / 1000
    if timeout_s is not None and timeout_s <= 0:
        raise ArgumentError("timeout", "must be greater than 0")
    try:
        removal = NameRemoval(name_removal)
    except ValueError:
        raise ArgumentError("name_removal", "is either 'delayed' or 'eager'") from None
    rollup_ms = 0 if rollup is None else duration_ms(rollup, argument="rollup")
    if rollup_ms < 0 or (rollup is not None and rollup_ms == 0):
        raise ArgumentError("rollup", "must be greater than 0")
    options = QueryOptions(
        0,
        0,
        0,
        lookback_ms,
        timeout_s=timeout_s,
        name_removal=removal,
        left_closed=left_closed,
        limits=limits or Limits(),
        strict=strict,
        rollup_ms=rollup_ms,
    )
    if start is None and end is None and step is None:
        now_ms = int(clock.time() * 1000)
        at_ms = now_ms if time is None else to_ms(time, argument="time")
        return replace(options, start_ms=at_ms, end_ms=at_ms)
    if time is not None:
        raise ArgumentError(
            "time", "an instant query has no start, end or step; give one or the other"
        )
    for value, name in ((start, "start"), (end, "end"), (step, "step")):
        if value is None:
            raise ArgumentError(name, "a range query needs start, end and step")
    assert start is not None
    assert end is not None
    assert step is not None
    start_ms, end_ms = to_ms(start, argument="start"), to_ms(end, argument="end")
    step_ms = duration_ms(step, argument="step")
    if step_ms <= 0:
        raise ArgumentError("step", "must be greater than 0")
    if end_ms < start_ms:
        raise ArgumentError("end", "must not be before start")
    return replace(options, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)


def evaluate(
    expr: str,
    source: Source,
    options: QueryOptions,
    *,
    cancellation: Cancellation | None = None,
    optimizer: bool = True,
    cache: ResultCache | None = None,
    admit: Callable[[Estimate], None] | None = None,
    profile: Profile | None = None,
) -> Result:
    """Evaluate a query over a source, with resolved options. Thread-safe.

    admit    called with the estimate before the query reads anything; an exception ends the query
    profile  receives the cost of each operator
    """
    from novaql import engine  # noqa: PLC0415 - loaded by the first query

    return engine.evaluate(
        expr,
        source,
        options,
        cancellation=cancellation,
        optimizer=optimizer,
        cache=cache,
        admit=admit,
        profile=profile,
    )


def estimate(
    expr: str,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    left_closed: bool = False,
) -> Estimate:
    """Estimate how many series and samples a query will read, without reading them.

    The arguments are those of `query`. A running query compares the same figures with its `limits`
    before it reads anything.
    """
    asked_ms = int(clock.time() * 1000)
    options = query_options(
        time=time, start=start, end=end, step=step, lookback=lookback, left_closed=left_closed
    )
    from novaql import engine  # noqa: PLC0415 - loaded by the first query
    from novaql.inputs.resolve import as_source  # noqa: PLC0415 - likewise

    engine.selects_data(expr)  # a wrong query is told before any data is opened
    return engine.estimate(expr, as_source(data, now_ms=asked_ms), options)


def analyze(
    expr: str,
    data: Any = None,
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    limits: Limits | None = None,
    strict: bool = False,
    rollup: DurationLike | None = None,
) -> str:
    """Evaluate a query, and return the cost of each operator of its plan, as text.

    Each line is an operator: the series and samples that a selector reads, or an operator returns;
    their bytes; milliseconds including the operators below. For an operator that runs tile by tile
    inside the one above, the time excludes others, and the bytes are those of the largest tile.
    The arguments are those of `query`.
    """
    asked_ms = int(clock.time() * 1000)
    options = query_options(
        time=time,
        start=start,
        end=end,
        step=step,
        lookback=lookback,
        timeout=timeout,
        limits=limits,
        strict=strict,
        rollup=rollup,
    )
    from novaql import engine  # noqa: PLC0415 - loaded by the first query
    from novaql.evaluator.profile import Profile  # noqa: PLC0415 - likewise
    from novaql.inputs.resolve import NO_DATA, as_source  # noqa: PLC0415 - likewise

    known = engine.selects_data(expr) or data is not None
    source = as_source(data, now_ms=asked_ms) if known else NO_DATA
    profile = Profile()
    evaluate(expr, source, options, profile=profile)
    return profile.text()


def explain(expr: str, options: QueryOptions | None = None) -> str:
    """Return the plan after every planner rule, as text."""
    from novaql import engine  # noqa: PLC0415 - loaded by the first query

    return engine.explain(expr, options)


def warmup(*, background: bool = False) -> dict[str, float]:
    """Prepare the compiled kernels. Returns the seconds that each kernel took.

    Without this call, a process uses NumPy until it has done enough work. The first call on a
    machine compiles the kernels, which takes some seconds; later calls load them from a cache in a
    second. The function does nothing if numba is not installed (`pip install 'novaql[fast]'`), if
    the kernels are ready, or if the environment has `NOVAQL_COMPILED=off`.

    background  prepare them in a separate thread, and return an empty result at once
    """
    from novaql.evaluator.kernels import dispatch  # noqa: PLC0415 - the engine is not loaded early
    from novaql.export import compiled_text  # noqa: PLC0415 - likewise
    from novaql.tsdb.codec.numba import compiled as pages  # noqa: PLC0415 - likewise

    def others(*, goes_on: Callable[[], bool] = lambda: True) -> dict[str, float]:
        return pages.prepare(goes_on=goes_on) | compiled_text.prepare(goes_on=goes_on)

    if background:
        dispatch.prepare_in_background(then=others)
        return {}
    return dispatch.prepare_all() | others()
