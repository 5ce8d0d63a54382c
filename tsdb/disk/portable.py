"""Calls of the operating system that are not the same everywhere: macOS has no `fdatasync`, Windows
no `fcntl`, no reads at an offset, no limit of open files, and no directories that can be opened."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any


def _module(name: str) -> Any:
    """A module of this system, or None."""
    try:
        return import_module(name)
    except ImportError:
        return None


fcntl, msvcrt, resource = _module("fcntl"), _module("msvcrt"), _module("resource")
BINARY = getattr(os, "O_BINARY", 0)
_LOCKED_BYTE = 1 << 30
"""A place that no file of a lock has: other processes cannot read what `msvcrt` locks."""


def lock(fd: int) -> None:
    """Lock a file exclusively until it is closed. `BlockingIOError` if it is locked already, also
    by this process; `OSError` if the file system has no locks."""
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
    except OSError as problem:
        if problem.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise BlockingIOError(*problem.args) from None
        raise


_OPEN_FILES_OF_WINDOWS = 2048
"""Its C library permits 8192 open files."""


def most_open_files() -> int:
    """Return the number of files that the process may open, as its limit is now."""
    if resource is None:
        return _OPEN_FILES_OF_WINDOWS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else int(soft)


def sync(fd: int) -> None:
    """Make a file and its size durable."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:  # macOS, whose fsync leaves writes in the cache of the drive
        fcntl.fcntl(fd, full)
    else:
        getattr(os, "fdatasync", os.fsync)(fd)


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Make the names in a directory durable. Windows writes them to its own log."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_seeking = threading.Lock()
"""Held from a seek to the end of the read or write after it."""


def _pread(fd: int, length: int, offset: int) -> bytes:
    with _seeking:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, length)


def _pwrite(fd: int, data: bytes | memoryview, offset: int) -> int:
    with _seeking:
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)


def _pwritev(fd: int, pieces: Sequence[memoryview], offset: int) -> int:
    return pwrite(fd, b"".join(pieces), offset)


pread = getattr(os, "pread", _pread)
pwrite = getattr(os, "pwrite", _pwrite)
pwritev = getattr(os, "pwritev", _pwritev)
