"""Reuses the memory of large arrays, since new memory costs more to touch than to fill.

The system zeroes each new page at its first write, which takes some ten times as long as writing 8
MiB of existing memory. So the pool retains the memory of freed arrays for later ones.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np

from novaql.tsdb.model.labels import Floats, Ints
from novaql.tsdb.runtime.forks import after_fork

MIN_BYTES = 1 << 16
"""Smaller arrays use the allocator, which reuses their memory itself."""
MAX_RETAINED_BYTES = 64 << 20
"""Largest memory that the pool retains."""


class BufferPool:
    """Allocates arrays whose memory returns to the pool when they and all their views are freed.
    Thread-safe."""

    def __init__(self, max_retained: int = MAX_RETAINED_BYTES) -> None:
        self._most = max_retained
        self._free: dict[int, list[memoryview]] = {}
        self.retained_bytes = 0
        self._unused: dict[int, int] = {}
        """By size: the least number of free buffers since the last `release_unused`."""
        # A finalizer may run, and release memory here, while this thread already holds the lock.
        self._lock = threading.RLock()

    def forked(self) -> None:
        """Replace the lock in a forked process, in which its holder may not exist."""
        self._lock = threading.RLock()

    def floats(self, count: int) -> Floats:
        """[count] uninitialised floats."""
        found: Floats = self._array(count, np.float64)
        return found

    def ints(self, count: int) -> Ints:
        """[count] uninitialised integers."""
        found: Ints = self._array(count, np.int64)
        return found

    def _array(self, count: int, dtype: type[np.generic]) -> Any:
        if 8 * count < MIN_BYTES:
            return np.empty(count, dtype)
        words, buffer = self._acquire(count)
        # NumPy sets the base of a view to the last array in the chain, which is this one and not
        # the buffer below. So this array lives as long as any view.
        array = np.frombuffer(buffer, dtype, count)
        weakref.finalize(array, self._release, words, buffer).atexit = False
        return array

    def _acquire(self, count: int) -> tuple[int, memoryview]:
        """Return memory for this many words, and its size: free memory that is not much larger, or
        new memory. Sizes are rounded, so that arrays of similar size share buffers."""
        with self._lock:
            # A finalizer may add to the free list meanwhile; nothing else changes it.
            known = tuple(self._free.items())
            fit = [size for size, free in known if free and 0 <= size - count <= count // 4]
            if fit:
                words = min(fit)
                self.retained_bytes -= 8 * words
                buffer = self._free[words].pop()
                self._unused[words] = min(self._unused.get(words, 0), len(self._free[words]))
                return words, buffer
        words = _rounded(count)
        return words, np.empty(words).data

    def _release(self, words: int, buffer: memoryview) -> None:
        with self._lock:
            if self.retained_bytes + 8 * words <= self._most:
                self.retained_bytes += 8 * words
                self._free.setdefault(words, []).append(buffer)

    def release_unused(self) -> int:
        """Release the buffers that have been free since the last call. Returns the bytes.

        Sizes of arrays change with the data, so buffers of former sizes are of no use.
        """
        released: list[memoryview] = []
        with self._lock:
            for words in list(self._free):
                free = self._free[words]
                count = self._unused.get(words, 0)
                released += free[:count]
                del free[:count]
                self._unused[words] = len(free)
            size = sum(buffer.nbytes for buffer in released)
            self.retained_bytes -= size
        return size


def _rounded(count: int) -> int:
    """Round up to one of few sizes, by at most a seventh."""
    grain = max(1, 1 << (count - 1).bit_length() >> 4)
    return -(-count // grain) * grain


BUFFERS = BufferPool()
"""The pool of this process."""

after_fork(BUFFERS.forked)


def release_unused_buffers() -> int:
    """Release the memory that the library retains for large arrays, as far as it was not used since
    the last call. Returns the bytes. Call it at long intervals."""
    return BUFFERS.release_unused()
