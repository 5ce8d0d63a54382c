"""Pipelines whose rows are all needed: a matrix."""

from __future__ import annotations

from novaql.evaluator.context import Context, allocate
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.pipeline.batch_run import collect_batches
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.model import Pipeline
from novaql.evaluator.pipeline.view_run import blocks


def collect(pipeline: Pipeline, context: Context) -> StepMatrix:
    """All rows, as a matrix in the order of the pipeline's series; empty rows are left out."""
    return collect_all(pipeline, context).without_empty_rows()


def collect_all(pipeline: Pipeline, context: Context) -> StepMatrix:
    """The same with its empty rows: row i of the matrix is row i of the pipeline's series."""
    if pipeline.compiled is not None and not pipeline.stages:
        return collect_batches(pipeline, context)
    values, valid = allocate(context, len(pipeline.series), pipeline.steps.count)

    def write(block: Block) -> None:
        block.write(values, valid)  # no row is in two blocks

    for _ in blocks(pipeline, context, write):
        pass
    there = None if valid.all() else valid
    return matrix(pipeline.series, values, there, nameless=pipeline.nameless)
