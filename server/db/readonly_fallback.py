"""A copy of a SQLite database, used while its disk is full or read-only.

SQLite needs free space to open a database in WAL mode, even for reading. On a full disk or a
read-only mount, the server reads a copy on another file system.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

_PLACES = (None, "/dev/shm")  # noqa: S108 - `mkdtemp` makes a private directory there
"""Directories for the copy: the default for temporary files, or memory if that is on the same disk.
"""


def copy_of(path: Path | None) -> Path:
    """Copy the database, if it exists, to a new directory that this process removes.

    path None: return the path of a copy that does not exist. Raises `OSError` if no directory can
    store it.
    """
    for number, place in enumerate(_PLACES):
        folder: Path | None = None
        try:
            folder = Path(tempfile.mkdtemp(prefix="novaql-state-", dir=place))
            copy = folder / "state.db"
            if path is not None and path.exists():
                _copy(path, copy)
        except OSError:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            if number == len(_PLACES) - 1:
                raise
        else:
            atexit.register(functools.partial(shutil.rmtree, folder, ignore_errors=True))
            return copy
    raise AssertionError("there is a last place")


def need_writable(path: Path) -> None:
    """Raise `OSError` for a read-only database. SQLite opens such a database if it finds the files
    that a killed process left, and reports the error only at the first change."""
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK):
            read_only = os.statvfs(place).f_flag & os.ST_RDONLY
            code = errno.EROFS if read_only else errno.EACCES
            raise OSError(code, os.strerror(code), str(place))


def _copy(path: Path, copy: Path) -> None:
    """Copy with SQLite, which coordinates with other processes. If SQLite cannot read the
    directory, copy the files: no other process has the database open then."""
    try:
        with (
            contextlib.closing(
                sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
            ) as old,
            contextlib.closing(sqlite3.connect(copy)) as new,
        ):
            old.backup(new)
    except sqlite3.OperationalError:
        copy.unlink(missing_ok=True)
        for suffix in ("-wal", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
