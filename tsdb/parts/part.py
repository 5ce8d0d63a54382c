"""A part of the store as a reader sees it: an index of series, and layers of their samples."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from novaql.tsdb.index.match import LabelIndex, LivingRows
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.sorted_run import RunDirectory, Stream
from novaql.tsdb.parts.tombstones import Deletion, Intervals


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A stratum of floats or histograms, and where in it the series of the part's index are.

    ids  [R] index row of each series of the stratum, increasing; None: the same numbers
    """

    stratum: RunDirectory
    ids: Ints | None = None

    def locate(self, rows: Ints) -> tuple[Ints, Ints]:
        """Of index rows those that this layer has: (positions in `rows`, stratum series)."""
        if self.ids is None:
            return np.arange(len(rows)), rows
        if len(self.ids) == 0:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        place = np.minimum(np.searchsorted(self.ids, rows), len(self.ids) - 1)
        there = np.flatnonzero(self.ids[place] == rows)
        return there, place[there]


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Statistics of the first layer of a part, whose series are those of `grids`, cell by cell.

    resolution_ms  a cell holds the samples of (n · resolution, (n + 1) · resolution]; 0: all
    grids          directories of the cells; a cell's time is that of its last sample
    statistics     streams by name, see `block/summarise.py`
    of_grids       streams of the grids, in the places of their times: "firsts", time of the first
                   sample of each cell, and "sizes", how many there are. Neither is there in blocks
                   as a flush writes them
    """

    resolution_ms: int
    grids: RunDirectory
    statistics: Mapping[str, Stream]
    of_grids: Mapping[str, Stream] = field(default_factory=dict)


class Part(Protocol):
    """Unchanging. Of equal series and times, a later layer's sample stands for both, be it a
    float or a histogram.

    identity   equal for two parts only if they have the same index rows
    first_ms   no sample is earlier
    last_ms    no sample is later
    has_histograms   whether a sample may be a native histogram
    thinned_ms       0, or the resolution of cells whose last samples alone are left: what the
                     others were, the rollups tell
    """

    @property
    def thinned_ms(self) -> int: ...

    @property
    def identity(self) -> Hashable: ...

    @property
    def first_ms(self) -> int: ...

    @property
    def last_ms(self) -> int: ...

    @property
    def has_histograms(self) -> bool: ...

    def index(self) -> LabelIndex: ...

    def layers(self) -> Sequence[Layer]: ...

    def rollups(self) -> Sequence[Rollup]:
        """Statistics of the floats, the coarsest first. None of what they speak of was deleted;
        but in a part that is thinned it may have been, see `cells_left`."""
        ...

    def living(self, start_ms: int, end_ms: int) -> LivingRows | None:
        """At least the series with samples in a range, which overlaps the part; None: all series,
        or nearly all."""
        ...

    def verify_index(self) -> None:
        """Read index and directories as a whole. Raises what reading them raises."""
        ...

    def deleted(self) -> Intervals | None:
        """Samples in the layers that are to be left out; None: there are none. Rows are those of
        the index."""
        ...


class PartWithTombstones:
    """`Part`: another one without what was deleted of it."""

    def __init__(self, part: Part, deletions: Sequence[Deletion]) -> None:
        self._part, self.deletions = part, tuple(deletions)
        self._deleted: Intervals | None = None

    @property
    def identity(self) -> Hashable:
        return self._part.identity  # the rows are the same ones

    @property
    def first_ms(self) -> int:
        return self._part.first_ms

    @property
    def last_ms(self) -> int:
        return self._part.last_ms

    @property
    def has_histograms(self) -> bool:
        return self._part.has_histograms

    @property
    def thinned_ms(self) -> int:
        return self._part.thinned_ms

    def index(self) -> LabelIndex:
        return self._part.index()

    def layers(self) -> Sequence[Layer]:
        return self._part.layers()

    def rollups(self) -> Sequence[Rollup]:
        """None, unless the samples are gone: then whole cells are taken for deleted."""
        return self._part.rollups() if self.thinned_ms else ()

    def living(self, start_ms: int, end_ms: int) -> LivingRows | None:
        return self._part.living(start_ms, end_ms)

    def verify_index(self) -> None:
        self._part.verify_index()

    def deleted(self) -> Intervals | None:
        """Found at first use, since the index is read for it."""
        if self._deleted is None:
            self._deleted = Intervals.of(self._part.index(), self.deletions)
        return self._deleted


def series_bounds(part: Part, rows: Ints) -> tuple[Ints, Ints]:
    """First and last time of each of these series, over all layers; first > last if it has none."""
    limits = np.iinfo(np.int64)
    first, last = np.full(len(rows), limits.max), np.full(len(rows), limits.min)
    for layer in part.layers():
        at, series = layer.locate(rows)
        grids = layer.stratum.grid_of[series]
        first[at] = np.minimum(first[at], layer.stratum.grid_first[grids])
        last[at] = np.maximum(last[at], layer.stratum.grid_last[grids])
    return first, last
