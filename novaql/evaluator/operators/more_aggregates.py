"""Aggregations of MetricsQL that need all values of a group at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import CELL_BYTES
from novaql.evaluator.group_blocks import group_blocks
from novaql.evaluator.group_names import mark_groups
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.columns import distinct_values, geometric_mean, mode
from novaql.evaluator.kernels.quantiles import (
    present_first,
    present_mad,
    present_median,
    sorted_quantile,
)
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.made_labels import MadeLabels
from novaql.evaluator.matrix import JOINED_BYTES, StepMatrix, join_equal_rows, matrix, stack
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.bucket_aggregate import histogram_of_groups
from novaql.evaluator.operators.label_calls import check_destination
from novaql.evaluator.operators.range_choosers import RANGE_CHOICES
from novaql.evaluator.protocol import Runner
from novaql.text.go_text import go_number
from novaql.tsdb.model.labels import LabelColumn

Aggregate = Callable[[Runner, Operator, StepMatrix, Groups], StepMatrix]

_OF_COLUMNS: Mapping[str, Callable[[Floats, Bools], Floats]] = {
    "distinct": distinct_values,
    "geomean": geometric_mean,
    "mad": present_mad,
    "median": present_median,
    "mode": mode,
}


def _statistic(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:
    """One value for each group and step; absent where a product has no root."""
    op = operator.aggregation.op
    statistic = _OF_COLUMNS[op]
    values = np.zeros((len(groups), operand.steps))
    valid = np.zeros(values.shape, np.bool_)
    with np.errstate(all="ignore"):
        for block in group_blocks(run.context, operand, groups):
            found = statistic(block.values, block.present)
            there = block.present.any(axis=0)
            if op == "geomean":  # NaN of numbers; a median of infinities is NaN as in quantile()
                there &= ~np.isnan(found) | (np.isnan(block.values) & block.present).any(axis=0)
            values[block.groups, block.steps] = found
            valid[block.groups, block.steps] = there
    summary = matrix(groups.labels, values, valid).without_empty_rows()
    return mark_groups(summary, groups, operand.nameless)


def _shares(values: Floats, present: Bools) -> tuple[Floats, Bools]:
    """The share of each value in the sum of the values from 0 up; absent where the sum is 0, and
    for negative values."""
    counted = present & (values >= 0)
    shares: Floats = values / np.where(counted, values, 0.0).sum(axis=0)
    return shares, counted & ~np.isnan(shares)


def _zscores(values: Floats, present: Bools) -> tuple[Floats, Bools]:
    """Distance from the mean in standard deviations; absent where all values are equal."""
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, values, 0.0).sum(axis=0) / count
    away = values - mean
    deviation = np.sqrt(np.where(present, away * away, 0.0).sum(axis=0) / count)
    return away / deviation, present & (deviation != 0)


def _relation(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:
    """Each series in relation to its group, with its labels."""
    relation = _shares if operator.aggregation.op == "share" else _zscores
    values, valid = np.zeros(operand.values.shape), np.zeros(operand.values.shape, np.bool_)
    with np.errstate(all="ignore"):
        for block in group_blocks(run.context, operand, groups):
            found = relation(block.values, block.present)
            values[block.rows, block.steps], valid[block.rows, block.steps] = found
    return replace(operand, values=values, valid=valid).without_empty_rows()


def _quantiles(run: Runner, operator: Operator, operand: StepMatrix, groups: Groups) -> StepMatrix:
    """One row for each group and quantile, the quantile written into a label."""
    name, *wanted = operator.operands[1:]
    label = run.text(name)
    made = MadeLabels(run.context, "quantiles", name.plan.span)
    check_destination(label, "quantiles", name.plan.span)
    made.check_name(label)
    quantiles = [run.scalar(one) for one in wanted]
    each = CELL_BYTES * len(quantiles) + JOINED_BYTES
    run.context.admit_cells(len(groups), operand.steps, each, "quantiles")
    values = np.zeros((len(quantiles), len(groups), operand.steps))
    valid = np.zeros(values.shape[1:], np.bool_)
    with np.errstate(all="ignore"):
        for block in group_blocks(run.context, operand, groups):
            ordered, counts = present_first(block.values, block.present)
            valid[block.groups, block.steps] = counts > 0
            for number, q in enumerate(quantiles):
                found = sorted_quantile(ordered, counts, q[block.steps])
                values[number, block.groups, block.steps] = found
    parts = []
    for q, of_groups in zip(quantiles, values, strict=True):
        text = go_number(float(q[0])) if operand.steps else ""
        column = LabelColumn.constant(text, len(groups))
        parts.append(matrix(groups.labels.with_column(label, column), of_groups, valid))
    both = stack(parts).without_empty_rows()
    return join_equal_rows(both)


MORE_AGGREGATES: Mapping[str, Aggregate] = {
    **dict.fromkeys(_OF_COLUMNS, _statistic),
    "share": _relation,
    "zscore": _relation,
    "quantiles": _quantiles,
    "histogram": histogram_of_groups,
    **RANGE_CHOICES,
}
