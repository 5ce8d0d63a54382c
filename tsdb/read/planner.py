"""One look at the store: parts of it merged for matchers and a range of time.

Each part names its series in its own way, so the label sets that the parts found are united first
(`parts/merge_series.py`); what that gives depends on parts and matchers alone and is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np

from novaql.tsdb.index.match import match_rows
from novaql.tsdb.model.labels import Ints, Numbers, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.source import Selection
from novaql.tsdb.parts.merge_series import UnionCache, unite, united
from novaql.tsdb.parts.part import Part, series_bounds
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.parts.ranges import RangeSlice, SeriesSubset, cut_ranges, have_starts
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedRun
from novaql.tsdb.parts.tombstones import DeleteResult, Intervals
from novaql.tsdb.read.batches import BatchCache, BatchPlan, plan_batches
from novaql.tsdb.read.histogram_batches import plan_mixed
from novaql.tsdb.read.sliding_plans import SlidingPlan, SlidingPlans, moving, wider_ranges
from novaql.tsdb.runtime.lru_cache import ByteCache

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """What a selection will read, known from directories alone.

    batches  None where there are native histograms: those are planned when asked for
    starts   whether some sample may have a start timestamp
    deleted  of each part: what was left out, referred to since it is named by its address
    moving   of a plan for a wider range, what ranges inside need to know
    """

    table: SeriesTable
    cuts: Sequence[RangeSlice]
    batches: BatchPlan | None
    starts: bool
    deleted: tuple[Intervals | None, ...]
    moving: SlidingPlan | None = None

    def selection(
        self, start_ms: int, end_ms: int, cache: BatchCache, read_errors: ReadErrors | None
    ) -> Selection:
        table, range_ms = self.table, (start_ms, end_ms)
        if self.batches is None:
            found = plan_mixed(self.cuts, table.rows, cache, read_errors)
            return Selection(table, *found, range_ms=range_ms, starts=self.starts)
        batches = self.batches.refs(cache, read_errors)
        return Selection(table, batches, range_ms=range_ms, starts=self.starts)

    def selection_inside(
        self,
        start_ms: int,
        end_ms: int,
        cache: BatchCache,
        read_errors: ReadErrors | None,
        exact: ExactCuts,
    ) -> Selection:
        """Of a range in which every series has a sample. Nothing is planned for it. `exact`
        returns the cuts of the range, for what is not known from the wider one."""
        assert self.batches is not None
        assert self.moving is not None
        share = self.moving.samples_in(start_ms, end_ms) / self.moving.samples[-1]
        batches = self.batches.refs(cache, read_errors, inside=exact, share=share)
        return Selection(self.table, batches, range_ms=(start_ms, end_ms), starts=False)


ExactCuts = Callable[[], Sequence[RangeSlice]]
PlanCache = ByteCache[Planned]
PLAN_CACHE_BYTES = 64 << 20


def plan_bytes(planned: Planned) -> int:
    rows = planned.table.rows * 4 * len(planned.table.columns)
    times = 0 if planned.moving is None else planned.moving.nbytes
    return rows + times + 1000 + (0 if planned.batches is None else planned.batches.nbytes)


@dataclass(frozen=True, slots=True)
class Caches:
    """What the readers of one database share."""

    batches: BatchCache
    unions: UnionCache
    plans: PlanCache = field(default_factory=lambda: ByteCache(PLAN_CACHE_BYTES, plan_bytes))
    ranges: SlidingPlans = field(default_factory=SlidingPlans)


def around(
    parts: Sequence[Part], read_errors: ReadErrors | None, read: Callable[[Sequence[Part]], Found]
) -> Found:
    """What `read` makes of the parts. A part whose index or directories are damaged raises; or it
    is left out, and noted in `read_errors`.
    """
    try:
        return read(parts)
    except DAMAGE:
        if read_errors is None:
            raise
    return read([part for part in parts if _is_intact(part, read_errors)])


def _is_intact(part: Part, read_errors: ReadErrors) -> bool:
    try:
        part.verify_index()
    except DAMAGE as problem:
        read_errors.note(problem)
        return False
    return True


def select(
    parts: Sequence[Part],
    matchers: Sequence[Matcher],
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None = None,
) -> Selection:
    """`Source.select` over parts in order of age. See `Hints.read_errors`."""
    some = overlapping(parts, start_ms, end_ms)
    selection = partial(_selected, matchers, start_ms, end_ms, caches, read_errors)
    return replace(around(some, read_errors, selection), parts=(len(some), len(parts)))


def _selected(
    matchers: Sequence[Matcher],
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None,
    parts: Sequence[Part],
) -> Selection:
    """By a plan made anew, or as it was for the same parts, matchers and range."""
    deleted = tuple(part.deleted() for part in parts)
    runs = tuple(layer.run.identity for part in parts for layer in part.layers())
    what = (runs, tuple(map(id, deleted)), tuple(matchers))
    found = caches.plans.get((what, start_ms, end_ms))
    if found is None:
        inside = _inside_wider(parts, what, start_ms, end_ms, caches, read_errors, deleted)
        if inside is not None:
            return inside
        found = _planned(parts, matchers, start_ms, end_ms, caches, read_errors, deleted)
        # Heads change all the time, and a plan holds what it is about.
        if found.batches is not None and not read_errors and not _in_memory(found.cuts):
            caches.plans.put((what, start_ms, end_ms), found)
    return found.selection(start_ms, end_ms, caches.batches, read_errors)


def _inside_wider(
    parts: Sequence[Part],
    what: tuple[Hashable, Hashable, tuple[Matcher, ...]],
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None,
    deleted: tuple[Intervals | None, ...],
) -> Selection | None:
    """By a plan for a wider range of these parts; None if there is none that would do.

    It serves ranges that move on. If the rest of the wider range is damaged, there is no such plan,
    and the damage is not reported.
    """
    if any(_is_in_memory(part) for part in parts):  # the next part of a head is another one
        return None
    matchers = what[2]
    moved = caches.ranges.moved_on(what, start_ms, end_ms)
    for begin, end in wider_ranges(start_ms, end_ms):
        wide = caches.plans.get((what, "wider", begin, end))
        if wide is None and moved:
            try:
                wide = _planned(parts, matchers, begin, end, caches, None, deleted)
                if wide.batches is not None and not wide.starts:
                    wide = replace(wide, moving=moving(wide.cuts, wide.batches))
            except DAMAGE:
                return None
            caches.plans.put((what, "wider", begin, end), wide)
        if wide is not None and wide.moving is not None:
            if not wide.moving.has_all(start_ms, end_ms):
                return None

            def exact() -> Sequence[RangeSlice]:
                return _planned(
                    parts, matchers, start_ms, end_ms, caches, read_errors, deleted
                ).cuts

            return wide.selection_inside(start_ms, end_ms, caches.batches, read_errors, exact)
    return None


def _in_memory(cuts: Sequence[RangeSlice]) -> bool:
    return any(cut.is_in_memory for cut in cuts)


def _is_in_memory(part: Part) -> bool:
    runs = (layer.run for layer in part.layers())
    return any(isinstance(one, SortedRun) and isinstance(one.values, ArrayStream) for one in runs)


def _planned(
    parts: Sequence[Part],
    matchers: Sequence[Matcher],
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None,
    deleted: tuple[Intervals | None, ...],
) -> Planned:
    living = [part.living(start_ms, end_ms) for part in parts]
    union = united(parts, matchers, caches.unions, living)
    cuts: list[RangeSlice] = []
    for part, (rows, table_rows) in zip(parts, union.found, strict=True):
        cuts += cut_ranges(pieces_of(part, rows, table_rows), start_ms, end_ms, read_errors)
    table = union.table
    present = np.zeros(table.rows, np.bool_)
    for cut in cuts:
        present[cut.rows] = True
    if not present.all():
        number = np.cumsum(present, dtype=np.int32) - 1
        cuts = [cut.renumbered(number) for cut in cuts]
        table = table.take(present)
    native = any(cut.is_native for cut in cuts)
    batches = None if native else plan_batches(cuts, table.rows, caches.batches.limit)
    return Planned(table, cuts, batches, have_starts(cuts), deleted)


def pieces_of(part: Part, rows: Ints, table_rows: Numbers) -> list[SeriesSubset]:
    """Index rows of a part in its layers; table_rows: the row of each in the selection's table."""
    pieces = []
    for layer in part.layers():
        at, series = layer.locate(rows)
        if len(at):
            if len(at) < len(rows):
                pieces.append(
                    SeriesSubset(layer.run, series, table_rows[at], part.deleted(), rows[at])
                )
            else:
                pieces.append(SeriesSubset(layer.run, series, table_rows, part.deleted(), rows))
    return pieces


def overlapping(parts: Sequence[Part], start_ms: int, end_ms: int) -> list[Part]:
    """Parts that may have samples in the range."""
    if isinstance(parts, PartList):
        return parts.overlapping(start_ms, end_ms)
    return [part for part in parts if part.first_ms <= end_ms and part.last_ms >= start_ms]


def matching_series(
    part: Part, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
) -> Ints:
    """Index rows that satisfy any set (no sets: all) and may have samples in the range."""
    index, living = part.index(), part.living(start_ms, end_ms)
    if len(matcher_sets) <= 1:
        rows = match_rows(index, [*chain(*matcher_sets)], living)
    else:
        chosen = np.zeros(index.rows, np.bool_)
        for matchers in matcher_sets:
            chosen[match_rows(index, matchers, living)] = True
        rows = np.flatnonzero(chosen)
    first, last = series_bounds(part, rows)
    rows = rows[(first <= end_ms) & (last >= start_ms) & (first <= last)]
    deleted = part.deleted()
    if deleted is None:
        return rows
    hit = deleted.touches(rows)
    if hit.any():  # of these, look whether anything is left
        there = hit.nonzero()[0]
        left = ~hit
        for cut in cut_ranges(pieces_of(part, rows[there], there), start_ms, end_ms):
            left[cut.rows] = True
        rows = rows[left]
    return rows


def count(
    parts: Sequence[Part],
    matcher_sets: Sequence[Sequence[Matcher]],
    start_ms: int,
    end_ms: int,
    read_errors: ReadErrors | None = None,
) -> DeleteResult:
    """How much a deletion would hide."""

    def find(parts: Sequence[Part]) -> DeleteResult:
        samples, found = 0, []
        for part in parts:
            rows = matching_series(part, matcher_sets, start_ms, end_ms)
            there = np.zeros(len(rows), np.bool_)
            for cut in cut_ranges(
                pieces_of(part, rows, np.arange(len(rows))), start_ms, end_ms, read_errors
            ):
                samples += int(cut.lengths.sum())
                there[cut.rows] = True
            found.append((part, rows[there]))
        return DeleteResult(unite(found).table.rows, samples)

    return around(overlapping(parts, start_ms, end_ms), read_errors, find)
