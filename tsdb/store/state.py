"""State of an open database, shared by its reader, writer, flusher, deleter and compactor."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

from novaql.fast_dataclass import dataclass
from novaql.tsdb.block.block_index import IndexCache
from novaql.tsdb.block.pages import PageCache
from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.errors import Corrupted, ForkedStore, ReadOnly, StoreClosed
from novaql.tsdb.head.exemplar_buffer import ExemplarRing
from novaql.tsdb.head.head import Head, HeadPart
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors, note_or_raise
from novaql.tsdb.model.source import MIN_TIME_MS, Metadata
from novaql.tsdb.options import StoreOptions
from novaql.tsdb.parts.part import Part, PartWithTombstones
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.parts.time_ordered import TimeOrdered
from novaql.tsdb.parts.tombstones import Deletion, Tombstone, by_block
from novaql.tsdb.runtime.lru_cache import ByteCache
from novaql.tsdb.store.change_log import ChangeLog
from novaql.tsdb.wal.writer import Log


@dataclass(frozen=True, eq=False)
class PartSet:
    """The parts of a database at one moment.

    blocks      in order of age
    frozen      heads that are being flushed, oldest first, each with the number of the first log
                segment that is needed after its flush
    head        receives appends
    tombstones  deletions that apply to blocks
    """

    blocks: tuple[Block, ...]
    frozen: tuple[tuple[Head, int], ...]
    head: Head
    tombstones: tuple[Tombstone, ...] = ()

    @cached_property
    def by_time(self) -> TimeOrdered[Block]:
        """The blocks, to look up by time."""
        return TimeOrdered(self.blocks)

    @cached_property
    def deletions(self) -> Mapping[str, tuple[Deletion, ...]]:
        """Those that apply to each block with any, by its name."""
        return by_block(self.tombstones)

    @property
    def heads(self) -> list[Head]:
        """All heads, oldest first."""
        return [*(head for head, _ in self.frozen), self.head]


class StoreState:
    """The parts, metadata, exemplars and locks of one database.

    Readers take no lock: they read `current`, an immutable set of parts, which writers replace.
    Writers take the locks in this order:

    compact_lock  one compaction or retention run at a time
    flush_lock    one flush, deletion or replacement of blocks at a time
    write_lock    appends; every replacement of `current`; every increase of `version`
    swap_lock     inside `write_lock`, while a deletion changes several heads and `current`
    """

    def __init__(self, files: Files | None, head: Head, options: StoreOptions) -> None:
        self.options = options
        self.files = files
        self.log: Log | None = None if files is None else files.log
        """None in memory and for a database that is open for reading only."""
        self.read_only = files is not None and files.log is None
        self.closed = False
        self._opened_by = os.getpid()
        self.pages: PageCache = ByteCache(options.cache_bytes)
        self.indexes: IndexCache = ByteCache(options.cache_bytes)
        blocks: tuple[Block, ...] = ()
        tombstones: tuple[Tombstone, ...] = ()
        self.exemplars = ExemplarRing(options.max_exemplars)
        self.metadata: dict[str, Metadata] = {}
        self._lost: tuple[Corrupted, ...] = ()
        if files is not None:
            manifest = files.manifest
            blocks = tuple(self.block(entry) for entry in manifest.blocks)
            tombstones = manifest.tombstones
            self.exemplars = files.exemplars
            self.metadata.update(manifest.metadata)
            self._lost = tuple(Corrupted(files.path / file, *why) for file, *why in manifest.lost)
        self.current = PartSet(blocks, (), head, tombstones)
        self._with_tombstones: dict[str, PartWithTombstones] = {}  # by name of the block
        self.version = 1 if head.appended or blocks else 0
        self._changes = ChangeLog()
        self.newest_ms = MIN_TIME_MS
        if options.out_of_order_ms is not None:
            lasts = (block.last_ms for block in self.current.blocks)
            self.newest_ms = max(head.part().last_ms, *lasts, MIN_TIME_MS)
        self.replaced_in_blocks = (0, 0)
        """Duplicates and conflicts of the heads that were flushed."""
        self.compact_lock = threading.Lock()
        self.flush_lock = threading.Lock()
        self.write_lock = threading.Lock()
        self.swap_lock = threading.Lock()
        self._swaps = 0  # odd during a swap

    def block(self, entry: BlockEntry) -> Block:
        """Return a block of the directory; its file is opened at the first read."""
        assert self.files is not None
        files = self.files
        return Block(files.disk, files.blocks_path, entry, self.pages, self.indexes)

    def hold_blocks(self) -> bool:
        held = True
        for block in self.current.blocks:
            try:
                block.hold()
            except DAMAGE:
                held = False
        return held

    def require_open(self) -> None:
        """Raises `StoreClosed`."""
        if self.closed:
            raise StoreClosed

    def require_writable(self) -> None:
        """Raises `StoreClosed`, `ReadOnly` or `ForkedStore`."""
        self.require_open()
        if self.read_only:
            raise ReadOnly
        if self.files is not None and os.getpid() != self._opened_by:
            raise ForkedStore(self.files.path, self._opened_by)

    def closed_in_fork(self) -> bool:
        """Close, if another process opened this to write and this one is a fork of it: the log, the
        lock and the threads remain those of the parent. Returns whether that is so."""
        forked = self.log is not None and os.getpid() != self._opened_by
        self.closed = self.closed or forked
        return forked

    def report_lost(self, read_errors: ReadErrors | None) -> None:
        """Note the samples that the log has lost, or raise the first loss without `read_errors`.

        Every answer reports them until the store is repaired.
        """
        for problem in self._lost:
            note_or_raise(problem, read_errors)

    def parts(self) -> PartList[Block]:
        """All parts that have samples, in order of age: blocks, frozen heads, the head.

        Raises `StoreClosed`.
        """
        self.require_open()
        while True:
            swaps, current = self._swaps, self.current
            heads = [part for head in current.heads if (part := head.part()).runs]
            # An even, unchanged count: no deletion replaced a head or `current` between the reads.
            if swaps == self._swaps and swaps % 2 == 0:
                break
            with self.swap_lock:  # wait until the deletion is complete
                pass
        visible = partial(self._visible, current.deletions) if current.tombstones else None
        return PartList(current.by_time, heads, visible)

    def _visible(self, deleted: Mapping[str, tuple[Deletion, ...]], block: Block) -> Part:
        """A block without its deleted samples. Cached: readers cache by the identity of parts."""
        deletions = deleted.get(block.entry.name)
        if not deletions:
            return block
        known = self._with_tombstones.get(block.entry.name)
        if known is None or known.deletions != deletions:
            known = known.with_more(deletions) if known else PartWithTombstones(block, deletions)
            self._with_tombstones[block.entry.name] = known
            if block.entry.name not in self.current.deletions:  # it was replaced meanwhile
                self._with_tombstones.pop(block.entry.name, None)
        return known

    def replace_blocks(self, names: set[str], added: Sequence[Block]) -> list[Block]:
        """Replace blocks in `current`, under `write_lock`. Returns the removed blocks."""
        assert self.files is not None
        current = self.current
        removed = [block for block in current.blocks if block.entry.name in names]
        left = [block for block in current.blocks if block.entry.name not in names]
        blocks = sorted([*left, *added], key=lambda block: block.entry.sequence)
        self.current = PartSet(
            tuple(blocks), current.frozen, current.head, self.files.manifest.tombstones
        )
        for name in names:
            self._with_tombstones.pop(name, None)
        return removed

    def swap(self, parts: Sequence[HeadPart], current: PartSet) -> None:
        """Replace the parts of all heads, and `current`, under `write_lock`. Readers see both
        replaced or neither."""
        with self.swap_lock:
            self._swaps += 1
            for head, part in zip(self.current.heads, parts, strict=True):
                head.replace_part(part)
            self.current = current
            self._swaps += 1

    def downsampled_range(self, start_ms: int, end_ms: int) -> tuple[int, int] | None:
        """See `Downsampled`."""
        blocks = [
            block
            for block in self.current.blocks
            if block.downsampled_ms
            and block.first_ms - block.downsampled_ms < end_ms
            and block.last_ms >= start_ms
        ]
        if not blocks:
            return None
        return max(block.downsampled_ms for block in blocks), max(block.last_ms for block in blocks)

    def changed_since(self, version: int) -> tuple[int, list[tuple[int, int]]]:
        self.require_open()
        now = self.version  # a change that is added meanwhile belongs to a later version
        return now, self._changes.since(version)

    def note_change(self, first_ms: int, last_ms: int) -> None:
        """Record that samples in this range were added or removed, under `write_lock`, after the
        change is visible to readers."""
        self._changes.add(self.version + 1, first_ms, last_ms)
        self.version += 1
