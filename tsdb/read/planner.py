"""Plans a read of the store: the parts with samples in a range, merged to one selection.

Each part numbers its series separately, so the label sets that the parts found are united first
(`parts/merge_series.py`). The union depends only on parts, matchers and labels, and is cached.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import field, replace
from typing import TypeVar

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.index.match import match_any
from novaql.tsdb.model.labels import Ints, Numbers, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.source import HistogramBatchRef, Selection
from novaql.tsdb.parts.merge_series import UnionCache, unite, united
from novaql.tsdb.parts.part import Part, series_bounds
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.parts.ranges import RangeSlice, SeriesSubset, cut_ranges, have_starts
from novaql.tsdb.parts.series_keys import SeriesKeys
from novaql.tsdb.parts.sorted_run import ArrayStream, SortedRun
from novaql.tsdb.parts.tombstones import DeleteResult, Intervals
from novaql.tsdb.read.batch_cache import BatchCache
from novaql.tsdb.read.batches import BatchPlan, plan_batches
from novaql.tsdb.read.histogram_batches import plan_mixed
from novaql.tsdb.read.sliding_plans import SlidingPlan, SlidingPlans, sliding_plan, wider_ranges
from novaql.tsdb.runtime.lru_cache import ByteCache

NO_SERIES = SeriesTable.unlabelled(0)
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """The plan of a selection, made from directories alone.

    batches  None if there are native histograms, whose batches are planned for each selection
    starts   whether some sample may have a start timestamp
    deleted  deleted time of each part. The key of the plan has its address, which no other object
             may get while the plan is cached
    sliding  the facts that selections inside the range need; None: they have separate plans
    """

    table: SeriesTable
    cuts: Sequence[RangeSlice]
    batches: BatchPlan | None
    starts: bool
    deleted: tuple[Intervals | None, ...]
    sliding: SlidingPlan | None = None

    def selection(self, query: _Query) -> Selection:
        cache, read_errors = query.caches.batches, query.read_errors
        histograms: Sequence[HistogramBatchRef] = ()
        if self.batches is None:
            floats, histograms = plan_mixed(self.cuts, self.table.rows, cache, read_errors)
        else:
            floats = self.batches.refs(cache, read_errors)
        return Selection(
            self.table,
            floats,
            histograms,
            range_ms=query.range_ms,
            starts=self.starts,
            parts=query.of_parts,
        )

    def selection_inside(self, query: _Query) -> Selection:
        """Return the selection of a range inside, in which every series has a sample. Its own cuts
        are planned only if the wider range is damaged."""
        assert self.batches is not None
        assert self.sliding is not None
        share = self.sliding.samples_in(*query.range_ms) / self.sliding.samples[-1]
        batches = self.batches.refs(
            query.caches.batches, query.read_errors, inside=lambda: query.plan().cuts, share=share
        )
        return Selection(
            self.table, batches, range_ms=query.range_ms, starts=False, parts=query.of_parts
        )


PlanCache = ByteCache[Planned]
PLAN_CACHE_BYTES = 64 << 20


def plan_bytes(planned: Planned) -> int:
    rows = planned.table.rows * 4 * len(planned.table.columns)
    times = 0 if planned.sliding is None else planned.sliding.nbytes
    return rows + times + 1000 + (0 if planned.batches is None else planned.batches.nbytes)


@dataclass(frozen=True, slots=True)
class Caches:
    """The caches that the reads of one database share."""

    batches: BatchCache
    unions: UnionCache
    keys: SeriesKeys = field(default_factory=SeriesKeys)
    plans: PlanCache = field(
        default_factory=lambda: ByteCache(PLAN_CACHE_BYTES, plan_bytes, of_text=True)
    )
    ranges: SlidingPlans = field(default_factory=SlidingPlans)


def read_undamaged(
    parts: Sequence[Part], read_errors: ReadErrors | None, read: Callable[[Sequence[Part]], Found]
) -> Found:
    """Return what `read` returns for the parts, without those whose index or directories are
    damaged.

    read_errors  receives the damage; None: damage raises
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
    parts: PartList[Part],
    matchers: Sequence[Matcher],
    start_ms: int,
    end_ms: int,
    caches: Caches,
    read_errors: ReadErrors | None = None,
    labels: frozenset[str] | None = None,
) -> Selection:
    """`Source.select` over parts in order of age. See `Hints` for `labels` and `read_errors`."""
    overlapping = parts.overlapping(start_ms, end_ms)

    def read(readable: Sequence[Part]) -> Selection:
        query = _Query(
            parts=readable,
            deleted=tuple(part.deleted() for part in readable),
            matchers=tuple(matchers),
            labels=labels,
            range_ms=(start_ms, end_ms),
            caches=caches,
            read_errors=read_errors,
            of_parts=(len(overlapping), len(parts)),
        )
        return query.selection()

    return read_undamaged(overlapping, read_errors, read)


@dataclass(frozen=True, slots=True, eq=False)
class _Query:
    """A selection from parts that overlap its range.

    deleted   deleted time of each part
    of_parts  see `Selection.parts`
    """

    parts: Sequence[Part]
    deleted: tuple[Intervals | None, ...]
    matchers: tuple[Matcher, ...]
    labels: frozenset[str] | None
    range_ms: tuple[int, int]
    caches: Caches
    read_errors: ReadErrors | None
    of_parts: tuple[int, int] | None = None

    def selection(self) -> Selection:
        """Return the selection of a cached plan, or of a new one."""
        runs = tuple(layer.run.identity for part in self.parts for layer in part.layers())
        what = (runs, tuple(map(id, self.deleted)), self.matchers, self.labels)
        plans = self.caches.plans
        found = plans.get((what, *self.range_ms))
        if found is None:
            inside = self._inside_wider(what)
            if inside is not None:
                return inside
            found = self.plan()
            # A plan of a head would hold its samples in memory, and soon be obsolete. A plan that
            # reads nothing costs little, and there would be one for each range.
            lasting = found.batches is not None and len(found.cuts) > 0
            lasting = lasting and not any(cut.is_in_memory for cut in found.cuts)
            if lasting and not self.read_errors:
                plans.put((what, *self.range_ms), found)
        return found.selection(self)

    def _inside_wider(self, what: Hashable) -> Selection | None:
        """Return the selection of a plan for a wider range of these parts; None if there is none,
        or it does not suffice.

        A wider plan is made when the range moves, and only if its whole range is undamaged: damage
        outside the requested range is not reported.
        """
        # The next read of a head has another part, for which the plan would be useless.
        if not self.parts or any(map(_is_in_memory, self.parts)):
            return None
        plans = self.caches.plans
        moved = self.caches.ranges.moved_on(what, *self.range_ms)
        for wider in wider_ranges(*self.range_ms):
            wide = plans.get((what, "wider", *wider))
            if wide is None and moved:
                try:
                    wide = replace(self, range_ms=wider, read_errors=None).plan()
                    sliding = None
                    if wide.batches is not None and not wide.starts:
                        sliding = sliding_plan(wide.cuts, wide.batches)
                except DAMAGE:
                    return None
                if sliding is None:  # cached without its arrays, which would evict other plans
                    wide = Planned(NO_SERIES, (), None, starts=False, deleted=self.deleted)
                wide = replace(wide, sliding=sliding)
                plans.put((what, "wider", *wider), wide)
            if wide is not None and wide.sliding is not None:
                inside = wide.sliding.has_all(*self.range_ms)
                return wide.selection_inside(self) if inside else None
        return None

    def plan(self) -> Planned:
        active = [part.active_rows(*self.range_ms) for part in self.parts]
        caches = self.caches
        union = united(self.parts, self.matchers, caches.unions, caches.keys, active, self.labels)
        cuts: list[RangeSlice] = []
        if union.table.rows == 0:  # the usual case of `absent`
            nothing = plan_batches(cuts, 0, self.caches.batches.limit)
            return Planned(union.table, cuts, nothing, starts=False, deleted=self.deleted)
        for part, (rows, table_rows) in zip(self.parts, union.found, strict=True):
            cuts += cut_ranges(pieces_of(part, rows, table_rows), *self.range_ms, self.read_errors)
        table = union.table
        present = np.zeros(table.rows, np.bool_)
        for cut in cuts:
            present[cut.rows] = True
        if not present.all():
            number = np.cumsum(present, dtype=np.int32) - 1
            cuts = [replace(cut, rows=number[cut.rows]) for cut in cuts]
            table = table.take(present)
        native = any(cut.is_native for cut in cuts)
        batches = None if native else plan_batches(cuts, table.rows, self.caches.batches.limit)
        return Planned(table, cuts, batches, have_starts(cuts), self.deleted)


def _is_in_memory(part: Part) -> bool:
    runs = (layer.run for layer in part.layers())
    return any(isinstance(one, SortedRun) and isinstance(one.values, ArrayStream) for one in runs)


def pieces_of(part: Part, rows: Ints, table_rows: Numbers) -> list[SeriesSubset]:
    """Find index rows in the layers of a part.

    table_rows  row of each in the selection's table
    """
    pieces = []
    for layer in part.layers():
        at, series = layer.locate(rows)
        if len(at):
            every = len(at) == len(rows)
            own, of_part = (table_rows, rows) if every else (table_rows[at], rows[at])
            pieces.append(SeriesSubset(layer.run, series, own, part.deleted(), of_part))
    return pieces


def _has_every_series(part: Part) -> bool:
    """Return whether each series of the index certainly has a sample: a layer has all series."""
    rows = part.index().rows
    return any(len(layer.run.grid_of) == rows for layer in part.layers())


def matching_series(
    part: Part, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
) -> Ints:
    """Return the index rows that satisfy any set of matchers (no sets: all), and that may have
    samples in the range."""
    rows = match_any(part.index(), matcher_sets or [()], part.active_rows(start_ms, end_ms))
    if not (start_ms <= part.first_ms and part.last_ms <= end_ms and _has_every_series(part)):
        first, last = series_bounds(part, rows)
        rows = rows[(first <= end_ms) & (last >= start_ms) & (first <= last)]
    deleted = part.deleted()
    if deleted is None:
        return rows
    hit = deleted.touches(rows)
    if hit.any():  # a deletion may have left samples of these
        there = hit.nonzero()[0]
        left = ~hit
        for cut in cut_ranges(pieces_of(part, rows[there], there), start_ms, end_ms):
            left[cut.rows] = True
        rows = rows[left]
    return rows


def count(
    parts: PartList[Part],
    matcher_sets: Sequence[Sequence[Matcher]],
    start_ms: int,
    end_ms: int,
    read_errors: ReadErrors | None = None,
) -> DeleteResult:
    """Count the series and samples that a deletion would hide."""

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
        return DeleteResult(unite(found, SeriesKeys()).table.rows, samples)

    return read_undamaged(parts.overlapping(start_ms, end_ms), read_errors, find)
