"""`quantile`: of a matrix, or of a large rollup some steps at a time."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.group_blocks import group_blocks
from novaql.evaluator.group_names import mark_groups
from novaql.evaluator.grouping import Groups, group_rows
from novaql.evaluator.kernels.dispatch import KERNELS, floats, mask
from novaql.evaluator.kernels.quantiles import present_first, sorted_quantile
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.pipeline.stretches import LargeRollup, Stretch
from novaql.evaluator.working_memory import admit_work
from novaql.tsdb.model.flat_arrays import bounds_of
from novaql.tsdb.runtime.parallel import ordered_parallel

CELLS_AT_ONCE = 1 << 16
"""The number of cells from which a thread selects at a time, in less than a millisecond."""
STEPS_AT_ONCE = 8
"""Steps whose values share a cache line, which the kernel reads together."""


def quantile(context: Context, operand: StepMatrix, groups: Groups, q: Floats) -> StepMatrix:
    """Exact quantiles of groups at each step."""
    return matrix(groups.labels, *_quantiles(context, operand, groups, q)).without_empty_rows()


def _quantiles(
    context: Context, operand: StepMatrix, groups: Groups, q: Floats
) -> tuple[Floats, Bools]:
    """[G, J] the quantiles, and where a group has a value."""
    if KERNELS.ready(operand.values.size) is None:
        return _by_sorting(context, operand, groups, q)
    return _by_selection(context, operand, groups, q)


def _by_selection(
    context: Context, operand: StepMatrix, groups: Groups, q: Floats
) -> tuple[Floats, Bools]:
    """Each thread selects at some of the steps."""
    cells = floats(operand.values, operand.values.shape)
    present = mask(operand.valid, operand.steps)
    rows = np.argsort(groups.of_row, kind="stable")
    bounds = bounds_of(np.bincount(groups.of_row, minlength=len(groups)))
    values = np.zeros((len(groups), operand.steps))
    valid = np.zeros(values.shape, np.bool_)
    wide = max(STEPS_AT_ONCE, CELLS_AT_ONCE // max(operand.rows, 1))
    select_steps = KERNELS.call.group_quantiles

    def select(number: int) -> None:
        steps = number * wide, min((number + 1) * wide, operand.steps)
        select_steps(cells, present, rows, bounds, q, *steps, values, valid)

    count = -(-operand.steps // wide)
    ordered_parallel(count, select, lambda _: context.checkpoint(), alone=False)
    return values, valid


def _by_sorting(
    context: Context, operand: StepMatrix, groups: Groups, q: Floats
) -> tuple[Floats, Bools]:
    """Groups of one size are sorted together."""
    values = np.zeros((len(groups), operand.steps))
    valid = np.zeros(values.shape, np.bool_)
    with np.errstate(all="ignore"):
        for block in group_blocks(context, operand, groups):
            ordered, counts = present_first(block.values, block.present)
            values[block.groups, block.steps] = sorted_quantile(ordered, counts, q[block.steps])
            valid[block.groups, block.steps] = counts > 0
    return values, valid


def quantile_by_stretches(
    context: Context, large: LargeRollup, operator: Operator, q: Floats
) -> StepMatrix:
    """The same as `quantile` of the matrix of the rollup."""
    node, steps = operator.aggregation, operator.steps.count
    groups = group_rows(large.series, node.grouping, without=node.without)
    context.admit_matrix(len(groups), steps)
    admit_work(context, node.op, large.most_cells(), 1)
    rows = len(large.series)
    values = np.zeros((len(groups), steps))
    valid = np.zeros(values.shape, np.bool_)
    first = np.full(len(groups), rows)  # row of each group that has a value
    for stretch in large.stretches(context, groups):
        np.minimum.at(first, groups.of_row[stretch.rows], stretch.rows)
        values[:, stretch.steps] = _of_stretch(context, stretch, q[stretch.steps])
        valid[:, stretch.steps] = stretch.counts > 0
    order = np.argsort(first, kind="stable")
    order = order[first[order] < rows]
    result = matrix(groups.labels.take(order), values[order], valid[order])
    return mark_groups(result, groups, large.nameless)


def _of_stretch(context: Context, stretch: Stretch, q: Floats) -> Floats:
    """[G, J] the quantiles. Each thread selects for some groups and steps."""
    found = np.empty(stretch.counts.shape)
    cells = found.size
    count = min(cells, -(-len(stretch.values) // CELLS_AT_ONCE))

    def select(number: int) -> None:
        some = number * cells // count, (number + 1) * cells // count
        KERNELS.call.packed_quantiles(
            stretch.values, stretch.bounds, stretch.counts, q, *some, found
        )

    if count == 0:
        return np.zeros(found.shape)
    ordered_parallel(count, select, lambda _: context.checkpoint(), alone=False)
    return found
