"""Returns memory that was freed to the operating system.

The allocator of glibc has several arenas, and holds freed memory in each up to the last block that
is still in use.
"""

from __future__ import annotations

import ctypes

FREED_BYTES = 8 << 20
"""The number of bytes freed by a flush or merge from which returning them is worth its cost: about
0.1 s for each gigabyte that the process holds."""


def return_freed_memory() -> None:
    """Make the allocator return unused pages, if it can do so on demand."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
