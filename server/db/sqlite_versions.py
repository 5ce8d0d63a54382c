"""Reads the versions of rows in a SQLite database, for the event loop."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from novaql.server.db.row_versions import TOTAL_OF, VERSIONS_OF, RowVersions
from novaql.server.db.wal_index import WalIndex


class SqliteVersions:
    """Reads versions with a dedicated connection. It never waits for a lock of the database, and
    calls SQLite only if there was a commit since the last read. Thread-safe.

    generation  identifies the file of the database
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: tuple[sqlite3.Connection, WalIndex] | None = None
        self._former: list[WalIndex] = []
        self._last: dict[str, tuple[bytes | None, RowVersions]] = {}
        self.generation = 0

    def of(self, path: str, tenant_id: str) -> RowVersions | None:
        """Return the versions of a tenant; None: they cannot be read now."""
        with self._lock:
            try:
                connection, index = self._opened(path)
                stamp = index.stamp()
                last_stamp, last = self._last.get(tenant_id, (None, None))
                if last is not None and stamp is not None and stamp == last_stamp:
                    return last
                (total,) = connection.execute(TOTAL_OF, (tenant_id,)).fetchone()
                if last is None or last.total != (total or 0):
                    rows = connection.execute(VERSIONS_OF, (tenant_id,)).fetchall()
                    last = RowVersions.of(self.generation, rows)
                self._last[tenant_id] = stamp, last
            except sqlite3.Error:
                return None
            return last

    def forget(self) -> None:
        """Invalidate all versions, because another file is the database from now on."""
        with self._lock:
            before, self._open = self._open, None
            self._last.clear()
            self.generation += 1
        if before is not None:
            connection, index = before
            connection.close()
            self._former.append(index)

    def close(self) -> None:
        """Close the files. Call it after the process has closed every connection to the
        database."""
        for index in self._former:
            index.close()
        self._former.clear()

    def _opened(self, path: str) -> tuple[sqlite3.Connection, WalIndex]:
        if self._open is None:
            connection = sqlite3.connect(path, timeout=0, check_same_thread=False)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            self._open = connection, WalIndex(Path(path))
        return self._open
