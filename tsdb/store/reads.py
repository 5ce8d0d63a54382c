"""The reading side of a database. It never waits for a writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from novaql.tsdb import reader
from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.damage import Losses
from novaql.tsdb.errors import Corrupted, StoreClosed, Unreadable
from novaql.tsdb.exemplars import SeriesExemplars
from novaql.tsdb.label_counts import Cardinality, cardinality
from novaql.tsdb.labels import SeriesTable
from novaql.tsdb.matchers import Matcher
from novaql.tsdb.rolling_up import RolledUp, roll_up
from novaql.tsdb.selection import MAX_TIME_MS, MIN_TIME_MS, NO_HINTS, Hints, Metadata, Selection
from novaql.tsdb.store.base import Store
from novaql.tsdb.whole_cells import plan_cells


class Reads(Store):
    """`Source` over the parts of the store at the time of each call."""

    def has_histograms(self) -> bool:
        """See `Source`. A block that cannot be read may have some."""
        try:
            return any(part.has_histograms for part in self._parts())
        except (Corrupted, Unreadable):
            return True

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        """See `Source.select`.

        This, or loading a tile, raises `Corrupted` or `ReadFailed` where a block or a page of it
        cannot be read, or notes it in `hints.losses` and goes around it.
        """
        self._tell_lost(hints.losses)
        parts, windows = self._parts(), hints.windows
        if windows is None or windows.statistic != "cells":
            return reader.select(
                parts, matchers, start_ms, end_ms, self._caches, hints.losses, windows
            )
        plain = hints.plain
        if plain is None:
            plain = reader.select(parts, matchers, start_ms, end_ms, self._caches, hints.losses)
        cells = plan_cells(parts, matchers, windows, self._caches, hints.losses)
        return plain if cells is None else replace(plain, cells=cells)

    def thinned(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """See `Thinned`."""
        parts = [part for part in self._state.blocks if part.thinned_ms]
        parts = [p for p in parts if p.first_ms - p.thinned_ms < end_ms and p.last_ms >= start_ms]
        if not parts:
            return None
        return max(part.thinned_ms for part in parts), max(part.last_ms for part in parts)

    def series(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        losses: Losses | None = None,
    ) -> SeriesTable:
        """See `Source.series`; and `losses` in `Hints`, here and in the next two."""
        if losses is not None:
            self._tell_lost(losses)
        return self._lookups.series(self._parts(), matcher_sets, start_ms, end_ms, losses)

    def label_names(
        self,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        losses: Losses | None = None,
    ) -> list[str]:
        """See `Source.label_names`."""
        if losses is not None:
            self._tell_lost(losses)
        return self._lookups.label_names(self._parts(), matcher_sets, start_ms, end_ms, losses)

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        losses: Losses | None = None,
    ) -> list[str]:
        """See `Source.label_values`."""
        if losses is not None:
            self._tell_lost(losses)
        return self._lookups.label_values(
            self._parts(), name, matcher_sets, start_ms, end_ms, losses
        )

    def exemplars(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> SeriesExemplars:
        """Exemplars of a range, both ends included, of series that satisfy any of the sets of
        matchers: by series, then time, equal ones once. The store keeps the newest `max_exemplars`.
        """
        if self._closed:
            raise StoreClosed
        return self._exemplars.select(matcher_sets, start_ms, end_ms)

    def rollup(
        self,
        matchers: Sequence[Matcher],
        resolution_ms: int,
        start_ms: int,
        end_ms: int,
        losses: Losses | None = None,
    ) -> RolledUp:
        """Count, sum, least, greatest, first and last value and increase of every series in each
        cell of (start, end], exactly as its samples have it. Blocks that have a rollup of this
        resolution (`rollups_ms`) are asked for it instead of their samples.

        Raises `ValueError` if an end of the range is no multiple of the resolution.
        """
        self._tell_lost(losses)
        parts = self._parts()
        return roll_up(parts, matchers, resolution_ms, start_ms, end_ms, self._caches, losses)

    def cardinality(
        self,
        limit: int = 10,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
    ) -> Cardinality:
        """Where the series of a range come from: the `limit` metrics, labels and pairs of label and
        value that have most of them."""
        return cardinality(self.series(matcher_sets, start_ms, end_ms), limit)

    def metadata(self) -> dict[str, Metadata]:
        """See `Source.metadata`."""
        return dict(self._metadata)

    def blocks(self) -> tuple[BlockEntry, ...]:
        """What the manifest says of each block, in order of age."""
        return tuple(block.entry for block in self._state.blocks)

    def time_range(self) -> tuple[int, int] | None:
        """First and last time of any sample; None for an empty database."""
        parts = self._parts()
        if not parts:
            return None
        return min(part.first_ms for part in parts), max(part.last_ms for part in parts)
