"""numba's dispatchers of functions, with its cache on disk if no other user can write to the cache.

numba loads machine code from files in `NUMBA_CACHE_DIR`, beside the sources, or in the user's cache
folder. If another user could write to that folder, this process would run that user's code.
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
    """numba's dispatcher of a function, which has not compiled anything yet.

    It uses numba's cache if there is a folder for it to which only this user or root can write;
    otherwise each process compiles.
    """
    import numba  # noqa: PLC0415 - slow to load, and absent without the extra

    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba can write to no folder for a cache
        return numba.njit(**options)(function)
    if is_trusted(made.stats.cache_path, os.path.dirname(function.__code__.co_filename)):
        return made
    return numba.njit(**options)(function)


def is_missing(dispatcher: Any, signature: tuple[Any, ...]) -> bool:
    """Whether numba's cache is used for a function and does not have its machine code yet.

    numba has no public function for this: its own loads the code.
    """
    file = getattr(dispatcher._cache, "_cache_file", None)  # None: there is no cache
    if file is None:
        return False
    key = dispatcher._cache._index_key(signature, dispatcher.targetctx.codegen())
    return key not in file._load_index()


@functools.cache
def is_trusted(folder: str, sources: str) -> bool:
    """Whether code may be loaded from a folder: only this user, root, and users that can change the
    sources can write to it.

    folder   has the files of the cache
    sources  has the source files
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
    """Whether only this user and root can write to a folder and to its files.

    sticky  other users may add files to the folder, as in /tmp, but not replace those of this user
    """
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
    """Whether a folder beside the sources is as private as they are."""
    found = folder.lstat()
    allowed = {0, os.getuid(), sources.st_uid}
    return found.st_uid in allowed and not found.st_mode & _OTHERS & ~sources.st_mode
