"""Numbers keys of 128 bits in a few bytes each, where a dictionary takes about 150.

A key is the sum of random tokens (`TokenColumn`), so its bits are evenly distributed, and a client
cannot construct keys that collide.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Bools, Codes, Ints, Numbers

Tokens = NDArray[np.uint64]
"""[N, 2] tokens or keys."""
Words = NDArray[np.uint64]

_FIRST_SLOTS = 256
_FEW = 64


class KeyTable:
    """Numbers keys from 0 on, in order of appearance. One thread adds; `len` is for any thread.

    Open addressing: `_slots` [a power of two] has the number of a key, or -1. At most half of the
    slots are in use, so a search ends.
    """

    def __init__(self) -> None:
        self._count = 0
        self._low: Words = np.zeros(_FIRST_SLOTS // 2, np.uint64)
        self._high: Words = np.zeros(_FIRST_SLOTS // 2, np.uint64)
        self._slots: Codes = np.full(_FIRST_SLOTS, -1, np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self._low.nbytes + self._high.nbytes + self._slots.nbytes

    def add(self, keys: Tokens) -> tuple[Ints, Ints]:
        """Return the number of each key, and the positions of those that are new, one for each new
        key, in order of their numbers."""
        if len(keys) <= _FEW:
            return self._add_few(keys)
        numbers = self.find(keys)
        unknown = np.flatnonzero(numbers < 0)
        if len(unknown) == 0:
            return numbers, unknown
        first, which = distinct_keys(keys[unknown])
        fresh, before = unknown[first], self._count
        count = before + len(fresh)
        self._reserve(count)
        self._low[before:count], self._high[before:count] = keys[fresh].T
        self._fill(before, count)
        self._count = count
        numbers[unknown] = before + which
        return numbers, fresh

    def _add_few(self, keys: Tokens) -> tuple[Ints, Ints]:
        """Return `add` of few keys, one by one: a call of NumPy costs as much as several keys."""
        self._reserve(self._count + len(keys))
        slots, lows, highs, last = self._slots, self._low, self._high, len(self._slots) - 1
        numbers: list[int] = []
        fresh: list[int] = []
        for at, (low, high) in enumerate(keys.tolist()):
            slot = low & last
            number = slots.item(slot)
            while number >= 0 and (lows.item(number) != low or highs.item(number) != high):
                slot = (slot + 1) & last
                number = slots.item(slot)
            if number < 0:
                number = self._count
                slots[slot], lows[number], highs[number] = number, low, high
                self._count += 1
                fresh.append(at)
            numbers.append(number)
        return np.array(numbers, np.int64), np.array(fresh, np.int64)

    def find(self, keys: Tokens) -> Ints:
        """Return the number of each key, -1 for an unknown one. For any thread, if none adds."""
        low, high = keys.T
        slot = self._first_slots(low)
        numbers = self._slots[slot].astype(np.int64)
        waiting = np.flatnonzero(self._are_others(numbers, low, high))
        slot = slot[waiting]
        while len(waiting):
            slot = self._after(slot)
            held = self._slots[slot]
            numbers[waiting] = held
            others = self._are_others(held, low[waiting], high[waiting])
            waiting, slot = waiting[others], slot[others]
        return numbers

    def _are_others(self, numbers: Numbers, low: Words, high: Words) -> Bools:
        """Return which numbers belong to other keys than these; -1 does not."""
        others: Bools = (self._low[numbers] != low) | (self._high[numbers] != high)
        others &= numbers >= 0
        return others

    def _reserve(self, count: int) -> None:
        """Make space for this many keys."""
        self._low, self._high = grown(self._low, count, 0), grown(self._high, count, 0)
        size = len(self._slots)
        if 2 * count > size:
            while size < 2 * count:
                size *= 2
            self._slots = np.full(size, -1, np.int32)
            self._fill(0, self._count)

    def _fill(self, begin: int, end: int) -> None:
        """Put the numbers of a range into slots."""
        waiting = np.arange(begin, end, dtype=np.int32)
        slot = self._first_slots(self._low[begin:end])
        while len(waiting):
            free = self._slots[slot] < 0
            # If several numbers need one slot, the last assignment wins.
            self._slots[slot[free]] = waiting[free]
            left = self._slots[slot] != waiting
            waiting, slot = waiting[left], self._after(slot[left])

    def _first_slots(self, low: Words) -> Ints:
        return (low & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _after(self, slots: Ints) -> Ints:
        return (slots + 1) & (len(self._slots) - 1)


def distinct_keys(keys: Tokens) -> tuple[Ints, Ints]:
    """Return where each distinct key appears first, in order, and which of them each key is."""
    low, high = np.ascontiguousarray(keys.T)
    order = np.argsort(low)
    new_low, new_high = _changes(low[order]), _changes(high[order])
    if (new_high & ~new_low).any():  # two keys have one lower half
        order = np.lexsort((high, low))
        new_low, new_high = _changes(low[order]), _changes(high[order])
    begins = np.ones(len(keys), np.bool_)
    begins[1:] = new_low | new_high
    first = np.minimum.reduceat(order, np.flatnonzero(begins)) if len(keys) else order
    is_first = np.zeros(len(keys), np.bool_)
    is_first[first] = True
    rank = np.cumsum(is_first) - 1
    which = np.empty(len(keys), np.int64)
    which[order] = rank[first][np.cumsum(begins) - 1]
    return np.flatnonzero(is_first), which


def _changes(ordered: Words) -> Bools:
    """[N - 1] Return whether each element differs from the one before."""
    changes: Bools = ordered[1:] != ordered[:-1]
    return changes


class TokenColumn:
    """A random token for each code of a label; the empty text, code 0, adds nothing to a key."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._count = 1
        self._tokens: Tokens = np.zeros((16, 2), np.uint64)

    def of(self, codes: Codes) -> Tokens:
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
