"""A disk on which some calls fail, for tests of the store's reaction."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from novaql.tsdb.disk.vfs import AppendFile, Buffer, Disk


@dataclass
class Refusals:
    """Which calls fail now. `room`: bytes that may still be written; None: unlimited."""

    room: int | None = None
    fsync: bool = False
    truncate: bool = False
    rename: bool = False
    fsyncs: list[int] = field(default_factory=list)


class FailingDisk(Disk):
    """The real disk, except for the calls in `refusals`."""

    def __init__(self) -> None:
        self.refusals = Refusals()

    def create(self, path: Path) -> AppendFile:
        return _FailingFile(super().create(path), self.refusals)

    def rename(self, old: Path, new: Path) -> None:
        if self.refusals.rename:
            raise OSError(errno.EIO, "rename refused")
        super().rename(old, new)


class _FailingFile(AppendFile):
    def __init__(self, file: AppendFile, refusals: Refusals) -> None:
        self._file, self._refusals = file, refusals

    @property
    def size(self) -> int:
        return self._file.size

    @size.setter
    def size(self, value: int) -> None:
        self._file.size = value

    def append(self, pieces: Sequence[Buffer]) -> None:
        room = self._refusals.room
        if room is None:
            self._file.append(pieces)
            return
        data = b"".join(bytes(piece) for piece in pieces)
        self._file.append([data[:room]])
        self._refusals.room = max(0, room - len(data))
        if len(data) > room:
            raise OSError(errno.ENOSPC, "no room left")

    def truncate(self, size: int) -> None:
        if self._refusals.truncate:
            raise OSError(errno.EIO, "truncate refused")
        self._file.truncate(size)

    def fsync(self) -> None:
        if self._refusals.fsync:
            raise OSError(errno.EIO, "fsync refused")
        self._refusals.fsyncs.append(self._file.size)
        self._file.fsync()

    def close(self) -> None:
        self._file.close()
