"""A cache of results of range queries: a refreshed panel evaluates only its new steps.

An entry is found by plan, step and source, and replaced by one whose steps are at other times. A
step of it is valid as long as the source reports no change in the time that the step depends on
(`planner/reach.py`, `Database.changed_since`). Late samples, deletions and retention invalidate
only the steps that read the changed time. A store that is opened again is another source.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, replace
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.options import QueryOptions
from novaql.planner.logical import Plan, children
from novaql.planner.reach import Reach, reach
from novaql.result import Result, ResultKind
from novaql.result.append_only_matrix import AppendOnlyMatrix, CachedTexts
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable, concat_tables
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.lru_cache import ByteCache, CacheStats, text_bytes

DEFAULT_BYTES = 64 << 20
MOST_RUNS = 3
"""Runs of missing steps that are evaluated one by one; if there are more, all steps are."""

MOST_PLANS, PLANS_BYTES = 1024, 32 << 20
"""Plans whose hash and reach are cached, and about the bytes of their texts."""

TimeRanges = Sequence[tuple[int, int]]
"""First and last time of each range."""


@runtime_checkable
class ChangeTracking(Protocol):
    """A source that reports its changes: `tsdb.Database`."""

    @property
    def identity(self) -> Hashable:
        """A value that is equal only for the same object."""
        ...

    def changed_since(self, version: int) -> tuple[int, list[tuple[int, int]]]:
        """Return the current version, and the ranges of time that changed since another one."""
        ...


def _tracks_changes(source: object) -> TypeGuard[ChangeTracking]:
    """`isinstance(source, ChangeTracking)`, which is slow, once for each type."""
    kind = type(source)
    found = _TRACKS_CHANGES.get(kind)
    if found is None:
        found = _TRACKS_CHANGES[kind] = isinstance(source, ChangeTracking)
    return found


_TRACKS_CHANGES: dict[type, bool] = {}


class Annotations(Protocol):
    """The warnings and infos of an evaluation: the evaluator's context."""

    @property
    def is_quiet(self) -> bool: ...

    def forget_annotations(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """Results without annotations, at steps from `start_ms`: rows by steps.

    The last steps are those of the last answer; earlier steps may precede them.
    """

    version: int
    start_ms: int
    series: SeriesTable
    matrix: AppendOnlyMatrix

    @property
    def nbytes(self) -> int:
        texts = sum(len(column.values) for column in self.series.columns.values())
        codes = 4 * self.series.rows * len(self.series.columns)
        return self.matrix.nbytes + codes + 60 * texts + 500


class ResultCache:
    """Caches answers to range queries. Thread-safe; one cache serves several sources.

    limit_bytes  size of the cache, which evicts the least recently used answers. 0: no caching
    """

    def __init__(self, limit_bytes: int = DEFAULT_BYTES) -> None:
        self._entries: ByteCache[_Entry] = ByteCache(limit_bytes, of_text=True)
        self._plans: ByteCache[_PlanKey] = ByteCache(PLANS_BYTES, _PlanKey.nbytes)
        self.steps_reused = 0
        """Since the creation of the cache. Approximate: concurrent updates may be lost."""

    def answer(
        self,
        plan: Plan,
        times_ms: Ints,
        options: QueryOptions,
        source: object,
        run: Callable[[int, int], Result],
        annotations: Annotations,
    ) -> Result:
        """Return the answer at these times, which are `options.step_ms` apart.

        run          evaluates the steps from a first number up to a last one, excluding the last
        annotations  of the evaluation; the cache stores no answer with annotations
        """
        count = len(times_ms)
        if options.instant:
            return run(0, count)
        plan_key = self._plan_key(plan, options.lookback_ms)
        span = plan_key.span
        if span is None or not _tracks_changes(source):
            return run(0, count)
        start_ms, step_ms = int(times_ms[0]), options.step_ms
        # A panel always has the same length; panels of other lengths have entries of their own.
        length = options.end_ms - options.start_ms
        key = (source.identity, plan_key, step_ms, length, _rules(options))
        entry = self._entries.get(key)
        if entry is not None and (start_ms - entry.start_ms) % step_ms:
            entry = None  # of other steps. A client that does not align them rarely repeats one
        version, changed = source.changed_since(0 if entry is None else entry.version)
        if entry is not None:
            shift = (start_ms - entry.start_ms) // step_ms  # the first step's column in the entry
            steps = entry.start_ms + np.arange(len(entry.matrix)) * step_ms
            good = unchanged(steps, span, changed)
            known = np.zeros(count, np.bool_)
            first, last = max(0, -shift), min(count, len(good) - shift)
            if first < last:
                known[first:last] = good[first + shift : last + shift]
            runs = _runs(~known)
            if known.any() and len(runs) <= MOST_RUNS:
                new = [run(first, last) for first, last in runs]
                result, extended = _completed(
                    entry, good, shift, known, runs, new, times_ms, step_ms, self._most_text_bytes()
                )
                _, meanwhile = source.changed_since(version)
                # An annotation may depend on all steps, so with one, evaluate all of them.
                quiet = annotations.is_quiet and not any(one.native is not None for one in new)
                if quiet and unchanged(times_ms[known], span, meanwhile).all():
                    self.steps_reused += int(known.sum())
                    if extended is not None:
                        self._put(key, version, *extended)
                    elif not _is_behind(entry, shift, known):
                        self._put(key, version, start_ms, result, None)
                    return result
                annotations.forget_annotations()
        result = run(0, count)
        if annotations.is_quiet:
            self._put(key, version, start_ms, result, None)
        return result

    def clear(self) -> None:
        """Evict all answers."""
        self._entries.clear()

    def stats(self) -> CacheStats:
        """Return hits and misses, entries and bytes."""
        return self._entries.stats()

    def _put(
        self,
        key: Hashable,
        version: int,
        start_ms: int,
        result: Result,
        matrix: AppendOnlyMatrix | None,
    ) -> None:
        """Cache a result.

        matrix  the columns of the result and perhaps others, the first of them at `start_ms`;
                None: those of the result alone
        """
        if result.kind is not ResultKind.MATRIX or result.raw or result.native:
            return
        if matrix is None:
            matrix = AppendOnlyMatrix.of(result.values, result.valid)
        self._entries.put(key, _Entry(version, start_ms, result.series, matrix))

    def _most_text_bytes(self) -> int:
        """Return how many bytes of texts a refreshed result may cache. Texts save less time than
        results do, so they use only free memory."""
        stats = self._entries.stats()
        return stats.limit // 8 if 2 * stats.bytes < stats.limit else 0

    def _plan_key(self, plan: Plan, lookback_ms: int) -> _PlanKey:
        key = (id(plan), lookback_ms)  # the cached value holds the plan, so the id stays its own
        found = self._plans.get(key)
        if found is None:
            found = _PlanKey(plan, lookback_ms)
            self._plans.put(key, found)
        return found


def _texts_of(plan: Plan) -> int:
    """Return the bytes of the texts in a plan: of matchers, labels and constants."""
    total, seen, waiting = 0, {id(plan)}, [plan]
    while waiting:
        node = waiting.pop()
        total += sum(text_bytes(getattr(node, field.name)) for field in fields(node))
        for child in children(node):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append(child)
    return total


class _PlanKey:
    """A plan as a key: computes its hash and its reach once."""

    __slots__ = ("_hash", "_plan", "span", "text_bytes")

    def __init__(self, plan: Plan, lookback_ms: int) -> None:
        self._plan = plan
        self._hash = hash(plan)
        self.span = reach(plan, lookback_ms)
        self.text_bytes = _texts_of(plan)

    def nbytes(self) -> int:
        """Return about the memory that the plan takes, at least 1/1024 of that for all plans."""
        return max(PLANS_BYTES // MOST_PLANS, self.text_bytes)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _PlanKey) and self._plan == other._plan)


_Extended = tuple[int, Result, AppendOnlyMatrix]
"""An entry with appended columns: time of the first column, the result, and all columns."""

_Part = tuple[int, int, SeriesTable, Floats, Bools | None]
"""First and last step (exclusive), and the rows at these steps."""


def _completed(
    entry: _Entry,
    good: Bools,
    shift: int,
    known: Bools,
    runs: Sequence[tuple[int, int]],
    new: Sequence[Result],
    times_ms: Ints,
    step_ms: int,
    most_text_bytes: int,
) -> tuple[Result, _Extended | None]:
    """Combine the known steps of an entry with the results of the other runs of steps.

    The second value is the entry to cache if the new columns could be appended to its matrix.

    good   which columns of the entry are unchanged
    shift  column of the answer's first step in the entry
    new    results of the runs
    most_text_bytes  see `AppendOnlyMatrix.append`
    """
    count = len(times_ms)
    # The result has only columns of the entry, or its last columns and then one run of new ones.
    fits = not runs or (runs == [(runs[0][0], count)] and runs[0][0] + shift == len(good))
    if fits and all(entry.series.surely_equals(one.series) for one in new):
        first, last = _run_around(good, shift)
        matrix, begin = entry.matrix.columns(first, last), shift - first
        for one in new:
            retain = count - one.values.shape[1] + max(count // 8, 8)
            matrix = matrix.append(
                one.values,
                one.valid,
                retain=min(len(matrix), retain),
                most_text_bytes=most_text_bytes,
            )
            begin = len(matrix) - count
            first = shift - begin
        shown = matrix.columns(begin, begin + count)
        values, valid = shown.views()
        if valid is None or np.logical_or.reduce(valid, axis=1).all():
            texts = CachedTexts(shown, values)
            result = Result(ResultKind.MATRIX, entry.series, times_ms, values, valid, texts=texts)
            return result, (entry.start_ms + first * step_ms, result, matrix)
    parts: list[_Part] = [
        (first, last, entry.series, *entry.matrix.columns(first + shift, last + shift).views())
        for first, last in _runs(known)
    ]
    parts += [
        (first, last, one.series, one.values, one.valid)
        for (first, last), one in zip(runs, new, strict=True)
    ]
    parts.sort(key=lambda part: part[0])
    series, values, valid = _side_by_side(parts, count)
    return Result(ResultKind.MATRIX, series, times_ms, values, valid), None


def _run_around(good: Bools, column: int) -> tuple[int, int]:
    """Return the run of good columns that contains this one: its begin and end (exclusive)."""
    bad = np.flatnonzero(~good)
    at = int(bad.searchsorted(column))
    first = int(bad[at - 1]) + 1 if at else 0
    return first, int(bad[at]) if at < len(bad) else len(good)


def _is_behind(entry: _Entry, shift: int, known: Bools) -> bool:
    """Whether the entry ends later: another client refreshes the same panel earlier, and its entry
    is worth more."""
    ends_before = shift + len(known) < len(entry.matrix)
    return ends_before and 2 * int(known.sum()) >= len(known)


def unchanged(times_ms: Ints, span: Reach, changed: TimeRanges) -> Bools:
    """[times] whether the answer at each time depends on no changed range."""
    good = np.ones(len(times_ms), np.bool_)
    for first_ms, last_ms in _merged(changed):
        if any(first <= last_ms and first_ms <= last for first, last in span.fixed):
            good[:] = False
            return good
        if span.relative is not None:
            first, last = span.relative
            good &= (times_ms + first > last_ms) | (times_ms + last < first_ms)
    return good


def _merged(ranges: TimeRanges) -> list[tuple[int, int]]:
    """Merge ranges that overlap or adjoin."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if first > last:
            continue
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def _runs(chosen: Bools) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of each run of chosen places."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _side_by_side(parts: Sequence[_Part], steps: int) -> tuple[SeriesTable, Floats, Bools | None]:
    """Join parts, ordered by time; omit rows without a value."""
    tables = [part[2] for part in parts]
    same = all(tables[0].surely_equals(table) for table in tables[1:])
    if same and all(part[4] is None for part in parts):
        return tables[0], np.concatenate([part[3] for part in parts], axis=1), None
    if same:
        series, rows_of = tables[0], [np.arange(tables[0].rows)] * len(tables)
    else:
        series, rows_of = _union(tables)
    values = np.zeros((series.rows, steps))
    valid = np.zeros((series.rows, steps), np.bool_)
    for (first, last, _, some, some_valid), rows in zip(parts, rows_of, strict=True):
        values[rows, first:last] = some
        valid[rows, first:last] = True if some_valid is None else some_valid
    present: Bools = np.logical_or.reduce(valid, axis=1)
    if not present.all():
        series, values, valid = series.take(present), values[present], valid[present]
    if not same:
        order = series.order()
        series, values, valid = series.take(order), values[order], valid[order]
    return series, values, None if valid.all() else valid


def _union(tables: Sequence[SeriesTable]) -> tuple[SeriesTable, list[Ints]]:
    """Return each label set once, and for each table the rows of its label sets in that."""
    stacked = concat_tables(tables)
    _, first, number = np.unique(stacked.keys(), return_index=True, return_inverse=True)
    ends = np.cumsum([table.rows for table in tables])
    return stacked.take(first), np.split(number.ravel(), ends[:-1])


def _rules(options: QueryOptions) -> QueryOptions:
    """Return the options that an answer depends on, apart from its times."""
    return replace(options, start_ms=0, end_ms=0, timeout_s=None)
