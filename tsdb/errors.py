"""The errors that the store raises.

StoreError
├── StoreNotFound     there is no store at this path
├── NotAStore         the path holds something else
├── StoreLocked       another process (or another Database) writes here
├── TargetInUse       a copy cannot be put there: something else is
├── StoreClosed       the database was closed
├── ReadOnly          a write to a store that was opened for reading
│   └── ForkedStore   … or before a fork, by the parent of this process
├── InvalidBatch      the batch breaks the contract of `Batch`; nothing of it was stored
├── InvalidDeletion   the matchers of a deletion are too long; nothing was deleted
├── WriteFailed       the disk refused a write; it is not acknowledged, trying again is right
│   ├── StorageFull   … because there is no space left
│   ├── ReadOnlyDisk  … because the file system is mounted read-only
│   └── TooManyDeletions  … by the store itself: earlier deletions have to be applied first
├── ReadFailed        the disk refused a read
│   └── Unreadable    … of one place in a file, which it names
└── Corrupted         bytes on disk are not what was written: names the file and the place
    └── UnknownFormat a newer version wrote this
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any


class PicklableError(Exception):
    """An exception that pickles and copies with its attributes, whatever `__init__` takes."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python's own calls the class with `args`, which is the message alone.
        made = super().__reduce__()
        assert isinstance(made, tuple)
        _, arguments, *state = made
        return _restored, (type(self), arguments), *state


def _restored(kind: type[PicklableError], arguments: tuple[Any, ...]) -> PicklableError:
    return kind.__new__(kind, *arguments)


class StoreError(PicklableError):
    """The base class of these errors."""


class StoreNotFound(StoreError):
    """There is no store at this path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"there is no store at {path}")


class NotAStore(StoreError):
    """The path is a file, or a directory with files that are not of a store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        folder = "holds other files and no store; name the folder of a database, or a new one"
        what = "is a file, not the folder of a store" if path.is_file() else folder
        super().__init__(f"{path} {what}")


class StoreLocked(StoreError):
    """Another writer has locked the store. `holder` is the text that it wrote to the lock file."""

    def __init__(self, path: Path, holder: str) -> None:
        self.path, self.holder = path, holder
        super().__init__(
            f"{path} is being written by {holder or 'another process'}: stop it first; "
            "a database has one writer, and can be read meanwhile"
        )


class TargetInUse(StoreError):
    """The target of a copy exists and is not empty. Nothing was changed."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class StoreClosed(StoreError):
    """The database was closed before this call."""

    def __init__(self) -> None:
        super().__init__("this database is closed")


class ReadOnly(StoreError):
    """A write to a store that was opened with `read_only=True`."""

    def __init__(self) -> None:
        super().__init__("this database was opened for reading only")


class ForkedStore(ReadOnly):
    """A write in a process that was forked from the one that has the store open for writing.

    Both would append to one log, and each overwrite what the other has acknowledged.
    """

    def __init__(self, path: Path, writer: int) -> None:
        self.path, self.writer = path, writer
        StoreError.__init__(
            self,
            f"process {writer} writes to {path}; this process, which it forked, only reads: "
            "write there, or open the database after the fork",
        )


class InvalidBatch(StoreError, ValueError):
    """A batch that cannot be stored. Nothing of it was stored."""


class InvalidDeletion(StoreError, ValueError):
    """A deletion whose matchers are too long. Nothing was deleted."""


class WriteFailed(StoreError):
    """The disk refused a write. The data of the call is not stored; the call may be repeated."""


class StorageFull(WriteFailed):
    """No space is left, or a quota is used up. Reads continue; writes do when there is space."""


class ReadOnlyDisk(WriteFailed):
    """The file system is mounted read-only. The store can be opened with `read_only=True`."""


class TooManyDeletions(WriteFailed):
    """The store has as many tombstones as it may have: 10 000, in 8 MiB of its manifest.

    A deletion beyond that rewrites their blocks first. This error means that another thread
    rewrites blocks at the moment, or that blocks cannot be rewritten, since they are damaged or
    have only rollups.
    """


class ReadFailed(StoreError):
    """The disk refused a read."""


class Unreadable(ReadFailed):
    """The disk refused to read one place of a file. The rest of it may be readable.

    path, place  as those of `Corrupted`
    """

    def __init__(self, path: Path, place: str, problem: OSError) -> None:
        self.path, self.place = path, place
        self.reason = problem.strerror or str(problem)
        super().__init__(f"{path}: {place}: {self.reason}")


class Corrupted(StoreError):
    """Bytes on disk are not those that were written.

    path    the file
    place   which part of it: "header", "page 7", …
    """

    def __init__(self, path: Path, place: str, reason: str) -> None:
        self.path, self.place, self.reason = path, place, reason
        super().__init__(f"{path}: {place}: {reason}")


class UnknownFormat(Corrupted):
    """A version of the format that this program does not support."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_failure(problem: OSError, what: str) -> WriteFailed:
    """Return the error for a write, fsync or rename that failed."""
    kind: type[WriteFailed] = StorageFull if problem.errno in FULL else WriteFailed
    if problem.errno == errno.EROFS:
        kind = ReadOnlyDisk
    return kind(f"{what}: {problem.strerror or problem}")
