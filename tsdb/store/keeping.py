"""Copies of a database while it is in use."""

from __future__ import annotations

from pathlib import Path

from novaql.tsdb.errors import StoreClosed, StoreError
from novaql.tsdb.maintenance import backup as copies
from novaql.tsdb.maintenance.backup import Copied
from novaql.tsdb.store.compacts import Compacts


class Snapshots(Compacts):
    """Readers and writers go on meanwhile; a copy holds all that was appended before the call."""

    def snapshot(self, target: str | Path, *, skip_head: bool = False) -> Copied:
        """Keep the database as it is in a new directory, by links where the file system has them.

        skip_head  leave out what is in no block yet

        What is there then is a store, to be opened or copied. Raises `TargetInUse` for a
        directory with something in it, `ReadFailed`, `WriteFailed`; after an error there is none.
        """
        source = self._whole()
        assert self._files is not None
        return copies.snapshot(
            source, target, log=not skip_head, metadata=self._metadata, disk=self._files.disk
        )

    def backup(self, target: str | Path) -> Copied:
        """Bring a copy in another directory up to date, or make it. See `tsdb.backup`."""
        source = self._whole()
        assert self._files is not None
        return copies.backup(source, target, disk=self._files.disk)

    def _whole(self) -> Path:
        """The directory, with every segment of the log that has something in it ended."""
        if self._closed:
            raise StoreClosed
        if self._files is None:
            raise StoreError("a database in memory has no files to be copied")
        if self._files.log is not None:
            with self._writing:
                self._files.log.rotate()
        return self._files.path
