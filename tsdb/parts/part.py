"""A part of the store as a reader sees it: an index of series, and layers of their samples."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.index.match import LabelIndex, RowFilter
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.parts.sorted_run import RunDirectory, Stream
from novaql.tsdb.parts.tombstones import Deletion, Intervals


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A sorted run of floats or of histograms, and the index rows of its series.

    ids  [R] index row of each series of the run, increasing; None: row i is series i
    """

    run: RunDirectory
    ids: Ints | None = None

    def locate(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return which of these index rows the run has: (positions in `rows`, series in the
        run)."""
        if self.ids is None:
            return np.arange(len(rows)), rows
        if len(self.ids) == 0:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        place = np.minimum(np.searchsorted(self.ids, rows), len(self.ids) - 1)
        there = np.flatnonzero(self.ids[place] == rows)
        return there, place[there]


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """Statistics of the first layer of a part, for each series and cell.

    resolution_ms  a cell has the samples of (n · resolution, (n + 1) · resolution]; 0: all samples
    grids          directories of the cells; the time of a cell is that of its last sample
    statistics     streams by name, see `block/summarise.py`
    of_grids       streams at the positions of the times of `grids`: "firsts", the time of the first
                   sample of each cell, and "sizes", its number of samples. Blocks that a flush
                   wrote have neither
    """

    resolution_ms: int
    grids: RunDirectory
    statistics: Mapping[str, Stream]
    of_grids: Mapping[str, Stream] = field(default_factory=dict)


class Part(Protocol):
    """An immutable part. Of equal series and times, the sample of a later layer replaces that of an
    earlier one, also if one is a float and the other a histogram.

    identity   equal for two parts only if they have the same index rows
    origin     equal for the parts of one head at different times, of which readers use the newest
               only; of any other part its identity
    first_ms   no sample is earlier
    last_ms    no sample is later
    has_histograms   whether a sample may be a native histogram
    downsampled_ms       0; or, in a downsampled part, the resolution of the cells of which only the
                     last sample is left, beside the rollups of all samples
    """

    @property
    def downsampled_ms(self) -> int: ...

    @property
    def identity(self) -> Hashable: ...

    @property
    def origin(self) -> Hashable: ...

    @property
    def first_ms(self) -> int: ...

    @property
    def last_ms(self) -> int: ...

    @property
    def has_histograms(self) -> bool: ...

    def index(self) -> LabelIndex: ...

    def layers(self) -> Sequence[Layer]: ...

    def rollups(self) -> Sequence[Rollup]:
        """Return statistics of the floats, the coarsest first. They include no deleted sample,
        except in a downsampled part; see `cells_left`."""
        ...

    def active_rows(self, start_ms: int, end_ms: int) -> RowFilter | None:
        """Return at least the series with samples in a range, which overlaps the part; None: all
        series, or nearly all."""
        ...

    def verify_index(self) -> None:
        """Read the whole index and all directories. Raises `Corrupted` or `ReadFailed` if that
        fails."""
        ...

    def deleted(self) -> Intervals | None:
        """Return the deleted time of index rows, whose samples readers skip; None: nothing is
        deleted."""
        ...


class PartWithTombstones:
    """A part without its deleted samples."""

    def __init__(self, part: Part, deletions: Sequence[Deletion]) -> None:
        self._part, self.deletions = part, tuple(deletions)
        self._deleted: Intervals | None = None
        self._fresh = self.deletions  # those that are not in `_deleted`
        self.identity = part.identity  # the index rows are the same
        self.origin = part.origin
        self.first_ms, self.last_ms = part.first_ms, part.last_ms
        self.downsampled_ms = part.downsampled_ms
        self.index, self.layers = part.index, part.layers
        self.active_rows, self.verify_index = part.active_rows, part.verify_index

    @property
    def has_histograms(self) -> bool:
        return self._part.has_histograms

    def rollups(self) -> Sequence[Rollup]:
        """Return nothing, since statistics may include deleted samples; in a downsampled part, all
        of them: there a deletion removes whole cells."""
        return self._part.rollups() if self.downsampled_ms else ()

    def deleted(self) -> Intervals | None:
        """Computed at first use, since it reads the index."""
        if fresh := self._fresh:
            self._deleted = Intervals.of(self._part.index(), fresh, self._deleted)
            self._fresh = ()
        return self._deleted

    def with_more(self, deletions: tuple[Deletion, ...]) -> PartWithTombstones:
        """Return the part with `deletions`. If they begin with those of this object, only the
        others are looked up in the index: there may be thousands."""
        made = PartWithTombstones(self._part, deletions)
        count = len(self.deletions)
        if deletions[:count] == self.deletions:
            fresh = self._fresh  # read first: another thread sets `_deleted` first
            made._deleted, made._fresh = self._deleted, fresh + deletions[count:]
        return made


def series_bounds(part: Part, rows: Ints) -> tuple[Ints, Ints]:
    """Return the first and last time of each series over all layers; first > last if it has no
    sample."""
    limits = np.iinfo(np.int64)
    first, last = np.full(len(rows), limits.max), np.full(len(rows), limits.min)
    for layer in part.layers():
        at, series = layer.locate(rows)
        grids = layer.run.grid_of[series]
        first[at] = np.minimum(first[at], layer.run.grid_first[grids])
        last[at] = np.maximum(last[at], layer.run.grid_last[grids])
    return first, last
