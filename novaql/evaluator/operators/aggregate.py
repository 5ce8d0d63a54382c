"""Aggregations: folded batch by batch if partial results exist, otherwise over the whole matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.context import CELLS_AT_ONCE, Context
from novaql.evaluator.distinct import distinct, distinct_bits
from novaql.evaluator.group_names import mark_groups
from novaql.evaluator.grouping import Groups, group_rows
from novaql.evaluator.kernels.group_reduce import ACCUMULATORS
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.native_aggregate import aggregate_native, without_histograms
from novaql.evaluator.operators.quantile import quantile, quantile_by_stretches
from novaql.evaluator.operators.ranking import ORDERS, choose_rows, limit_ratio
from novaql.evaluator.pipeline.fold import fold, fold_matrix
from novaql.evaluator.pipeline.model import Pipeline
from novaql.evaluator.pipeline.stretches import large_rollup
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work, fold_of
from novaql.lazy_exports import lazy_module
from novaql.planner.logical import Aggregation, Plan
from novaql.text.go_text import go_number, quote, shortest_decimal
from novaql.text.histograms import histogram_texts
from novaql.text.unicode import is_utf8
from novaql.tsdb.model.labels import LabelColumn

if TYPE_CHECKING:
    from novaql.evaluator.operators import more_aggregates
else:  # sums and similar aggregations do not need it
    more_aggregates = lazy_module("novaql.evaluator.operators.more_aggregates")


def aggregate(run: Runner, operator: Operator) -> StepMatrix:
    """`op by (…) (operand)`."""
    node, steps = operator.aggregation, operator.steps
    if node.op in ACCUMULATORS:
        return _folded(run, operator)
    if node.op in ORDERS:
        return choose_rows(run, operator)
    if node.op == "quantile":
        large = large_rollup(run, operator)
        if large is not None:
            assert node.parameter is not None
            parameter = run.scalar(operator.operands[1])
            _warn_extremes(run.context, parameter, node.parameter)
            return quantile_by_stretches(run.context, large, operator, parameter)
    operand = run.vector(operator.operands[0])
    operand = without_histograms(run.context, node.op, operand, node.operand.span)
    admit_work(run.context, node.op, operand.rows, steps.count)
    groups = group_rows(operand.series, node.grouping, without=node.without)
    if node.op in more_aggregates.MORE_AGGREGATES:
        return more_aggregates.MORE_AGGREGATES[node.op](run, operator, operand, groups)
    if node.op == "count_values":
        assert node.parameter is not None
        label = run.text(operator.operands[1])
        made = MadeLabels(run.context, node.op, node.parameter.span)
        made.check_name(label)
        return _count_values(run.context, operand, groups, node, label, made)
    assert node.parameter is not None
    parameter = run.scalar(operator.operands[1])
    if node.op == "quantile":
        _warn_extremes(run.context, parameter, node.parameter)
        found = quantile(run.context, operand, groups, parameter)
        return mark_groups(found, groups, operand.nameless)
    return limit_ratio(run.context, operand, parameter, node.parameter.span)


def _warn_extremes(context: Context, q: Floats, plan: Plan) -> None:
    """Warn of NaN, the greatest and the least of the steps' quantiles, data or no data."""
    greatest = np.inf if np.isposinf(q).any() else q.max(initial=0.0)
    least = -np.inf if np.isneginf(q).any() else q.min(initial=0.0)
    odd = [np.nan] if np.isnan(q).any() else []
    odd += [greatest] if greatest > 1 else []
    odd += [least] if least < 0 else []
    for value in odd:
        context.annotations.warn(
            f"quantile value should be between 0 and 1, got {go_number(float(value))}", plan.span
        )


def _folded(run: Runner, operator: Operator) -> StepMatrix:
    node, steps = operator.aggregation, operator.steps
    (below,) = operator.operands
    operand: Pipeline | StepMatrix | None = run.pipeline(below) if node.by_batch else None
    if operand is None:
        operand = without_histograms(run.context, node.op, run.vector(below), node.operand.span)
    groups = group_rows(operand.series, node.grouping, without=node.without)
    admit_work(run.context, fold_of(node.op), len(groups), steps.count)
    fresh = ACCUMULATORS[node.op](len(groups), steps.count)
    if isinstance(operand, Pipeline):
        found = fold(operand, groups, fresh, run.context)
    elif operand.native is not None and node.op in ("sum", "avg"):
        found = aggregate_native(run.context, node.op, operand, groups, fresh, node.operand.span)
    else:
        found = fold_matrix(operand, groups, fresh).without_empty_rows()
    return mark_groups(found, groups, operand.nameless)


def _count_values(
    context: Context,
    operand: StepMatrix,
    groups: Groups,
    node: Aggregation,
    label: str,
    made: MadeLabels,
) -> StepMatrix:
    """One row per group and distinct value; its text is written into `label`."""
    if label == "" or not is_utf8(label):
        raise EvaluationError(f"invalid label name {quote(label)}")
    present = operand.presence()
    rows, steps = np.nonzero(present)
    texts = _value_texts(context, operand, present, made)
    cells = groups.of_row[rows] * len(texts.values) + texts.codes
    pairs, pair_of = distinct(context, cells)
    group, code = np.divmod(pairs, len(texts.values))
    texts = LabelColumn(code.astype(np.int32), texts.values)
    labels = groups.labels.take(group).with_column(label, texts)
    if node.without and label in node.grouping:
        labels = labels.drop([label])
    # Groups that differed only in the earlier value of `label` become one.
    _, first, row_of = np.unique(labels.keys(), return_index=True, return_inverse=True)
    context.admit_matrix(len(first), operand.steps)
    counts = np.zeros((len(first), operand.steps))
    flat = counts.reshape(-1)
    for begin in range(0, len(steps), CELLS_AT_ONCE):
        context.checkpoint()
        some = slice(begin, begin + CELLS_AT_ONCE)
        np.add.at(flat, row_of[pair_of[some]] * operand.steps + steps[some], 1.0)
    return matrix(labels.take(first), counts, counts > 0)


def _value_texts(
    context: Context, operand: StepMatrix, present: Bools, made: MadeLabels
) -> LabelColumn:
    """The text of every present cell, in order of rows and steps."""
    numbers, text_of = distinct_bits(context, operand.values[present])
    texts = [made.text(shortest_decimal(v)) for v in numbers.tolist()]
    if operand.native is not None:
        which = operand.native.which[present]
        used, place = np.unique(which, return_inverse=True)
        text_of = np.where(which < 0, text_of, place + len(texts) - (used < 0).any())
        for number in used[used >= 0].tolist():  # one by one: each may be long
            (text,) = histogram_texts(operand.native.histograms.take(np.array([number])))
            texts.append(made.text(text))
    made.column(0)
    column = LabelColumn.encode(texts)
    return LabelColumn(column.codes[text_of], column.values)
