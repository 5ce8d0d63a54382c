"""What a database consists of, and what its sides share."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from novaql.tsdb.block.pages import PageCache, page_bytes
from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.errors import Corrupted, ReadOnly, StoreClosed
from novaql.tsdb.head.exemplar_buffer import ExemplarRing
from novaql.tsdb.head.head import Head
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.model.source import MIN_TIME_MS, Metadata
from novaql.tsdb.options import OpenReport, StoreOptions
from novaql.tsdb.parts.merge_series import UNION_CACHE_BYTES, union_bytes
from novaql.tsdb.parts.part import Part, PartWithTombstones
from novaql.tsdb.parts.tombstones import Tombstone, of_block
from novaql.tsdb.read import planner as reader
from novaql.tsdb.read.batches import batch_bytes
from novaql.tsdb.read.series_cache import Lookups
from novaql.tsdb.runtime.lru_cache import ByteCache
from novaql.tsdb.runtime.periodic import PeriodicTask
from novaql.tsdb.store.change_log import Changes


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What the database consists of at one moment, in order of age."""

    blocks: tuple[Block, ...]
    frozen: tuple[tuple[Head, int], ...]  # being flushed; and where the log goes on after each
    head: Head
    tombstones: tuple[Tombstone, ...] = ()  # what of the blocks is to be left out


class Store:
    """The fields of a database. Its methods stand in `Writes`, `Reads` and `Upkeep`."""

    def __init__(self, files: Files | None, head: Head, options: StoreOptions) -> None:
        self.options = options
        self._files = files
        self._read_only = files is not None and files.log is None
        half = options.cache_bytes // 2
        self._pages: PageCache = ByteCache(half, page_bytes)
        self._caches = reader.Caches(
            ByteCache(options.cache_bytes - half, batch_bytes),
            ByteCache(UNION_CACHE_BYTES, union_bytes),
        )
        self._lookups = Lookups()
        blocks = () if files is None else files.manifest.blocks
        stones = () if files is None else files.manifest.tombstones
        self._state = State(tuple(self._block(entry) for entry in blocks), (), head, stones)
        self._exemplars = ExemplarRing(options.max_exemplars) if files is None else files.exemplars
        self._metadata: dict[str, Metadata] = {}
        if files is not None:
            self._metadata.update(files.manifest.metadata)
        self._lost: tuple[Corrupted, ...] = ()  # samples of the log that no read finds any more
        if files is not None:
            self._lost = tuple(Corrupted(files.path / f, *why) for f, *why in files.manifest.lost)
        self._version = 1 if head.appended or blocks else 0
        self._identity = object()
        self._changes = Changes()  # since it was opened
        self._newest_ms = MIN_TIME_MS
        self._closed = False
        self._writing = threading.Lock()
        self._flushing = threading.Lock()  # taken before `_writing`
        self._swapping = threading.Lock()  # while heads and blocks change together; held briefly
        self._swaps = 0  # odd while they do
        self._deleted: dict[str, PartWithTombstones] = {}  # by name of the block
        self._compacting = threading.Lock()  # taken before `_flushing`
        self._unmergeable: set[str] = set()  # names of blocks that cannot be read
        self._stopping = threading.Event()  # long work in the background should end
        self._first_append = time.monotonic()
        self._past = (0, 0)  # duplicates and conflicts of heads that are in blocks now
        self._workers: list[PeriodicTask] = []

    def _block(self, entry: BlockEntry) -> Block:
        assert self._files is not None
        return Block(self._files.disk, self._files.blocks_path, entry, self._pages)

    def _need_writable(self) -> None:
        if self._closed:
            raise StoreClosed
        if self._read_only:
            raise ReadOnly

    def _tell_lost(self, read_errors: ReadErrors | None) -> None:
        """Note what is missing from every answer, until the store is repaired. Raises it without
        a place to note it."""
        for problem in self._lost:
            if read_errors is None:
                raise problem
            read_errors.note(problem)

    def _parts(self) -> list[Part]:
        if self._closed:
            raise StoreClosed
        while True:
            swaps, state = self._swaps, self._state
            heads = [*(head for head, _ in state.frozen), state.head]
            parts = [part for head in heads if (part := head.part()).runs]
            if swaps == self._swaps and swaps % 2 == 0:
                break
            with self._swapping:  # look again when the deletion is carried out as a whole
                pass
        blocks: Sequence[Part] = state.blocks
        if state.tombstones:
            blocks = [self._seen(block, state.tombstones) for block in state.blocks]
        return [*blocks, *parts]

    def _seen(self, block: Block, tombstones: Sequence[Tombstone]) -> Part:
        """A block without what was deleted of it."""
        deletions = of_block(tombstones, block.entry.name)
        if not deletions:
            return block
        known = self._deleted.get(block.entry.name)
        if known is None or known.deletions != deletions:
            known = self._deleted[block.entry.name] = PartWithTombstones(block, deletions)
        return known

    @property
    def version(self) -> int:
        """Grows with every change that a reader could see. For caches of answers."""
        return self._version

    def changed_since(self, version: int) -> tuple[int, list[tuple[int, int]]]:
        """The version of now, and stretches of time (milliseconds, both ends included) outside of
        which no sample has come or gone since an earlier `version` of this object.

        Raises `StoreClosed`.
        """
        if self._closed:
            raise StoreClosed
        now = self._version  # what changes meanwhile is of a later one
        return now, self._changes.since(version)

    def _note_change(self, first_ms: int, last_ms: int) -> None:
        """Samples between these times came or went; after it can be seen, under `_writing`."""
        self._changes.add(self._version + 1, first_ms, last_ms)
        self._version += 1

    @property
    def identity(self) -> object:
        """Equal for this object alone, and not for the same files opened again."""
        return self._identity

    @property
    def path(self) -> Path | None:
        """The directory; None in memory."""
        return None if self._files is None else self._files.path

    @property
    def open_report(self) -> OpenReport:
        """What opening found: samples read back, and what could not be."""
        return OpenReport() if self._files is None else self._files.report
