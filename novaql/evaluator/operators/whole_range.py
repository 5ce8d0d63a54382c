"""Functions of each series over all steps of the query: range_*, running_*, keep_* and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from novaql.evaluator.context import CELL_BYTES
from novaql.evaluator.kernels.whole_range import KERNELS
from novaql.evaluator.matrix import StepMatrix, join_equal_rows, stack
from novaql.evaluator.operator import Operator
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.language.value_types import ValueType


def whole_range(run: Runner, operator: Operator) -> StepMatrix:
    """A function of rows, which retain their names. Histograms are dropped."""
    name = operator.call.function
    vectors = [run.vector(one) for one in operator.operands if one.type is ValueType.VECTOR]
    scalars = [run.scalar(one) for one in operator.operands if one.type is ValueType.SCALAR]
    parameter = scalars[0] if scalars else np.zeros(operator.steps.count)
    operand = stack(vectors).floats_only().without_empty_rows()
    if not operand.values.size:
        return operand
    admit_work(run.context, name, operand.rows, operand.steps)
    run.context.admit_cells(operand.rows, operand.steps, CELL_BYTES, f"{name}")
    kernel, present = KERNELS[name], operand.presence()
    values, valid = np.empty(operand.values.shape), np.empty(present.shape, np.bool_)
    with np.errstate(all="ignore"):
        for rows in run.context.stretches(operand.steps, operand.rows):
            found = kernel(operand.values[rows], present[rows], parameter)
            values[rows], valid[rows] = found
    found_all = replace(operand, values=values, valid=valid).without_empty_rows()
    if len(vectors) == 1:
        return found_all
    return join_equal_rows(found_all)


def _unchanged(run: Runner, operator: Operator) -> StepMatrix:
    """drop_empty_series returns its operand: there are no empty series, since absence is not a
    value."""
    return run.vector(operator.operands[0]).without_empty_rows()


WHOLE_RANGE_CALLS: Mapping[str, Callable[[Runner, Operator], StepMatrix]] = {
    **dict.fromkeys(KERNELS, whole_range),
    "drop_empty_series": _unchanged,
}
