"""`quantile`: of a matrix, or of a rollup some steps at a time.

Where series come and go, a range of an hour has many more series than any of its steps. The matrix
of all of them would be mostly absent values, so a large one is not made: a stretch of steps is
rolled up, its empty rows are left out, and its quantiles are computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.group_blocks import group_blocks
from novaql.evaluator.grouping import Groups, group_rows
from novaql.evaluator.kernels.quantiles import present_first, sorted_quantile
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.operator import Operator
from novaql.evaluator.pipeline.batch_run import collect_batches
from novaql.evaluator.pipeline.model import Pipeline
from novaql.evaluator.protocol import Runner
from novaql.evaluator.working_memory import admit_work
from novaql.tsdb.model.series_batch import SeriesBatch

STRETCH_CELLS = 1 << 21
"""Of a stretch, rows without a value included: 18 MiB."""
CELLS_PER_SAMPLE = 2
"""Of fewer cells the matrix is made: the samples, held from the first stretch to the last one,
would take as much memory."""
BYTES_OF_A_SAMPLE = 16
"""Of samples in memory: a value, and at most a time."""


def quantile(context: Context, operand: StepMatrix, groups: Groups, q: Floats) -> StepMatrix:
    """Exact quantiles; groups of one size are sorted together."""
    return matrix(groups.labels, *_quantiles(context, operand, groups, q)).without_empty_rows()


def _quantiles(
    context: Context, operand: StepMatrix, groups: Groups, q: Floats
) -> tuple[Floats, Bools]:
    values = np.zeros((len(groups), operand.steps))
    valid = np.zeros(values.shape, np.bool_)
    with np.errstate(all="ignore"):
        for block in group_blocks(context, operand, groups):
            ordered, counts = present_first(block.values, block.present)
            values[block.groups, block.steps] = sorted_quantile(ordered, counts, q[block.steps])
            valid[block.groups, block.steps] = counts > 0
    return values, valid


@dataclass(frozen=True, slots=True, eq=False)
class LargeRollup:
    """A rollup whose matrix would be large.

    stretch  steps that are computed at one time
    """

    pipeline: Pipeline
    stretch: int


def large_rollup(run: Runner, below: Operator) -> LargeRollup | None:
    """Return the operand of an aggregation as one; None if it is small, or no such rollup."""
    steps = below.steps.count
    if steps == 1 or run.context.profile is not None:
        return None
    pipeline = run.pipeline(below)
    if pipeline is None or pipeline.compiled is None or pipeline.stages:
        return None
    rows = len(pipeline.series)
    samples = sum(ref.samples for ref in pipeline.compiled.batches)
    if rows * steps <= max(STRETCH_CELLS, CELLS_PER_SAMPLE * samples):
        return None
    if len(pipeline.compiled.spec.ends_ms) != steps:
        return None
    run.context.memory.keep(BYTES_OF_A_SAMPLE * samples, "the samples of quantile")
    return LargeRollup(_loaded(pipeline), max(STRETCH_CELLS // rows, 1))


def _loaded(pipeline: Pipeline) -> Pipeline:
    """The pipeline with its batches in memory."""
    leaf = pipeline.compiled
    assert leaf is not None
    refs = [
        replace(ref, load=partial(_itself, ref.load()), times_only=None) for ref in leaf.batches
    ]
    return replace(pipeline, compiled=replace(leaf, batches=refs))


def _itself(batch: SeriesBatch) -> SeriesBatch:
    return batch


def quantile_by_stretches(
    context: Context, large: LargeRollup, operator: Operator, q: Floats
) -> StepMatrix:
    """The same as `quantile` of the matrix of the rollup."""
    node, pipeline, steps = operator.aggregation, large.pipeline, operator.steps.count
    rows = len(pipeline.series)
    groups = group_rows(pipeline.series, node.grouping, without=node.without)
    context.admit_matrix(len(groups), steps)
    admit_work(context, node.op, rows, large.stretch)
    values = np.zeros((len(groups), steps))
    valid = np.zeros(values.shape, np.bool_)
    first = np.full(len(groups), rows)  # row of each group that has a value
    for begin in range(0, steps, large.stretch):
        context.checkpoint()
        some = slice(begin, min(begin + large.stretch, steps))
        found = collect_batches(at_steps(pipeline, some), context)
        there = np.flatnonzero(np.logical_or.reduce(found.presence(), axis=1))
        of_row = groups.of_row[there]
        np.minimum.at(first, of_row, there)
        living = Groups(of_row, groups.labels)
        values[:, some], valid[:, some] = _quantiles(context, found.take(there), living, q[some])
    order = np.argsort(first, kind="stable")
    order = order[first[order] < rows]
    return matrix(groups.labels.take(order), values[order], valid[order])


def at_steps(pipeline: Pipeline, some: slice) -> Pipeline:
    """A pipeline of compiled kernels at some of its steps."""
    leaf = pipeline.compiled
    assert leaf is not None
    spec = replace(
        leaf.spec,
        ends_ms=leaf.spec.ends_ms[some],
        eval_ms=leaf.spec.eval_ms[some],
        scalars=[scalar[some] for scalar in leaf.spec.scalars],
    )
    return replace(
        pipeline,
        steps=pipeline.steps.part(some.start, some.stop),
        compiled=replace(leaf, spec=spec),
    )
