"""Numbers keys of 128 bits in a few bytes each, where a dictionary takes about 150.

A key is the sum of random tokens (`TokenColumn`), so its bits are evenly distributed, and a client
cannot construct keys that collide.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Ints

Tokens = NDArray[np.uint64]
"""[N, 2] tokens or keys."""

_FIRST_SLOTS = 256


class KeyTable:
    """Numbers keys from 0 on, in order of appearance. One thread adds; `len` is for any thread.

    Open addressing: `_slots` [a power of two] has the number of a key, or -1. At most half of the
    slots are in use, so a search ends.
    """

    def __init__(self) -> None:
        self._count = 0
        self._keys: Tokens = np.zeros((_FIRST_SLOTS // 2, 2), np.uint64)
        self._slots: NDArray[np.int32] = np.full(_FIRST_SLOTS, -1, np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self._keys.nbytes + self._slots.nbytes

    def add(self, keys: Tokens) -> tuple[Ints, Ints]:
        """Return the number of each key, and the positions of those that are new, one for each new
        key, in order of their numbers."""
        numbers = self._find(keys)
        unknown = np.flatnonzero(numbers < 0)
        if len(unknown) == 0:
            return numbers, unknown
        first, which = _distinct(keys[unknown])
        fresh = unknown[first]
        self._enter(keys[fresh])
        numbers[unknown] = self._count + which
        self._count += len(fresh)
        return numbers, fresh

    def _find(self, keys: Tokens) -> Ints:
        """Return the number of each key, -1 for an unknown one."""
        numbers = np.full(len(keys), -1)
        slot = self._first_slots(keys)
        waiting = np.arange(len(keys))
        while len(waiting):
            held = self._slots[slot]
            used = held >= 0
            waiting, slot, held = waiting[used], slot[used], held[used]
            found = (self._keys[held] == keys[waiting]).all(axis=1)
            numbers[waiting[found]] = held[found]
            waiting, slot = waiting[~found], self._after(slot[~found])
        return numbers

    def _enter(self, keys: Tokens) -> None:
        """Put new, distinct keys behind the others."""
        count = self._count + len(keys)
        self._keys = grown(self._keys, count, 0)
        self._keys[self._count : count] = keys
        if 2 * count <= len(self._slots):
            self._fill(self._count, count)
            return
        size = len(self._slots)
        while size < 2 * count:
            size *= 2
        self._slots = np.full(size, -1, np.int32)
        self._fill(0, count)

    def _fill(self, begin: int, end: int) -> None:
        """Put the numbers of a range into slots."""
        waiting = np.arange(begin, end, dtype=np.int32)
        slot = self._first_slots(self._keys[begin:end])
        while len(waiting):
            free = self._slots[slot] < 0
            # Of several numbers for one slot, the last that is assigned has it.
            self._slots[slot[free]] = waiting[free]
            left = self._slots[slot] != waiting
            waiting, slot = waiting[left], self._after(slot[left])

    def _first_slots(self, keys: Tokens) -> Ints:
        return (keys[:, 0] & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _after(self, slots: Ints) -> Ints:
        return (slots + 1) & (len(self._slots) - 1)


def _distinct(keys: Tokens) -> tuple[Ints, Ints]:
    """Return where each distinct key appears first, in order, and which of them each key is."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))  # stable
    ordered = keys[order]
    begins = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    first = order[begins]
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    which = np.empty(len(keys), np.int64)
    which[order] = rank[np.cumsum(begins) - 1]
    return np.sort(first), which


class TokenColumn:
    """A random token for each code of a label; the empty text, code 0, adds nothing to a key."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._count = 1
        self._tokens: Tokens = np.zeros((16, 2), np.uint64)

    def of(self, codes: NDArray[np.int32]) -> Tokens:
        """Return the tokens of codes below the last `reserve`."""
        return self._tokens[codes]

    def reserve(self, count: int) -> None:
        """Draw the tokens of codes up to `count`."""
        before = self._count
        if count > before:
            self._tokens = grown(self._tokens, count, 0)
            self._tokens[before:count] = self._rng.integers(
                0, 2**64, (count - before, 2), np.uint64, endpoint=False
            )
            self._count = count


def random_source() -> np.random.Generator:
    """Return a generator with a secret seed, for tokens. The first call loads `numpy.random`."""
    return np.random.default_rng(secrets.randbits(128))
