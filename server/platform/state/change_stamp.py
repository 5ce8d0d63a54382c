"""What changes whenever anyone commits to a SQLite database, read without asking SQLite.

`PRAGMA data_version` tells it, by system calls and with the interpreter's lock given away several
times. Under load somebody else has the lock then, and the event loop waits for it, for every
request. The same is in the first bytes of the index of the write-ahead log, which all processes
that use the database have in common in memory (https://sqlite.org/walformat.html, "The WAL-Index
Header"): counts, salts and checksums that every commit changes before it returns. To look at them
is to copy forty bytes.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

_FORMAT = 3_007_000
"""Of the index; every SQLite that can share one with others writes this."""

_HEADER, _COUNTED = slice(0, 48), slice(8, 48)
_INITIALISED = 12


class ChangeStamp:
    """The stamp of one database.

    source  a connection of the pool, for this alone: while it is open the index is there

    Closing any descriptor of a file gives up the locks that the process has on it, SQLite's among
    them. So the index is opened once, and `close` is for when nobody uses the database any more.
    """

    def __init__(self, source: Any, path: Path) -> None:
        self._source = source
        self._driver: sqlite3.Connection = source.driver_connection
        self._driver.execute("SELECT count(*) FROM sqlite_master").fetchone()
        self._descriptor = -1
        self._index: mmap.mmap | None = None
        try:
            self._descriptor = os.open(f"{path}-shm", os.O_RDONLY)
            self._index = mmap.mmap(self._descriptor, mmap.PAGESIZE, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return  # in another mode than WAL, or where files cannot be mapped
        if not _is_known(self._index[_HEADER]):
            self._index = None  # left open, because of the locks

    def read(self) -> int:
        """The stamp. Raises `sqlite3.OperationalError` if it has to be asked for, and fails."""
        if self._index is not None:
            return int.from_bytes(self._index[_COUNTED], sys.byteorder)
        return int(self._driver.execute("PRAGMA data_version").fetchone()[0])

    @property
    def counts_commits(self) -> bool:
        """Whether the lowest 32 bits of a stamp are one more after each commit."""
        return self._index is not None and sys.byteorder == "little"

    def close(self) -> None:
        """Let go of the index and of the connection."""
        self._source.close()
        if self._index is not None:
            self._index.close()
            self._index = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_known(header: bytes) -> bool:
    return int.from_bytes(header[:4], sys.byteorder) == _FORMAT and header[_INITIALISED] == 1
