"""The reader of a database. Queries never wait for a writer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from novaql.lazy_exports import lazy_module
from novaql.tsdb.block.reader import Block
from novaql.tsdb.errors import Corrupted, Unreadable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import Hints, Selection
from novaql.tsdb.options import StoreStats
from novaql.tsdb.parts.merge_series import UNION_CACHE_BYTES, union_bytes
from novaql.tsdb.parts.series_keys import KEY_CACHE_BYTES, SeriesKeys
from novaql.tsdb.read import planner
from novaql.tsdb.read.batch_cache import BatchCache
from novaql.tsdb.read.rollup_cells import plan_cells
from novaql.tsdb.read.series_cache import LOOKUP_CACHE_BYTES, Lookup, LookupCache
from novaql.tsdb.runtime.lru_cache import ByteCache, SharedLimit, mentions
from novaql.tsdb.store.state import StoreState

if TYPE_CHECKING:
    from novaql.tsdb.maintenance import check
    from novaql.tsdb.maintenance.check import Violation
else:
    check = lazy_module("novaql.tsdb.maintenance.check")


class Reader:
    """Queries of the parts that exist at the time of each call, with caches over them.

    The methods are those of `Database` with the same name, which describes them.
    """

    def __init__(self, state: StoreState) -> None:
        self._state = state
        options = state.options
        self.caches = planner.Caches(
            BatchCache(options.cache_bytes),
            ByteCache(UNION_CACHE_BYTES, union_bytes, of_text=True),
            SeriesKeys(min(KEY_CACHE_BYTES, options.cache_bytes // 8)),
        )
        self.lookups: LookupCache = ByteCache(LOOKUP_CACHE_BYTES, of_text=True)
        caches = self.caches
        self._by_parts: tuple[ByteCache[Any], ...] = (
            state.pages,
            state.indexes,
            caches.batches,
            caches.unions,
            caches.keys.cache,
            caches.plans,
            self.lookups,
        )
        """All of them: the keys name the parts that an entry was made from."""
        SharedLimit(options.cache_bytes, *self._by_parts)
        if options.cache_budget is not None:
            options.cache_budget.share(self._by_parts)

    def has_histograms(self) -> bool:
        try:
            return any(part.has_histograms for part in self._state.parts())
        except (Corrupted, Unreadable):
            return True

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints
    ) -> Selection:
        self._state.report_lost(hints.read_errors)
        parts, windows = self._state.parts(), hints.windows
        caches, read_errors = self.caches, hints.read_errors
        caches.batches.heads_have(parts.runs_of_heads())
        plain = hints.plain
        if plain is None:
            plain = planner.select(
                parts, matchers, start_ms, end_ms, caches, read_errors, hints.labels
            )
        if windows is None:
            return plain
        cells = plan_cells(parts, matchers, windows, caches, read_errors, hints.labels)
        return plain if cells is None else replace(plain, cells=cells)

    def look_up(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None,
    ) -> Lookup:
        """Return a look-up, which ignores losses of the log without `read_errors`."""
        if read_errors is not None:
            self._state.report_lost(read_errors)
        parts = self._state.parts()
        return Lookup(
            self.lookups, self.caches.keys, parts, matcher_sets, start_ms, end_ms, read_errors
        )

    def time_range(self) -> tuple[int, int] | None:
        parts = self._state.parts()
        if not parts:
            return None
        return min(part.first_ms for part in parts), max(part.last_ms for part in parts)

    def stats(self) -> StoreStats:
        span = self.time_range()
        state, current = self._state, self._state.current
        heads = [head.part() for head in current.heads]
        runs = [run for part in heads for run in part.runs]
        pages, batches = state.pages.stats(), self.caches.batches.stats()
        cached = sum(cache.nbytes for cache in self._by_parts)
        return StoreStats(
            version=state.version,
            blocks=len(current.blocks),
            block_samples=sum(block.entry.samples for block in current.blocks),
            block_bytes=sum(block.entry.bytes for block in current.blocks),
            head_series=heads[-1].index().rows,
            head_samples=sum(run.samples for run in runs),
            head_bytes=sum(run.nbytes for run in runs),
            duplicates=state.replaced_in_blocks[0] + sum(run.duplicates for run in runs),
            conflicts=state.replaced_in_blocks[1] + sum(run.conflicts for run in runs),
            first_ms=None if span is None else span[0],
            last_ms=None if span is None else span[1],
            log_segment=0 if state.log is None else state.log.next_segment - 1,
            cache=replace(pages + batches, bytes=cached, limit=state.options.cache_bytes),
        )

    def check(self) -> list[Violation]:
        state = self._state
        state.require_open()
        if state.files is None:
            return []
        disk, path = state.files.disk, state.files.path
        with state.flush_lock:
            found = check.check_blocks(disk, path)
            with state.write_lock:  # a record that is half written would look torn
                return found + check.check_log(disk, path)

    def release_unused(self) -> None:
        for cache in self._by_parts:
            cache.release_unused()

    def evict(self, blocks: Sequence[Block]) -> None:
        """Remove cached data of blocks that the store no longer has.

        A query that began earlier may still cache some of it, which is evicted once it is unused.
        """
        gone = frozenset[Hashable]().union(*(block.cache_names for block in blocks))
        for cache in self._by_parts:
            cache.remove(partial(mentions, names=gone))

    def clear_pages(self) -> None:
        self._state.pages.clear()
        self.caches.batches.clear()

    def clear_cache(self) -> None:
        for cache in self._by_parts:
            cache.clear()
