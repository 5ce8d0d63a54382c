"""Makes appended samples durable: syncs the log, and flushes the head to blocks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.errors import StoreError, WriteFailed
from novaql.tsdb.head.head import Head
from novaql.tsdb.options import StoreOptions, Sync
from novaql.tsdb.runtime.freed_memory import FREED_BYTES, return_freed_memory
from novaql.tsdb.store.state import StoreState

logger = logging.getLogger("tsdb")

HEAD_BYTES_PER_SERIES = 512
"""A head of many series may take this much for each: about 50 samples. Blocks with fewer samples of
a series cost more to merge than the memory is worth."""

SAMPLES_PER_SERIES = 32
"""A head of very many series may have more samples than `flush_samples`: this many of each series.
A flush and a query cost as much for a series of a block with 10 samples of it as for one with
50."""

HEAD_SERIES_BYTES = 512 << 20
"""The label sets of a head may take this much: those of about two million usual series. Without
this limit, a stream of new series with a sample each, or with long labels, would be in memory until
`flush_after_s`."""

SORTED_BYTES = 64 << 20
"""Bytes of samples from which a sort takes much longer than the return of memory after it."""


def is_full(head: Head, options: StoreOptions) -> bool:
    """Whether a head has to be flushed because of its size."""
    series = len(head.registry)
    samples = max(options.flush_samples, SAMPLES_PER_SERIES * series)
    most = max(options.flush_bytes, HEAD_BYTES_PER_SERIES * series)
    full = head.weight >= samples or head.nbytes >= most
    return full or head.registry.nbytes >= HEAD_SERIES_BYTES


class Flusher:
    """Readers and writers continue during a flush and a sync. `Database` describes the methods."""

    def __init__(
        self, state: StoreState, give_back: Callable[[], object] = return_freed_memory
    ) -> None:
        self._state = state
        self._give_back = give_back
        self.head_began = time.monotonic()
        """When the first sample of the head was appended; set by the writer."""
        self.request: Callable[[], None] = lambda: None
        """Requests `flush_if_due` in the background; returns at once."""
        self.appended_bytes = 0
        """Unsorted bytes of the samples since memory was last returned; set by the writer. Sorts
        and merges of runs free several times as much."""
        self._version = 0  # of the store at the last `flush_if_due`

    def sync(self) -> None:
        if self._state.log is not None and not self._state.closed:
            self._state.log.sync()

    def sync_if_due(self) -> None:
        if self._state.log is not None and self._state.log.pace.due:
            self.sync()

    def end_segment(self) -> Files:
        """End the open segment of the log, and return the files: copies of them then have
        everything that was appended before this call."""
        state = self._state
        state.require_open()
        if state.files is None:
            raise StoreError("a database in memory has no files to be copied")
        if state.log is not None:
            with state.write_lock:
                state.require_writable()
                state.log.rotate()
        return state.files

    def flush_if_due(self) -> None:
        state, options = self._state, self._state.options
        head = state.current.head
        waiting = head.unsorted_bytes
        head.sort_backlog()
        if waiting - head.unsorted_bytes >= SORTED_BYTES:
            self._give_back()
        old = time.monotonic() - self.head_began >= options.flush_after_s
        full = is_full(head, options)
        unsafe = state.log is not None and state.log.sync_failed
        if state.current.frozen or (head.appended and (old or full or unsafe)):
            self.flush(head)
        self._return_memory_at_rest()

    def _return_memory_at_rest(self) -> None:
        """Return freed memory once appends pause. Before, the next sort would use it again."""
        version, before = self._state.version, self._version
        self._version = version
        if version == before and self.appended_bytes >= FREED_BYTES:
            self.appended_bytes = 0
            self._give_back()

    def flush_before_close(self) -> None:
        """Flush if the next opening would have to read much of the log, or cannot rely on it."""
        current = self._state.current
        full = current.head.weight >= self._state.options.close_flush_samples
        if current.frozen or full or not self._log_is_safe():
            self.flush()

    def _log_is_safe(self) -> bool:
        """Whether the log is as durable as `sync` promises for a closed store."""
        log = self._state.log
        assert log is not None
        if self._state.options.sync is not Sync.OS:
            try:
                log.sync()
            except WriteFailed:
                return False
        return log.is_safe

    def flush(self, only: Head | None = None, *, empty: bool = False) -> None:
        """Flush all heads.

        only  a head that should be flushed; later ones stay, since the caller may have waited for
              another flush that wrote it
        empty  drop the log also if the head is empty
        """
        state = self._state
        with state.flush_lock:
            files = state.files
            if files is None:
                state.current.head.compact()
                return
            with state.write_lock:
                state.require_writable()
                if only is None or only is state.current.head:
                    self._freeze(empty=empty)
            # Readers see a frozen head until its blocks replace it in `current`, in one step.
            freed = 0
            while state.current.frozen:
                head, log_start = state.current.frozen[0]
                part = head.compact()
                freed += head.nbytes
                entries = files.commit_head(part, log_start, state.options.block_ms)
                with state.write_lock:
                    current = state.current
                    state.replaced_in_blocks = (
                        state.replaced_in_blocks[0] + sum(run.duplicates for run in part.runs),
                        state.replaced_in_blocks[1] + sum(run.conflicts for run in part.runs),
                    )
                    state.current = replace(
                        current,
                        blocks=(*current.blocks, *(state.block(entry) for entry in entries)),
                        frozen=current.frozen[1:],
                        tombstones=files.manifest.tombstones,
                    )
                del head, part
        if freed >= FREED_BYTES:
            self.appended_bytes = 0
            self._give_back()

    def _freeze(self, *, empty: bool) -> None:
        """Install a new head and start a new segment of the log, under `write_lock`."""
        state, current, log = self._state, self._state.current, self._state.log
        if current.head.appended == 0 and not empty:
            return
        assert log is not None
        log_start = log.rotate()
        log.sync_failed = False
        exemplars = state.exemplars.all()
        if len(exemplars):  # they are in no block, so the new segment has to contain them
            try:
                log.append_exemplars(exemplars)
            except WriteFailed as problem:
                logger.warning("%d exemplars are only in memory: %s", len(exemplars), problem)
        frozen = (*current.frozen, (current.head, log_start))
        state.current = replace(current, frozen=frozen, head=Head())
