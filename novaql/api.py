"""query(): text → tree → plan → values → result, on one screen."""

from __future__ import annotations

import time as clock
from dataclasses import replace
from typing import Any

import numpy as np

from novaql.errors import ArgumentError, StorageUnavailable, TypeProblem
from novaql.evaluator.context import Annotations, Cancellation, Context
from novaql.evaluator.evaluate import Evaluator, finish_names, scalar_as_matrix
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.range_vector import range_vector
from novaql.evaluator.steps import Steps
from novaql.inputs.resolve import as_source
from novaql.inputs.table_source import TableSource
from novaql.language import parse, walk
from novaql.language.ast import VectorSelector
from novaql.language.value_types import ValueType
from novaql.options import Limits, NameRemoval, QueryOptions
from novaql.planner import build_plan, optimize
from novaql.planner import explain as explain_plan
from novaql.planner.logical import Plan, SubqueryWindow, TextConstant, Window, type_of
from novaql.result import QueryStats, Result, ResultKind
from novaql.span import Span
from novaql.timeparse import DurationLike, TimeLike, duration_ms, to_ms
from tsdb.errors import StoreError
from tsdb.labels import SeriesTable
from tsdb.selection import Source

NO_DATA = TableSource.from_tiles(SeriesTable.unlabelled(0), [])
"""What a query without selectors is evaluated over."""

__all__ = ["Cancellation", "evaluate", "explain", "query"]


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
    limits: Limits | None = None,
) -> Result:
    """Evaluate a NovaQL expression over data.

    expr      PromQL (or more)
    data      a database, a path, a frame, a table, a URL, or any `Source`; None: the default
              database (`NOVAQL_DATA`, else `./novaql-data`)
    time      instant query at this time (default: now). Datetimes, RFC 3339 texts, Unix seconds
    start, end, step   range query at start, start + step, … ≤ end; all three are needed
    lookback  how long a sample stays visible to an instant selector
    timeout   wall-clock budget; None for no limit

    Raises `QueryError` where the text is at fault, `ArgumentError` for the other arguments,
    `EvaluationError` where the data does not allow the query, and the rest of `novaql.errors`.
    """
    options = query_options(
        time=time,
        start=start,
        end=end,
        step=step,
        lookback=lookback,
        timeout=timeout,
        name_removal=name_removal,
        limits=limits,
    )
    tree = parse(expr)  # a wrong query is told before any data is opened
    needs_data = data is not None or any(isinstance(node, VectorSelector) for node in walk(tree))
    return evaluate(expr, as_source(data) if needs_data else NO_DATA, options)


def query_options(
    *,
    time: TimeLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    step: DurationLike | None = None,
    lookback: DurationLike = "5m",
    timeout: DurationLike | None = "2m",
    name_removal: NameRemoval | str = NameRemoval.DELAYED,
    limits: Limits | None = None,
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
    options = QueryOptions(
        0, 0, 0, lookback_ms, timeout_s=timeout_s, name_removal=removal, limits=limits or Limits()
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
) -> Result:
    """`query` with everything resolved. Safe to call from several threads at once."""
    began = clock.perf_counter()
    plan = _typed_plan(expr, options)
    planned_plan = optimize(plan, enabled=optimizer)
    planned = clock.perf_counter()
    context = Context(source, options, cancellation)
    steps = Steps.between(options.start_ms, options.end_ms, options.step_ms)
    context.admit_points(steps)
    try:
        result = _run(planned_plan, context, steps, options)
    except (OSError, StoreError) as failure:
        raise StorageUnavailable(f"reading the data failed: {failure}") from failure
    done = clock.perf_counter()
    stats = QueryStats(
        context.series_selected,
        context.samples_read,
        context.samples_read * 8,
        {"plan": planned - began, "evaluate": done - planned},
    )
    warnings, infos = _told(context.annotations, expr)
    return replace(result, warnings=warnings, infos=infos, stats=stats)


def explain(expr: str, options: QueryOptions | None = None) -> str:
    """The plan after every rule, as text."""
    return explain_plan(_typed_plan(expr, options or QueryOptions(0, 0)))


def _typed_plan(expr: str, options: QueryOptions) -> Plan:
    tree = parse(expr)
    plan = build_plan(tree, expr, options)
    kind = type_of(plan)
    if not options.instant and kind not in (ValueType.SCALAR, ValueType.VECTOR):
        raise TypeProblem(
            f'invalid expression type "{kind.value}" for range query, '
            "must be Scalar or instant Vector",
            expr,
            tree.span,
        )
    return plan


def _run(plan: Plan, context: Context, steps: Steps, options: QueryOptions) -> Result:
    run = Evaluator(context)
    times = steps.times_ms
    no_values = np.zeros((0, 0))
    if isinstance(plan, (Window, SubqueryWindow)):
        series, points = range_vector(run, plan, steps)
        return Result(ResultKind.MATRIX, series, times[:0], no_values, raw=points)
    if isinstance(plan, TextConstant):
        nothing = SeriesTable.unlabelled(0)
        return Result(ResultKind.STRING, nothing, times, no_values, text=plan.value)
    if type_of(plan) is ValueType.SCALAR:
        found = scalar_as_matrix(run.scalar(plan, steps))
        kind = ResultKind.SCALAR if options.instant else ResultKind.MATRIX
        return Result(kind, found.series, times, found.values)
    found = finish_names(run.vector(plan, steps)).without_empty_rows()
    if not options.instant:
        found = found.take(found.series.order())
    kind = ResultKind.VECTOR if options.instant else ResultKind.MATRIX
    return _of_matrix(kind, found, steps)


def _of_matrix(kind: ResultKind, found: StepMatrix, steps: Steps) -> Result:
    values = np.ascontiguousarray(found.values)
    native = found.native
    if native is not None and not (native.which >= 0).any():
        native = None
    return Result(kind, found.series, steps.times_ms, values, found.valid, native=native)


def _told(annotations: Annotations, expr: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Texts with the position they speak of."""

    def texts(found: dict[str, Span]) -> tuple[str, ...]:
        return tuple(
            "{} ({}:{})".format(text, *span.position(expr)) for text, span in found.items()
        )

    return texts(annotations.warnings), texts(annotations.infos)
