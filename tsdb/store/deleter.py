"""Deletes samples: hides them at once; rewriting of blocks removes them from the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from novaql.tsdb.block.reader import Block
from novaql.tsdb.errors import InvalidDeletion, TooManyDeletions
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import DAMAGE, ReadErrors
from novaql.tsdb.parts.tombstones import (
    MOST_DELETION_BYTES,
    DeleteResult,
    Deletion,
    Tombstone,
    fullness,
    with_tombstone,
)
from novaql.tsdb.read import planner
from novaql.tsdb.store.state import StoreState


class Deleter:
    """A deletion excludes appends and flushes while it runs. `Database` describes it.

    apply_tombstones  applies earlier deletions, for a store that has too many
    """

    def __init__(self, state: StoreState, apply_tombstones: Callable[[], None]) -> None:
        self._state = state
        self._apply_tombstones = apply_tombstones

    def delete(
        self,
        matcher_sets: Sequence[Sequence[Matcher]],
        start_ms: int,
        end_ms: int,
        *,
        dry_run: bool,
    ) -> DeleteResult:
        state = self._state
        sets = tuple(tuple(matchers) for matchers in matcher_sets)
        if not sets or not all(sets):
            raise ValueError("a deletion needs matchers; one that matches everything does, too")
        if start_ms > end_ms:
            raise ValueError(f"the range ends at {end_ms}, before it begins at {start_ms}")
        deletion = Deletion(sets, start_ms, end_ms)
        size = len(Tombstone(deletion, frozenset(), 0).encoded)
        if size > MOST_DELETION_BYTES:
            most = f"more than {MOST_DELETION_BYTES}; use several deletions"
            raise InvalidDeletion(f"the matchers of the deletion take {size} bytes, {most}")
        if dry_run:
            return planner.count(state.parts(), sets, start_ms, end_ms, ReadErrors())
        try:
            return self._delete(deletion)
        except TooManyDeletions:
            self._apply_tombstones()  # without a lock, since it may take long
        return self._delete(deletion)

    def _delete(self, deletion: Deletion) -> DeleteResult:
        state, sets = self._state, deletion.matcher_sets
        start_ms, end_ms = deletion.start_ms, deletion.end_ms
        with state.flush_lock, state.write_lock:
            state.require_writable()
            unreadable = ReadErrors()
            found = planner.count(state.parts(), sets, start_ms, end_ms, unreadable)
            # A deletion removes whole cells of a downsampled block, also those whose only sample
            # is outside of the range.
            if found.samples or unreadable or state.downsampled_range(start_ms, end_ms):
                blocks = state.current.blocks
                hit = frozenset(b.entry.name for b in blocks if _may_match(b, deletion))
                if found.samples or not hit <= self._hidden_in(deletion):
                    self._apply(deletion, hit)
                    state.note_change(start_ms, end_ms)
        return found

    def _hidden_in(self, deletion: Deletion) -> frozenset[str]:
        """Names of the blocks to which an equal deletion applies already."""
        equal = (one for one in self._state.current.tombstones if one.deletion == deletion)
        return frozenset[str]().union(*(tombstone.blocks for tombstone in equal))

    def _apply(self, deletion: Deletion, hit: frozenset[str]) -> None:
        state, current = self._state, self._state.current
        if state.files is not None and state.log is not None:
            waiting = current.tombstones
            if fullness(with_tombstone(waiting, Tombstone(deletion, hit, 0))) > 1:
                raise TooManyDeletions(
                    f"{len(waiting)} deletions wait until their blocks are rewritten, and the "
                    "store may have no more; delete more series at once, or try again later"
                )
            # The rotation ends the segments that contain the samples of all heads, so that the
            # tombstone applies to them and not to later appends.
            state.files.commit_tombstone(Tombstone(deletion, hit, state.log.rotate()))
            current = replace(current, tombstones=state.files.manifest.tombstones)
        parts = [head.without(deletion) for head in current.heads]
        state.exemplars.delete(deletion)
        state.swap(parts, current)


def _may_match(block: Block, deletion: Deletion) -> bool:
    """Whether a block may have series and time of a deletion. True if its index is damaged."""
    if block.first_ms - block.downsampled_ms > deletion.end_ms or block.last_ms < deletion.start_ms:
        return False
    try:
        return len(deletion.rows(block)) > 0
    except DAMAGE:
        return True
