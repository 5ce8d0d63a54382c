"""Memory that was freed, and that the C library holds for later.

The allocator of glibc has an arena for each thread, up to eight for each core, and holds freed
memory in it up to the last block that is still in use.
"""

from __future__ import annotations

import ctypes

FREED_BYTES = 8 << 20
"""Bytes that are freed at one time from which a return is worth its cost: about 0.1 s for each
gigabyte that the process holds."""
MOST_ARENAS = 2
_M_ARENA_MAX = -8


def share_arenas() -> None:
    """Make threads share two arenas, for the rest of the process: what one thread has freed serves
    the others. Call it before threads start."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, MOST_ARENAS)


def return_freed_memory() -> None:
    """Make the allocator return unused pages, if it is one that does so on demand."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
