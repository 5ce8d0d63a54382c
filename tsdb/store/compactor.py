"""Merges, rewrites, downsamples and removes blocks."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from novaql.lazy_exports import lazy_module
from novaql.tsdb.block.open_files import BlockFile
from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.compaction.policy import Group, expired, next_group, to_downsample
from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.errors import write_failure
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.options import CompactionResult
from novaql.tsdb.parts.tombstones import Tombstone, fullness
from novaql.tsdb.runtime.freed_memory import FREED_BYTES, return_freed_memory
from novaql.tsdb.store.flusher import Flusher
from novaql.tsdb.store.state import StoreState

if TYPE_CHECKING:
    from novaql.tsdb.compaction import rewrite
else:
    rewrite = lazy_module("novaql.tsdb.compaction.rewrite")

logger = logging.getLogger("tsdb")

Choice = Callable[[Sequence[BlockEntry], set[str]], Group | None]
"""Which blocks to rewrite as one, of all blocks and the names of those to skip; None: none."""


class Compactor:
    """Rewrites blocks. `Database` describes the public methods.

    One thread at a time compacts. Readers and writers continue meanwhile: a new block replaces
    others in one step, and the files of old ones are removed when no reader has them.

    evict  removes cached data of blocks
    """

    def __init__(
        self, state: StoreState, flusher: Flusher, evict: Callable[[Sequence[Block]], None]
    ) -> None:
        self._state, self._flusher, self._evict = state, flusher, evict
        self._unreadable: set[str] = set()  # names of blocks that no rewrite can read
        self._replaced: dict[Path, weakref.ref[BlockFile]] = {}
        """Files of blocks that the store has no longer."""
        self.stopping = threading.Event()
        """Ends a rewrite at its next page."""

    def compact(self) -> CompactionResult:
        self._flusher.flush()
        return self._compact(lambda entries, skip: self._next(entries, skip, everything=True))

    def clean_tombstones(self) -> int:
        return self._compact(self._with_deletions).blocks_read

    def _with_deletions(self, entries: Sequence[BlockEntry], skip: set[str]) -> Group | None:
        """The next block with a tombstone. Downsampled blocks cannot be rewritten."""
        hiding = {name for one in self._state.current.tombstones for name in one.blocks}
        found = (entry for entry in entries if entry.name in hiding and entry.name not in skip)
        return next(((entry,) for entry in found if not entry.downsampled_ms), None)

    def apply_tombstones(self) -> None:
        """Apply all tombstones, except those of blocks that cannot be rewritten: flush the heads
        for those of the log, then rewrite blocks. Does nothing while another thread compacts."""
        state, files = self._state, self._state.files
        if files is None or not state.compact_lock.acquire(blocking=False):
            return
        try:
            if any(one.log_before > files.manifest.log_start for one in state.current.tombstones):
                self._flusher.flush(empty=True)
            self._rewrite(files, self._with_deletions)
        finally:
            state.compact_lock.release()

    def _has_many_tombstones(self) -> bool:
        """Whether those that can be applied take half of what the others leave."""
        state, files = self._state, self._state.files
        tombstones = state.current.tombstones
        if files is None or not tombstones:
            return False
        log_start, blocks = files.manifest.log_start, state.current.blocks
        fixed = {block.entry.name for block in blocks if block.downsampled_ms} | self._unreadable
        stay = [t for t in tombstones if t.log_before <= log_start and t.blocks <= fixed]
        go = [t for t in tombstones if t.log_before > log_start or not t.blocks <= fixed]
        return bool(go) and 2 * fullness(go) >= 1 - fullness(stay)

    def maintain(self) -> None:
        self.remove_unused()
        self.apply_retention()
        if self._has_many_tombstones():
            self.apply_tombstones()
        if self._state.options.compaction:
            self._compact(lambda entries, skip: self._next(entries, skip, everything=False))

    def apply_retention(self, now_ms: int | None = None) -> list[str]:
        state, files, options = self._state, self._state.files, self._state.options
        if files is None or (options.retention_ms is None and options.retention_bytes is None):
            return []
        now_ms = round(time.time() * 1000) if now_ms is None else now_ms
        if options.downsampled_ms:
            self._downsample(now_ms)
        with state.compact_lock:
            gone = expired(
                [block.entry for block in state.current.blocks],
                now_ms=now_ms,
                retention_ms=options.retention_ms,
                rollup_retention_ms=options.rollup_retention_ms,
                retention_bytes=options.retention_bytes,
                other_bytes=files.log_bytes(),
            )
            if gone:
                self._replace(gone, [], ())
                first_ms = min(entry.first_ms for entry in gone)
                last_ms = max(entry.last_ms for entry in gone)
                with state.write_lock:
                    state.note_change(first_ms, last_ms)
        return [entry.name for entry in gone]

    def _downsample(self, now_ms: int) -> None:
        """Replace the samples of blocks older than `retention_ms` by their rollups."""
        options = self._state.options
        assert options.retention_ms is not None
        retention_ms = options.retention_ms

        def choose(entries: Sequence[BlockEntry], skip: set[str]) -> Group | None:
            return to_downsample(entries, now_ms=now_ms, retention_ms=retention_ms, skip=skip)

        self._compact(choose, downsampled_ms=options.downsampled_ms)

    def _next(
        self, entries: Sequence[BlockEntry], skip: set[str], *, everything: bool
    ) -> Group | None:
        options = self._state.options
        most_ms = options.most_block_ms
        # Retention removes whole blocks: a wide one would outlive its samples for long.
        if options.retention_ms is not None:
            most_ms = max(min(most_ms, options.retention_ms // 10), options.block_ms)
        skip = skip | {entry.name for entry in entries if entry.downsampled_ms}
        return next_group(entries, options.block_ms, most_ms, everything=everything, skip=skip)

    def _compact(self, choose: Choice, *, downsampled_ms: int = 0) -> CompactionResult:
        """Rewrite groups of blocks, one thread at a time."""
        files = self._state.files
        if files is None:
            return CompactionResult()
        with self._state.compact_lock:
            return self._rewrite(files, choose, downsampled_ms)

    def _rewrite(self, files: Files, choose: Choice, downsampled_ms: int = 0) -> CompactionResult:
        """Rewrite groups of blocks until `choose` returns None or `stopping` is set. The caller
        has `compact_lock`."""
        state, result = self._state, CompactionResult()
        state.require_writable()
        while not self.stopping.is_set():
            entries = [block.entry for block in state.current.blocks]
            group = choose(entries, self._unreadable)
            if group is None:
                break
            # A deletion during the rewrite is not applied to it; `_replace` then carries its
            # tombstone over to the new block.
            applied = state.current.tombstones
            added = self._rewritten(files, group, applied, downsampled_ms)
            if added is None or not self._replace(group, added, applied):
                continue
            result = result.plus(group, added)
            if downsampled_ms:
                first_ms = min(entry.first_ms for entry in group)
                last_ms = max(entry.last_ms for entry in group)
                with state.write_lock:
                    state.note_change(first_ms, last_ms)
        if 8 * result.samples_read >= FREED_BYTES:
            return_freed_memory()
        return result

    def _rewritten(
        self, files: Files, group: Group, applied: Sequence[Tombstone], downsampled_ms: int
    ) -> list[BlockEntry] | None:
        """Write the block that replaces a group; no block if all of its samples are deleted.

        Returns None if `stopping` is set meanwhile, or a block of the group cannot be read; later
        compactions skip such a block.
        """
        try:
            entry = rewrite.rewrite(
                files.disk, files.blocks_path, group, applied, self.stopping,
                self._state.options.rollups_ms, downsampled_ms,
            )  # fmt: skip
        except rewrite.Stopped:
            return None
        except DAMAGE as problem:
            logger.warning("blocks that cannot be read are not merged: %s", problem)
            self._unreadable.update(entry.name for entry in group)
            return None
        except OSError as problem:
            raise write_failure(problem, "merging blocks") from problem
        return [] if entry is None else [entry]

    def _replace(
        self,
        gone: Sequence[BlockEntry],
        added: Sequence[BlockEntry],
        applied: Sequence[Tombstone],
    ) -> bool:
        """Replace blocks in the manifest, then in `current`, then remove the old files.

        Returns False, and removes the new files, if the manifest no longer has one of the old
        blocks. Raises `WriteFailed`; the new files stay then, since a manifest that names them may
        have reached the disk.
        """
        state, files = self._state, self._state.files
        assert files is not None
        names = {entry.name for entry in gone}
        with state.flush_lock:
            state.require_writable()
            if not names <= {entry.name for entry in files.manifest.blocks}:
                for entry in added:
                    with contextlib.suppress(OSError):
                        files.disk.unlink(files.blocks_path / entry.name)
                return False
            files.commit_blocks(names, added, applied)
            with state.write_lock:
                old = state.replace_blocks(names, [state.block(entry) for entry in added])
        self._evict(old)
        self._replaced.update((block.path, weakref.ref(block.file)) for block in old)
        old.clear()
        self.remove_unused()
        return True

    def remove_unused(self) -> None:
        """Remove the files of replaced blocks that no reader has any more: a reader may open a file
        again by its name. A file that cannot be removed stays until the store is opened again."""
        files = self._state.files
        for path, file in list(self._replaced.items()):
            if file() is None and files is not None and self._replaced.pop(path, None) is not None:
                try:
                    files.disk.unlink(path)
                except OSError as problem:
                    logger.warning("a block that is no longer needed was not removed: %s", problem)
