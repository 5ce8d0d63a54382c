"""Temporary arrays without a page fault for each of their pages."""

from __future__ import annotations

from functools import cache

import numpy as np

ROOM = 8 << 20
"""A few arrays of the size of a view of a batch."""


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what NumPy frees until NumPy wants it again.

    NumPy makes an array for every intermediate result. glibc hands blocks of more than 128 KiB, and
    what is free at the end of its heap, back to the system, and each page of the next array then
    costs a fault: half a millisecond a MiB, more than computing does. Both limits follow the
    largest block that was ever freed, so one that nobody has written to is freed here. It costs
    nothing, and afterwards up to 16 MiB of freed memory stay with the process.
    """
    np.empty(ROOM, np.uint8)
