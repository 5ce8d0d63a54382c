"""Pipelines that compiled kernels run: a batch at a time, many series in one call.

A batch is processed some series at a time, so that the output of one kernel is still in the
processor's cache when the next one reads it. Threads process batches in parallel. Results are
merged in the order of batches, so that the answer does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from novaql.evaluator.context import Context, allocate
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.dispatch import StripCells
from novaql.evaluator.kernels.group_reduce import Accumulator, StripAccumulator
from novaql.evaluator.kernels.runs import numbered
from novaql.evaluator.kernels.strips import (
    Presence,
    alive,
    cells,
    holding,
    known,
    spread,
    strips_of,
)
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.matrix import StepMatrix, matrix
from novaql.evaluator.pipeline.block import Block
from novaql.evaluator.pipeline.long_windows import COST_AT_ONCE, fill_by_steps
from novaql.evaluator.pipeline.model import CompiledRollup, Pipeline
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.runtime.parallel import ordered_parallel

T = TypeVar("T")

CELLS_AT_ONCE = 1 << 16
"""Values computed before they are used: 512 KiB."""

FOLDED_IN_PLACE = 1 << 19
"""With more cells than this in all groups, threads share one accumulator, under a lock."""

WORTH_A_THREAD = 1 << 16
"""Below this number of samples, work ends before another thread wakes up, if all samples of each
window are read."""
ONCE_WORTH_A_THREAD, EDGES_WORTH_A_THREAD = 1 << 20, 1 << 18
"""The same for an instant, which reads a sample at most once; and where only some samples of
each window are read, or only their times. A part costs some 40 µs, whatever it computes."""
FEW, MOST_PARTS = 3, 4
"""Fewer batches than `FEW` are processed in parts, one batch after the other."""


class _Portions:
    """A batch, some series at a time."""

    def __init__(self, leaf: CompiledRollup, batch: SeriesBatch, context: Context) -> None:
        self.leaf, self.batch, self.context = leaf, batch, context
        self.strips = strips_of(batch, leaf.spec)
        self.longest = int((self.strips.hi - self.strips.lo).max(initial=1))
        marked = leaf.visible and batch.markers is not None
        self.shared = None if marked else holding(self.strips, leaf.rollup.samples)

    def presence(self, begin: int, end: int, values: Floats | None = None) -> Presence:
        """values: what `filled` has returned for these series, if it was called."""
        rollup = self.leaf.rollup
        if rollup.gaps:
            values = self.filled(begin, end, []) if values is None else values
            return known(self.strips, rollup.samples, begin, end, values)
        return alive(self.strips, begin, end) if self.shared is None else self.shared

    def split(self, counts: Ints) -> Iterator[tuple[int, int]]:
        """Stretches of series with about `CELLS_AT_ONCE` cells. counts: [S + 1] running count."""
        most = max(1, min(CELLS_AT_ONCE, COST_AT_ONCE // self.longest))
        begin, series = 0, self.batch.series_count
        while begin < series:
            self.context.checkpoint()
            end = int(counts.searchsorted(counts[begin] + most, side="right")) - 1
            end = min(max(end, begin + 1), series)
            yield begin, end
            begin = end

    def filled(self, begin: int, end: int, buffer: list[Floats]) -> Floats:
        """The cells of these series, in memory that is reused for the next ones."""
        wanted = int(self.strips.cells[end] - self.strips.cells[begin])
        if not buffer or len(buffer[0]) < wanted:
            buffer[:] = [np.empty(max(wanted, CELLS_AT_ONCE))]
        self.fill(begin, end, buffer[0])
        return buffer[0]

    def fill(self, begin: int, end: int, out: Floats) -> None:
        """Write the cells of these series, one of them by steps where its windows are long."""
        strips, leaf, rollup = self.strips, self.leaf, self.leaf.rollup
        cost = int(strips.cells[end] - strips.cells[begin]) * self.longest
        long = leaf.whole_window and not leaf.slides
        if long and end - begin == 1 and cost > COST_AT_ONCE:
            fill_by_steps(self.context, rollup, strips, begin, cost, out)
        else:
            rollup.fill(strips, begin, end, out)

    def rows_with_values(self) -> Ints:
        """Rows of the selection that have a value at any step."""
        strips = self.strips
        presence = self.presence(0, self.batch.series_count)
        running = np.append(0, np.cumsum(presence.flags))
        if presence.shared:
            some = (running[strips.strip[1:]] > running[strips.strip[:-1]])[self.batch.grid]
        else:
            some = running[strips.cells[1:]] > running[strips.cells[:-1]]
        rows: Ints = self.batch.rows[some]
        return rows


def _each_batch(
    leaf: CompiledRollup,
    context: Context,
    work: Callable[[_Portions], T],
    take: Callable[[T], None],
    *,
    alone: bool = False,
    times_only: bool = False,
) -> None:
    """times_only: `work` reads no values."""

    def load(ref: SeriesBatchRef) -> SeriesBatch:
        return ref.times_only() if times_only and ref.times_only is not None else ref.load()

    def run(batch: SeriesBatch) -> tuple[T, Ints | None]:
        context.checkpoint()
        portions = _Portions(leaf, batch, context)
        rows = None if leaf.watch is None else portions.rows_with_values()
        return work(portions), rows

    def finished(done: tuple[T, Ints | None]) -> None:
        result, rows = done
        if rows is not None and leaf.watch is not None:
            leaf.watch(rows)
        take(result)

    refs = leaf.batches
    worth = EDGES_WORTH_A_THREAD
    if leaf.whole_window:
        worth = WORTH_A_THREAD
    if len(leaf.spec.ends_ms) == 1:
        worth = ONCE_WORTH_A_THREAD
    if not alone and len(refs) >= FEW:
        alone = sum(ref.samples for ref in refs) < ONCE_WORTH_A_THREAD
        ordered_parallel(len(refs), lambda n: run(load(refs[n])), finished, alone=alone)
        return
    for ref in refs:
        context.checkpoint()
        parts = load(ref).parts(1 if alone else min(ref.samples // worth, MOST_PARTS))
        ordered_parallel(len(parts), partial(_of, parts, run), finished, alone=False)


def _of(batches: Sequence[SeriesBatch], run: Callable[[SeriesBatch], T], number: int) -> T:
    return run(batches[number])


def fold_batches(
    pipeline: Pipeline, groups: Groups, accumulator: Accumulator, context: Context
) -> bool:
    """Merge a pipeline without stages into the accumulator, which is empty.

    False: this path cannot run it, and the accumulator remains empty.
    """
    leaf, steps = pipeline.compiled, pipeline.steps.count
    assert leaf is not None
    if not isinstance(accumulator, StripAccumulator):
        return False
    times_only = accumulator.counts_only and not leaf.rollup.gaps
    if len(groups) * steps > FOLDED_IN_PLACE:
        _each_batch(
            leaf,
            context,
            lambda portions: _add(accumulator, portions, groups.of_row[portions.batch.rows]),
            lambda _: None,
            alone=True,
            times_only=times_only,
        )
        return True

    def part(portions: _Portions) -> Any:
        found, place = _groups_of(portions.batch, groups)
        fold = accumulator.empty(len(found), steps)
        _add(fold, portions, place)
        return fold.partial(found)

    with np.errstate(all="ignore"):
        _each_batch(leaf, context, part, accumulator.merge, times_only=times_only)
    return True


def _groups_of(batch: SeriesBatch, groups: Groups) -> tuple[Ints, Ints]:
    """As `numbered`. A refreshed panel groups by the same labels each time, so each batch caches
    its last groups."""
    cached = batch.derived.groups
    if cached is None or cached[0] is not groups:
        cached = groups, numbered(groups.of_row[batch.rows])
        batch.derived.groups = cached
    return cached[1]


def _add(fold: StripAccumulator, portions: _Portions, place: Ints) -> None:
    """place: [S] row of each series of the batch."""
    buffer: list[Floats] = []
    nothing = np.zeros(0)
    for begin, end in portions.split(portions.strips.cells):
        values = nothing if fold.counts_only else portions.filled(begin, end, buffer)
        present = portions.presence(begin, end, None if fold.counts_only else values)
        fold.add_strips(cells(portions.strips, values, present, place, begin, end))


def packed_batches(leaf: CompiledRollup, groups: Groups, context: Context) -> list[StripCells]:
    """The cells of each batch, whose places are the groups of their series."""

    def pack(portions: _Portions) -> StripCells:
        strips = portions.strips
        values = np.empty(int(strips.cells[-1]))
        for begin, end in portions.split(strips.cells):
            portions.fill(begin, end, values[strips.cells[begin] : strips.cells[end]])
        series = portions.batch.series_count
        present = portions.presence(0, series, values)
        return cells(strips, values, present, groups.of_row[portions.batch.rows], 0, series)

    found: list[StripCells] = []
    with np.errstate(all="ignore"):
        _each_batch(leaf, context, pack, found.append)
    return found


def collect_batches(pipeline: Pipeline, context: Context) -> StepMatrix:
    """A pipeline without stages as a matrix; row i is row i of the pipeline's series."""
    leaf = pipeline.compiled
    assert leaf is not None
    values, valid = allocate(context, len(pipeline.series), pipeline.steps.count)
    covered: list[bool] = []

    def write(portions: _Portions) -> bool:
        rows = portions.batch.rows
        in_place = portions.strips.whole() and _in_order(rows)
        buffer: list[Floats] = []
        complete = portions.strips.whole()
        for begin, end in portions.split(portions.strips.cells):
            if in_place:
                filled = values[rows[begin] : rows[begin] + end - begin].reshape(-1)
                portions.fill(begin, end, filled)
            else:
                filled = portions.filled(begin, end, buffer)
            presence = portions.presence(begin, end, filled)
            complete = complete and presence.whole
            if in_place and presence.whole:
                valid[rows[begin] : rows[begin] + end - begin] = True
            else:
                spread(cells(portions.strips, filled, presence, rows, begin, end), values, valid)
        return complete

    _each_batch(leaf, context, write, covered.append)
    there = None if all(covered) and valid.all() else valid
    return matrix(pipeline.series, values, there, nameless=pipeline.nameless)


def _in_order(rows: Ints) -> bool:
    return bool((rows[1:] - rows[:-1] == 1).all())


def batch_blocks(pipeline: Pipeline, context: Context, work: Callable[[Block], T]) -> Iterator[T]:
    """The results of `work` for each block of the pipeline, after the stages."""
    leaf, steps = pipeline.compiled, pipeline.steps.count
    assert leaf is not None
    results: list[T] = []

    def run(portions: _Portions) -> list[T]:
        dense = np.arange(portions.batch.series_count + 1, dtype=np.int64) * steps
        buffer: list[Floats] = []
        done: list[T] = []
        with np.errstate(all="ignore"):
            for begin, end in portions.split(dense):
                out, there = _dense(portions, begin, end, buffer)
                block = Block(portions.batch.rows[begin:end], out, there)
                done.append(work(pipeline.staged(block)))
        return done

    _each_batch(leaf, context, run, results.extend)
    yield from results


def _dense(
    portions: _Portions, begin: int, end: int, buffer: list[Floats]
) -> tuple[Floats, Bools | None]:
    strips, shape = portions.strips, (end - begin, portions.strips.steps)
    cells_here = int(strips.cells[end] - strips.cells[begin])
    values = portions.filled(begin, end, buffer) if portions.leaf.rollup.gaps else None
    presence = portions.presence(begin, end, values)
    if presence.whole and cells_here == shape[0] * shape[1]:
        out = np.empty(shape)
        portions.fill(begin, end, out.reshape(-1))
        return out, None
    out, there = np.zeros(shape), np.zeros(shape, np.bool_)
    place = np.zeros(portions.batch.series_count, np.int64)
    place[begin:end] = np.arange(end - begin)
    filled = portions.filled(begin, end, buffer) if values is None else values
    spread(cells(strips, filled, presence, place, begin, end), out, there)
    return out, there
