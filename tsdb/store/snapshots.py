"""Copies of a database while it is in use."""

from __future__ import annotations

from pathlib import Path

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
        source = self._consistent_directory()
        assert self._state.files is not None
        metadata, disk = self._state.metadata, self._state.files.disk
        return copies.snapshot(source, target, log=not skip_head, metadata=metadata, disk=disk)

    def backup(self, target: str | Path) -> Copied:
        """See `Database.backup`."""
        source = self._consistent_directory()
        assert self._state.files is not None
        return copies.backup(source, target, disk=self._state.files.disk)

    def _consistent_directory(self) -> Path:
        """Return the directory, after the open segment of the log was ended."""
        state = self._state
        state.require_open()
        if state.files is None:
            raise StoreError("a database in memory has no files to be copied")
        if state.log is not None:
            with state.write_lock:
                state.log.rotate()
        return state.files.path
