"""Deleting samples: hidden at once, gone from the disk when blocks are rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from novaql.tsdb.block.reader import Block
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS
from novaql.tsdb.parts.tombstones import DeleteResult, Deletion, Tombstone
from novaql.tsdb.read import planner as reader
from novaql.tsdb.store.upkeep import Upkeep


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
        room when blocks are rewritten: by compaction, or at once by `clean_tombstones`. Where
        rollups alone are left, whole cells go: those with a sample in the range.

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
            return reader.count(self._parts(), sets, start_ms, end_ms, ReadErrors())
        with self._flushing, self._writing:
            self._need_writable()
            unreadable = ReadErrors()
            found = reader.count(self._parts(), sets, start_ms, end_ms, unreadable)
            # Of cells that a deletion touches nothing may be left, even if their last sample stays.
            if found.samples or unreadable or self.thinned(start_ms, end_ms):
                self._carry_out(deletion)
                self._note_change(start_ms, end_ms)
        return found

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
    if block.first_ms - block.thinned_ms > deletion.end_ms or block.last_ms < deletion.start_ms:
        return False
    try:
        return len(deletion.rows(block)) > 0
    except DAMAGE:
        return True
