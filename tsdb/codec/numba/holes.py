"""Find and remove staleness markers. For numba; `read.staleness.PlainHoles` does it in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.runtime.compiled import kernel
from novaql.tsdb.runtime.numba_intrinsics import borrowed, move

STALE_BITS = 0x7FF0000000000002
LOOK = 2048
"""Values that are counted at once, and read again from the processor's cache if one is a marker."""
_BITS = types.Array(types.int64, 1, "C", readonly=True)
_OUT_INTS = types.Array(types.int64, 1, "C")
_OUT = types.Array(types.float64, 1, "C")


@kernel(_BITS)
def find_markers(bits: Any) -> Any:
    """Positions of staleness markers, increasing. bits: of the values."""
    at, found = np.empty(64, np.int64), 0
    for begin in range(0, len(bits), LOOK):
        some = bits[begin : begin + LOOK]
        here = 0
        for n in range(len(some)):
            here += some[n] == STALE_BITS
        if here == 0:
            continue
        if found + here > len(at):
            wider = np.empty(2 * (found + here), np.int64)
            wider[:found] = at[:found]
            at = wider
        for n in range(len(some)):
            if some[n] == STALE_BITS:
                at[found] = begin + n
                found += 1
    return at[:found]


@kernel(_OUT, _BITS)
def drop(values: Any, at: Any) -> Any:
    """Remove the values at these positions, in place. Returns how many remain, at the front."""
    if len(at) == 0:
        return len(values)
    to = at[0]
    for hole in range(len(at)):
        begin = at[hole] + 1
        end = at[hole + 1] if hole + 1 < len(at) else len(values)
        move(values, to, begin, end - begin)
        to += end - begin
    return to


@kernel(_BITS, _BITS, _BITS, _BITS, _BITS, _OUT_INTS)
def drop_of_pieces(
    numbers: Any, begins: Any, lengths: Any, holes: Any, offsets: Any, out: Any
) -> None:
    """Copy pieces of `numbers` to `out`, one after another, each without its holes.

    holes    increasing positions in a piece; those of piece p are holes[offsets[p]:offsets[p + 1]]
    """
    numbers, out = borrowed(numbers), borrowed(out)
    to = 0
    for piece in range(len(begins)):
        begin = 0
        for hole in range(offsets[piece], offsets[piece + 1] + 1):
            end = holes[hole] if hole < offsets[piece + 1] else lengths[piece]
            some = numbers[begins[piece] + begin : begins[piece] + end]
            out[to : to + len(some)] = some
            to += len(some)
            begin = end + 1
