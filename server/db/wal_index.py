"""Whether anyone has committed to a SQLite database, without a call of SQLite.

The first bytes of the index of the write-ahead log hold counts, salts and checksums that every
commit changes, whichever process makes it (https://sqlite.org/walformat.html, "The WAL-Index
Header"). All processes that use the database map this file. A copy of 40 bytes takes half a
microsecond. A query takes 20 µs, and releases the interpreter's lock: beside threads that compute,
the event loop would wait to acquire it again, for every request.
"""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path

_FORMAT = 3_007_000
"""Version of the index, which all SQLite releases since 2010 write."""
_INITIALISED = 12
_HEADER, _CHANGING = slice(0, 48), slice(8, 48)


class WalIndex:
    """The index of one database, which a connection of this process must have open.

    Closing any descriptor of a file releases the locks that the process has on it, SQLite's among
    them. So `close` is for when the process has closed every connection to the database.
    """

    def __init__(self, database: Path) -> None:
        self._map: mmap.mmap | None = None
        self.known = False
        try:
            self._descriptor = os.open(f"{database}-shm", os.O_RDONLY)
        except OSError:  # another journal mode
            self._descriptor = -1
            return
        try:
            self._map = mmap.mmap(self._descriptor, mmap.PAGESIZE, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # a file system that cannot map files
            return
        header = self._map[_HEADER]
        version = int.from_bytes(header[:4], sys.byteorder)
        self.known = version == _FORMAT and header[_INITIALISED] == 1

    def stamp(self) -> bytes | None:
        """Different after each commit; None: it cannot be read."""
        return self._map[_CHANGING] if self._map is not None and self.known else None

    def close(self) -> None:
        """Close the file."""
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
