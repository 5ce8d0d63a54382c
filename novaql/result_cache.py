"""Answers to range queries, kept to answer the next one: a refreshed panel evaluates its new steps.

An answer is found again by plan, step and source. Its steps are used as far as the source tells
that nothing changed of what they hang on (`planner/reach.py`, `Database.changed_since`): samples
that came late, a deletion, or old blocks that went make the steps that see them be evaluated anew,
and no others. A source that is opened again is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np

from novaql.kept_columns import Columns
from novaql.options import QueryOptions
from novaql.planner.logical import Plan
from novaql.planner.reach import Reach, reach
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable, concat_tables
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.lru_cache import ByteCache, CacheStats

DEFAULT_BYTES = 64 << 20
MOST_RUNS = 3
"""Stretches of steps that are evaluated one by one; where there are more, all steps are."""

MOST_PLANS = 1024
"""Of which hash and reach are known."""

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


def _is_changing(source: object) -> TypeGuard[Changing]:
    """`isinstance(source, Changing)`, asked once for each type: it is slow."""
    kind = type(source)
    found = _CHANGING.get(kind)
    if found is None:
        found = _CHANGING[kind] = isinstance(source, Changing)
    return found


_CHANGING: dict[type, bool] = {}


class Told(Protocol):
    """What a query has to tell beside its answer: the evaluator's context."""

    @property
    def is_quiet(self) -> bool: ...

    def forget_annotations(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """An answer without annotations, and perhaps steps before it: the first one's time, and rows
    by steps."""

    version: int
    start_ms: int
    series: SeriesTable
    columns: Columns[np.float64]

    @property
    def bytes(self) -> int:
        texts = sum(len(column.values) for column in self.series.columns.values())
        codes = 4 * self.series.rows * len(self.series.columns)
        return self.columns.nbytes + codes + 60 * texts + 500


class ResultCache:
    """Caches answers to range queries. Thread-safe; one cache serves several sources.

    limit_bytes  size of the cache, which evicts the least recently used answers. 0: no caching
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self._kept: ByteCache[_Kept] = ByteCache(limit_bytes, lambda kept: kept.bytes)
        self._plans: dict[tuple[int, int], _Asked] = {}
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
        """Return the answer at these times, which are `options.step_ms` apart.

        run   evaluates the steps from a first number up to a last one, excluding the last
        told  annotations of the evaluation; the cache stores no answer with annotations
        """
        count = len(times_ms)
        asked = self._asked(plan, options.lookback_ms)
        span = asked.span
        if span is None or options.instant or not _is_changing(source):
            return run(0, count)
        start_ms, step_ms = int(times_ms[0]), options.step_ms
        # One panel asks for one length of time; others keep answers of their own.
        length = options.end_ms - options.start_ms
        key = (source.identity, asked, step_ms, start_ms % step_ms, length, _rules(options))
        kept = self._kept.get(key)
        version, changed = source.changed_since(0 if kept is None else kept.version)
        if kept is not None:
            shift = (start_ms - kept.start_ms) // step_ms  # where it begins in what is kept
            steps = kept.start_ms + np.arange(len(kept.columns)) * step_ms
            good = untouched(steps, span, changed)
            known = np.zeros(count, np.bool_)
            first, last = max(0, -shift), min(count, len(good) - shift)
            if first < last:
                known[first:last] = good[first + shift : last + shift]
            runs = _runs(~known)
            if known.any() and len(runs) <= MOST_RUNS:
                new = [run(first, last) for first, last in runs]
                found, following = _completed(
                    kept, good, shift, known, runs, new, times_ms, step_ms
                )
                _, meanwhile = source.changed_since(version)
                # An annotation may speak of the whole range, so all of it has to be evaluated.
                quiet = told.is_quiet and not any(one.native is not None for one in new)
                if quiet and untouched(times_ms[known], span, meanwhile).all():
                    self.steps_reused += int(known.sum())
                    if following is not None:
                        self._keep(key, version, *following)
                    elif not _is_behind(kept, shift, known):
                        self._keep(key, version, start_ms, found, None)
                    return found
                told.forget_annotations()
        found = run(0, count)
        if told.is_quiet:
            self._keep(key, version, start_ms, found, None)
        return found

    def clear(self) -> None:
        """Evict all answers."""
        self._kept.clear()

    def stats(self) -> CacheStats:
        """Return hits and misses, entries and bytes."""
        return self._kept.stats()

    def _keep(
        self,
        key: Hashable,
        version: int,
        start_ms: int,
        found: Result,
        columns: Columns[np.float64] | None,
    ) -> None:
        """columns: those of the answer, and perhaps others beside them, of which the first is at
        `start_ms`; None: those of the answer are in no array yet that has room for more."""
        if found.kind is not ResultKind.MATRIX or found.raw or found.native:
            return
        if columns is None:
            columns = Columns.of(found.values, found.valid)
        self._kept.put(key, _Kept(version, start_ms, found.series, columns))

    def _asked(self, plan: Plan, lookback_ms: int) -> _Asked:
        place = (id(plan), lookback_ms)  # the plan is held with it, so its address is its own
        found = self._plans.get(place)
        if found is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            found = self._plans[place] = _Asked(plan, lookback_ms)
        return found


class _Asked:
    """A plan as it is looked up by: its hash, and what it hangs on, are found once."""

    __slots__ = ("_hash", "_plan", "span")

    def __init__(self, plan: Plan, lookback_ms: int) -> None:
        self._plan = plan
        self._hash = hash(plan)
        self.span = reach(plan, lookback_ms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Asked) and self._plan == other._plan)


_Following = tuple[int, Result, Columns[np.float64]]
"""Of what is to be kept: the first step's time, the answer, and columns of it and others."""

_Piece = tuple[int, int, SeriesTable, Floats, Bools | None]


def _completed(
    kept: _Kept,
    good: Bools,
    shift: int,
    known: Bools,
    runs: Sequence[tuple[int, int]],
    new: Sequence[Result],
    times_ms: Ints,
    step_ms: int,
) -> tuple[Result, _Following | None]:
    """What is kept where it is known, and the runs of other steps evaluated. And what is to be kept
    from now on, where columns could stay in their place.

    good   which steps of what is kept are as they were
    shift  where the answer's first step is among them
    new    what the runs gave
    """
    count = len(times_ms)
    fits = not runs or (runs == [(runs[0][0], count)] and runs[0][0] + shift == len(good))
    if fits and all(kept.series.surely_equals(one.series) for one in new):
        first, last = _around(good, shift)
        columns, begin = kept.columns.part(first, last), shift - first
        for one in new:
            most = count - one.values.shape[1] + max(count // 8, 8)
            columns = columns.followed_by(one.values, one.valid, kept=min(len(columns), most))
            begin = len(columns) - count
            first = shift - begin
        values, valid = columns.part(begin, begin + count).views()
        if valid is None or np.logical_or.reduce(valid, axis=1).all():
            found = Result(ResultKind.MATRIX, kept.series, times_ms, values, valid)
            return found, (kept.start_ms + first * step_ms, found, columns)
    old_values, old_valid = kept.columns.views()
    pieces = [
        (first, last, kept.series, *_columns(old_values, old_valid, first + shift, last + shift))
        for first, last in _runs(known)
    ]
    pieces += [
        (first, last, one.series, one.values, one.valid)
        for (first, last), one in zip(runs, new, strict=True)
    ]
    pieces.sort(key=lambda piece: piece[0])
    series, values, valid = _joined(pieces, count)
    return Result(ResultKind.MATRIX, series, times_ms, values, valid), None


def _around(good: Bools, place: int) -> tuple[int, int]:
    """Begin and end of the stretch of good places that has this one."""
    bad = np.flatnonzero(~good)
    at = int(bad.searchsorted(place))
    first = int(bad[at - 1]) + 1 if at else 0
    return first, int(bad[at]) if at < len(bad) else len(good)


def _is_behind(kept: _Kept, shift: int, known: Bools) -> bool:
    """Whether somebody else is ahead with the same panel, whose answer is worth more."""
    ends_before = shift + len(known) < len(kept.columns)
    return ends_before and 2 * int(known.sum()) >= len(known)


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
