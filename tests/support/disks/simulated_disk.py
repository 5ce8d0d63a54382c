"""A disk in memory with two images: the state that programs see, and the state that survives a
power cut.

Bytes become safe by `fsync`, names by `fsync_dir`. A power cut preserves what is safe, and the part
of the rest that the `Cut` defines: nothing, some 4 KiB pages of some files, some of the changes of
names. A call may also fail, once or from some call on. Files are `bytes` objects, so copies of
images are cheap.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from novaql.tsdb.disk.vfs import AppendFile, Buffer, Disk, Lock, ReadFile
from tests.support.disks.disk_image import ROOT, STORE, Change, Cut, Image, Inode


class PowerCut(BaseException):
    """No later call has an effect. Not an `Exception`, so that no handler catches it."""


__all__ = ["STORE", "Cut", "Image", "PowerCut", "SimulatedDisk"]

Fault = Callable[[int, str], OSError | None]
"""(number of the call, its name) → the error to raise; None: no error."""


class SimulatedDisk(Disk):
    """A `Disk`. `calls` counts the calls that change something or wait for the disk."""

    def __init__(self, image: Image | None = None) -> None:
        self.image = Image(folders=ROOT, safe_folders=ROOT) if image is None else image.copy()
        self.calls = 0
        self.log: list[str] = []
        self.cut_at: int | None = None
        self.fault: Fault | None = None
        self.read_fault: Callable[[Path, int, int], bool] | None = None
        self.reads = 0
        self.failing_read: int | None = None
        """Number of the one call that only reads and that fails."""
        self.refused: Path | None = None
        """The file that this call would have read."""
        self.room: int | None = None
        """Bytes that may still be written; None: no end of them."""
        self.before_call: Callable[[int, str], None] | None = None
        self.locked: dict[Path, _SimulatedLock] = {}
        self.dead = False

    # Calls of programs

    def create(self, path: Path) -> AppendFile:
        self.call("create", path)
        if path in self.image.names:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        self._need_folder(path.parent)
        return _SimulatedAppendFile(self, self._new_inode(path), path)

    def extend(self, path: Path) -> AppendFile:
        self.call("extend", path)
        return _SimulatedAppendFile(self, self._inode(path), path)

    def read(self, path: Path) -> ReadFile:
        self.call_to_read(path)
        return _SimulatedReadFile(self, self._inode(path), path)

    def read_all(self, path: Path) -> bytes:
        file = self.read(path)
        return file.pread(0, file.size)

    def truncate(self, path: Path, size: int) -> None:
        self.call("truncate", path)
        number = self._inode(path)
        data = self.image.inodes[number].data[:size]
        self.image.inodes[number] = Inode(data, data)

    def rename(self, old: Path, new: Path) -> None:
        self.call("rename", old)
        number = self._inode(old)
        self._change(((old, None), (new, number)), new.parent)

    def link(self, old: Path, new: Path) -> None:
        self.call("link", old)
        number = self._inode(old)
        if new in self.image.names:
            raise FileExistsError(errno.EEXIST, "exists", str(new))
        self._need_folder(new.parent)
        self._change(((new, number),), new.parent)

    def unlink(self, path: Path) -> None:
        self.call("unlink", path)
        self._inode(path)
        self._change(((path, None),), path.parent)

    def fsync_dir(self, path: Path) -> None:
        self.call("fsync_dir", path)
        kept = []
        for change in self.image.pending:
            if any(name.parent == path for name, _ in change.names):
                for name, number in change.names:
                    if number is None:
                        self.image.safe_names.pop(name, None)
                    else:
                        self.image.safe_names[name] = number
            else:
                kept.append(change)
        self.image.pending = tuple(kept)
        made = {folder for folder in self.image.folders if folder.parent == path}
        self.image.safe_folders = self.image.safe_folders | made

    def make_dir(self, path: Path) -> None:
        if path not in self.image.folders:
            self.call("make_dir", path)
        self.image.folders = self.image.folders | {path, *path.parents}

    def names(self, path: Path) -> list[str]:
        self.call_to_read(path)
        found = {name.name for name in self.image.names if name.parent == path}
        return sorted(found | {one.name for one in self.image.folders if one.parent == path})

    def exists(self, path: Path) -> bool:
        self._need_power()
        return path in self.image.names or path in self.image.folders

    def size(self, path: Path) -> int:
        self._need_power()
        return len(self.image.inodes[self._inode(path)].data)

    def is_file(self, path: Path) -> bool:
        self._need_power()
        return path in self.image.names

    def lock(self, path: Path, holder: str) -> Lock:
        self._need_power()
        if path in self.locked:
            raise BlockingIOError(self.image.inodes[self._inode(path)].data.decode().strip())
        is_new = path not in self.image.names
        if is_new:
            self._need_folder(path.parent)
            self._new_inode(path)
        number = self._inode(path)
        is_new = not self.image.inodes[number].data
        left = self.image.inodes[number].data.decode(errors="replace").strip()
        lock = _SimulatedLock(self, path, number, left, is_new)
        self.locked[path] = lock
        lock.holder = holder
        lock.note("")
        return lock

    # Calls of tests

    def call(self, name: str, path: Path) -> None:
        """Record a call that changes something, before the change."""
        self._need_power()
        number = self.calls
        self.calls += 1
        self.log.append(f"{name} {path.name}")
        if self.before_call is not None:
            self.before_call(number, name)
        if self.cut_at == number:
            self.dead = True
            raise PowerCut
        if self.fault is not None:
            problem = self.fault(number, name)
            if problem is not None:
                raise problem
        if self.room is not None and self.room <= 0 and name in ("create", "make_dir", "link"):
            raise OSError(errno.ENOSPC, "no room left")

    def call_to_read(self, path: Path) -> None:
        """Record a call that only reads; these are counted separately."""
        self._need_power()
        number = self.reads
        self.reads += 1
        if number == self.failing_read:
            self.refused = path
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    def take_room(self, wanted: int) -> int:
        """Take up to this many bytes of the free space; return how many fit."""
        if self.room is None:
            return wanted
        taken = min(wanted, self.room)
        self.room -= taken
        return taken

    def kill(self) -> None:
        """End the process: its locks are released. The kernel has all written bytes."""
        self.locked.clear()

    def after_cut(self, cut: Cut, rng: random.Random) -> SimulatedDisk:
        return SimulatedDisk(self.image.after(cut, rng))

    def content(self) -> dict[Path, bytes]:
        return {path: self.image.inodes[n].data for path, n in self.image.names.items()}

    def put(self, path: Path, content: bytes) -> None:
        """Set a file's bytes, like corruption of an ageing disk."""
        number = self.image.names[path]
        self.image.inodes[number] = Inode(content, content)

    def _need_power(self) -> None:
        if self.dead:
            raise PowerCut

    def _need_folder(self, path: Path) -> None:
        if path not in self.image.folders:
            raise FileNotFoundError(errno.ENOENT, "no such directory", str(path))

    def _inode(self, path: Path) -> int:
        self._need_power()
        if path in self.image.names:
            return self.image.names[path]
        if path in self.image.folders:
            raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))

    def _new_inode(self, path: Path) -> int:
        number = self.image.next_inode
        self.image.next_inode += 1
        self.image.inodes[number] = Inode()
        self._change(((path, number),), path.parent)
        return number

    def _change(self, names: tuple[tuple[Path, int | None], ...], folder: Path) -> None:
        for path, number in names:
            if number is None:
                self.image.names.pop(path, None)
            else:
                self.image.names[path] = number
        self.image.pending = (*self.image.pending, Change(folder, names))


class _SimulatedAppendFile(AppendFile):
    def __init__(self, disk: SimulatedDisk, inode: int, path: Path) -> None:
        self._disk, self._inode, self._path = disk, inode, path
        self._poisoned = False
        self.size = len(disk.image.inodes[inode].data)

    def append(self, pieces: Sequence[Buffer]) -> None:
        data = b"".join(bytes(piece) for piece in pieces)
        problem: BaseException | None = None
        taken = len(data)
        try:
            self._disk.call("append", self._path)
        except (OSError, PowerCut) as failure:
            problem = failure
            taken = len(data) // 2  # a write that fails may be done in part
        fits = self._disk.take_room(taken)
        file = self._disk.image.inodes[self._inode]
        grown = file.data[: self.size].ljust(self.size, b"\0") + data[:fits]
        grown += file.data[len(grown) :]
        self._disk.image.inodes[self._inode] = replace(file, data=grown)
        self.size += fits
        if problem is not None:
            raise problem
        if fits < len(data):
            raise OSError(errno.ENOSPC, "no room left")

    def truncate(self, size: int) -> None:
        self._disk.call("ftruncate", self._path)
        file = self._disk.image.inodes[self._inode]
        self._disk.image.inodes[self._inode] = replace(file, data=file.data[:size])
        self.size = size

    def fsync(self) -> None:
        assert not self._poisoned, f"{self._path.name}: fsync again after it failed"
        inodes = self._disk.image.inodes
        try:
            self._disk.call("fsync", self._path)
        except OSError:
            self._poisoned = True
            inodes[self._inode] = replace(inodes[self._inode], dropped=True)
            raise
        file = inodes[self._inode]
        if not file.dropped:
            inodes[self._inode] = replace(file, safe=file.data)

    def close(self) -> None:
        pass


class _SimulatedReadFile(ReadFile):
    def __init__(self, disk: SimulatedDisk, inode: int, path: Path) -> None:
        self._disk, self._inode, self._path = disk, inode, path
        self.size = len(disk.image.inodes[inode].data)

    def pread(self, offset: int, length: int) -> bytes:
        self._disk.call_to_read(self._path)
        refuses = self._disk.read_fault
        if refuses is not None and refuses(self._path, offset, length):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._disk.image.inodes[self._inode].data[offset : offset + length]

    def close(self) -> None:
        pass


class _SimulatedLock(Lock):
    def __init__(
        self, disk: SimulatedDisk, path: Path, inode: int, left_behind: str, is_new: bool
    ) -> None:
        self._disk, self._path, self._inode = disk, path, inode
        self.left_behind, self.is_new, self.holder = left_behind, is_new, ""

    def note(self, text: str) -> None:
        content = f"{self.holder}: {text}\n".encode()
        self._disk.image.inodes[self._inode] = Inode(content, content)

    def finish(self) -> None:
        if self._disk.locked.get(self._path) is self and not self._disk.dead:
            blank = b"\n".rjust(64)
            self._disk.image.inodes[self._inode] = Inode(blank, blank)
        self.release()

    def release(self) -> None:
        if self._disk.locked.get(self._path) is self:
            del self._disk.locked[self._path]
