"""A rollup whose matrix would be large, some steps at a time, by group and step.

Where series come and go, a range of an hour has many more series than any of its steps, and the
matrix of all of them would be mostly absent values. A stretch of steps has only the values that
exist, next to each other for each group and step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from novaql.evaluator.context import Context
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.group_rows import by_group_and_step
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.evaluator.operator import Operator
from novaql.evaluator.pipeline.batch_run import packed_batches
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.evaluator.protocol import Runner
from novaql.fast_dataclass import dataclass
from novaql.planner.label_flow import OF_WHOLE_RANGES
from novaql.planner.logical import Aggregation, FunctionCall, Select, Window
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.runtime.parallel import ordered_parallel

STRETCH_CELLS = 1 << 21
"""Most cells of a stretch. Each value is in memory twice, by series and by group: 34 MiB."""
CELLS_PER_SAMPLE = 2
"""With fewer cells, the matrix is computed: the samples, held from the first stretch to the last
one, would take as much memory."""
NO_ROWS: Ints = np.zeros(0, np.int64)
BYTES_OF_A_SAMPLE = 16
"""Bytes of a sample in memory: a value, and at most a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Values at some steps.

    rows    the rows of the rollup that have one
    values  of group g at step j: values[bounds[g, j] : bounds[g, j] + counts[g, j]], in the order
            of batches. NaN is a value
    bounds, counts  [G, J]
    """

    steps: slice
    rows: Ints
    values: Floats
    bounds: Ints
    counts: Ints


def may_be_large(node: Aggregation) -> bool:
    """Return whether an aggregation may take its operand as a large rollup."""
    match node.operand:
        case FunctionCall(function=name, arguments=arguments) if name not in OF_WHOLE_RANGES:
            rolled = any(isinstance(one, Window) for one in arguments)
        case plan:
            rolled = isinstance(plan, Select)
    return rolled and node.op == "quantile"


def most_cells(samples: int) -> int:
    """Return how many cells a matrix of so many samples has at most; a larger one is not made."""
    return max(STRETCH_CELLS, CELLS_PER_SAMPLE * samples)


def large_rollup(run: Runner, operator: Operator) -> LargeRollup | None:
    """Return the operand of an aggregation as a large rollup; None if it is small, or no rollup of
    compiled kernels. Raises `LimitExceeded`."""
    node, below, steps = operator.aggregation, operator.operands[0], operator.steps.count
    if steps == 1 or run.context.profile is not None or not may_be_large(node):
        return None
    reader = next(one for one in (below, *below.operands) if one.read is not None)
    selection = reader.reads.selection(run.context)  # known from the estimate
    if len(selection.series) * steps <= most_cells(selection.samples):
        return None
    pipeline = run.pipeline(below)
    if pipeline is None or pipeline.compiled is None or pipeline.stages:
        return None
    leaf, samples = pipeline.compiled, selection.samples
    if len(leaf.spec.ends_ms) != steps or leaf.spec.ends_ms[0] == leaf.spec.ends_ms[-1]:
        return None
    held = BYTES_OF_A_SAMPLE * samples
    run.context.memory.keep(held, f"the samples of {node.op}")
    return LargeRollup(run.context, pipeline, leaf, held)


class LargeRollup:
    """A pipeline of compiled kernels without stages, whose batches are in memory.

    held  bytes that were admitted for them
    """

    def __init__(
        self, context: Context, pipeline: Pipeline, leaf: CompiledRollup, held: int
    ) -> None:
        self._pipeline, self._leaf, self._held = pipeline, leaf, held
        self._batches: list[SeriesBatch] = []

        def load(number: int) -> SeriesBatch:
            context.checkpoint()
            return leaf.batches[number].load()

        ordered_parallel(len(leaf.batches), load, self._batches.append, alone=False)
        bounds = [_bounds(batch) for batch in self._batches]
        self._first_ms = [first for first, _ in bounds]
        self._last_ms = [last for _, last in bounds]
        self._starts = np.sort(np.concatenate([*self._first_ms, np.zeros(0, np.int64)]))
        self._stops = np.sort(np.concatenate([*self._last_ms, np.zeros(0, np.int64)]))

    @property
    def series(self) -> SeriesTable:
        """Labels of all rows."""
        return self._pipeline.series

    @property
    def nameless(self) -> bool:
        """See `Pipeline`."""
        return self._pipeline.nameless

    def most_cells(self) -> int:
        """Return the number of cells of the largest stretch."""
        steps = self._stretches()
        return max((self._living(some) * (some.stop - some.start) for some in steps), default=0)

    def stretches(self, context: Context, groups: Groups) -> Iterator[Stretch]:
        """Compute the stretches, in order of time. The batches are freed after the last one."""
        seen = np.zeros(len(self.series), np.bool_)
        for some in self._stretches():
            context.checkpoint()
            stretch = self._computed(some, context, groups)
            seen[stretch.rows] = True
            yield stretch
        if self._leaf.watch is not None:  # as often, and in the same order, as for the matrix
            for batch in self._batches:
                self._leaf.watch(batch.rows[seen[batch.rows]])
        self._batches.clear()
        context.memory.release(self._held)

    def _stretches(self) -> Iterator[slice]:
        """Yield stretches with as many steps as `STRETCH_CELLS` allows, one at least."""
        begin, steps = 0, self._pipeline.steps.count
        while begin < steps:
            fits, beyond = begin + 1, steps + 1
            while beyond - fits > 1:
                middle = (fits + beyond) // 2
                cells = self._living(slice(begin, middle)) * (middle - begin)
                fits, beyond = (middle, beyond) if cells <= STRETCH_CELLS else (fits, middle)
            yield slice(begin, fits)
            begin = fits

    def _range_ms(self, some: slice) -> tuple[int, int]:
        """Return the range of the samples that some steps need, both ends included."""
        spec = self._leaf.spec
        start = int(spec.ends_ms[some.start]) - spec.reach_ms - spec.before_ms + 1
        return start, int(spec.ends_ms[some.stop - 1])

    def _living(self, some: slice) -> int:
        """Return how many series may have samples in the windows of some steps."""
        start_ms, end_ms = self._range_ms(some)
        begun = np.searchsorted(self._starts, end_ms, side="right")
        return int(begun - np.searchsorted(self._stops, start_ms))

    def _computed(self, some: slice, context: Context, groups: Groups) -> Stretch:
        start_ms, end_ms = self._range_ms(some)
        ranges = zip(self._batches, self._first_ms, self._last_ms, strict=True)
        leaf = self._leaf
        spec = replace(
            leaf.spec,
            ends_ms=leaf.spec.ends_ms[some],
            eval_ms=leaf.spec.eval_ms[some],
            scalars=[scalar[some] for scalar in leaf.spec.scalars],
        )
        rows: list[Ints] = []
        living = replace(
            leaf,
            batches=[
                SeriesBatchRef(partial(_itself, batch), batch.sample_count)
                for batch, first, last in ranges
                if bool(((first <= end_ms) & (last >= start_ms)).any())
            ],
            spec=spec,
            watch=rows.append,
        )
        parts = packed_batches(living, groups, context)
        shape = len(groups), some.stop - some.start
        return Stretch(some, np.concatenate([*rows, NO_ROWS]), *by_group_and_step(parts, shape))


def _itself(batch: SeriesBatch) -> SeriesBatch:
    return batch


def _bounds(batch: SeriesBatch) -> tuple[Ints, Ints]:
    """[S] each: the first and the last time of each series; of one without samples no range."""
    lengths = np.diff(batch.grid_offsets)
    if len(batch.times) == 0:
        return np.ones(batch.series_count, np.int64), np.zeros(batch.series_count, np.int64)
    first = batch.times[np.minimum(batch.grid_offsets[:-1], len(batch.times) - 1)]
    last = np.where(lengths > 0, batch.times[np.maximum(batch.grid_offsets[1:] - 1, 0)], first - 1)
    return first[batch.grid], last[batch.grid]
