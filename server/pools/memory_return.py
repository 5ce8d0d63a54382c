"""Returns freed memory to the operating system: soon after large queries, and at intervals.

The allocator of glibc has an arena for each thread, unless threads share them, and holds freed
memory there up to the last block that is still in use. After two failed queries of 400 MB each, the
process would still hold 800 MB.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable

from novaql.tsdb import release_unused_buffers, return_freed_memory

FREED_BYTES = 64 << 20
"""The number of freed bytes after which a call is worth its cost: about 0.1 s per gigabyte."""

_DELAY_S = 0.2
_ARENAS = 2
_LARGE = 8 << 20
_FREE_AT_END = 16 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def configure_allocator() -> None:
    """Make threads share two arenas, for the rest of the process: what one thread has freed serves
    the others. Arrays of 8 MiB and more, such as the samples of many series, are in no arena, so
    their memory returns to the system when they are freed. By default glibc puts them into an arena
    once such an array has been freed. Call it before threads start."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _FREE_AT_END)


def release_unused() -> None:
    """Release the buffers that no query has used since the last call, and all freed memory. Call it
    at intervals of a minute or more."""
    release_unused_buffers()
    return_freed_memory()


class MemoryReturn:
    """Calls `release` in a thread of its own, soon after enough memory was freed, and at most
    five times a second. Thread-safe."""

    def __init__(self, release: Callable[[], object] = return_freed_memory) -> None:
        self._release = release
        self._lock = threading.Lock()
        self._freed = 0
        self._pending = False

    def note(self, size: int) -> None:
        """Record that bytes are no longer reserved. Their memory is freed at about the same
        time."""
        with self._lock:
            self._freed += size
            if self._pending or self._freed < FREED_BYTES:
                return
            self._pending = True
        timer = threading.Timer(_DELAY_S, self._run)
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        with self._lock:
            self._freed = 0
            self._pending = False
        self._release()
