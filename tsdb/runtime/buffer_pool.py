"""Memory for large arrays that is used again: fresh memory costs more to touch than to fill.

The system clears each page of it when it is written to for the first time, which takes some ten
times as long as writing 8 MiB that are there. So what an array leaves is kept for the next one.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

import numpy as np

from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.series_batch import Floats

LEAST_BYTES = 1 << 16
"""Smaller arrays are left to the allocator, which keeps theirs anyway."""
MOST_KEPT_BYTES = 128 << 20
"""So much is kept for arrays to come."""


class BufferPool:
    """Arrays whose memory goes back when they and all views of them are gone. For any thread."""

    def __init__(self, most_kept: int = MOST_KEPT_BYTES) -> None:
        self._most = most_kept
        self._free: dict[int, list[memoryview]] = {}
        self.kept_bytes = 0
        # An array may go, and be noted here, while this thread holds the lock already.
        self._lock = threading.RLock()

    def forked(self) -> None:
        """In a forked process: a thread that is not there may have held the lock."""
        self._lock = threading.RLock()

    def floats(self, count: int) -> Floats:
        """[count], with anything in it."""
        found: Floats = self._array(count, np.float64)
        return found

    def ints(self, count: int) -> Ints:
        """[count], with anything in it."""
        found: Ints = self._array(count, np.int64)
        return found

    def _array(self, count: int, dtype: type[np.generic]) -> Any:
        if 8 * count < LEAST_BYTES:
            return np.empty(count, dtype)
        words, room = self._taken(count)
        # A view of this array refers to it, and not to what the room is made of: NumPy goes past
        # arrays only. So the array lives as long as any view does.
        array = np.frombuffer(room, dtype, count)
        weakref.finalize(array, self._give, words, room).atexit = False
        return array

    def _taken(self, count: int) -> tuple[int, memoryview]:
        """Room for so many words, and how many it has: one that is free and not much larger, or a
        new one. Arrays that are nearly of one size would else leave a room of each size."""
        with self._lock:
            # An array may go meanwhile, and add to what is free; nothing else can.
            known = tuple(self._free.items())
            fit = [size for size, free in known if free and 0 <= size - count <= count // 4]
            if fit:
                words = min(fit)
                self.kept_bytes -= 8 * words
                return words, self._free[words].pop()
        words = _rounded(count)
        return words, np.empty(words).data

    def _give(self, words: int, room: memoryview) -> None:
        with self._lock:
            if self.kept_bytes + 8 * words <= self._most:
                self.kept_bytes += 8 * words
                self._free.setdefault(words, []).append(room)


def _rounded(count: int) -> int:
    """Few sizes, none of which is larger by more than a seventh."""
    grain = max(1, 1 << (count - 1).bit_length() >> 4)
    return -(-count // grain) * grain


BUFFERS = BufferPool()
"""Those of this process."""

os.register_at_fork(after_in_child=BUFFERS.forked)
