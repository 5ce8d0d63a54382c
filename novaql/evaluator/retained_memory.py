"""Temporary arrays without a page fault for each of their pages."""

from __future__ import annotations

from functools import cache

import numpy as np

LARGEST = 8 << 20
"""A few arrays of the size of a view of a batch."""


@cache
def reuse_freed_memory() -> None:
    """Make the C library retain the memory that NumPy frees, for the next array.

    NumPy allocates an array for every intermediate result. glibc returns blocks of more than
    128 KiB, and free memory at the end of its heap, to the system. Each page of the next array then
    costs a page fault: half a millisecond per MiB, more than the computation. Both limits follow
    the largest block that was ever freed, so this function frees one that was never written to.
    That costs nothing, and the process retains up to 16 MiB of freed memory.
    """
    np.empty(LARGEST, np.uint8)
