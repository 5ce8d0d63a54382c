"""The only module that opens, reads, writes, syncs, renames and removes files.

All others use a `Disk`, which tests replace by one that fails or loses writes. `OSError` passes
through; callers know whether they were reading or writing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

Buffer = bytes | memoryview


class AppendFile(Protocol):
    """A file that grows at its end. `size` is the offset of the next append."""

    size: int

    def append(self, pieces: Sequence[Buffer]) -> None:
        """Write all pieces one after another. After an `OSError`, some of them may be in the
        file."""
        ...

    def truncate(self, size: int) -> None: ...
    def fsync(self) -> None: ...
    def close(self) -> None: ...


class ReadFile(Protocol):
    """A file to read at any offset, from any thread."""

    size: int

    def pread(self, offset: int, length: int) -> bytes:
        """Return `length` bytes; fewer only at the end of the file."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    """An exclusive claim on a directory, which ends with the process.

    left_behind  what the last holder noted, if it did not call `finish`
    is_new       there was no such file before, or it was empty
    """

    left_behind: str
    is_new: bool

    def note(self, text: str) -> None:
        """Add to what the next holder finds if this one does not call `finish`."""
        ...

    def finish(self) -> None:
        """Release, and leave no note."""
        ...

    def release(self) -> None:
        """Release. The next holder finds in `left_behind` what this one found or noted."""
        ...


class Disk(Protocol):
    """The file system operations that the store uses."""

    def create(self, path: Path) -> AppendFile:
        """Create an empty file. `FileExistsError` if it exists."""
        ...

    def extend(self, path: Path) -> AppendFile:
        """Open a file for appending that no other process has open for appending."""
        ...

    def read(self, path: Path) -> ReadFile: ...
    def read_all(self, path: Path) -> bytes: ...
    def truncate(self, path: Path, size: int) -> None:
        """Truncate a file that is not open for appending, and sync it."""
        ...

    def rename(self, old: Path, new: Path) -> None: ...
    def link(self, old: Path, new: Path) -> None:
        """Add a second name for a file. `OSError` if the file system cannot."""
        ...

    def unlink(self, path: Path) -> None: ...
    def fsync_dir(self, path: Path) -> None: ...
    def make_dir(self, path: Path) -> None:
        """Create a directory and its parents, unless it exists."""
        ...

    def names(self, path: Path) -> list[str]:
        """Return the names in a directory, sorted; none if there is no such directory."""
        ...

    def exists(self, path: Path) -> bool: ...
    def size(self, path: Path) -> int:
        """Return the size of a file. `FileNotFoundError` if there is none."""
        ...

    def is_file(self, path: Path) -> bool: ...
    def lock(self, path: Path, holder: str) -> Lock:
        """Lock a file for this process. `BlockingIOError` if another process has the lock; its
        args[0] is what that process wrote. `OSError` with ENOLCK or EOPNOTSUPP if the file system
        has no locks.

        holder  some 20 bytes, for people
        """
        ...


class _Descriptor:
    """A file descriptor, which is closed with the object at the latest."""

    _fd = -1  # until opening succeeds
    _close = staticmethod(os.close)  # `os` may be unloaded at the end of the process

    def close(self) -> None:
        if self._fd >= 0:
            self._close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class RealAppendFile(_Descriptor):
    """An `AppendFile` over a descriptor; each append is one system call."""

    def __init__(self, path: Path, *, new: bool = True) -> None:
        how = os.O_CREAT | os.O_EXCL if new else 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | how, 0o644)
        self.size = 0 if new else os.fstat(self._fd).st_size

    def append(self, pieces: Sequence[Buffer]) -> None:
        todo = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
        while todo:
            written = os.pwritev(self._fd, todo[:512], self.size)
            self.size += written
            while todo and written >= len(todo[0]):
                written -= len(todo.pop(0))
            if written:
                todo[0] = todo[0][written:]

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self.size = size

    def fsync(self) -> None:
        os.fdatasync(self._fd)


class RealReadFile(_Descriptor):
    """A `ReadFile` over a descriptor."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    def pread(self, offset: int, length: int) -> bytes:
        found = os.pread(self._fd, length, offset)
        while len(found) < min(length, max(0, self.size - offset)):
            more = os.pread(self._fd, length - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found


_HOLDER_BYTES = 64


class RealLock(_Descriptor):
    """flock on a file. The kernel releases it when the process ends, so no lock is stale, whatever
    the file says and whichever process has that number now.

    The content is overwritten in place, which needs no space on a full disk.
    """

    def __init__(self, path: Path, holder: str) -> None:
        self.is_new = not (path.exists() and path.stat().st_size)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = self._noted()
            self.release()
            raise BlockingIOError(other) from None
        except OSError:
            self.release()
            raise
        self.left_behind, self._holder = self._noted(), holder
        with contextlib.suppress(OSError):  # a store can be opened on a full disk
            self._write_note(holder)
            os.fsync(self._fd)

    def _noted(self) -> str:
        return os.pread(self._fd, 200, 0).decode(errors="replace").strip(" \n\0")

    def _write_note(self, text: str) -> None:
        os.pwrite(self._fd, text.encode()[: _HOLDER_BYTES - 1].ljust(_HOLDER_BYTES - 1) + b"\n", 0)

    def note(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._write_note(f"{self._holder}: {text}")

    def finish(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # the next holder then reports a missing close
                self._write_note("")
        self.release()

    def release(self) -> None:
        self.close()


class RealDisk:
    """The file system of this machine."""

    def create(self, path: Path) -> AppendFile:
        return RealAppendFile(path)

    def extend(self, path: Path) -> AppendFile:
        return RealAppendFile(path, new=False)

    def read(self, path: Path) -> ReadFile:
        return RealReadFile(path)

    def read_all(self, path: Path) -> bytes:
        return path.read_bytes()

    def truncate(self, path: Path, size: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)

    def link(self, old: Path, new: Path) -> None:
        os.link(old, new)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def fsync_dir(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def make_dir(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def exists(self, path: Path) -> bool:
        return path.exists()

    def size(self, path: Path) -> int:
        return path.stat().st_size

    def is_file(self, path: Path) -> bool:
        return path.is_file()

    def lock(self, path: Path, holder: str) -> Lock:
        return RealLock(path, holder)


def replace_file(disk: Disk, path: Path, content: bytes) -> None:
    """Replace a whole file atomically: after a crash it is the old or the new one."""
    fresh = path.with_name(path.name + ".new")
    if disk.exists(fresh):
        disk.unlink(fresh)
    file = disk.create(fresh)
    try:
        file.append([content])
        file.fsync()
    finally:
        file.close()
    disk.rename(fresh, path)
    disk.fsync_dir(path.parent)
