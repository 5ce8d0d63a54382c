"""The result of a selection, and the protocol through which the engine reads data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol, TypeGuard, overload, runtime_checkable

import numpy as np

from novaql.tsdb.model.batch_tiles import BatchTiles, Places
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.rollup_columns import CellColumns
from novaql.tsdb.model.samples import HistogramTile, Tile
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef


@dataclass(frozen=True, slots=True)
class TileRef:
    """A tile that is read when asked for.

    load     reads and decodes; may be called on any thread, more than once
    samples  how many samples it holds, for limits and progress, known without reading
    """

    load: Callable[[], Tile]
    samples: int


class BatchLoad:
    """A batch that is read for several tiles, and held from the first tile to the last.

    Safe to use from several threads.
    """

    def __init__(self, load: Callable[[], SeriesBatch], range_ms: tuple[int, int]) -> None:
        self._load, self._range = load, range_ms
        self._lock = threading.Lock()
        self._found: BatchTiles | None = None
        self._tiles = self._waiting = 0

    def tile(self, places: Places, samples: int) -> TileRef:
        """A tile of these series, to be loaded; samples: how many it holds."""
        self._tiles += 1
        return TileRef(partial(self._read, places), samples)

    def _read(self, places: Places) -> Tile:
        with self._lock:
            found = self._found
            if found is None:
                found = self._found = BatchTiles(self._load(), *self._range)
                self._waiting = self._tiles
            self._waiting -= 1
            if self._waiting <= 0:
                self._found = None
        return found.tile(places)


class PlannedTiles(Sequence[TileRef]):
    """Tiles that are planned once one of them is asked for.

    samples  how many they hold, known before
    """

    def __init__(self, plan: Callable[[], Sequence[TileRef]], samples: int) -> None:
        self._plan, self.samples = plan, samples

    @cached_property
    def _refs(self) -> Sequence[TileRef]:
        return self._plan()

    @overload
    def __getitem__(self, at: int) -> TileRef: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[TileRef]: ...
    def __getitem__(self, at: int | slice) -> TileRef | Sequence[TileRef]:
        return self._refs[at]

    def __len__(self) -> int:
        return len(self._refs)


@dataclass(frozen=True, slots=True)
class HistogramRef:
    """A tile of native histograms that is read when asked for, as `TileRef`."""

    load: Callable[[], HistogramTile]
    samples: int


class CellSource(Protocol):
    """Cells of series, no window having a part of one, and samples where there are no cells."""

    @property
    def series(self) -> SeriesTable: ...

    @property
    def whole(self) -> bool:
        """Whether all values are known to be whole numbers."""
        ...

    def portions(self) -> Sequence[tuple[int, int]]:
        """All rows of `series` in stretches of which the cells fit well into memory."""
        ...

    def columns(self, first: int, end: int) -> CellColumns:
        """Cells of rows first … end - 1."""
        ...

    def samples(self, rows: Ints) -> Sequence[Tile]:
        """All samples of rows, whose numbers increase; of rollups alone, what is left of them."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Series and their samples in a time range.

    Each row of `series` appears in at most one tile, with all of its samples of the range in time
    order and no time twice, whatever parts of the store they come from. Label sets in `series`
    are distinct. A series without a sample in the range may be left out or be in no tile.

    Native histograms come apart from the floats: a row may be in one tile and in one histogram
    tile, and never has a sample in both at one time.

    batches  the samples of the tiles once more, in few large pieces; samples outside the range may
             be among them. None: the source has tiles alone
    starts   whether some sample may have a start timestamp
    cells    what `Hints.windows` of "cells" asks for, where it is less work than the samples
    parts    in how many parts of the store the range has to be looked for, and how many there are;
             None: it has no parts
    """

    series: SeriesTable
    tiles: Sequence[TileRef]
    histograms: Sequence[HistogramRef] = ()
    batches: Sequence[SeriesBatchRef] | None = None
    starts: bool = True
    cells: CellSource | None = None
    parts: tuple[int, int] | None = None

    @property
    def samples(self) -> int:
        if isinstance(self.tiles, PlannedTiles):
            floats = self.tiles.samples
        else:
            floats = sum(tile.samples for tile in self.tiles)
        return floats + sum(tile.samples for tile in self.histograms)


@dataclass(frozen=True, slots=True, eq=False)
class RangeWindows:
    """All that will be done with the floats of a selection: one value for each of some windows.

    statistic  "min", "max", "first" or "last": of the samples of a window, staleness markers and
               times apart. A source may give one sample with that value in place of several that no
               window has a part of. Or "cells": all of them are looked at, summed up
    must       "cells" are wanted wherever there are any, be it much less work or not
    names      statistics that are wanted of cells, see `block/summarise.py`
    cheap      samples cost next to nothing once they are in memory: cells are worth it only where
               those would not fit into the caches
    ends_ms    [J] windows are (end - reach, end]
    reach_ms   how far each reaches
    """

    statistic: str
    ends_ms: Ints
    reach_ms: int
    must: bool = False
    names: tuple[str, ...] = ()
    cheap: bool = False

    def edges_ms(self) -> Ints:
        """Times that part samples: those up to an edge from those after it. Increasing."""
        return np.unique(np.concatenate([self.ends_ms - self.reach_ms, self.ends_ms]))


@dataclass(frozen=True, slots=True)
class Hints:
    """What a source may use to read less, and where it tells of what it cannot read.

    labels  only these label names will be looked at (None: all of them): others may be left out,
            so that label sets are no longer distinct
    read_errors
            receives the damage that the reader skips; None: damage raises. It is complete when the
            last tile has been loaded
    windows what the floats are for; None: who knows
    plain   the same selection as this source gave it a moment ago without `windows`. Where these
            are "cells" it may be given back with cells beside it
    """

    labels: frozenset[str] | None = None
    read_errors: ReadErrors | None = None
    windows: RangeWindows | None = None
    plain: Selection | None = None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Metadata of one metric: type ("counter", "gauge", …), help text, unit."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


@runtime_checkable
class Source(Protocol):
    """Anything that has series of samples.

    Times are milliseconds since 1970; both ends of a range belong to it. All methods may be called
    from several threads at once. Each call sees one consistent state of the data.
    """

    def has_histograms(self) -> bool:
        """Whether a sample may be a native histogram; True if the source does not know."""
        ...

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = ...
    ) -> Selection:
        """Return series that satisfy every matcher, with their samples in the range."""
        ...

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        """Return label sets that satisfy any of the sets of matchers (none: all), each once,
        sorted."""
        ...

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Return label names of those series, sorted."""
        ...

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        """Return values of one label among those series, sorted; "" is never one."""
        ...

    def metadata(self) -> dict[str, Metadata]:
        """Return metadata by metric name, if the source has any."""
        ...


@runtime_checkable
class Downsampled(Source, Protocol):
    """A source that may have only rollups of some time."""

    def downsampled_range(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """Return, for the downsampled part of a range, the coarsest resolution and the time of its
        last sample, both in milliseconds; None if it has all samples."""
        ...


def supports_downsampling(source: Source) -> TypeGuard[Downsampled]:
    """Return `isinstance(source, Downsampled)`, computed once for each type: it is slow."""
    kind = type(source)
    found = _DOWNSAMPLED.get(kind)
    if found is None:
        found = _DOWNSAMPLED[kind] = isinstance(source, Downsampled)
    return found


_DOWNSAMPLED: dict[type, bool] = {}
NO_HINTS = Hints()
MIN_TIME_MS, MAX_TIME_MS = -(2**62), 2**62
"""The earliest and the latest time of a selection."""

FIRST_SAMPLE_MS, LAST_SAMPLE_MS = -62_135_596_800_000, 253_402_300_799_999
"""Times of samples that the store accepts: years 1 to 9999, which every format can represent."""
__all__ = [
    "FIRST_SAMPLE_MS",
    "LAST_SAMPLE_MS",
    "MAX_TIME_MS",
    "MIN_TIME_MS",
    "NO_HINTS",
    "CellSource",
    "Downsampled",
    "Hints",
    "HistogramRef",
    "Metadata",
    "PlannedTiles",
    "RangeWindows",
    "Selection",
    "Source",
    "TileRef",
    "supports_downsampling",
]
