"""Two sources as one: floats of the first, native histograms of the second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from tsdb.labels import Ints, SeriesTable, concat_tables
from tsdb.matchers import Matcher
from tsdb.selection import NO_HINTS, Hints, HistogramRef, Metadata, Selection, Source, TileRef
from tsdb.tile import HistogramTile, Tile


class JoinedSource:
    """A `Source`. A series may be in both, with samples at different times."""

    def __init__(self, floats: Source, native: Source) -> None:
        self._floats = floats
        self._native = native

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: Hints = NO_HINTS,
    ) -> Selection:
        """Series of either source, each once."""
        first = self._floats.select(matchers, start_ms, end_ms, hints)
        second = self._native.select(matchers, start_ms, end_ms, hints)
        table = concat_tables([first.series, second.series])
        _, kept, number = np.unique(table.keys(), return_index=True, return_inverse=True)
        row_of = number.ravel().astype(np.int64)
        second_row = row_of[first.series.rows :]
        return Selection(
            table.take(kept.astype(np.int64)),
            [TileRef(_moved(ref.load, row_of), ref.samples) for ref in first.tiles],
            [
                HistogramRef(_moved_native(ref.load, second_row), ref.samples)
                for ref in second.histograms
            ],
        )

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """Label sets of either source, each once, sorted."""
        table = concat_tables(
            [s.series(matcher_sets, start_ms, end_ms) for s in (self._floats, self._native)]
        )
        _, kept = np.unique(table.keys(), return_index=True)
        once = table.take(kept.astype(np.int64))
        return once.take(once.order())

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Label names of either source, sorted."""
        found = (s.label_names(matcher_sets, start_ms, end_ms) for s in self._both())
        return sorted({name for names in found for name in names}, key=str.encode)

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Values of a label in either source, sorted."""
        found = (s.label_values(name, matcher_sets, start_ms, end_ms) for s in self._both())
        return sorted({value for values in found for value in values}, key=str.encode)

    def metadata(self) -> dict[str, Metadata]:
        """Metadata of both."""
        return {**self._native.metadata(), **self._floats.metadata()}

    def _both(self) -> tuple[Source, Source]:
        return self._floats, self._native


def _moved(load: Callable[[], Tile], row_of: Ints) -> Callable[[], Tile]:
    def moved() -> Tile:
        tile = load()
        return replace(tile, rows=row_of[tile.rows])

    return moved


def _moved_native(load: Callable[[], HistogramTile], row_of: Ints) -> Callable[[], HistogramTile]:
    def moved() -> HistogramTile:
        tile = load()
        return replace(tile, rows=row_of[tile.rows])

    return moved
