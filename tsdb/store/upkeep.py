"""What keeps a database in order: syncing, flushing, checking, figures."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from novaql.tsdb.errors import StoreClosed, WriteFailed
from novaql.tsdb.head.head import Head
from novaql.tsdb.maintenance.check import Violation, check_blocks, check_log
from novaql.tsdb.options import StoreStats
from novaql.tsdb.store.reads import Reads

warnings = logging.getLogger("tsdb")


class Upkeep(Reads):
    """Everything here may be called at any time, beside readers and writers."""

    def sync(self) -> None:
        """Make everything appended so far durable. Raises `WriteFailed`."""
        files = self._files
        if files is not None and files.log is not None and not self._closed:
            files.log.sync()

    def sync_if_due(self) -> None:
        """Sync the log if its oldest record that is not safe is half of `sync_interval_s` old."""
        files = self._files
        if files is not None and files.log is not None and files.log.pace.due:
            self.sync()

    def flush_if_due(self) -> None:
        """Flush a head that is full, or old, or whose log the disk could not sync."""
        head = self._state.head
        old = time.monotonic() - self._first_append >= self.options.flush_after_s
        full = head.weight >= self.options.flush_samples
        files = self._files
        unsafe = files is not None and files.log is not None and files.log.sync_failed
        if self._state.frozen or (head.appended and (old or full or unsafe)):
            self.flush()

    def flush(self) -> None:
        """Move everything from the head into blocks, and give up its part of the log.

        In memory: sort the head into one layer. Readers and writers go on meanwhile. Raises
        `WriteFailed`; nothing is lost then, and the next flush tries again.
        """
        with self._flushing:
            files = self._files
            if files is None:
                self._state.head.compact()
                return
            with self._writing:
                self._need_writable()
                self._freeze()
            while self._state.frozen:
                head, log_start = self._state.frozen[0]
                part = head.compact()
                entries = files.commit_head(part, log_start, self.options.block_ms)
                with self._writing:
                    state = self._state
                    self._past = (
                        self._past[0] + sum(run.duplicates for run in part.runs),
                        self._past[1] + sum(run.conflicts for run in part.runs),
                    )
                    self._state = replace(
                        state,
                        blocks=(*state.blocks, *(self._block(entry) for entry in entries)),
                        frozen=state.frozen[1:],
                        tombstones=files.manifest.tombstones,
                    )

    def _freeze(self) -> None:
        """From here on samples go into a new head and a new segment of the log."""
        state = self._state
        if state.head.appended == 0:
            return
        assert self._files is not None
        log = self._files.log
        assert log is not None
        log_start = log.rotate()
        log.sync_failed = False
        exemplars = self._exemplars.all()
        if len(exemplars):  # the new segment has to tell of them when the old ones are gone
            try:
                log.append_exemplars(exemplars)
            except WriteFailed as problem:
                warnings.warning("%d exemplars are in memory alone: %s", len(exemplars), problem)
        frozen = (*state.frozen, (state.head, log_start))
        self._state = replace(state, frozen=frozen, head=Head())

    def stats(self) -> StoreStats:
        """Figures of this moment. Sorts what has arrived, as a read does."""
        span = self.time_range()
        state = self._state
        heads = [head.part() for head, _ in state.frozen] + [state.head.part()]
        runs = [run for part in heads for run in part.runs]
        log = None if self._files is None else self._files.log
        pages, tiles = self._pages.stats(), self._caches.tiles.stats()
        return StoreStats(
            version=self._version,
            blocks=len(state.blocks),
            block_samples=sum(block.entry.samples for block in state.blocks),
            block_bytes=sum(block.entry.bytes for block in state.blocks),
            head_series=heads[-1].index().rows,
            head_samples=sum(run.samples for run in runs),
            duplicates=self._past[0] + sum(run.duplicates for run in runs),
            conflicts=self._past[1] + sum(run.conflicts for run in runs),
            first_ms=None if span is None else span[0],
            last_ms=None if span is None else span[1],
            log_segment=0 if log is None else log.next_segment - 1,
            cache=pages + tiles,
        )

    def clear_pages(self) -> None:
        """Forget decoded pages and tiles, as if other queries had pushed them out."""
        self._pages.clear()
        self._caches.tiles.clear()

    def clear_cache(self) -> None:
        """Forget decoded pages and tiles, and which series matchers and ranges found."""
        self.clear_pages()
        self._caches.unions.clear()
        self._caches.plans.clear()
        self._lookups.clear()

    def check(self) -> list[Violation]:
        """Verify every checksum and invariant of the files. Empty: all is well."""
        if self._closed:
            raise StoreClosed
        if self._files is None:
            return []
        files = self._files
        with self._flushing:
            found = check_blocks(files.disk, files.path)
            with self._writing:  # a record that is half written would look torn
                return found + check_log(files.disk, files.path)
