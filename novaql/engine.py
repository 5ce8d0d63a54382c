"""From query text and a source to a result: parse, plan, evaluate."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from novaql.cancellation import Cancellation, Running
from novaql.errors import ArgumentError, Located, StorageUnavailable
from novaql.evaluator.context import Annotations, Context
from novaql.evaluator.estimate import Estimate, estimate_of
from novaql.evaluator.evaluate import Evaluator, finish_names
from novaql.evaluator.kernels.windows import Ints
from novaql.evaluator.lower import lower
from novaql.evaluator.matrix import StepMatrix, scalar_matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.profile import Profile
from novaql.evaluator.range_vector import range_vector
from novaql.evaluator.retained_memory import reuse_freed_memory
from novaql.evaluator.sample_gaps import median_gap_ms
from novaql.evaluator.steps import Steps
from novaql.language import parse_core, walk
from novaql.language.ast import VectorSelector
from novaql.language.value_types import ValueType
from novaql.options import QueryOptions
from novaql.parameters import Parameters, bound
from novaql.planner import build_plan
from novaql.planner import explain as explain_plan
from novaql.planner.build import GapFinder
from novaql.planner.logical import Plan, Select, SubqueryWindow, TextConstant, Window, type_of
from novaql.planner.nodes import PlanNode, nodes_of
from novaql.planner.optimizer import optimize
from novaql.planner.plan_cache import PLANS, check_type
from novaql.query_text import QueryLike, query_text
from novaql.result import QueryStats, Result, ResultKind
from novaql.result_cache import ResultCache
from novaql.span import Span
from novaql.text.times import duration_text, time_text
from novaql.text.unicode import valid_text
from novaql.tsdb.errors import StoreError
from novaql.tsdb.model.interruption import interruptible
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.source import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    Downsampled,
    Source,
    supports_downsampling,
)


def selects_data(expr: str) -> bool:
    """Whether the query selects any series. Raises `QueryError` if it is invalid."""
    return any(isinstance(node, VectorSelector) for node in walk(parse_core(expr)))


def evaluate(
    expr: QueryLike,
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
    began = clock.perf_counter()
    reuse_freed_memory()
    expr = query_text(expr)
    floats_only = not _may_have_histograms(source)
    with interruptible(Running(cancellation, options.timeout_s).checkpoint):
        plan, windows = PLANS.planned(
            expr,
            options,
            optimizer=optimizer,
            floats_only=floats_only,
            gap_ms=_gap_finder(expr, source, options, cancellation),
            strict_promql=options.strict_promql,
        )
    planned = clock.perf_counter()
    steps = Steps.between(options.start_ms, options.end_ms, options.step_ms)
    notes = tuple(
        "NovaQL info: automatic window of {} ({}:{})".format(
            duration_text(ms), *span.position(expr)
        )
        for span, ms in dict.fromkeys(windows)
    )
    downsampling: tuple[str, ...] = ()
    if (
        supports_downsampling(source)
        and source.downsampled_range(MIN_TIME_MS, MAX_TIME_MS) is not None
    ):
        running = Running(cancellation, options.timeout_s)
        with _failures(expr), interruptible(running.checkpoint):
            options, downsampling = _downsampled_options(plan, source, options, steps)
        notes += downsampling
        cache = None if downsampling else cache
    if options.rollup_ms:
        notes += (f"NovaQL info: windows are made of cells of {duration_text(options.rollup_ms)}",)
    context = Context(source, options, cancellation, profile)
    if profile is not None:
        profile.plan = plan
    result: Result | None = None

    def run(first: int, last: int) -> Result:
        operator = lower(context, plan, steps.part(first, last))
        estimate = estimate_of(context, operator)
        if admit is not None:
            admit(estimate)
        context.memory.expect(estimate.bytes)
        return _run(operator, context, options)

    try:
        with _failures(expr), interruptible(context.checkpoint):
            context.admit_points(steps)
            if cache is None:
                result = run(0, steps.count)
            else:
                result = cache.answer(plan, steps.times_ms, options, source, run, context)
    finally:
        context.memory.finish(result)
    done = clock.perf_counter()
    stats = QueryStats(
        context.series_selected,
        context.samples_read,
        context.samples_read * 8,
        {"plan": planned - began, "evaluate": done - planned},
    )
    warnings, infos = _formatted(context.annotations, expr)
    if context.read_errors:
        warnings += context.read_errors.warnings()
    return replace(result, warnings=warnings, infos=infos + notes, stats=stats)


def _downsampled_options(
    plan: Plan, source: Downsampled, options: QueryOptions, steps: Steps
) -> tuple[QueryOptions, tuple[str, ...]]:
    """Return the options to evaluate with, and infos.

    If the query reads time of which only rollups remain, the options are those of a query that
    requests these rollups.
    """
    probe = Context(source, options)
    probe.admit_points(steps)
    estimate_of(probe, lower(probe, plan, steps))
    if probe.downsampled is None:
        return options, ()
    resolution_ms, last_ms = probe.downsampled
    info = (
        f"NovaQL info: of samples up to {time_text(last_ms)}, rollups of "
        f"{duration_text(resolution_ms)} are left and the last sample of each cell"
    )
    return replace(
        options,
        rollup_ms=max(options.rollup_ms, resolution_ms),
        lookback_ms=max(options.lookback_ms, resolution_ms),
    ), (info,)


def estimate(expr: str, source: Source, options: QueryOptions) -> Estimate:
    """Return what the query will read, without reading it.

    Raises what `evaluate` raises before it reads samples.
    """
    plan, _ = PLANS.planned(
        expr,
        options,
        floats_only=not _may_have_histograms(source),
        gap_ms=_gap_finder(expr, source, options, None),
        strict_promql=options.strict_promql,
    )
    context = Context(source, options)
    with _failures(expr):
        steps = Steps.between(options.start_ms, options.end_ms, options.step_ms)
        return estimate_of(context, lower(context, plan, steps))


@contextmanager
def _failures(expr: str) -> Iterator[None]:
    """Errors of a running query get its text; those of the store become `StorageUnavailable`."""
    try:
        yield
    except Located as problem:
        problem.locate(expr)
        raise
    except (OSError, StoreError) as failure:
        raise StorageUnavailable(f"reading the data failed: {failure}") from failure


def _gap_finder(
    expr: str, source: Source, options: QueryOptions, cancellation: Cancellation | None
) -> GapFinder:
    """Return the function that computes automatic windows. Of the query's limits, only that of each
    selection applies to its reads."""

    def gap_ms(select: Select, start_ms: int, end_ms: int) -> int | None:
        context = Context(source, options, cancellation)
        try:
            return median_gap_ms(context, select, start_ms, end_ms)
        except Located as problem:
            problem.locate(expr)
            raise
        except (OSError, StoreError) as failure:
            raise StorageUnavailable(f"reading the data failed: {failure}") from failure

    return gap_ms


def _may_have_histograms(source: Source) -> bool:
    try:
        return source.has_histograms()
    except (OSError, StoreError):  # the selection raises it, too
        return True


def explain(
    expr: QueryLike, options: QueryOptions | None = None, *, params: Parameters | None = None
) -> str:
    """Return the plan after each planner rule, then the times that each selector reads, as text.

    params  values of `$name`, as for `query`
    """
    options = _plan_options(options)
    with bound(query_text(expr), params) as query:
        return explain_plan(_checked_plan(query.text, options), options.lookback_ms)


def explain_nodes(
    expr: QueryLike, options: QueryOptions | None = None, *, params: Parameters | None = None
) -> list[PlanNode]:
    """Return the nodes of the plan after all planner rules, parents first, with their places in
    the text.

    The plan is that for data without native histograms.
    """
    with bound(query_text(expr), params) as query:
        plan = optimize(_checked_plan(query.text, _plan_options(options)), floats_only=True)
    nodes = [node for _, node in nodes_of(plan, query.text)]
    if not query.values:
        return nodes
    return [replace(node, **query.place(node.start, node.end)) for node in nodes]


def _plan_options(options: object) -> QueryOptions:
    if options is None:
        return QueryOptions(0, 0)
    if isinstance(options, QueryOptions):
        return options
    kind = type(options).__name__
    raise ArgumentError("options", f"is of query_options(…), this is {kind}")


def _checked_plan(expr: str, options: QueryOptions) -> Plan:
    core = parse_core(expr, strict_promql=options.strict_promql)
    plan = build_plan(core, expr, options)
    check_type(plan, expr, options)
    return plan


def _run(operator: Operator, context: Context, options: QueryOptions) -> Result:
    run, plan, steps = Evaluator(context), operator.plan, operator.steps
    times = steps.times_ms
    no_values = np.zeros((0, 0))
    if isinstance(plan, (Window, SubqueryWindow)):
        series, points = range_vector(run, operator)
        return Result(ResultKind.MATRIX, series, times[:0], no_values, raw=points)
    if isinstance(plan, TextConstant):
        nothing = SeriesTable.unlabelled(0)
        return Result(ResultKind.STRING, nothing, times, no_values, text=valid_text(plan.value))
    if type_of(plan) is ValueType.SCALAR:
        found = scalar_matrix(run.scalar(operator))
        kind = ResultKind.SCALAR if options.instant else ResultKind.MATRIX
        return Result(kind, found.series, times, found.values)
    found = finish_names(run.vector(operator)).without_empty_rows()
    if not options.instant and found.rows > 1:
        found = found.in_order()
    kind = ResultKind.VECTOR if options.instant else ResultKind.MATRIX
    return _of_matrix(kind, found, times)


def _of_matrix(kind: ResultKind, found: StepMatrix, times: Ints) -> Result:
    values = np.ascontiguousarray(found.values)
    native = found.native
    if native is not None and not (native.which >= 0).any():
        native = None
    return Result(kind, found.series, times, values, found.valid, native=native)


def _formatted(annotations: Annotations, expr: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return warnings and infos as texts, each with its position in the query."""

    def texts(found: dict[str, Span]) -> tuple[str, ...]:
        return tuple(
            "{} ({}:{})".format(text, *span.position(expr)) for text, span in found.items()
        )

    return texts(annotations.warnings), texts(annotations.infos)
