"""Memory that was freed, and that the C library holds for later.

The allocator of glibc has an arena for each thread, up to eight for each core, and holds freed
memory in it up to the last block that is still in use. The limits above which it returns memory
grow with the largest block that was ever freed.
"""

from __future__ import annotations

import ctypes

FREED_BYTES = 8 << 20
"""Bytes that are freed at one time from which a return is worth its cost: about 0.1 s for each
gigabyte that the process holds."""
MOST_ARENAS = 2
LARGEST = 8 << 20
"""Larger blocks are returned when they are freed."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def limit_freed_memory() -> None:
    """Limit what the allocator holds, for the rest of the process: two arenas, each with at most
    16 MiB of free memory at its end. Call it before threads start.

    The limits are those of `novaql.evaluator.freed_memory`, but they do not grow.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, MOST_ARENAS)
        mallopt(_M_MMAP_THRESHOLD, LARGEST)
        mallopt(_M_TRIM_THRESHOLD, 2 * LARGEST)


def return_freed_memory() -> None:
    """Make the allocator return unused pages, if it is one that does so on demand."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
