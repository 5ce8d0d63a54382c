"""Functions of instant vectors and scalars."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from novaql.evaluator.kernels.dates import PARTS, date_part
from novaql.evaluator.kernels.elementwise import (
    BITWISE,
    FUNCTIONS,
    clamp,
    maximum,
    minimum,
    round_to,
)
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import StepMatrix, scalar_matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.absent import absent, absent_over_time
from novaql.evaluator.operators.bucket_calls import BUCKET_CALLS
from novaql.evaluator.operators.correlation import correlation
from novaql.evaluator.operators.histogram_calls import (
    STATISTICS,
    histogram_fraction_call,
    histogram_quantile_call,
    histogram_quantiles_call,
    histogram_statistic,
)
from novaql.evaluator.operators.info import info
from novaql.evaluator.operators.label_calls import (
    check_destination,
    check_source,
    checked_pattern,
    label_join,
    label_replace,
    sort_by_label,
)
from novaql.evaluator.operators.label_edits import LABEL_EDITS
from novaql.evaluator.operators.mixed_select import start_timestamps
from novaql.evaluator.operators.objectives import burn_rate, error_budget_remaining
from novaql.evaluator.operators.ranking import sort_rows
from novaql.evaluator.operators.rollup_unions import rollup_union
from novaql.evaluator.operators.unions import limited, union
from novaql.evaluator.operators.value_counts import (
    count_values_over_time,
    histogram_over_time,
    stale_samples_over_time,
)
from novaql.evaluator.operators.whole_range import WHOLE_RANGE_CALLS
from novaql.evaluator.operators.zone_calls import ZONE_SCALARS, checked_zone
from novaql.evaluator.pipeline.model import Stage
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.language.value_types import ValueType
from novaql.planner.logical import MEMBER, Select
from novaql.planner.rollup_calls import UNIONS
from novaql.span import NOWHERE


def elementwise_stage(run: Runner, operator: Operator) -> Stage:
    """The function as a change of blocks; its scalar arguments are evaluated now."""
    name = operator.call.function
    scalars = [run.scalar(one) for one in operator.operands[1:] if one.type is ValueType.SCALAR]
    if name in FUNCTIONS:
        function = FUNCTIONS[name]
        return lambda values, valid: (function(values), valid)
    if name in PARTS:
        offset = None
        if len(operator.operands) > 1:
            offset = checked_zone(run, operator.operands[1], name).offset
        return lambda values, valid: (date_part(name, values, offset), valid)
    if name in BITWISE:
        combine, mask = BITWISE[name], scalars[0]
        return lambda values, valid: (combine(values, mask), valid)
    if name == MEMBER:
        wanted = np.array([scalar[0] for scalar in scalars])

        def member(values: Floats, valid: Bools | None) -> tuple[Floats, Bools | None]:
            holds = np.isin(values, wanted)
            return values, holds if valid is None else valid & holds

        return member
    if name == "round":
        nearest = scalars[0] if scalars else np.ones(1)
        return lambda values, valid: (round_to(values, nearest), valid)
    infinity = np.full(1, np.inf)
    low = -infinity if name == "clamp_max" else scalars[0]
    high = infinity if name == "clamp_min" else scalars[-1]

    def stage(values: Floats, valid: Bools | None) -> tuple[Floats, Bools | None]:
        crossed = low > high
        if crossed.any():  # no value is between the bounds
            uncrossed = ~np.broadcast_to(crossed, (values.shape[1],))
            valid = uncrossed if valid is None else valid & uncrossed
        return clamp(values, low, high), valid

    return stage


def _to_vector(run: Runner, operator: Operator) -> StepMatrix:
    return scalar_matrix(run.scalar(operator.operands[0]))


def _date_of_now(run: Runner, operator: Operator) -> StepMatrix:  # noqa: ARG001 - one signature for all
    return scalar_matrix(date_part(operator.call.function, operator.steps.times_ms / 1000.0))


def _timestamp(run: Runner, operator: Operator) -> StepMatrix:
    """`timestamp` of anything but a plain selector (a pipeline): the step's time."""
    operand = run.vector(operator.operands[0])
    seconds = np.broadcast_to(operator.steps.times_ms / 1000.0, operand.values.shape)
    return StepMatrix(operand.series, seconds, operand.valid, operand.nameless).mark_nameless()


def _texts(run: Runner, operator: Operator) -> list[str]:
    return [run.text(one) for one in operator.operands if one.type is ValueType.STRING]


def _label_replace(run: Runner, operator: Operator) -> StepMatrix:
    call, (_, at, *_, pattern_at) = operator.call, operator.operands
    destination, template, source, pattern = _texts(run, operator)
    regex = checked_pattern(pattern, call.function, pattern_at.plan.span)
    check_destination(destination, call.function, at.plan.span)
    made = MadeLabels(run.context, call.function, call.span)
    found = run.vector(operator.operands[0])
    admit_work(run.context, call.function, found.rows, found.steps)
    return label_replace(found, destination, template, source, regex, made)


def _label_join(run: Runner, operator: Operator) -> StepMatrix:
    call = operator.call
    destination, separator, *sources = _texts(run, operator)
    for source, at in zip(sources, call.arguments[3:], strict=True):
        check_source(source, call.function, at.span)
    check_destination(destination, call.function, call.arguments[1].span)
    made = MadeLabels(run.context, call.function, call.span)
    found = run.vector(operator.operands[0])
    admit_work(run.context, call.function, found.rows, found.steps)
    return label_join(found, destination, separator, sources, made)


def _sort(run: Runner, operator: Operator) -> StepMatrix:
    call = operator.call
    operand = run.vector(operator.operands[0])
    if not run.context.options.instant:
        run.context.annotations.warn(
            "sort is ineffective for range queries since results are always ordered by labels",
            call.span,
        )
    by_label = call.function.startswith("sort_by_label")
    if not by_label:
        operand = operand.floats_only()
    if operator.steps.count != 1:
        return operand
    descending = call.function.endswith("_desc")
    if by_label:
        texts = _texts(run, operator)
        return sort_by_label(operand, texts, run.context.checkpoint, descending=descending)
    return sort_rows(operand, descending=descending)


def _start_timestamp(run: Runner, operator: Operator) -> StepMatrix:
    """Start timestamps of a plain selector's samples; other expressions have none."""
    select = operator.operands[0]
    if isinstance(select.plan, Select) and run.context.options.start_timestamps:
        return start_timestamps(run.context, select)
    operand = run.vector(operator.operands[0])
    return operand.take(np.zeros(operand.rows, np.bool_))


def _union(run: Runner, operator: Operator) -> StepMatrix:
    return union(run.context, [run.vector(operand) for operand in operator.operands])


def _limit_offset(run: Runner, operator: Operator) -> StepMatrix:
    limit, offset, operand = operator.operands
    counts = [run.scalar(one)[0] if operator.steps.count else 0.0 for one in (limit, offset)]
    return limited(run.vector(operand), *counts)


Transform = Callable[[Runner, Operator], StepMatrix]

TRANSFORMS: Mapping[str, Transform] = {
    "union": _union,
    "limit_offset": _limit_offset,
    "absent": absent,
    "absent_over_time": absent_over_time,
    "vector": _to_vector,
    "info": info,
    "timestamp": _timestamp,
    "label_replace": _label_replace,
    "label_join": _label_join,
    "sort": _sort,
    "sort_desc": _sort,
    "sort_by_label": _sort,
    "sort_by_label_desc": _sort,
    "sort_by_label_numeric": _sort,
    "sort_by_label_numeric_desc": _sort,
    **LABEL_EDITS,
    **WHOLE_RANGE_CALLS,
    **BUCKET_CALLS,
    "histogram_quantile": histogram_quantile_call,
    "histogram_quantiles": histogram_quantiles_call,
    "histogram_fraction": histogram_fraction_call,
    "start_timestamp": _start_timestamp,
    "correlation": correlation,
    "count_values_over_time": count_values_over_time,
    "histogram_over_time": histogram_over_time,
    "stale_samples_over_time": stale_samples_over_time,
    "burn_rate": burn_rate,
    "error_budget_remaining": error_budget_remaining,
    **dict.fromkeys(UNIONS, rollup_union),
    **dict.fromkeys(STATISTICS, histogram_statistic),
    **dict.fromkeys(PARTS, _date_of_now),
}
"""Functions of whole matrices; date functions because of their form without argument."""


def _scalar_of(run: Runner, operator: Operator) -> Floats:
    """The value of the only series; NaN if there is none, or more than one."""
    operand = run.vector(operator.operands[0])
    present, count = operand.floats(), operator.steps.count
    if not len(present):
        return np.full(count, np.nan)
    first = operand.values[present.argmax(axis=0), np.arange(count)]
    return np.where(present.sum(axis=0) == 1, first, np.nan)


def _constant(value: Callable[[Runner], float]) -> ScalarFunction:
    return lambda run, operator: np.full(operator.steps.count, value(run))


ScalarFunction = Callable[[Runner, Operator], Floats]


def _query_range(run: Runner) -> float:
    options = run.context.options
    return 0.0 if options.instant else (options.end_ms - options.start_ms) / 1000.0


def _pair(choose: Callable[[Floats, Floats], Floats]) -> ScalarFunction:
    def function(run: Runner, operator: Operator) -> Floats:
        left, right = (run.scalar(operand) for operand in operator.operands)
        return choose(left, right)

    return function


def _random(draw: Callable[[np.random.Generator, int], Floats]) -> ScalarFunction:
    """A number for each step; with a seed always the same ones. Without one, each place in the text
    has its own, so a name of `let` has the same value wherever it is used."""

    def function(run: Runner, operator: Operator) -> Floats:
        count, span = operator.steps.count, operator.plan.span
        seed: int | tuple[int, ...] | None = None
        if span != NOWHERE:
            seed = (run.context.entropy, span.start)
        if operator.operands and count:
            given = float(run.scalar(operator.operands[0])[0])
            seed = int(given) % 2**64 if np.isfinite(given) else 0
        return draw(np.random.default_rng(seed), count)

    return function


SCALAR_FUNCTIONS: Mapping[str, ScalarFunction] = {
    "scalar": _scalar_of,
    "time": lambda run, operator: operator.steps.times_ms / 1000.0,
    "pi": _constant(lambda run: np.pi),
    "start": _constant(lambda run: run.context.options.start_ms / 1000.0),
    "end": _constant(lambda run: run.context.options.end_ms / 1000.0),
    "range": _constant(_query_range),
    "step": _constant(lambda run: run.context.options.step_ms / 1000.0),
    "min_of": _pair(minimum),
    "max_of": _pair(maximum),
    "now": _constant(lambda run: run.context.now_s),
    "rand": _random(lambda generator, count: generator.random(count)),
    "rand_normal": _random(lambda generator, count: generator.standard_normal(count)),
    "rand_exponential": _random(lambda generator, count: generator.standard_exponential(count)),
    **ZONE_SCALARS,
}
