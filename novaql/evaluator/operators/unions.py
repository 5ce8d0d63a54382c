"""`union` and `limit_offset`: series chosen over all steps."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.matrix import StepMatrix, drop_names, stack
from novaql.evaluator.working_memory import admit_work


def union(context: Context, parts: list[StepMatrix]) -> StepMatrix:
    """Series of all parts; of those with equal labels the first one, at all steps.

    Names that are to be dropped at the end of the query do not count.
    """
    parts = [part.without_empty_rows() for part in parts]
    admit_work(context, "or", sum(part.rows for part in parts), parts[0].steps)
    both = stack(parts)
    if both.rows < 2:
        return both
    keys = drop_names(both.series, both.nameless).keys()
    _, first = np.unique(keys, return_index=True)
    return both if len(first) == both.rows else both.take(np.sort(first))


def limited(operand: StepMatrix, limit: float, offset: float) -> StepMatrix:
    """At most `limit` series after the first `offset`, in order of labels unless they are sorted.

    Both numbers lose their fractions; NaN and negative ones count as 0.
    """
    operand = operand.without_empty_rows()
    if not operand.ordered:
        operand = operand.in_order()
    first, count = (int(min(max(n, 0), 2**53)) if n == n else 0 for n in (offset, limit))
    return operand.take(np.arange(min(first, operand.rows), min(first + count, operand.rows)))
