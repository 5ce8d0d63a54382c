"""Compiling by numba with its cache, where nobody else could have written the cache.

numba loads machine code from files: of `NUMBA_CACHE_DIR`, of the folder of the sources, or of the
user's cache folder. Files in a folder that another user may write would be another user's code.
"""

from __future__ import annotations

import functools
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def jit(function: Callable[..., Any], **options: Any) -> Any:
    """numba's dispatcher of a function, which compiles when it is told to.

    It uses numba's cache if there is a folder for it that only this user, or root, may write;
    otherwise each process compiles.
    """
    import numba  # noqa: PLC0415 - slow to load, and absent without the extra

    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for a cache can be written
        return numba.njit(**options)(function)
    if is_trusted(made.stats.cache_path, os.path.dirname(function.__code__.co_filename)):
        return made
    return numba.njit(**options)(function)


@functools.cache
def is_trusted(folder: str, sources: str) -> bool:
    """Whether code may be loaded from a folder: nobody could have put it there but this user, root
    and those who may change the sources, too.

    folder   numba's, with the files of the cache in it
    sources  the folder of the source files
    """
    if not hasattr(os, "getuid"):
        return True  # no owners to compare, and the folders are in the user's profile
    try:
        place = Path(folder).resolve(strict=True)
        if place.parent == Path(sources).resolve():
            good = _as_private(place, place.parent.stat())
        else:
            good = _private(place) and all(_private(above, sticky=True) for above in place.parents)
    except OSError:
        good = False
    if not good:
        log.warning("numba's cache in %s is not used: other users can write it", folder)
    return good


def _private(path: Path, *, sticky: bool = False) -> bool:
    """sticky: others may add names to the folder, as in /tmp, and not replace those of this user"""
    found = path.lstat()
    if found.st_uid not in (0, os.getuid()):
        return False
    if sticky:
        return not found.st_mode & _OTHERS or bool(found.st_mode & stat.S_ISVTX)
    if found.st_mode & _OTHERS:
        return False
    with os.scandir(path) as files:
        inside = [file.stat(follow_symlinks=False) for file in files]
    return all(one.st_uid in (0, os.getuid()) and not one.st_mode & _OTHERS for one in inside)


def _as_private(folder: Path, sources: os.stat_result) -> bool:
    """The folder beside the sources: who may write the sources may write any code."""
    found = folder.lstat()
    allowed = {0, os.getuid(), sources.st_uid}
    return found.st_uid in allowed and not found.st_mode & _OTHERS & ~sources.st_mode
