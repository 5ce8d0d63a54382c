"""Permissions of the server's files: only the server's user may access them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o077


def create_private_files() -> None:
    """Set the umask: this process creates directories with mode 0700 and files with mode 0600."""
    os.umask(_OTHERS)


def make_private(folder: Path) -> None:
    """Remove the permissions of other users on a directory and the files directly in it."""
    for path in (folder, *folder.iterdir()):
        with suppress(OSError):  # another user owns the file, or the file system has no modes
            mode = path.stat().st_mode
            if mode & _OTHERS:
                path.chmod(mode & 0o7777 & ~_OTHERS)
