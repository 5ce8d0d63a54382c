"""Deleting samples: hidden at once, gone from the disk when blocks are rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from tsdb import reader
from tsdb.block.layout import arrange
from tsdb.block.reader import Block, BlockEntry
from tsdb.codec.columns import COMPACTION_LEVEL
from tsdb.damage import DAMAGE, Losses
from tsdb.errors import write_failure
from tsdb.flush import rewritten_name, write_content
from tsdb.index.match import label_table
from tsdb.matchers import Matcher
from tsdb.selection import MAX_TIME_MS, MIN_TIME_MS
from tsdb.store.upkeep import Upkeep
from tsdb.thinned import thinned
from tsdb.tombstones import DeleteResult, Deletion, Intervals, Tombstone, of_block


class Deletes(Upkeep):
    """A deletion waits for appends and flushes under way, and they for it."""

    def delete(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int = MIN_TIME_MS,
        end_ms: int = MAX_TIME_MS,
        *,
        dry_run: bool = False,
    ) -> DeleteResult:
        """Delete the samples of a range, both ends included, of series that satisfy any of the
        sets of matchers; and their exemplars.

        When this returns no read finds them, and no crash or power cut brings them back, whatever
        `sync` is. What is appended later, be it with the same times, is not touched. The disk gets
        room when blocks are rewritten: by compaction, or at once by `clean_tombstones`.

        dry_run  change nothing, and tell what would be deleted

        Raises `ValueError` for no matchers at all or a range that ends before it begins,
        `ReadOnly`, `StoreClosed`, and `WriteFailed`, after which nothing is deleted.
        """
        sets = tuple(tuple(matchers) for matchers in matcher_sets)
        if not sets or not all(sets):
            raise ValueError("a deletion needs matchers; one that matches everything does, too")
        if start_ms > end_ms:
            raise ValueError(f"the range ends at {end_ms}, before it begins at {start_ms}")
        deletion = Deletion(sets, start_ms, end_ms)
        if dry_run:
            return reader.count(self._parts(), sets, start_ms, end_ms, Losses())
        with self._flushing, self._writing:
            self._need_writable()
            unreadable = Losses()
            found = reader.count(self._parts(), sets, start_ms, end_ms, unreadable)
            if found.samples or unreadable:
                self._carry_out(deletion)
                self._version += 1
        return found

    def clean_tombstones(self) -> int:
        """Write blocks anew without what was deleted of them. Returns how many there were.

        Readers and writers go on meanwhile; a deletion or a flush waits while a block is written.
        Raises `WriteFailed` and `Corrupted`; blocks that were done stay done.
        """
        done = 0
        while self._clean_one():
            done += 1
        return done

    def _clean_one(self) -> bool:
        with self._flushing:
            with self._writing:
                self._need_writable()
            state, files = self._state, self._files
            for block in state.blocks:
                deletions = of_block(state.tombstones, block.entry.name)
                if deletions:
                    break
            else:
                return False
            assert files is not None
            came = self._rewritten(block, deletions)
            files.replace_blocks([block.entry], came, state.tombstones)
            with self._writing:
                at = self._state.blocks.index(block)
                blocks = list(self._state.blocks)
                blocks[at : at + 1] = [self._block(entry) for entry in came]
                self._state = replace(
                    self._state, blocks=tuple(blocks), tombstones=files.manifest.tombstones
                )
                self._deleted.pop(block.entry.name, None)
                self._version += 1
            return True

    def _rewritten(self, block: Block, deletions: Sequence[Deletion]) -> list[BlockEntry]:
        """A block without what was deleted of it; nothing if it has nothing else."""
        files = self._files
        assert files is not None
        deleted = Intervals.of(block, deletions)
        left = [one for layer in block.layers() if (one := thinned(layer, deleted)) is not None]
        content = arrange(left, partial(label_table, block))
        if content is None:
            return []
        try:
            return [
                write_content(
                    files.disk, files.blocks_path / rewritten_name(block.entry.sequence), content,
                    sequence=block.entry.sequence, level=COMPACTION_LEVEL,
                )
            ]  # fmt: skip
        except OSError as problem:
            raise write_failure(problem, "writing a block anew") from problem

    def _carry_out(self, deletion: Deletion) -> None:
        state, files = self._state, self._files
        if files is not None and files.log is not None:
            hit = frozenset(b.entry.name for b in state.blocks if _may_hit(b, deletion))
            # Every sample of the heads is in segments before this one.
            files.commit_tombstone(Tombstone(deletion, hit, files.log.rotate()))
            state = replace(state, tombstones=files.manifest.tombstones)
        heads = [*(head for head, _ in state.frozen), state.head]
        left = [head.without(deletion) for head in heads]
        self._exemplars.delete(deletion)
        with self._swapping:
            self._swaps += 1
            for head, part in zip(heads, left, strict=True):
                head.put(part)
            self._state = state
            self._swaps += 1


def _may_hit(block: Block, deletion: Deletion) -> bool:
    """Whether a block has series that a deletion names; one whose index is damaged may."""
    if block.first_ms > deletion.end_ms or block.last_ms < deletion.start_ms:
        return False
    try:
        return len(deletion.rows(block)) > 0
    except DAMAGE:
        return True
