"""Byte strings in arrays, found by a hash table that compiled code reads and writes.

Texts are identified by regions of a message: [R, 2 or more] where each begins and ends.
"""

from __future__ import annotations

import secrets
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Codes, Ints
from novaql.tsdb.runtime.compiled import Functions

Octets = NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)
Positions = NDArray[np.uint32]
_FIRST_SLOTS = 1 << 10
_WORD = 8
"""Bytes behind the last text: the kernels read a number of four bytes as part of eight."""


class TextTable:
    """Numbers texts from 0 on: `count` of them, in `used` bytes of the arena, less than 4 GiB."""

    def __init__(self, kernels: Functions) -> None:
        self._kernels = kernels
        self.seed = np.uint64(secrets.randbits(64))
        self.count = 0
        self.used = 0
        self.slots: Codes = np.full(_FIRST_SLOTS, -1, np.int32)
        self.hashes: NDArray[np.uint64] = np.zeros(_FIRST_SLOTS // 2, np.uint64)
        self.starts: Positions = np.zeros(_FIRST_SLOTS // 2, np.uint32)
        self.sizes: Positions = np.zeros(_FIRST_SLOTS // 2, np.uint32)
        self.arena: Octets = np.zeros(1 << 16, np.uint8)

    @property
    def arrays(self) -> tuple[NDArray[np.generic] | np.uint64, ...]:
        """The table as the kernels take it."""
        return self.slots, self.hashes, self.starts, self.sizes, self.arena, self.seed

    def add(self, data: Octets, regions: Ints) -> Ints:
        """Add the texts in some regions of `data`. Returns the number of each."""
        self.reserve(len(regions), int((regions[:, 1] - regions[:, 0]).sum()))
        numbers = np.zeros(len(regions) + 1, np.int64)
        numbers[-1] = self.used
        self.count = self._kernels.add_texts(data, regions, self.arrays, self.count, numbers)
        self.used = int(numbers[-1])
        return numbers[:-1]

    def reserve(self, texts: int, octets: int) -> None:
        """Allocate space for more texts."""
        wanted = self.count + texts
        # The kernels write without checks: numbers below len(starts), half as many as slots.
        if wanted > len(self.starts):
            size = 2 * max(wanted, len(self.starts))
            self.hashes = _grown(self.hashes, size)
            self.starts = _grown(self.starts, size)
            self.sizes = _grown(self.sizes, size)
            slots = len(self.slots)
            while slots < 2 * size:
                slots *= 2
            self.slots = np.full(slots, -1, np.int32)
            self._kernels.fill_slots(self.slots, self.hashes, self.count)
        octets += _WORD
        if self.used + octets > len(self.arena):
            self.arena = _grown(self.arena, 2 * (self.used + octets))

    def cut(self, count: int, used: int) -> None:
        """Remove the texts from number `count` on; the arena is in use up to `used`.

        The slots of the youngest texts were empty when the older ones were added, so no search
        for an older one passes through them.
        """
        self.slots[self.slots >= count] = -1
        self.count, self.used = count, used

    def text(self, number: int) -> bytes:
        """The bytes of a text."""
        at = int(self.starts[number])
        return self.arena[at : at + int(self.sizes[number])].tobytes()


class SeriesNames(TextTable):
    """Texts that name series, in the order in which senders write them.

    series    [by number] the row or number of the series
    follower  [by number + 1] the text that followed last time, -1 if none
    """

    def __init__(self, kernels: Functions) -> None:
        super().__init__(kernels)
        self.series: Codes = np.zeros(64, np.int32)
        self.follower: Codes = np.full(65, -1, np.int32)

    def add_series(self, data: Octets, regions: Ints, series: Ints | list[int]) -> Ints:
        """Add the texts in some regions of `data`, and what they name. Returns their numbers."""
        numbers = self.add(data, regions)
        if self.count > len(self.series):
            self.series = np.append(self.series, np.zeros(self.count, np.int32))
            self.follower = np.append(self.follower, np.full(self.count, -1, np.int32))
        self.series[numbers] = series
        return numbers

    def cut(self, count: int, used: int) -> None:
        super().cut(count, used)
        self.follower[count + 1 :] = -1
        self.follower[self.follower >= count] = -1


def _grown(column: NDArray[T], size: int) -> NDArray[T]:
    grown = np.zeros(size, column.dtype)
    grown[: len(column)] = column
    return grown
