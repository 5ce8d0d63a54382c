"""Pipelines whose rows are all wanted: a matrix."""

from __future__ import annotations

import numpy as np

from novaql.evaluator.context import Context, allocate
from novaql.evaluator.matrix import StepMatrix
from novaql.evaluator.pipeline.batch_run import collect_batches
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import Fragment, usable
from novaql.evaluator.pipeline.tile_run import blocks


def collect(fragment: Fragment, context: Context) -> StepMatrix:
    """All rows, as a matrix in the order of the fragment's series; empty rows are left out."""
    return collect_all(fragment, context).without_empty_rows()


def collect_all(fragment: Fragment, context: Context) -> StepMatrix:
    """The same with its empty rows: row i of the matrix is row i of the fragment's series."""
    if not fragment.stages and usable(fragment.batched):
        return collect_batches(fragment, context)
    out = allocate(context, fragment.series, fragment.steps)
    assert out.valid is not None
    out_values, out_valid = out.values, out.valid

    def write(block: Block) -> None:
        block.write(out_values, out_valid)  # no row is in two blocks

    for _ in blocks(fragment, context, write):
        pass
    complete = bool(out_valid.all())
    return StepMatrix(
        out.series,
        out_values,
        None if complete else out_valid,
        np.full(out.rows, fragment.nameless),
    )
