"""Staleness markers found and taken out, compiled by numba. `staleness` does it in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from novaql.tsdb.runtime.numba_refs import borrowed

STALE_BITS = 0x7FF0000000000002
LOOK = 2048
"""So many values are looked at once, then once more if there is a marker: they are near by then."""
_BITS = types.Array(types.int64, 1, "C", readonly=True)
_OUT_INTS = types.Array(types.int64, 1, "C")
_OUT = types.Array(types.float64, 1, "C")
SIGNATURES = {
    "find_markers": (_BITS,),
    "drop": (_OUT, _BITS),
    "drop_of_pieces": (_BITS, _BITS, _BITS, _BITS, _BITS, _OUT_INTS),
}


@intrinsic
def _intrinsic_slide(_context: Any, values: Any, to: Any, begin: Any, count: Any) -> Any:
    """values[to : to + count] = values[begin : begin + count], which may overlap.

    By memmove: numba's own loop over them takes twice as long.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        target, origin = (builder.gep(array.data, [place]) for place in arguments[1:3])
        size = context.get_constant(types.intp, 8)
        raw_memmove: Any = cgutils.raw_memmove
        raw_memmove(builder, target, origin, arguments[3], size)
        return context.get_dummy_value()

    return types.void(values, to, begin, count), build


_slide: Any = _intrinsic_slide


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


def drop(values: Any, at: Any) -> Any:
    """Take out what stands at these positions, in place; how many values are left in front."""
    if len(at) == 0:
        return len(values)
    to = at[0]
    for hole in range(len(at)):
        begin = at[hole] + 1
        end = at[hole + 1] if hole + 1 < len(at) else len(values)
        _slide(values, to, begin, end - begin)
        to += end - begin
    return to


def drop_of_pieces(
    numbers: Any, begins: Any, lengths: Any, holes: Any, offsets: Any, out: Any
) -> None:
    """Pieces of `numbers` one after the other to `out`, without the places
    holes[offsets[p]:offsets[p + 1]] of piece p, which increase."""
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
