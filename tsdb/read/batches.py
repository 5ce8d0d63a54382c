"""Divides the series of a selection into batches of about a million samples, and loads these.

Ranges of series whose layers follow one another in time are copied (`batch_layout.py`). Layers that
overlap in time are merged (`ragged_merge.py`). Batches with samples of blocks are cached.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from itertools import accumulate, pairwise

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Bools, Ints, Numbers
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.parts.damaged_ranges import read_around
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.ranges import RangeSlice, bytes_of, started_rows
from novaql.tsdb.parts.sorted_run import EVERY_PAGE, MANY_PAGES
from novaql.tsdb.read.batch_cache import BatchCache
from novaql.tsdb.read.batch_layout import Layout, layout_in_turn, load_in_turn
from novaql.tsdb.read.ragged_merge import (
    group_rows,
    groups_apart,
    members_of,
    merge_ragged,
    read_ragged,
    row_slots,
    row_widths,
)
from novaql.tsdb.read.staleness import split_markers

BATCH_VALUES = 1 << 20
"""Most samples of a batch, unless one series has more: 8 MiB of values. A kernel takes thousands of
times longer for them than its call."""
PAGES_SHARE = 4
"""All pages of a plan's blocks are cached if they fit into this fraction of the cache."""
FEW_BATCHES = 4
"""A selection of at most this many full batches is one batch: dividing it saves less than the
batches cost beside their samples."""


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan:
    """The series of each batch. A plan is immutable, so readers may share it.

    requested     cuts of floats in the range, in order of age: of equal series and times, the
                  sample of the last cut counts
    cuts          the same, widened: batches are read from these, so they serve other ranges, too
    slots         for each cut: row of the selection → position in the cut, or -1
    widths        [rows] samples of each row
    group         [rows] rows with the same number have the same times
    portions      the batches
    cacheable     whether all batches fit in the cache. If not, none is cached: they would evict all
                  other entries, and each other
    cached_pages  see `Stream.plan_copy`: 0 if the batches do not fit
    """

    requested: Sequence[RangeSlice]
    cuts: Sequence[RangeSlice]
    slots: Sequence[Numbers]
    widths: Ints
    group: Ints
    portions: list[_Portion]
    cacheable: bool
    cached_pages: int = MANY_PAGES

    def refs(
        self,
        cache: BatchCache,
        read_errors: ReadErrors | None = None,
        *,
        inside: Callable[[], Sequence[RangeSlice]] | None = None,
        share: float = 1.0,
    ) -> list[SeriesBatchRef]:
        """The batches, which are loaded on request.

        read_errors  receives damage, whose samples are left out; None: damage raises
        inside       of a plan for a wider range: returns the cuts of the requested range, which are
                     read if the wider range is damaged
        share        of a plan for a wider range: the share of its samples in the requested range
        """
        ends = accumulate((portion.samples for portion in self.portions), initial=0)
        samples = [last - first for first, last in pairwise(round(share * end) for end in ends)]
        loads = [
            partial(portion.load, self, cache, read_errors, inside=inside)
            for portion in self.portions
        ]
        return [
            SeriesBatchRef(
                load,
                of_portion,
                partial(load, times_only=True),
                partial(load, starts=True) if portion.started else None,
                partial(portion.ready, self, cache),
            )
            for portion, load, of_portion in zip(self.portions, loads, samples, strict=True)
        ]

    @property
    def nbytes(self) -> int:
        """Approximate memory of the plan in a cache, cuts and layouts included."""
        pieces = sum(len(cut.rows) for cut in self.cuts) if self.cacheable else 0
        rows = len(self.widths) * (4 * len(self.slots) + 24)
        cuts = self.cuts if self.requested is self.cuts else [*self.requested, *self.cuts]
        return rows + 72 * pieces + bytes_of(cuts) + 1000


def plan_batches(cuts: Sequence[RangeSlice], rows: int, cache_bytes: int) -> BatchPlan:
    """Divide the samples of cuts of floats into batches.

    cuts         in order of age: of equal series and times, the sample of the last cut counts
    rows         number of series in the selection's table
    cache_bytes  limit of the cache
    """
    requested = cuts
    cuts = [cut if cut.is_in_memory else cut.widened() for cut in requested]
    if all(map(operator.is_, cuts, requested)):
        cuts = requested
    slots, widths = row_slots(cuts, rows), row_widths(cuts, rows)
    cacheable = 8 * int(widths.sum()) <= cache_bytes
    if not cuts:
        return BatchPlan(requested, cuts, slots, widths, widths, [], cacheable)
    group, lead = group_rows(cuts, rows)
    # Series of the store are fewer than 2^31, so this is below 2^62.
    order = np.argsort(group * (int(lead.max(initial=0)) + 1) + lead)
    order = order[group[order] > 0]
    merged = ~groups_apart(cuts, group)[group]
    started = started_rows(cuts, rows)
    samples = widths if cuts is requested else row_widths(requested, rows)
    portions = [
        _Portion(members, is_merged, is_started, int(samples[members].sum()))
        for is_started, of_kind in _divided(order, started)
        for is_merged, some in _divided(of_kind, merged)
        for members in _split(np.sort(some) if is_merged else some, widths)
    ]
    cached_pages = _cached_pages(cuts, cache_bytes) if cacheable else 0
    return BatchPlan(requested, cuts, slots, widths, group, portions, cacheable, cached_pages)


def _cached_pages(cuts: Sequence[RangeSlice], cache_bytes: int) -> int:
    """Return `cached_pages` of a plan. Queries of different series in a few blocks read the same
    pages, so all are cached if they fit. Otherwise each query would evict pages that the next one
    needs.
    """
    # Deletions divide a run into several cuts.
    runs = {cut.run.identity: cut.run for cut in cuts if not cut.is_in_memory}.values()
    numbers = sum(run.samples + int(whole(run.grid_length).sum()) for run in runs)
    return EVERY_PAGE if 8 * numbers <= cache_bytes // PAGES_SHARE else MANY_PAGES


def _divided(order: Ints, flags: Bools | None) -> list[tuple[bool, Ints]]:
    """Return the rows without the flag, then those with it, without a kind that has no rows.

    flags  None: no row has the flag
    """
    if flags is None or not len(order):
        return [(False, order)]
    of_each = flags[order]
    if bool((of_each == of_each[0]).all()):
        return [(bool(of_each[0]), order)]
    return [(False, order[~of_each]), (True, order[of_each])]


def _split(order: Ints, widths: Ints) -> list[Ints]:
    """Divide rows into stretches of at most `BATCH_VALUES` samples, unless one series has more, so
    that most batches reuse memory of the same size. Up to `FEW_BATCHES` of them remain one stretch,
    which readers process in parts."""
    ends = widths[order].cumsum()
    if len(order) and ends.item(-1) <= FEW_BATCHES * BATCH_VALUES:
        return [order]
    stretches: list[Ints] = []
    begin, before = 0, 0
    while begin < len(order):
        end = int(ends.searchsorted(before + BATCH_VALUES, side="right"))
        end = max(end, begin + 1)
        stretches.append(order[begin:end])
        begin, before = end, int(ends[end - 1])
    return stretches


class _Portion:
    """The rows of one batch.

    members  [S] the rows, in the order of the batch
    merged   their layers overlap in time, so the samples have to be sorted
    started  they may have start timestamps
    samples  number of their samples in the requested range
    """

    __slots__ = ("_key", "_layout", "members", "merged", "samples", "started")

    def __init__(self, members: Ints, merged: bool, started: bool, samples: int) -> None:
        self.members, self.merged, self.samples = members, merged, samples
        self.started = started
        self._key: tuple[object, ...] | None = None
        self._layout: Layout | None = None

    def ready(self, plan: BatchPlan, cache: BatchCache) -> bool:
        """Return whether the batch is in memory: in heads, or in the cache."""
        if self._key is None:
            self._key = self._content(plan)
        if not self._key:
            return True
        with_starts = not self.started or ("starts", *self._key) in cache
        return self._key in cache and with_starts

    def load(
        self,
        plan: BatchPlan,
        cache: BatchCache,
        read_errors: ReadErrors | None,
        *,
        inside: Callable[[], Sequence[RangeSlice]] | None,
        times_only: bool = False,
        starts: bool = False,
    ) -> SeriesBatch:
        """Return the batch from the cache, or read it.

        times_only  values may be arbitrary: see `SeriesBatchRef.times_only`
        starts      with start timestamps
        """
        starts = starts and self.started
        if self._key is None:
            self._key = self._content(plan)
        key = ("starts", *self._key) if starts and self._key else self._key
        found = cache.get(key) if key else None
        if times_only and found is None:
            key = ("times_only", *key) if key else ()
            found = cache.get(key) if key else None
        if found is not None:
            return found
        try:
            found = self._read(plan, times_only=times_only, starts=starts)
        except DAMAGE:
            cuts, slots = plan.requested, plan.slots
            if inside is not None:
                cuts = inside()
                slots = row_slots(cuts, len(plan.widths))
            return self._undamaged(cuts, slots, read_errors, starts=starts)
        if key and plan.cacheable:
            self._put(plan, cache, key, found)
        return found

    def _put(
        self, plan: BatchPlan, cache: BatchCache, key: tuple[object, ...], batch: SeriesBatch
    ) -> None:
        chosen = members_of(plan.cuts, plan.slots, self.members)
        if not any(cut.is_in_memory for cut in chosen):
            cache.put(key, batch)
            return
        runs = tuple(cut.run.identity for cut in chosen)
        variant = key[: -len(chosen)]  # the last items are the ranges of the cuts
        cache.put_of_heads((*variant, runs), key, batch)

    def _read(self, plan: BatchPlan, *, times_only: bool, starts: bool) -> SeriesBatch:
        if self.merged:
            cuts = members_of(plan.cuts, plan.slots, self.members)
            return split_markers(read_ragged(cuts, self.members, starts=starts))
        layout = self._layout or layout_in_turn(
            self.members, plan.widths, plan.group, plan.cuts, plan.slots
        )
        # Without the cache, reading takes much longer than the layout, and there are many portions.
        if plan.cacheable:
            self._layout = layout
        return load_in_turn(
            layout,
            self.members,
            cached_pages=plan.cached_pages,
            times_only=times_only,
            starts=starts,
        )

    def _undamaged(
        self,
        cuts: Sequence[RangeSlice],
        slots: Sequence[Numbers],
        read_errors: ReadErrors | None,
        *,
        starts: bool,
    ) -> SeriesBatch:
        """Read the undamaged samples of the requested range. The batch is not cached, so that a
        later reader notes the damage, too."""
        chosen = members_of(cuts, slots, self.members)
        merge = partial(merge_ragged, rows=self.members, starts=starts)
        return split_markers(read_around(merge, chosen, read_errors))

    def _content(self, plan: BatchPlan) -> tuple[object, ...]:
        """A key that is equal for batches of the same samples; empty: all samples are in heads, and
        the batch is not cached."""
        if all(cut.is_in_memory for cut in plan.cuts):
            return ()
        chosen = members_of(plan.cuts, plan.slots, self.members)
        if all(cut.is_in_memory for cut in chosen):
            return ()
        rows = blake2b(self.members.tobytes(), digest_size=16).digest()
        return ("batch", rows, *(cut.key() for cut in chosen))
