"""Merging blocks, and letting old ones go."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from novaql.tsdb.block.reader import Block, BlockEntry
from novaql.tsdb.compaction.policy import Group, expired, next_group, to_thin
from novaql.tsdb.compaction.rewrite import Stopped, rewrite
from novaql.tsdb.errors import write_failure
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.options import CompactionResult
from novaql.tsdb.parts.tombstones import Tombstone
from novaql.tsdb.store.deletes import Deletes

log = logging.getLogger("tsdb")


class Compacts(Deletes):
    """One thread compacts at a time. Readers and writers go on: what is written is a new block,
    which takes the place of others at once; who reads the old ones keeps them open."""

    def compact(self) -> CompactionResult:
        """Flush, then merge and pack everything that can be, whether it is worth it or not.

        Raises `WriteFailed`, after which everything is as before, and another call goes on. Blocks
        that cannot be read are left alone and named in the log.
        """
        self.flush()
        if self._files is None:
            return CompactionResult()
        return self._compact(lambda entries, skip: self._next(entries, skip, everything=True))

    def clean_tombstones(self) -> int:
        """Write blocks anew of which something was deleted, without it. Returns how many there
        were; those that cannot be read are left alone and named in the log.

        Raises `WriteFailed`; blocks that were done stay done.
        """
        if self._files is None:
            return 0
        return self._compact(self._with_deletions).blocks_read

    def _with_deletions(self, entries: Sequence[BlockEntry], skip: set[str]) -> Group | None:
        """The next block that hides something, alone; not one whose samples are gone."""
        hiding = {name for stone in self._state.tombstones for name in stone.blocks}
        found = (entry for entry in entries if entry.name in hiding and entry.name not in skip)
        return next(((entry,) for entry in found if not entry.thinned_ms), None)

    def maintain(self) -> None:
        """What a thread does now and then: let old blocks go, or all but their rollups, and merge
        small ones."""
        self.apply_retention()
        if self.options.compaction:
            self._compact(lambda entries, skip: self._next(entries, skip, everything=False))

    def apply_retention(self, now_ms: int | None = None) -> list[str]:
        """Remove blocks that are too old or too many, as `retention_ms`, `rollup_retention_ms` and
        `retention_bytes` say; returns their names. With `rollup_retention_ms`, samples that are
        older than `retention_ms` give way to their rollups.

        now_ms: the time to count from, if it is not that of the clock.

        Raises `WriteFailed`.
        """
        files, options = self._files, self.options
        if files is None or (options.retention_ms is None and options.retention_bytes is None):
            return []
        now_ms = round(time.time() * 1000) if now_ms is None else now_ms
        if options.thinned_ms:
            self._thin(now_ms)
        with self._compacting:
            gone = expired(
                [block.entry for block in self._state.blocks],
                now_ms=now_ms,
                retention_ms=options.retention_ms,
                rollup_retention_ms=options.rollup_retention_ms,
                retention_bytes=options.retention_bytes,
                other_bytes=files.log_bytes(),
            )
            if gone:
                self._replace(gone, [], ())
                with self._writing:
                    self._note_change(
                        min(entry.first_ms for entry in gone), max(entry.last_ms for entry in gone)
                    )
        return [entry.name for entry in gone]

    def _thin(self, now_ms: int) -> None:
        """Let rollups take the place of old samples."""
        assert self.options.retention_ms is not None
        retention_ms = self.options.retention_ms

        def choose(entries: Sequence[BlockEntry], skip: set[str]) -> Group | None:
            old = to_thin(entries, now_ms=now_ms, retention_ms=retention_ms)
            return next(((entry,) for entry in old if entry.name not in skip), None)

        self._compact(choose, thinned_ms=self.options.thinned_ms)

    def _next(
        self, entries: Sequence[BlockEntry], skip: set[str], *, everything: bool
    ) -> Group | None:
        options = self.options
        most_ms = options.most_block_ms
        if options.retention_ms is not None:  # wide blocks would stay long beyond their time
            most_ms = max(min(most_ms, options.retention_ms // 10), options.block_ms)
        skip = skip | {entry.name for entry in entries if entry.thinned_ms}
        return next_group(entries, options.block_ms, most_ms, everything=everything, skip=skip)

    def _compact(
        self,
        choose: Callable[[Sequence[BlockEntry], set[str]], Group | None],
        *,
        thinned_ms: int = 0,
    ) -> CompactionResult:
        files, result = self._files, CompactionResult()
        assert files is not None
        with self._compacting:
            self._need_writable()
            while not self._stopping.is_set():
                entries = [block.entry for block in self._state.blocks]
                group = choose(entries, self._unmergeable)
                if group is None:
                    break
                applied = self._state.tombstones
                try:
                    entry = rewrite(
                        files.disk,
                        files.blocks_path,
                        group,
                        applied,
                        self._stopping,
                        self.options.rollups_ms,
                        thinned_ms,
                    )
                except Stopped:
                    break
                except DAMAGE as problem:
                    log.warning("blocks that cannot be read are not merged: %s", problem)
                    self._unmergeable.update(entry.name for entry in group)
                    continue
                except OSError as problem:
                    raise write_failure(problem, "merging blocks") from problem
                came = [] if entry is None else [entry]
                if self._replace(group, came, applied):
                    result = result.plus(group, came)
                    if thinned_ms:
                        with self._writing:
                            self._note_change(group[0].first_ms, group[0].last_ms)
        return result

    def _replace(
        self,
        gone: Sequence[BlockEntry],
        came: Sequence[BlockEntry],
        applied: Sequence[Tombstone],
    ) -> bool:
        """Put blocks in the place of others. False if one of those is not there any more, since a
        deletion was carried out meanwhile; the new ones are thrown away then.

        Raises `WriteFailed`; nothing changes then, and the new files stay, since a manifest that
        names them may have reached the disk.
        """
        files = self._files
        assert files is not None
        names = {entry.name for entry in gone}
        with self._flushing:
            self._need_writable()
            if not names <= {entry.name for entry in files.manifest.blocks}:
                for entry in came:
                    with contextlib.suppress(OSError):
                        files.disk.unlink(files.blocks_path / entry.name)
                return False
            files.commit_blocks(names, came, applied)
            with self._writing:
                state = self._state
                old = [block for block in state.blocks if block.entry.name in names]
                blocks = [block for block in state.blocks if block.entry.name not in names]
                blocks += [self._block(entry) for entry in came]
                blocks.sort(key=lambda block: block.entry.sequence)
                self._state = replace(
                    state, blocks=tuple(blocks), tombstones=files.manifest.tombstones
                )
                for name in names:
                    self._deleted.pop(name, None)
        self._remove(old)
        return True

    def _remove(self, blocks: Sequence[Block]) -> None:
        """Remove files of blocks that a reader may still be about to open, so open them first. What
        cannot be opened or removed stays until the store is opened anew."""
        assert self._files is not None
        for block in blocks:
            try:
                block.hold()
                self._files.disk.unlink(block.path)
            except (OSError, *DAMAGE) as problem:
                log.warning("a block that is not needed any more stays for now: %s", problem)
