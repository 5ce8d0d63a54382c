"""numba's dispatchers of functions, with its cache on disk if no other user can write to the cache.

numba loads machine code from files in `NUMBA_CACHE_DIR`, beside the sources, or in the user's cache
folder: the first of these to which it can write. If another user could write to that folder, this
process would run that user's code. `NOVAQL_CACHE_DIR` comes before them, and may be read-only.
"""

from __future__ import annotations

import functools
import logging
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from novaql.tsdb.runtime.cache_folder import cache_folder

log = logging.getLogger(__name__)
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def jit(function: Callable[..., Any], signature: tuple[Any, ...], **options: Any) -> Any:
    """numba's dispatcher of a function, which has not compiled anything yet.

    signature  for which it will be compiled

    It uses numba's cache if there is a folder for it to which only this user or root can write;
    otherwise each process compiles.
    """
    import numba  # noqa: PLC0415 - slow to load, and absent without the extra

    sources = os.path.dirname(function.__code__.co_filename)
    folder = cache_folder()
    if folder is not None:
        made = numba.njit(**options)(function)
        with suppress(RuntimeError):  # the folder does not exist and cannot be created
            made._cache = _cache_class(folder)(function)
            path = made.stats.cache_path
            useful = os.access(path, os.W_OK) or not is_missing(made, signature)
            if is_trusted(path, sources) and useful:
                return made
    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba can write to no folder for a cache
        return numba.njit(**options)(function)
    if is_trusted(made.stats.cache_path, sources):
        return made
    return numba.njit(**options)(function)


@functools.cache
def _cache_class(folder: Path) -> Any:
    """numba's cache of a function in a folder, also of one that cannot be written: numba's own
    classes pass over such folders."""
    from numba.core.caching import FunctionCache  # noqa: PLC0415 - see `jit`

    own: Any = FunctionCache
    in_user_folder: Any = own._impl_class._locator_classes[0]

    class Locator(in_user_folder):  # type: ignore[misc]
        def __init__(self, function: Any, source: str) -> None:
            super().__init__(function, source)
            self._cache_path = str(folder / Path(self.get_cache_path()).name)

        def ensure_cache_path(self) -> None:
            os.makedirs(self._cache_path, exist_ok=True)

        @classmethod
        def from_function(cls, function: Any, source: str) -> Any:
            found = cls(function, source)
            with suppress(OSError):
                found.ensure_cache_path()
                return found
            return None

    class Implementation(own._impl_class):  # type: ignore[misc]
        _locator_classes = (Locator,)

    class Cache(own):  # type: ignore[misc]
        _impl_class = Implementation

    return Cache


def is_missing(dispatcher: Any, signature: tuple[Any, ...]) -> bool:
    """Whether numba's cache is used for a function but does not have its machine code yet.

    numba has no public function for this: its own loads the code.
    """
    file = getattr(dispatcher._cache, "_cache_file", None)  # None: there is no cache
    if file is None:
        return False
    key = dispatcher._cache._index_key(signature, dispatcher.targetctx.codegen())
    return key not in file._load_index()


def release_intermediate_code(dispatcher: Any) -> None:
    """Free the intermediate code of a compiled function. Other compiled functions could no longer
    include it; its machine code remains.

    numba retains it beside the machine code: 17 MiB for all functions of NovaQL. It has no public
    function for this.
    """
    for overload in dispatcher.overloads.values():
        overload.library._shared_module = None


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
