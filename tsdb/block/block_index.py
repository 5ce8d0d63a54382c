"""The index of a block, as far as queries have read it: labels, directories, active series.

It takes about 75 bytes for each series of a block of Kubernetes pods, so the indexes of the blocks
of a year do not fit in memory. A store caches those that queries use.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Sequence

from novaql.tsdb.block.directories import Directories, Rollups
from novaql.tsdb.block.format import Description
from novaql.tsdb.block.label_columns import BlockColumn
from novaql.tsdb.parts.part import Layer, Rollup
from novaql.tsdb.parts.time_index import ActiveRows, SeriesTimeIndex
from novaql.tsdb.runtime.lru_cache import ByteCache

IndexCache = ByteCache["BlockIndex"]


class BlockIndex:
    """What queries have read of the index of one block. Reading more of it makes it larger.
    Thread-safe."""

    nbytes = 0
    """The size when it is stored in a cache: it has read nothing yet."""

    def __init__(self, read: Directories, description: Description) -> None:
        self._read, self._description = read, description
        self._lock = threading.RLock()
        self._sections = {label.name: label for label in description.labels}
        self._columns: dict[str, BlockColumn] = {}
        self._layers: tuple[Sequence[Layer], Rollups] | None = None
        self._time_index: SeriesTimeIndex | None = None

    def column(self, name: str) -> BlockColumn | None:
        sections = self._sections.get(name)
        if sections is None:
            return None
        with self._lock:
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = self._read.column(sections)
            return column

    def layers(self) -> Sequence[Layer]:
        return self._directories()[0]

    def rollups(self) -> Sequence[Rollup]:
        return self._directories()[1].read()

    def _directories(self) -> tuple[Sequence[Layer], Rollups]:
        with self._lock:
            if self._layers is None:
                self._layers = self._read.layers(self._description)
            return self._layers

    def active_rows(self, start_ms: int, end_ms: int) -> ActiveRows | None:
        time_index = self._time_index
        if time_index is None:
            first_ms, last_ms = self._description.first_ms, self._description.last_ms
            time_index = SeriesTimeIndex(first_ms, last_ms, self.layers(), self._read.grew)
            self._time_index = time_index
        return time_index.active_rows(start_ms, end_ms)


def growth(cache: IndexCache, key: Hashable) -> Callable[[int], None]:
    """Return a function that adds bytes to the size of the index with this key.

    It does not hold the cache: the indexes in it refer to this function. Such a cycle would hold
    the files of a store that was not closed until a collection of garbage.
    """
    held = weakref.ref(cache)

    def grew(size: int) -> None:
        found = held()
        if found is not None:
            found.grow(key, size)

    return grew
