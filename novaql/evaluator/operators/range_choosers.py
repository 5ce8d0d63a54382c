"""Aggregations that choose series of each group by all steps of the query: topk_max, outliersk,
outliers_iqr, any and others. The chosen series retain their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from novaql.evaluator.group_blocks import group_blocks
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels import whole_range as rows
from novaql.evaluator.kernels.columns import interquartile_bounds
from novaql.evaluator.kernels.group_reduce import Sum
from novaql.evaluator.kernels.quantiles import present_mad, present_median
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import StepMatrix, join_equal_rows, matrix, stack
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.label_calls import check_destination
from novaql.evaluator.operators.ranking import whole_counts
from novaql.evaluator.protocol import Runner
from novaql.tsdb.model.labels import LabelColumn

_SCORES: Mapping[str, rows.Statistic] = {
    "avg": rows.mean,
    "last": rows.last,
    "max": rows.greatest,
    "median": rows.median,
    "min": rows.least,
}


def _ranked(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:
    """topk_* and bottomk_*: the k series of each group with the largest or smallest scores."""
    op = operator.aggregation.op
    kind, score = op.split("_")
    scores, present, none = np.empty(operand.rows), operand.presence(), np.zeros(operand.steps)
    with np.errstate(all="ignore"):
        for some in run.context.stretches(operand.steps, operand.rows):
            scores[some] = _SCORES[score](operand.values[some], present[some], none)
    return _best(run, operator, operand, groups, -scores if kind == "topk" else scores)


def _outliers_k(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:
    """The k series with the largest sums of squared distances from the median of their group."""
    scores = np.zeros(operand.rows)
    with np.errstate(all="ignore"):
        for block in group_blocks(run.context, operand, groups):
            away = block.values - present_median(block.values, block.present)
            scores[block.rows] += np.where(block.present, away * away, 0.0).sum(axis=2)
    return _best(run, operator, operand, groups, -scores)


def _best(
    run: Runner, operator: Operator, operand: StepMatrix, groups: Groups, scores: Floats
) -> StepMatrix:
    """At each step the first k series of each group in the order of their scores, NaN last and
    equal ones in the order of labels. With a further argument `label=value`, the rest of a group is
    summed into a series with that label."""
    wanted = whole_counts(run.scalar(operator.operands[1]))
    present = operand.presence()
    scores = np.where(np.logical_or.reduce(present, axis=1), scores, np.nan)
    order, place = _places(operand, groups, scores)
    chosen = present & (place[:, None] < wanted)
    found = replace(operand, valid=chosen)
    if operand.steps == 1:
        found = replace(found.take(order), ordered=True)
    found = found.without_empty_rows()
    if len(operator.operands) < 3:
        return found
    rest = _rest(run, operator, groups, replace(operand, valid=present & ~chosen))
    both = replace(stack([found, rest]), ordered=found.ordered)
    return join_equal_rows(both)


def _places(operand: StepMatrix, groups: Groups, scores: Floats) -> tuple[Ints, Ints]:
    """The rows by group and score, and the place of each row in its group."""
    label_rank = np.empty(operand.rows, np.int64)
    label_rank[operand.series.order()] = np.arange(operand.rows)
    nan = np.isnan(scores)
    order = np.lexsort((label_rank, np.where(nan, 0.0, scores), nan, groups.of_row))
    sizes = np.bincount(groups.of_row, minlength=len(groups))
    place = np.empty(operand.rows, np.int64)
    place[order] = np.arange(operand.rows) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order, place


def _rest(run: Runner, operator: Operator, groups: Groups, left: StepMatrix) -> StepMatrix:
    """The sum of the rest of each group; absent where no series is left."""
    op, at = operator.aggregation.op, operator.operands[2]
    name, is_pair, value = run.text(at).partition("=")
    made = MadeLabels(run.context, op, at.plan.span)
    check_destination(name, op, at.plan.span)
    made.check_name(name)
    column = LabelColumn.constant(made.text(value if is_pair else name), len(groups))
    sums = Sum(len(groups), left.steps)
    sums.add(groups.of_row, np.where(left.presence(), left.values, 0.0), left.valid)
    labels = groups.labels.with_column(name, column)
    return matrix(labels, *sums.finish()).without_empty_rows()


def _outliers(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:
    """The series that are outside of the bounds of their group at any step, with all steps."""
    tolerance = run.scalar(operator.operands[1]) if len(operator.operands) > 1 else None
    outside = np.zeros(operand.rows, np.bool_)
    with np.errstate(all="ignore"):
        for block in group_blocks(run.context, operand, groups):
            if tolerance is None:
                low, high = interquartile_bounds(block.values, block.present)
                beyond = (block.values < low) | (block.values > high)
            else:
                away = np.abs(block.values - present_median(block.values, block.present))
                spread = present_mad(block.values, block.present)
                beyond = away > spread * tolerance[block.steps]
            outside[block.rows] |= (beyond & block.present).any(axis=2)
    return operand.take(outside)


def _any(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:  # noqa: ARG001 - one signature for all
    """The first series of each group in the order of labels that has a value at any step."""
    there = np.logical_or.reduce(operand.presence(), axis=1)
    order = operand.series.order()
    order = order[there[order]]
    _, first = np.unique(groups.of_row[order], return_index=True)
    return operand.take(np.sort(order[first]))


RANGE_CHOICES: Mapping[str, Callable[[Runner, Operator, StepMatrix, Groups], StepMatrix]] = {
    **{f"{kind}_{score}": _ranked for kind in ("topk", "bottomk") for score in _SCORES},
    "outliersk": _outliers_k,
    "outliers_iqr": _outliers,
    "outliers_mad": _outliers,
    "any": _any,
}
