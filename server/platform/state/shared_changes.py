"""What the processes that use a SQLite database tell each other of their commits.

A commit moves the stamp of the database for everybody, but which tables it changed only the one who
made it knows. It writes that into a file beside the database, which all of them have mapped: for
each of the last commits the stamps before and after it, the tables, and whether it is quiet. Who
sees a stamp that it does not know goes from the last that it knew to that one, commit by commit; if
one is not there (another program made it, or too many followed), anything may have changed.

Nothing here is needed after a crash, and nothing that is torn or old can be taken for true: an
entry counts only for the very state of the database that it begins from, and with its checksum.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

_STAMP = 40
_SLOTS, _SLOT, _HEAD = 64, 1024, 4096
_FIELDS = struct.Struct(f"<I?H{_STAMP}s{_STAMP}s")
_UNDER_WAY = struct.Struct(f"<I{_STAMP}sd")
_COUNTER = 0xFFFF_FFFF
LONGEST_COMMIT_S = 0.1
"""Who has begun a commit and not ended it for so long was killed, perhaps."""


class Commit(NamedTuple):
    """One commit: the stamp after it, the tables that it changed, and whether it is quiet."""

    after: int
    tables: frozenset[str]
    quiet: bool


class SharedChanges:
    """The file, mapped. Raises `OSError` where that cannot be.

    Stamps are those of `change_stamp.py`, whose lowest bytes count commits.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = _HEAD + _SLOTS * _SLOT
            # All of it has its place on the disk: who writes to memory whose page finds none when
            # the disk is full is killed.
            os.posix_fallocate(descriptor, 0, size)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)

    def begin(self, before: int) -> None:
        """A commit is under way, by the one who has the database's write lock."""
        stamp = _bytes(before)
        now = time.time()
        check = crc32(stamp + struct.pack("<d", now))
        self._map[: _UNDER_WAY.size] = _UNDER_WAY.pack(check, stamp, now)

    def is_under_way(self, before: int) -> bool:
        """Whether somebody is committing to that state of the database, or was killed just now."""
        check, stamp, began = _UNDER_WAY.unpack_from(self._map)
        if stamp != _bytes(before) or check != crc32(stamp + struct.pack("<d", began)):
            return False
        return bool(abs(time.time() - began) < LONGEST_COMMIT_S)

    def end(self, before: int, commit: Commit | None) -> None:
        """What became of it. None: nothing is known of it, or there was none."""
        if commit is not None:
            names = "\n".join(sorted(commit.tables)).encode()
            if len(names) <= _SLOT - _FIELDS.size:
                stamps = _bytes(before), _bytes(commit.after)
                body = _FIELDS.pack(0, commit.quiet, len(names), *stamps)[4:] + names
                at = _place_after(before)
                self._map[at : at + 4 + len(body)] = struct.pack("<I", crc32(body)) + body
        stamp = _UNDER_WAY.unpack_from(self._map)[1]
        if stamp == _bytes(before):
            self._map[: _UNDER_WAY.size] = bytes(_UNDER_WAY.size)

    def after(self, before: int) -> Commit | None:
        """The commit that followed a state of the database, if it is known."""
        at = _place_after(before)
        slot = self._map[at : at + _SLOT]
        check, quiet, length, was, stamp = _FIELDS.unpack_from(slot)
        end = _FIELDS.size + length
        if was != _bytes(before) or end > _SLOT or check != crc32(slot[4:end]):
            return None
        names = slot[_FIELDS.size : end].decode().split("\n")
        return Commit(int.from_bytes(stamp, "little"), frozenset(n for n in names if n), quiet)


def _place_after(before: int) -> int:
    return _HEAD + (before + 1 & _COUNTER) % _SLOTS * _SLOT


def _bytes(stamp: int) -> bytes:
    return stamp.to_bytes(_STAMP, "little")
