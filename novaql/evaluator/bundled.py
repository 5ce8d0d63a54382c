"""Fragments over bundles: what compiled kernels make of hundreds of tiles in a few calls.

A bundle is worked off a portion of its series at a time, so that what one kernel writes is still
in the cache when the next one reads it. Bundles are worked off side by side, and what they give is
merged in their order: the answer does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from novaql.evaluator.block import Block
from novaql.evaluator.context import Context, allocate
from novaql.evaluator.kernels import dispatch
from novaql.evaluator.kernels.group_reduce import Accumulator
from novaql.evaluator.kernels.strip_folds import Fold, fold_for, spread
from novaql.evaluator.kernels.strips import (
    Asked,
    Presence,
    StripRollup,
    alive,
    holding,
    strips_of,
)
from novaql.evaluator.kernels.windows import Bools, Floats, Ints
from novaql.evaluator.long_windows import COST_AT_ONCE, fill_by_steps
from novaql.evaluator.matrix import StepMatrix
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import Selection
from novaql.tsdb.read.staleness import batch_of_tile
from novaql.tsdb.runtime.parallel import ordered_parallel

if TYPE_CHECKING:
    from novaql.evaluator.fragment import Fragment
    from novaql.evaluator.grouping import Groups

T = TypeVar("T")

CELLS_AT_ONCE = 1 << 16
"""Values computed before they are used: 512 KiB."""

FOLDED_IN_PLACE = 1 << 19
"""With more cells than this in all groups they are kept once, and bundles are taken in turn."""

WORTH_A_THREAD, ONCE_WORTH_A_THREAD = 1 << 16, 1 << 20
"""Samples below which work is done before another thread has woken up; and of an instant, which
looks at each of them once.

Fewer bundles than `FEW` are worked off in parts, one bundle after the other."""
FEW, MOST_PARTS = 3, 4


@dataclass(frozen=True, slots=True, eq=False)
class BatchLeaf:
    """What `Fragment.leaf` is, over bundles.

    bundles  of the same samples as the fragment's tiles
    visible  a staleness marker after its newest sample hides a window
    whole_windows  the rollup looks at all samples of each window
    watch    is told rows that have any value, in order
    """

    bundles: Sequence[SeriesBatchRef]
    asked: Asked
    rollup: StripRollup
    visible: bool = False
    whole_windows: bool = False
    watch: Callable[[Ints], None] | None = None


STARTS_MATTER = frozenset({"rate", "increase", "irate", "resets"})
"""Functions that ask when the counting of a sample began, which bundles do not tell."""


def bundles_of(selection: Selection) -> Sequence[SeriesBatchRef]:
    """The floats of a selection as bundles, start timestamps left out."""
    if selection.bundles is not None:
        return selection.bundles
    return [
        SeriesBatchRef(lambda ref=ref: batch_of_tile(ref.load()), ref.samples)  # type: ignore[misc]
        for ref in selection.tiles
    ]


def usable(leaf: BatchLeaf | None) -> bool:
    """Whether compiled kernels answer: asked once for each use of a fragment."""
    if leaf is None:
        return False
    samples = sum(ref.samples for ref in leaf.bundles)
    return dispatch.ready(samples + len(leaf.asked.ends_ms))


class _Portions:
    """A bundle, some series at a time."""

    def __init__(self, leaf: BatchLeaf, bundle: SeriesBatch, context: Context) -> None:
        self.leaf, self.bundle, self.context = leaf, bundle, context
        self.strips = strips_of(bundle, leaf.asked)
        self.longest = int((self.strips.hi - self.strips.lo).max(initial=1))
        marked = leaf.visible and bundle.markers is not None
        self.shared = None if marked else holding(self.strips, leaf.rollup.samples)

    def presence(self, begin: int, end: int) -> Presence:
        return alive(self.strips, begin, end) if self.shared is None else self.shared

    def split(self, cells: Ints) -> Iterator[tuple[int, int]]:
        """Stretches of series with about `CELLS_AT_ONCE` cells. cells: [S + 1] running count."""
        most = max(1, min(CELLS_AT_ONCE, COST_AT_ONCE // self.longest))
        begin, series = 0, self.bundle.series_count
        while begin < series:
            self.context.checkpoint()
            end = int(cells.searchsorted(cells[begin] + most, side="right")) - 1
            end = min(max(end, begin + 1), series)
            yield begin, end
            begin = end

    def filled(self, begin: int, end: int, buffer: list[Floats]) -> Floats:
        """The cells of these series, in memory that is used again for the next ones."""
        wanted = int(self.strips.cells[end] - self.strips.cells[begin])
        if not buffer or len(buffer[0]) < wanted:
            buffer[:] = [np.empty(max(wanted, CELLS_AT_ONCE))]
        self.fill(begin, end, buffer[0])
        return buffer[0]

    def fill(self, begin: int, end: int, out: Floats) -> None:
        """Write the cells of these series, one of them by steps where its windows are long."""
        strips, rollup = self.strips, self.leaf.rollup
        cost = int(strips.cells[end] - strips.cells[begin]) * self.longest
        if self.leaf.whole_windows and end - begin == 1 and cost > COST_AT_ONCE:
            fill_by_steps(self.context, rollup, strips, begin, cost, out)
        else:
            rollup.fill(strips, begin, end, out)

    def rows_with_values(self) -> Ints:
        """Rows of the selection that have a value at any step."""
        strips = self.strips
        presence = self.presence(0, self.bundle.series_count)
        running = np.append(0, np.cumsum(presence.flags))
        if presence.shared:
            some = (running[strips.strip[1:]] > running[strips.strip[:-1]])[self.bundle.grid]
        else:
            some = running[strips.cells[1:]] > running[strips.cells[:-1]]
        rows: Ints = self.bundle.rows[some]
        return rows


def _each_bundle(
    leaf: BatchLeaf,
    context: Context,
    work: Callable[[_Portions], T],
    take: Callable[[T], None],
    *,
    alone: bool = False,
    sketched: bool = False,
) -> None:
    """sketched: `work` looks at no values."""

    def load(ref: SeriesBatchRef) -> SeriesBatch:
        return ref.sketch() if sketched and ref.sketch is not None else ref.load()

    def run(bundle: SeriesBatch) -> tuple[T, Ints | None]:
        context.checkpoint()
        portions = _Portions(leaf, bundle, context)
        rows = None if leaf.watch is None else portions.rows_with_values()
        return work(portions), rows

    def finished(done: tuple[T, Ints | None]) -> None:
        result, rows = done
        if rows is not None and leaf.watch is not None:
            leaf.watch(rows)
        take(result)

    refs = leaf.bundles
    worth = ONCE_WORTH_A_THREAD if len(leaf.asked.ends_ms) == 1 else WORTH_A_THREAD
    if not alone and len(refs) >= FEW:
        alone = sum(ref.samples for ref in refs) < ONCE_WORTH_A_THREAD
        ordered_parallel(len(refs), lambda n: run(load(refs[n])), finished, alone=alone)
        return
    for ref in refs:
        context.checkpoint()
        parts = load(ref).parts(1 if alone else min(ref.samples // worth, MOST_PARTS))
        ordered_parallel(len(parts), partial(_of, parts, run), finished, alone=False)


def _of(bundles: Sequence[SeriesBatch], run: Callable[[SeriesBatch], T], number: int) -> T:
    return run(bundles[number])


def fold_batches(
    fragment: Fragment, groups: Groups, accumulator: Accumulator, context: Context
) -> bool:
    """Merge a fragment without stages into the accumulator, which is empty.

    False: it has to be done otherwise, and the accumulator is empty still.
    """
    leaf, steps = fragment.bundled, fragment.steps.count
    assert leaf is not None
    empty = fold_for(accumulator, 0, 0)
    if empty is None:
        return False
    sketched = empty.counts_only
    if len(groups) * steps > FOLDED_IN_PLACE:
        everything = fold_for(accumulator, len(groups), steps)
        assert everything is not None
        _each_bundle(
            leaf,
            context,
            lambda portions: _add(everything, portions, groups.of_row),
            lambda _: None,
            alone=True,
            sketched=sketched,
        )
        accumulator.adopt(everything.partial(np.arange(len(groups))))
        return True

    def part(portions: _Portions) -> Any:
        found, place = _groups_of(portions.bundle, groups)
        fold = fold_for(accumulator, len(found), steps)
        assert fold is not None
        _add(fold, portions, place, local=True)
        return fold.partial(found)

    with np.errstate(all="ignore"):
        _each_bundle(leaf, context, part, accumulator.merge, sketched=sketched)
    return True


def _groups_of(bundle: SeriesBatch, groups: Groups) -> tuple[Ints, Ints]:
    """As `_numbered`. A panel that is refreshed asks for the same groups again and again, so those
    that were asked for last are kept with the bundle."""
    kept: tuple[Groups, tuple[Ints, Ints]] | None = bundle.notes.get("groups")
    if kept is None or kept[0] is not groups:
        kept = groups, _numbered(groups.of_row[bundle.rows], len(groups))
        bundle.notes["groups"] = kept
    return kept[1]


def _numbered(group: Ints, groups: int) -> tuple[Ints, Ints]:
    """Groups that occur, and the place of each row's group among them."""
    occurs = np.zeros(groups, np.bool_)
    occurs[group] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[group]


def _add(fold: Fold, portions: _Portions, place: Ints, *, local: bool = False) -> None:
    """place: [S] of the bundle (`local`), or of all rows of the selection."""
    if not local:
        place = place[portions.bundle.rows]
    buffer: list[Floats] = []
    nothing = np.zeros(0)
    for begin, end in portions.split(portions.strips.cells):
        values = nothing if fold.counts_only else portions.filled(begin, end, buffer)
        fold.add(portions.strips, values, portions.presence(begin, end), place, begin, end)


def collect_bundles(fragment: Fragment, context: Context) -> StepMatrix:
    """A fragment without stages as a matrix; row i is row i of the fragment's series."""
    leaf = fragment.bundled
    assert leaf is not None
    out = allocate(context, fragment.series, fragment.steps)
    values, valid = out.values, out.valid
    assert valid is not None
    covered: list[bool] = []

    def write(portions: _Portions) -> bool:
        rows = portions.bundle.rows
        in_place = portions.strips.whole() and _in_order(rows)
        buffer: list[Floats] = []
        complete = portions.strips.whole()
        for begin, end in portions.split(portions.strips.cells):
            if in_place:
                filled = values[rows[begin] : rows[begin] + end - begin].reshape(-1)
                portions.fill(begin, end, filled)
            else:
                filled = portions.filled(begin, end, buffer)
            presence = portions.presence(begin, end)
            complete = complete and presence.whole
            if in_place and presence.whole:
                valid[rows[begin] : rows[begin] + end - begin] = True
            else:
                spread(portions.strips, filled, presence, rows, begin, end, values, valid)
        return complete

    _each_bundle(leaf, context, write, covered.append)
    rows_read = sum(1 for done in covered if not done)
    complete = rows_read == 0 and bool(valid.all())
    return StepMatrix(
        out.series,
        values,
        None if complete else valid,
        np.full(out.rows, fragment.nameless),
    )


def _in_order(rows: Ints) -> bool:
    return bool((rows[1:] - rows[:-1] == 1).all())


def bundle_blocks(fragment: Fragment, context: Context, work: Callable[[Block], T]) -> Iterator[T]:
    """What `work` makes of each block of the fragment, stages applied."""
    leaf, steps = fragment.bundled, fragment.steps.count
    assert leaf is not None
    results: list[T] = []

    def run(portions: _Portions) -> list[T]:
        dense = np.arange(portions.bundle.series_count + 1, dtype=np.int64) * steps
        buffer: list[Floats] = []
        done: list[T] = []
        with np.errstate(all="ignore"):
            for begin, end in portions.split(dense):
                out, there = _dense(portions, begin, end, buffer)
                block = Block(portions.bundle.rows[begin:end], out, there)
                done.append(work(fragment.staged(block)))
        return done

    _each_bundle(leaf, context, run, results.extend)
    yield from results


def _dense(
    portions: _Portions, begin: int, end: int, buffer: list[Floats]
) -> tuple[Floats, Bools | None]:
    strips, shape = portions.strips, (end - begin, portions.strips.steps)
    presence = portions.presence(begin, end)
    if presence.whole and int(strips.cells[end] - strips.cells[begin]) == shape[0] * shape[1]:
        out = np.empty(shape)
        portions.fill(begin, end, out.reshape(-1))
        return out, None
    out, there = np.zeros(shape), np.zeros(shape, np.bool_)
    place = np.zeros(portions.bundle.series_count, np.int64)
    place[begin:end] = np.arange(end - begin)
    filled = portions.filled(begin, end, buffer)
    spread(strips, filled, presence, place, begin, end, out, there)
    return out, there
