"""The reading side of a database. It never waits for a writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from novaql.tsdb.block.reader import BlockEntry
from novaql.tsdb.errors import Corrupted, StoreClosed, Unreadable
from novaql.tsdb.index.cardinality import Cardinality, cardinality
from novaql.tsdb.model.exemplars import SeriesExemplars
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, NO_HINTS, Hints, Metadata, Selection
from novaql.tsdb.read import planner as reader
from novaql.tsdb.read.rollup_cells import plan_cells
from novaql.tsdb.read.rollup_query import RolledUp, roll_up
from novaql.tsdb.store.base import Store


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
        cannot be read, or notes it in `hints.read_errors` and goes around it.
        """
        self._tell_lost(hints.read_errors)
        parts, windows = self._parts(), hints.windows
        if windows is None or windows.statistic != "cells":
            return reader.select(
                parts, matchers, start_ms, end_ms, self._caches, hints.read_errors, windows
            )
        plain = hints.plain
        if plain is None:
            plain = reader.select(
                parts, matchers, start_ms, end_ms, self._caches, hints.read_errors
            )
        cells = plan_cells(parts, matchers, windows, self._caches, hints.read_errors)
        return plain if cells is None else replace(plain, cells=cells)

    def thinned(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """See `Downsampled`."""
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
        read_errors: ReadErrors | None = None,
    ) -> SeriesTable:
        """See `Source.series`; and `read_errors` in `Hints`, here and in the next two."""
        if read_errors is not None:
            self._tell_lost(read_errors)
        return self._lookups.series(self._parts(), matcher_sets, start_ms, end_ms, read_errors)

    def label_names(
        self,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        read_errors: ReadErrors | None = None,
    ) -> list[str]:
        """See `Source.label_names`."""
        if read_errors is not None:
            self._tell_lost(read_errors)
        return self._lookups.label_names(self._parts(), matcher_sets, start_ms, end_ms, read_errors)

    def label_values(
        self,
        name: str,
        matcher_sets: Sequence[Sequence[Matcher]] = (),
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        read_errors: ReadErrors | None = None,
    ) -> list[str]:
        """See `Source.label_values`."""
        if read_errors is not None:
            self._tell_lost(read_errors)
        return self._lookups.label_values(
            self._parts(), name, matcher_sets, start_ms, end_ms, read_errors
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
        read_errors: ReadErrors | None = None,
    ) -> RolledUp:
        """Count, sum, least, greatest, first and last value and increase of every series in each
        cell of (start, end], exactly as its samples have it. Blocks that have a rollup of this
        resolution (`rollups_ms`) are asked for it instead of their samples.

        Raises `ValueError` if an end of the range is no multiple of the resolution.
        """
        self._tell_lost(read_errors)
        parts = self._parts()
        return roll_up(parts, matchers, resolution_ms, start_ms, end_ms, self._caches, read_errors)

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
