"""Rows folded into groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.group_reduce import Accumulator
from novaql.evaluator.kernels.packed_folds import reduce_packed, takes_packed
from novaql.evaluator.kernels.windows import Bools
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.pipeline.batch_run import CELLS_AT_ONCE, fold_batches
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import Pipeline
from novaql.evaluator.pipeline.view_run import blocks


def fold(
    pipeline: Pipeline, groups: Groups, accumulator: Accumulator, context: Context
) -> StepMatrix:
    """One row per group."""
    context.admit_matrix(len(groups), pipeline.steps.count)
    if (
        not pipeline.stages
        and pipeline.compiled is not None
        and fold_batches(pipeline, groups, accumulator, context)
    ):
        return _finished(groups, accumulator).without_empty_rows()

    # Partial results are merged in the order of batches, independently of the order of threads.
    def reduced(block: Block) -> Any:
        return _reduced(accumulator, groups, block)

    dense = not takes_packed(accumulator)
    for partial in blocks(pipeline, context, reduced, join=True, dense=dense):
        with np.errstate(all="ignore"):
            accumulator.merge(partial)
    return _finished(groups, accumulator).without_empty_rows()


def fold_matrix(operand: StepMatrix, groups: Groups, accumulator: Accumulator) -> StepMatrix:
    """The same for rows that are a matrix already; row i of the result is group i, also where it
    has no value."""
    rows = np.arange(operand.rows, dtype=np.int64)
    tall = max(1, CELLS_AT_ONCE // max(operand.steps, 1))
    if operand.rows <= tall:  # without a partial result, which costs more than few values
        with np.errstate(all="ignore"):
            accumulator.add(groups.of_row, operand.values, _some_absent(operand.valid))
        return _finished(groups, accumulator)
    for first in range(0, operand.rows, tall):
        some = slice(first, first + tall)
        valid = None if operand.valid is None else operand.valid[some]
        with np.errstate(all="ignore"):
            block = Block(rows[some], operand.values[some], valid)
            accumulator.merge(_reduced(accumulator, groups, block))
    return _finished(groups, accumulator)


def _reduced(accumulator: Accumulator, groups: Groups, block: Block) -> Any:
    """The groups' shares of one block."""
    group = groups.of_row[block.rows]
    if block.cells is not None and takes_packed(accumulator):
        return reduce_packed(
            accumulator, group, block.cells, block.values, block.valid, block.steps
        )
    present = None if _some_absent(block.valid) is None else block.presence()
    return accumulator.reduce(group, block.values, present)


def _some_absent(valid: Bools | None) -> Bools | None:
    return None if valid is None or valid.all() else valid


def _finished(groups: Groups, accumulator: Accumulator) -> StepMatrix:
    with np.errstate(all="ignore"):
        values, valid = accumulator.finish()
    return matrix(groups.labels, values, None if valid.all() else valid)
