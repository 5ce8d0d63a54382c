"""The only module that opens, reads, writes, syncs, renames and removes files.

Everything else holds a `Disk` and calls it, so a disk that fails or forgets can take its place.
`OSError` passes through; callers know whether they were reading or writing.
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
    """A file that grows at its end. `size` is where the next append goes."""

    size: int

    def append(self, pieces: Sequence[Buffer]) -> None:
        """Write all pieces one after the other. On `OSError`, some of them may be there."""
        ...

    def truncate(self, size: int) -> None: ...
    def fsync(self) -> None: ...
    def close(self) -> None: ...


class ReadFile(Protocol):
    """A file to read at any place, from any thread."""

    size: int

    def pread(self, offset: int, length: int) -> bytes:
        """Fewer bytes than asked for only at the end of the file."""
        ...

    def close(self) -> None: ...


class Lock(Protocol):
    """An exclusive claim on a directory; goes away with the process that made it.

    left_behind  what the holder before this one wrote, if it never came to `finish`
    is_new       there was no such file before, or nothing in it
    """

    left_behind: str
    is_new: bool

    def note(self, text: str) -> None:
        """Add this to what the next holder finds, should this one not come to `finish`."""
        ...

    def finish(self) -> None:
        """All is done: let go, and leave nothing behind."""
        ...

    def release(self) -> None:
        """Let go. The next one finds in `left_behind` what this one found, or wrote."""
        ...


class Disk(Protocol):
    """What the store asks of a file system."""

    def create(self, path: Path) -> AppendFile:
        """A new, empty file. `FileExistsError` if there is one."""
        ...

    def extend(self, path: Path) -> AppendFile:
        """A file that exists and that nobody else has open for appending."""
        ...

    def read(self, path: Path) -> ReadFile: ...
    def read_all(self, path: Path) -> bytes: ...
    def truncate(self, path: Path, size: int) -> None:
        """Cut a file that nobody has open for appending, and sync it."""
        ...

    def rename(self, old: Path, new: Path) -> None: ...
    def link(self, old: Path, new: Path) -> None:
        """A second name for a file. `OSError` where the file system cannot."""
        ...

    def unlink(self, path: Path) -> None: ...
    def fsync_dir(self, path: Path) -> None: ...
    def make_dir(self, path: Path) -> None:
        """Also parents. A directory that is there already is fine."""
        ...

    def names(self, path: Path) -> list[str]:
        """Names in a directory, sorted; none if there is no such directory."""
        ...

    def exists(self, path: Path) -> bool: ...
    def size(self, path: Path) -> int:
        """Bytes of a file. `FileNotFoundError` if there is none."""
        ...

    def is_file(self, path: Path) -> bool: ...
    def lock(self, path: Path, holder: str) -> Lock:
        """Claim a file for this process. `BlockingIOError` if another holds it; its args[0] is what
        that one wrote. `OSError` with ENOLCK or EOPNOTSUPP where the file system has no locks.

        holder  some 20 bytes, for people
        """
        ...


class RealAppendFile:
    """`AppendFile` over a descriptor; every append goes to the kernel at once."""

    _fd = -1  # if opening fails

    def __init__(self, path: Path, *, new: bool = True) -> None:
        how = os.O_CREAT | os.O_EXCL if new else 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | how, 0o644)
        self._close = os.close  # at the end of the process, when `os` may be gone
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

    def close(self) -> None:
        if self._fd >= 0:
            self._close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


class RealReadFile:
    """`ReadFile` over a descriptor."""

    _fd = -1

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._close = os.close
        self.size = os.fstat(self._fd).st_size

    def pread(self, offset: int, length: int) -> bytes:
        found = os.pread(self._fd, length, offset)
        while len(found) < min(length, max(0, self.size - offset)):
            more = os.pread(self._fd, length - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found

    def close(self) -> None:
        if self._fd >= 0:
            self._close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()


_HOLDER_BYTES = 64


class RealLock:
    """flock on a file. The kernel lets go when the process ends, so no lock can be stale, whatever
    the file says and whoever has that process number now.

    What the file says is overwritten in place: that needs no space on a full disk.
    """

    _fd = -1

    def __init__(self, path: Path, holder: str) -> None:
        self.is_new = not (path.exists() and path.stat().st_size)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._close = os.close
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = self._said()
            self.release()
            raise BlockingIOError(other) from None
        except OSError:
            self.release()
            raise
        self.left_behind, self._holder = self._said(), holder
        with contextlib.suppress(OSError):  # a full disk does not keep a store from opening
            self._say(holder)
            os.fsync(self._fd)

    def _said(self) -> str:
        return os.pread(self._fd, 200, 0).decode(errors="replace").strip(" \n\0")

    def _say(self, text: str) -> None:
        os.pwrite(self._fd, text.encode()[: _HOLDER_BYTES - 1].ljust(_HOLDER_BYTES - 1) + b"\n", 0)

    def note(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._say(f"{self._holder}: {text}")

    def finish(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # then the next one hears of a close that was none
                self._say("")
        self.release()

    def release(self) -> None:
        if self._fd >= 0:
            self._close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.release()


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
    """Put a whole file in place of another at once: after a crash it is the old or the new one."""
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
