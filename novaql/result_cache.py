"""Answers to range queries, kept to answer the next one: a refreshed panel evaluates its new steps.

An answer is found again by plan, step and source. Its steps are used as far as the source tells
that nothing changed of what they hang on (`planner/reach.py`, `Database.changed_since`): samples
that came late, a deletion, or old blocks that went make the steps that see them be evaluated anew,
and no others. A source that is opened again is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from novaql.options import QueryOptions
from novaql.planner.logical import Plan
from novaql.planner.reach import Reach, reach
from novaql.result import Result, ResultKind
from tsdb.cache import ByteCache, CacheStats
from tsdb.labels import Bools, Ints, SeriesTable, concat_tables
from tsdb.tile import Floats

DEFAULT_BYTES = 64 << 20
MOST_RUNS = 3
"""Stretches of steps that are evaluated one by one; where there are more, all steps are."""

Stretches = Sequence[tuple[int, int]]


@runtime_checkable
class Changing(Protocol):
    """A source that tells what changes in it: `tsdb.Database`."""

    @property
    def identity(self) -> Hashable:
        """Equal for one object alone."""
        ...

    def changed_since(self, version: int) -> tuple[int, list[tuple[int, int]]]:
        """The version of now, and stretches of time outside of which it is as it was at another."""
        ...


class Told(Protocol):
    """What a query has to tell beside its answer: the evaluator's context."""

    @property
    def is_quiet(self) -> bool: ...

    def forget_annotations(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """An answer without annotations: first step, and rows by steps."""

    version: int
    start_ms: int
    series: SeriesTable
    values: Floats
    valid: Bools | None

    @property
    def bytes(self) -> int:
        cells = self.values.nbytes + (0 if self.valid is None else self.valid.nbytes)
        texts = sum(len(column.values) for column in self.series.columns.values())
        return cells + 4 * self.series.rows * len(self.series.columns) + 60 * texts + 500


class ResultCache:
    """Safe to use from several threads, and for several sources.

    limit_bytes  what is kept at most; what was asked for longest ago goes first. 0: nothing
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self._kept: ByteCache[_Kept] = ByteCache(limit_bytes, lambda kept: kept.bytes)
        self.steps_reused = 0
        """Since the start; for metrics, so it may miss some where threads meet."""

    def answer(
        self,
        plan: Plan,
        times_ms: Ints,
        options: QueryOptions,
        source: object,
        run: Callable[[int, int], Result],
        told: Told,
    ) -> Result:
        """The answer at these times, which are `options.step_ms` apart.

        run   evaluates steps from one number up to another one, exclusively
        told  what evaluating tells beside the answer; with something of that nothing is kept
        """
        count = len(times_ms)
        span = reach(plan, options.lookback_ms)
        if span is None or options.instant or not isinstance(source, Changing):
            return run(0, count)
        start_ms, step_ms = int(times_ms[0]), options.step_ms
        # One panel asks for one length of time; others keep answers of their own.
        length = options.end_ms - options.start_ms
        key = (source.identity, plan, step_ms, start_ms % step_ms, length, _rules(options))
        kept = self._kept.get(key)
        version, changed = source.changed_since(0 if kept is None else kept.version)
        if kept is not None:
            known = np.zeros(count, np.bool_)
            shift = (start_ms - kept.start_ms) // step_ms  # steps that left the panel
            first, last = max(0, -shift), min(count, kept.values.shape[1] - shift)
            if first < last:
                known[first:last] = untouched(times_ms[first:last], span, changed)
            runs = _runs(~known)
            if known.any() and len(runs) <= MOST_RUNS:
                found = self._completed(kept, shift, known, runs, times_ms, run)
                _, meanwhile = source.changed_since(version)
                # An annotation may speak of the whole range, so all of it has to be evaluated.
                if told.is_quiet and untouched(times_ms[known], span, meanwhile).all():
                    self.steps_reused += int(known.sum())
                    self._keep(key, version, start_ms, found)
                    return found
                told.forget_annotations()
        found = run(0, count)
        if told.is_quiet:
            self._keep(key, version, start_ms, found)
        return found

    def clear(self) -> None:
        """Forget all answers."""
        self._kept.clear()

    def stats(self) -> CacheStats:
        """Hits and misses, entries and bytes."""
        return self._kept.stats()

    def _keep(self, key: Hashable, version: int, start_ms: int, found: Result) -> None:
        if found.kind is not ResultKind.MATRIX or found.raw or found.native:
            return
        found.values.setflags(write=False)  # two may look at them from now on
        if found.valid is not None:
            found.valid.setflags(write=False)
        kept = _Kept(version, start_ms, found.series, found.values, found.valid)
        self._kept.put(key, kept)

    def _completed(
        self,
        kept: _Kept,
        shift: int,
        known: Bools,
        runs: Sequence[tuple[int, int]],
        times_ms: Ints,
        run: Callable[[int, int], Result],
    ) -> Result:
        """What is kept where it is known, and the runs of other steps evaluated."""
        new = [run(first, last) for first, last in runs]
        if any(one.native is not None for one in new):
            return run(0, len(times_ms))
        pieces = [
            (
                first,
                last,
                kept.series,
                *_columns(kept.values, kept.valid, first + shift, last + shift),
            )
            for first, last in _runs(known)
        ]
        pieces += [
            (first, last, one.series, one.values, one.valid)
            for (first, last), one in zip(runs, new, strict=True)
        ]
        pieces.sort(key=lambda piece: piece[0])
        series, values, valid = _joined(pieces, len(times_ms))
        return Result(ResultKind.MATRIX, series, times_ms, values, valid)


_Piece = tuple[int, int, SeriesTable, Floats, Bools | None]


def untouched(times_ms: Ints, span: Reach, changed: Stretches) -> Bools:
    """[times] at which an answer hangs on nothing that changed."""
    good = np.ones(len(times_ms), np.bool_)
    for first_ms, last_ms in _merged(changed):
        if any(first <= last_ms and first_ms <= last for first, last in span.fixed):
            good[:] = False
            return good
        if span.relative is not None:
            first, last = span.relative
            good &= (times_ms + first > last_ms) | (times_ms + last < first_ms)
    return good


def _merged(stretches: Stretches) -> list[tuple[int, int]]:
    """The same time in fewer stretches."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(stretches):
        if first > last:
            continue
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def _runs(chosen: Bools) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of each stretch of chosen places."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _columns(
    values: Floats, valid: Bools | None, first: int, last: int
) -> tuple[Floats, Bools | None]:
    return values[:, first:last], None if valid is None else valid[:, first:last]


def _joined(pieces: Sequence[_Piece], steps: int) -> tuple[SeriesTable, Floats, Bools | None]:
    """Rows of all pieces, side by side in time; rows without a value are left out."""
    tables = [piece[2] for piece in pieces]
    same = all(tables[0].surely_equals(table) for table in tables[1:])
    if same and all(piece[4] is None for piece in pieces):
        return tables[0], np.concatenate([piece[3] for piece in pieces], axis=1), None
    if same:
        series, places = tables[0], [np.arange(tables[0].rows)] * len(tables)
    else:
        series, places = _united(tables)
    values = np.zeros((series.rows, steps))
    valid = np.zeros((series.rows, steps), np.bool_)
    for (first, last, _, some, there), rows in zip(pieces, places, strict=True):
        values[rows, first:last] = some
        valid[rows, first:last] = True if there is None else there
    left: Bools = np.logical_or.reduce(valid, axis=1)
    if not left.all():
        series, values, valid = series.take(left), values[left], valid[left]
    if not same:
        order = series.order()
        series, values, valid = series.take(order), values[order], valid[order]
    return series, values, None if valid.all() else valid


def _united(tables: Sequence[SeriesTable]) -> tuple[SeriesTable, list[Ints]]:
    """Each label set once, and where the rows of each table are in that."""
    stacked = concat_tables(tables)
    _, first, number = np.unique(stacked.keys(), return_index=True, return_inverse=True)
    ends = np.cumsum([table.rows for table in tables])
    return stacked.take(first), np.split(number.ravel(), ends[:-1])


def _rules(options: QueryOptions) -> QueryOptions:
    """What of the options an answer hangs on, beside its times."""
    return replace(options, start_ms=0, end_ms=0, timeout_s=None)
