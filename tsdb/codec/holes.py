"""Staleness markers found and taken out, compiled by numba. `bundling` does it in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

STALE_BITS = 0x7FF0000000000002
_BITS = types.Array(types.int64, 1, "C", readonly=True)
_OUT_INTS = types.Array(types.int64, 1, "C")
_OUT = types.Array(types.float64, 1, "C")
SIGNATURES = {
    "find_markers": (_BITS,),
    "drop": (_OUT, _BITS),
    "drop_of_pieces": (_BITS, _BITS, _BITS, _BITS, _BITS, _OUT_INTS),
}


def find_markers(bits: Any) -> Any:
    """Positions of staleness markers, increasing. bits: of the values."""
    found = 0
    for n in range(len(bits)):
        found += bits[n] == STALE_BITS
    at = np.empty(found, np.int64)
    if found:
        found = 0
        for n in range(len(bits)):
            if bits[n] == STALE_BITS:
                at[found] = n
                found += 1
    return at


def drop(values: Any, at: Any) -> Any:
    """Take out what stands at these positions, in place; how many values are left in front."""
    if len(at) == 0:
        return len(values)
    to = at[0]
    for hole in range(len(at)):
        begin = at[hole] + 1
        end = at[hole + 1] if hole + 1 < len(at) else len(values)
        for n in range(end - begin):
            values[to + n] = values[begin + n]
        to += end - begin
    return to


def drop_of_pieces(
    numbers: Any, begins: Any, lengths: Any, holes: Any, offsets: Any, out: Any
) -> None:
    """Pieces of `numbers` one after the other to `out`, without the places
    holes[offsets[p]:offsets[p + 1]] of piece p, which increase."""
    to = 0
    for piece in range(len(begins)):
        begin = 0
        for hole in range(offsets[piece], offsets[piece + 1] + 1):
            end = holes[hole] if hole < offsets[piece + 1] else lengths[piece]
            some = numbers[begins[piece] + begin : begins[piece] + end]
            out[to : to + len(some)] = some
            to += len(some)
            begin = end + 1
