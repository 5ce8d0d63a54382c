"""Permissions of what the server writes: for its own user alone."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_OTHERS = 0o077


def create_private_files() -> None:
    """From now on this process creates directories with mode 0700 and files with mode 0600."""
    os.umask(_OTHERS)


def make_private(folder: Path) -> None:
    """Take the permissions of other users from a directory and the files directly in it."""
    for path in (folder, *folder.iterdir()):
        with suppress(OSError):  # of another owner, or on a disk that takes no change
            mode = path.stat().st_mode
            if mode & _OTHERS:
                path.chmod(mode & 0o7777 & ~_OTHERS)


def warn_if_open_to_others(data: Path) -> None:
    """Log a warning if other users may enter an existing data directory."""
    with suppress(OSError):
        if data.stat().st_mode & _OTHERS:
            log.warning("other users may read %s; to end that: chmod -R go= %s", data, data)
