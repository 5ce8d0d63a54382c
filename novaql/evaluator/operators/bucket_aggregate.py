"""The aggregation `histogram`: the number of series of a group with values in each range."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import CELL_BYTES, CELLS_AT_ONCE
from novaql.evaluator.distinct import distinct
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.log_buckets import bounds, bucket_of
from novaql.evaluator.matrix import StepMatrix, empty_matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.operators.vmrange import RangeBuckets, le_buckets
from novaql.evaluator.protocol import Runner


def histogram_of_groups(
    run: Runner, operator: Operator, operand: StepMatrix, groups: Groups
) -> StepMatrix:
    """Buckets with `le` of the values of each group, in ranges of equal ratio. Values below 0 and
    NaN are not counted."""
    rows, steps = np.nonzero(operand.presence() & (operand.values >= 0))
    if not len(rows):
        return empty_matrix(operand.steps)
    with np.errstate(divide="ignore"):
        bucket = bucket_of(operand.values[rows, steps])
    texts = bounds()
    cells, cell_of = distinct(run.context, groups.of_row[rows] * len(texts) + bucket)
    group, low = np.divmod(cells, len(texts))
    run.context.admit_cells(len(cells), operand.steps, 4 * CELL_BYTES, operator.aggregation.op)
    counts = np.zeros((len(cells), operand.steps))
    flat = counts.reshape(-1)
    for begin in range(0, len(steps), CELLS_AT_ONCE):
        run.context.checkpoint()
        some = slice(begin, begin + CELLS_AT_ONCE)
        np.add.at(flat, cell_of[some] * operand.steps + steps[some], 1.0)
    labels = groups.labels.take(group).drop(["le"])
    return le_buckets(RangeBuckets(labels, group, low, low + 1, texts, counts, counts > 0))
