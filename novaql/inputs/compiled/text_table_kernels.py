"""The hash table of texts, compiled by numba: look up, add, and grow.

Open addressing: `slots` [a power of two] has the number of a text, or -1; `hashes`, `starts` and
`sizes` [by number] describe it, and `arena` has the bytes of all texts. At most half of the slots
are in use, so a search ends. The hash starts with a secret `seed`, so that a sender cannot choose
texts that collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.runtime.compiled import inlined, inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import word_in

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
INTS_2D = types.Array(types.int64, 2, "C", readonly=True)
OUT_INTS = types.Array(types.int64, 1, "C")
OUT_INTS_2D = types.Array(types.int64, 2, "C")
OUT_BITS = types.Array(types.uint64, 1, "C")
OUT_BYTES = types.Array(types.uint8, 1, "C")
CODES = types.Array(types.int32, 1, "C", readonly=True)
OUT_CODES = types.Array(types.int32, 1, "C")
_POSITIONS = types.Array(types.uint32, 1, "C")
TABLE: Any = types.Tuple(  # type: ignore[no-untyped-call]
    (OUT_CODES, OUT_BITS, _POSITIONS, _POSITIONS, OUT_BYTES, types.uint64)
)
"""slots, hashes, starts, sizes, arena, seed: `TextTable.arrays`."""
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio
_MIX = np.uint64(0xD6E8FEB86659FD93)  # of the 64-bit mixer of degski, 2018
_END = np.uint64(0x94D049BB133111EB)  # of splitmix64, G. Steele, D. Lea, C. Flood, 2014


@inner
def text_hash(data: Any, start: int, stop: int, seed: Any) -> Any:
    mixed = seed ^ (np.uint64(stop - start) * _ODD)
    at = start
    while at + 8 <= stop:
        mixed = (mixed ^ word_in(data, at)) * _MIX
        mixed ^= mixed >> np.uint64(32)
        at += 8
    while at < stop:
        mixed = (mixed ^ np.uint64(data[at])) * _MIX
        mixed ^= mixed >> np.uint64(29)
        at += 1
    mixed *= _END
    return mixed ^ (mixed >> np.uint64(31))


@inlined
def equals(data: Any, start: int, arena: Any, at: int, size: int) -> bool:
    """Whether the text of `size` bytes at `at` of the arena begins at `start`. The caller has
    verified that `data` has as many bytes.

    Nearly all texts that are compared are equal, so no difference ends the loop early: the
    processor then compares several words at a time.
    """
    other = np.uint64(0)
    if size < 8:
        for done in range(size):
            other |= np.uint64(data[start + done] ^ arena[at + done])
        return bool(other == 0)
    for word in range(size >> 3):
        other |= word_in(data, start + 8 * word) ^ word_in(arena, at + 8 * word)
    other |= word_in(data, start + size - 8) ^ word_in(arena, at + size - 8)
    return bool(other == 0)


@inner
def look_up(data: Any, start: int, stop: int, table: Any) -> tuple[int, int, Any]:
    """The number of a text, or -1; its slot, or the empty one where it would be; and its hash."""
    slots, hashes, starts, sizes, arena, seed = table
    mixed = text_hash(data, start, stop, seed)
    last = len(slots) - 1
    slot: Any = np.int64(mixed & np.uint64(last))
    while True:
        number: Any = np.int64(slots[slot])
        if number < 0 or (
            hashes[number] == mixed
            and sizes[number] == stop - start
            and equals(data, start, arena, starts[number], stop - start)
        ):
            return number, slot, mixed
        slot = (slot + 1) & last


@inner
def find_or_add(
    data: Any, start: int, stop: int, table: Any, count: int, used: int
) -> tuple[int, int, int]:
    """The number of a text, the count of texts, and the bytes of the arena that are in use."""
    slots, hashes, starts, sizes, arena, _ = table
    number, slot, mixed = look_up(data, start, stop, table)
    if number < 0:
        slots[slot] = number = count
        hashes[count], starts[count], sizes[count] = mixed, used, stop - start
        for byte in range(start, stop):
            arena[used] = data[byte]
            used += 1
        count += 1
    return number, count, used


@kernel(BYTES, INTS_2D, TABLE, types.int64, OUT_INTS)
def add_texts(data: Any, regions: Any, table: Any, count: Any, numbers: Any) -> Any:
    """Add the texts in some regions to a table that has space for all of them.

    count    of texts in the table
    numbers  [R + 1] gets the number of each; its last item is how many bytes of the arena are in
             use (in and out)

    Returns the count of texts.
    """
    used = numbers[len(regions)]
    for region in range(len(regions)):
        start, stop = regions[region, 0], regions[region, 1]
        numbers[region], count, used = find_or_add(data, start, stop, table, count, used)
    numbers[len(regions)] = used
    return count


@kernel(OUT_CODES, OUT_BITS, types.int64)
def fill_slots(slots: Any, hashes: Any, count: Any) -> None:
    """Put the first `count` texts into empty slots, of which there are more."""
    last = len(slots) - 1
    for number in range(count):
        slot = np.int64(hashes[number] & np.uint64(last))
        while slots[slot] >= 0:
            slot = (slot + 1) & last
        slots[slot] = number
