"""The only module that opens, reads, writes, syncs, renames and removes files.

All others use a `Disk`, which tests replace by one that fails or loses writes. `OSError` passes
through; callers distinguish reads and writes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from novaql.tsdb.disk import portable

Buffer = bytes | memoryview


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


class AppendFile(_Descriptor):
    """A file that grows at its end. `size` is the offset of the next append."""

    size: int

    def __init__(self, path: Path, *, new: bool = True) -> None:
        how = os.O_CREAT | os.O_EXCL if new else 0
        self._fd = os.open(path, portable.BINARY | os.O_WRONLY | how, 0o644)
        self.size = 0 if new else os.fstat(self._fd).st_size

    def append(self, pieces: Sequence[Buffer]) -> None:
        """Write all pieces one after another, in one system call. After an `OSError`, some of them
        may be in the file."""
        todo = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
        while todo:
            written = portable.pwritev(self._fd, todo[:512], self.size)
            self.size += written
            while todo and written >= len(todo[0]):
                written -= len(todo.pop(0))
            if written:
                todo[0] = todo[0][written:]

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self.size = size

    def fsync(self) -> None:
        portable.sync(self._fd)


class ReadFile(_Descriptor):
    """A file to read at any offset, from any thread."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, portable.BINARY | os.O_RDONLY)
        self.size = os.fstat(self._fd).st_size

    def pread(self, offset: int, length: int) -> bytes:
        """Return `length` bytes; fewer only at the end of the file."""
        found = portable.pread(self._fd, length, offset)
        while len(found) < min(length, max(0, self.size - offset)):
            more = portable.pread(self._fd, length - len(found), offset + len(found))
            if not more:
                break
            found += more
        return found


_HOLDER_BYTES = 64


class Lock(_Descriptor):
    """An exclusive claim on a directory: flock on a file. The kernel releases it when the process
    ends, so no lock is stale, whatever the file contains and whichever process has that number now.

    The content is overwritten in place, which needs no space on a full disk.

    left_behind  what the last holder noted, if it did not call `finish`
    is_new       there was no such file before, or it was empty
    """

    def __init__(self, path: Path, holder: str) -> None:
        self.is_new = not (path.exists() and path.stat().st_size)
        self._fd = os.open(path, portable.BINARY | os.O_RDWR | os.O_CREAT, 0o644)
        try:
            portable.lock(self._fd)
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
            portable.sync(self._fd)

    def _noted(self) -> str:
        return portable.pread(self._fd, 200, 0).decode(errors="replace").strip(" \n\0")

    def _write_note(self, text: str) -> None:
        portable.pwrite(
            self._fd, text.encode()[: _HOLDER_BYTES - 1].ljust(_HOLDER_BYTES - 1) + b"\n", 0
        )

    def note(self, text: str) -> None:
        """Add a note, which the next holder finds if this one does not call `finish`."""
        with contextlib.suppress(OSError):
            self._write_note(f"{self._holder}: {text}")

    def finish(self) -> None:
        """Release the lock, and leave no note."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # the next holder then reports a missing close
                self._write_note("")
        self.release()

    def release(self) -> None:
        """Release the lock. The next holder finds the notes that this one found or added."""
        self.close()


class Disk:
    """The operations of the file system that the store uses. Tests override all of them."""

    def create(self, path: Path) -> AppendFile:
        """Create an empty file. `FileExistsError` if it exists."""
        return AppendFile(path)

    def extend(self, path: Path) -> AppendFile:
        """Open a file for appending that no other process has open for appending."""
        return AppendFile(path, new=False)

    def read(self, path: Path) -> ReadFile:
        return ReadFile(path)

    def read_all(self, path: Path) -> bytes:
        return path.read_bytes()

    def truncate(self, path: Path, size: int) -> None:
        """Truncate a file that is not open for appending, and sync it."""
        fd = os.open(path, portable.BINARY | os.O_WRONLY)
        try:
            os.ftruncate(fd, size)
            portable.sync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def link(self, old: Path, new: Path) -> None:
        """Add a second name for a file. `OSError` if the file system cannot."""
        os.link(old, new)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def fsync_dir(self, path: Path) -> None:
        portable.sync_directory(path)

    def make_dir(self, path: Path) -> None:
        """Create a directory and its parents, unless it exists."""
        path.mkdir(parents=True, exist_ok=True)

    def names(self, path: Path) -> list[str]:
        """Return the names in a directory, sorted; none if there is no such directory."""
        try:
            return sorted(os.listdir(path))
        except FileNotFoundError:
            return []

    def exists(self, path: Path) -> bool:
        return path.exists()

    def size(self, path: Path) -> int:
        """Return the size of a file. `FileNotFoundError` if there is none."""
        return path.stat().st_size

    def is_file(self, path: Path) -> bool:
        return path.is_file()

    def lock(self, path: Path, holder: str) -> Lock:
        """Lock a file for this process. `BlockingIOError` if another process has the lock; its
        args[0] is what that process wrote. `OSError` with ENOLCK or EOPNOTSUPP if the file system
        has no locks.

        holder  some 20 bytes, for people
        """
        return Lock(path, holder)


@contextlib.contextmanager
def new_file(disk: Disk, path: Path) -> Iterator[AppendFile]:
    """Create a file, in place of one that an earlier attempt left, and sync its content at the end.
    After an exception the file does not exist."""
    if disk.exists(path):
        disk.unlink(path)
    file = disk.create(path)
    try:
        yield file
        file.fsync()
    except BaseException:
        file.close()
        with contextlib.suppress(OSError):  # the next attempt removes it
            disk.unlink(path)
        raise
    file.close()


def replace_file(disk: Disk, path: Path, content: bytes) -> None:
    """Replace a whole file atomically: after a crash it is the old or the new one."""
    fresh = path.with_name(path.name + ".new")
    with new_file(disk, fresh) as file:
        file.append([content])
    disk.rename(fresh, path)
    disk.fsync_dir(path.parent)
