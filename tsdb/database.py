"""A database of metrics: append, select, flush, close."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from novaql.tsdb.directory.open import open_files
from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.disk.vfs import Disk, RealDisk
from novaql.tsdb.errors import WriteFailed
from novaql.tsdb.head.head import Head
from novaql.tsdb.model.read_errors import DAMAGE
from novaql.tsdb.options import StoreOptions, Sync
from novaql.tsdb.runtime.periodic import PeriodicTask
from novaql.tsdb.store.writes import Writes

_ATTEMPTS = 3
"""A writer may replace blocks while a reader opens them."""


class Database(Writes):
    """Metrics on disk (`tsdb.open`) or in memory (`tsdb.memory`). A `Source`.

    One thread appends at a time; others wait. Readers never wait for a writer: each call looks at
    a list of unchanging parts. All methods may be called from any thread.
    """

    def __init__(self, files: Files | None, head: Head, options: StoreOptions) -> None:
        super().__init__(files, head, options)
        self._workers = self._start_workers()

    def _start_workers(self) -> list[PeriodicTask]:
        if self._files is None or self._read_only:
            return []
        workers = [PeriodicTask(self, "flush_if_due", 5.0), PeriodicTask(self, "maintain", 30.0)]
        if self.options.sync is Sync.INTERVAL:
            workers.append(PeriodicTask(self, "sync_if_due", self.options.sync_interval_s / 4))
        return workers

    def hold(self) -> bool:
        """Open the files of all blocks, which a writer beside may remove; whether that worked."""
        held = True
        for block in self._state.blocks:
            try:
                block.hold()
            except DAMAGE:  # who reads it is told
                held = False
        return held

    def close(self) -> None:
        """Finish: flush a large head, sync the log, let go of the directory. Again: nothing.

        Raises `WriteFailed` if the disk does not take what has to be safe now; the database is
        closed all the same.
        """
        self._stopping.set()
        for worker in self._workers:
            worker.stop()
        if self._closed:
            return
        files = self._files
        try:
            if files is not None and not self._read_only:
                state = self._state
                waiting = state.head.weight
                full = waiting >= self.options.close_flush_samples
                if state.frozen or full or not self._log_is_safe():
                    self.flush()
        finally:
            with self._writing:
                self._closed = True
                if files is not None:
                    files.close()

    def _log_is_safe(self) -> bool:
        """Whether the disk has the log, as far as the mode promises that for a closed store."""
        assert self._files is not None
        log = self._files.log
        assert log is not None
        if self.options.sync is not Sync.OS:
            try:
                log.sync()
            except WriteFailed:
                return False
        return log.is_safe

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_database(
    path: str | Path, *, sync: Sync | str, read_only: bool, disk: Disk | None, **options: Any
) -> Database:
    """See `tsdb.open`."""
    settings = StoreOptions(sync=Sync(sync), **options)
    attempt = 1
    while True:
        files, head = open_files(disk or RealDisk(), Path(path), settings, read_only=read_only)
        database = Database(files, head, settings)
        if not read_only or database.hold() or attempt == _ATTEMPTS:
            return database
        attempt += 1


def memory_database(**options: Any) -> Database:
    """See `tsdb.memory`."""
    return Database(None, Head(), StoreOptions(**options))
