"""Bounds the files of blocks that the process has open, over all of its stores.

A read opens the file of its block, which stays open for later reads. Beyond the bound, the file
that was read least recently is closed, and its next read opens it again by its name. So the store
removes the name of a block only when no reader has the block (`store/compactor.py`).
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from pathlib import Path

from novaql.tsdb.disk import portable
from novaql.tsdb.disk.vfs import Disk, ReadFile
from novaql.tsdb.errors import Corrupted, Unreadable
from novaql.tsdb.runtime.forks import after_fork

LEAST_OPEN, MOST_OPEN = 64, 1024
SHARE = 4
"""Blocks have a quarter of the files that the process may open: a server reserves half for
connections."""


def most_open() -> int:
    """Return the largest number of open files of blocks. A server raises the limit of the process
    when it starts, so this number may change."""
    return min(max(portable.most_open_files() // SHARE, LEAST_OPEN), MOST_OPEN)


class OpenFiles:
    """Open files by the number of their `BlockFile`. Thread-safe.

    A file that is removed here is closed when the last read of it ends, since the read refers to
    it, too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[int, ReadFile] = OrderedDict()
        self._held: dict[int, ReadFile] = {}

    def forked(self) -> None:
        """Replace the lock in a forked process, in which its holder may not exist."""
        self._lock = threading.Lock()

    def get(self, number: int) -> ReadFile | None:
        """Return an open file, which is then the last one to be closed."""
        held = self._held.get(number)
        if held is not None:
            return held
        with self._lock:
            found = self._recent.get(number)
            if found is not None:
                self._recent.move_to_end(number)
        return found

    def add(self, number: int, file: ReadFile, *, hold: bool = False) -> None:
        """Add an open file; hold: do not close it, unless half of the bound is held already."""
        most = most_open()
        closed = []
        with self._lock:
            if hold and len(self._held) < most // 2:
                self._held[number] = file
            else:
                closed.append(self._recent.pop(number, None))  # of another thread
                self._recent[number] = file
            for _ in range(len(self._recent) + len(self._held) - most):
                if not self._recent:  # `remove` takes no lock
                    break
                closed.append(self._recent.popitem(last=False)[1])

    def remove(self, number: int) -> None:
        """Close a file when the last read of it ends. Takes no lock: a collection of garbage may
        call this in a thread that has the lock."""
        self._recent.pop(number, None)
        self._held.pop(number, None)


OPEN_FILES = OpenFiles()
"""Those of this process."""

after_fork(OPEN_FILES.forked)

_numbers = itertools.count()


class BlockFile:
    """The file of a block, which is open while it is used and closed with this object at the
    latest. Whatever reads the block refers to this object."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._number = next(_numbers)
        self._files = OPEN_FILES  # which the end of the process may unload before this object

    def opened(self) -> ReadFile:
        """Return the open file, for one read. Raises `Corrupted` or `Unreadable`."""
        found = self._files.get(self._number)
        if found is None:
            found = self._open()
            self._files.add(self._number, found)
        return found

    def hold(self) -> None:
        """Open the file and let it stay open, as far as the bound permits, so that it can be read
        after another process removes its name. Raises `Corrupted` or `Unreadable`."""
        self._files.add(self._number, self._open(), hold=True)

    def _open(self) -> ReadFile:
        try:
            return self._disk.read(self._path)
        except FileNotFoundError:
            raise Corrupted(self._path, "file", "it is missing") from None
        except OSError as problem:
            raise Unreadable(self._path, "file", problem) from problem

    def close(self) -> None:
        """Close the file. A later read opens it again."""
        self._files.remove(self._number)

    def __del__(self) -> None:
        self.close()
