"""The hash table of texts, compiled by numba: look up, add, and grow.

Open addressing: `slots` [a power of two] has the number of a text, or -1; `hashes`, `starts` and
`sizes` [by number] describe it, and `arena` has the bytes of all texts. The hash starts with a
secret number, so that a sender cannot choose texts that collide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import word_in

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
INTS_2D = types.Array(types.int64, 2, "C", readonly=True)
OUT_INTS = types.Array(types.int64, 1, "C")
OUT_INTS_2D = types.Array(types.int64, 2, "C")
OUT_BITS = types.Array(types.uint64, 1, "C")
OUT_BYTES = types.Array(types.uint8, 1, "C")
TABLE = (OUT_INTS, OUT_BITS, OUT_INTS, OUT_INTS, OUT_BYTES)
SEED = types.uint64


@inner
def text_hash(data: Any, start: int, stop: int, seed: Any) -> Any:
    mixed = seed ^ (np.uint64(stop - start) * np.uint64(0x9E3779B97F4A7C15))
    at = start
    while at + 8 <= stop:
        mixed = (mixed ^ word_in(data, at)) * np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(32)
        at += 8
    while at < stop:
        mixed = (mixed ^ np.uint64(data[at])) * np.uint64(0xD6E8FEB86659FD93)
        mixed ^= mixed >> np.uint64(29)
        at += 1
    mixed *= np.uint64(0x94D049BB133111EB) | np.uint64(1)
    return mixed ^ (mixed >> np.uint64(31))


@inner
def same(data: Any, start: int, arena: Any, at: int, size: int) -> bool:
    done = 0
    while done + 8 <= size:
        if word_in(data, start + done) != word_in(arena, at + done):
            return False
        done += 8
    while done < size:
        if data[start + done] != arena[at + done]:
            return False
        done += 1
    return True


@inner
def find(
    data: Any,
    start: int,
    stop: int,
    mixed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
) -> int:
    """The number of a text; -1 - slot where it would be entered if it is not known."""
    last = len(slots) - 1
    slot = np.int64(mixed & np.uint64(last))
    while True:
        number = slots[slot]
        if number < 0:
            return int(-1 - slot)
        if (
            hashes[number] == mixed
            and sizes[number] == stop - start
            and same(data, start, arena, starts[number], stop - start)
        ):
            return int(number)
        slot = (slot + 1) & last


@kernel(
        BYTES, INTS_2D, SEED, *TABLE, types.int64, OUT_INTS,
)  # fmt: skip
def enter(
    data: Any,
    regions: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
    count: Any,
    numbers: Any,
) -> Any:
    """Enter label bytes: `numbers` [R + 1] gets the number of each; its last item is how many bytes
    of the arena are in use (in and out).

    Returns the count of texts.
    """
    used = numbers[len(regions)]
    for region in range(len(regions)):
        first, stop = regions[region, 0], regions[region, 1]
        mixed = text_hash(data, first, stop, seed)
        number = find(data, first, stop, mixed, slots, hashes, starts, sizes, arena)
        if number < 0:
            slots[-1 - number] = count
            number = count
            hashes[count], starts[count], sizes[count] = mixed, used, stop - first
            for byte in range(first, stop):
                arena[used] = data[byte]
                used += 1
            count += 1
        numbers[region] = number
    numbers[len(regions)] = used
    return count


@kernel(
        OUT_INTS, OUT_BITS, types.int64,
)  # fmt: skip
def spread(slots: Any, hashes: Any, count: Any) -> None:
    """Enter the first `count` texts into empty slots, of which there are more."""
    last = len(slots) - 1
    for number in range(count):
        slot = np.int64(hashes[number] & np.uint64(last))
        while slots[slot] >= 0:
            slot = (slot + 1) & last
        slots[slot] = number
