"""A block as a part of the store. Opening reads nothing; directories are read at first use."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Hashable, Sequence
from pathlib import Path

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.block_index import BlockIndex, IndexCache, growth
from novaql.tsdb.block.directories import Directories
from novaql.tsdb.block.format import Description, read_description
from novaql.tsdb.block.label_columns import BlockColumn
from novaql.tsdb.block.open_files import BlockFile
from novaql.tsdb.block.pages import PageCache
from novaql.tsdb.disk.vfs import Disk
from novaql.tsdb.errors import Corrupted, Unreadable
from novaql.tsdb.parts.lazy_ints import whole
from novaql.tsdb.parts.part import Layer, Rollup
from novaql.tsdb.parts.time_index import ActiveRows
from novaql.tsdb.runtime.lru_cache import ByteCache

_NUMBERS = itertools.count()
"""Numbers the indexes of all blocks: bytes of an evicted one do not count for its successor."""


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """The manifest's description of a block, with which queries skip blocks without opening them.

    name      file name
    identity  32 hexadecimal digits
    sequence  of equal series and times, the sample in the block of higher sequence replaces the
              others
    bytes     size of the file
    level     how many times its samples were merged or rewritten; 0: a flush wrote it
    downsampled_ms  0, or the resolution of the rollups that replaced samples
    """

    name: str
    identity: str
    sequence: int
    first_ms: int
    last_ms: int
    series: int
    samples: int
    bytes: int
    level: int = 0
    downsampled_ms: int = 0


def entry_of(
    name: str, identity: bytes, sequence: int, description: Description, size: int
) -> BlockEntry:
    """Return the entry of a block file from its description."""
    d = description
    return BlockEntry(
        name, identity.hex(), sequence, d.first_ms, d.last_ms, d.series, d.samples, size,
        downsampled_ms=d.downsampled_ms,
    )  # fmt: skip


class Block:
    """A `Part` over a block file, with its own `LabelIndex`."""

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        entry: BlockEntry,
        cache: PageCache,
        indexes: IndexCache | None = None,
    ) -> None:
        """indexes: caches what is read of the index; None: it is held as long as the block."""
        self.entry = entry
        self.identity: Hashable = ("block", entry.identity)
        self.origin = self.identity
        self.first_ms, self.last_ms = entry.first_ms, entry.last_ms
        self.downsampled_ms = entry.downsampled_ms
        self.rows = entry.series
        self.path = folder / entry.name
        self.file = BlockFile(disk, self.path)
        self._id = bytes.fromhex(entry.identity)
        self.cache_names: frozenset[Hashable] = frozenset((self.identity, self._id))
        """One of them is in each key of what is cached of the block."""
        self._pages = cache
        self._indexes: IndexCache = ByteCache(sys.maxsize) if indexes is None else indexes
        self._key: Hashable = (self.identity, "no index")
        self._lock = threading.RLock()
        self._description: Description | None = None

    @property
    def has_histograms(self) -> bool:
        """Raises `Corrupted` or `Unreadable`."""
        return self.describe().native is not None

    def index(self) -> Block:
        return self

    @property
    def label_names(self) -> Sequence[str]:
        return [label.name for label in self.describe().labels]

    def column(self, name: str) -> BlockColumn | None:
        return self._index().column(name)

    def layers(self) -> Sequence[Layer]:
        """Return the directories of the floats, and of the histograms if there are any."""
        return self._index().layers()

    def rollups(self) -> Sequence[Rollup]:
        """See `Part`."""
        return self._index().rollups()

    def active_rows(self, start_ms: int, end_ms: int) -> ActiveRows | None:
        """See `Part`."""
        return self._index().active_rows(start_ms, end_ms)

    def _index(self) -> BlockIndex:
        found = self._indexes.get(self._key)
        if found is None:
            description = self.describe()
            with self._lock:
                found = self._indexes.get(self._key)
                if found is None:
                    key = (self.identity, next(_NUMBERS))
                    found = BlockIndex(self._directories(key), description)
                    self._indexes.put(key, found)
                    self._key = key
        return found

    def _directories(self, key: Hashable) -> Directories:
        return Directories(
            self.file,
            self.path,
            self.identity,
            self._id,
            self.entry.series,
            self.entry.samples,
            self._pages,
            growth(self._indexes, key),
        )

    def verify_index(self) -> None:
        """See `Part`."""
        for layer in self.layers():
            run = layer.run
            for directory in (run.value_start, run.grid_start, run.grid_first, run.grid_last):
                whole(directory)
        for name in self.label_names:
            column = self.column(name)
            assert column is not None
            column.verify_index()

    def deleted(self) -> None:
        """Returns None: deletions are in the manifest; see `PartWithTombstones`."""

    def describe(self) -> Description:
        """Return the description. Raises `Corrupted` or `Unreadable`."""
        if self._description is None:
            with self._lock:
                if self._description is None:
                    self._description = self._read_description()
        return self._description

    def _read_description(self) -> Description:
        file = self.file.opened()
        try:
            description = read_description(file, self.path, self._id)
        except OSError as problem:
            raise Unreadable(self.path, "description", problem) from problem
        entry = self.entry
        expected = (entry.series, entry.samples, entry.first_ms, entry.last_ms)
        found = description.series, description.samples, description.first_ms, description.last_ms
        if expected != found:
            raise Corrupted(self.path, "description", f"{found}, but the manifest has {expected}")
        return description

    def hold(self) -> None:
        """See `BlockFile`."""
        self.file.hold()

    def close(self) -> None:
        """Close the file. The caller ensures that no selection reads it any more."""
        with self._lock:
            self.file.close()
            self._indexes.discard(self._key)
