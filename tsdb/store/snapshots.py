"""Copies of a database while it is in use."""

from __future__ import annotations

from pathlib import Path

from novaql.tsdb.directory.store_directory import Files
from novaql.tsdb.errors import StoreError
from novaql.tsdb.maintenance import backup as copies
from novaql.tsdb.maintenance.backup import Copied
from novaql.tsdb.store.state import StoreState


class Snapshots:
    """Readers and writers continue; a copy has everything that was appended before the call."""

    def __init__(self, state: StoreState) -> None:
        self._state = state

    def snapshot(self, target: str | Path, *, skip_head: bool) -> Copied:
        """See `Database.snapshot`."""
        files, metadata = self._consistent_files(), self._state.metadata
        return copies.snapshot(
            files.path, target, log=not skip_head, metadata=metadata, disk=files.disk
        )

    def backup(self, target: str | Path) -> Copied:
        """See `Database.backup`."""
        files = self._consistent_files()
        return copies.backup(files.path, target, disk=files.disk)

    def _consistent_files(self) -> Files:
        """Return the directory, after the open segment of the log was ended."""
        state = self._state
        state.require_open()
        if state.files is None:
            raise StoreError("a database in memory has no files to be copied")
        if state.log is not None:
            with state.write_lock:
                state.log.rotate()
        return state.files
