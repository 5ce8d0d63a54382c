"""Byte strings in arrays, found by a hash table that compiled code reads and writes."""

from __future__ import annotations

import secrets
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Ints
from novaql.tsdb.runtime.compiled import Functions

Octets = NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)
_FIRST_SLOTS = 1 << 10


class TextTable:
    """Numbers texts from 0 on. `count` of them are there, in `used` bytes of the arena."""

    def __init__(self, kernels: Functions) -> None:
        self._kernels = kernels
        self.seed = np.uint64(secrets.randbits(64))
        self.count = 0
        self.used = 0
        self.slots: Ints = np.full(_FIRST_SLOTS, -1)
        self.hashes: NDArray[np.uint64] = np.zeros(_FIRST_SLOTS // 2, np.uint64)
        self.starts: Ints = np.zeros(_FIRST_SLOTS // 2, np.int64)
        self.sizes: Ints = np.zeros(_FIRST_SLOTS // 2, np.int64)
        self.arena: Octets = np.zeros(1 << 16, np.uint8)

    @property
    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """What the kernels take, in their order."""
        return self.slots, self.hashes, self.starts, self.sizes, self.arena

    def make_room(self, texts: int, octets: int) -> None:
        """So many more may be entered."""
        wanted = self.count + texts
        if wanted > len(self.starts):
            size = 2 * max(wanted, len(self.starts))
            self.hashes = _grown(self.hashes, size)
            self.starts = _grown(self.starts, size)
            self.sizes = _grown(self.sizes, size)
            slots = len(self.slots)
            while slots < 2 * size:
                slots *= 2
            self.slots = np.full(slots, -1)
            self._kernels.spread(self.slots, self.hashes, self.count)
        if self.used + octets > len(self.arena):
            self.arena = _grown(self.arena, 2 * (self.used + octets))

    def cut(self, count: int, used: int) -> None:
        """Forget the texts from number `count` on; the arena is in use up to `used`.

        The slots of the youngest texts were empty when the older ones were entered, so no search
        for an older one passes through them.
        """
        self.slots[self.slots >= count] = -1
        self.count, self.used = count, used

    def text(self, number: int) -> bytes:
        """The bytes of a text."""
        at = int(self.starts[number])
        return self.arena[at : at + int(self.sizes[number])].tobytes()


def _grown(column: NDArray[T], size: int) -> NDArray[T]:
    grown = np.zeros(size, column.dtype)
    grown[: len(column)] = column
    return grown
