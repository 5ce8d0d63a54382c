"""Copy pieces of a decoded page. For numba; `parts.sorted_run.move_pieces` does it in NumPy."""

from __future__ import annotations

from typing import Any

from numba import types

from novaql.tsdb.runtime.compiled import kernel
from novaql.tsdb.runtime.numba_intrinsics import borrowed

_BITS = types.Array(types.int64, 1, "C", readonly=True)
_OUT_BITS = types.Array(types.int64, 1, "C")


@kernel(_BITS, _BITS, _BITS, _BITS, _OUT_BITS)
def copy_pieces(page: Any, starts: Any, lengths: Any, places: Any, out: Any) -> bool:
    """Copy the piece of `page` that begins at starts[i] to places[i] of `out`. Returns False, and
    stops, at a piece that is not inside of both."""
    page, out = borrowed(page), borrowed(out)
    for piece in range(len(starts)):
        origin, size, to = starts[piece], lengths[piece], places[piece]
        if min(origin, size, to) < 0 or origin > len(page) - size or to > len(out) - size:
            return False
        for n in range(size):
            out[to + n] = page[origin + n]
    return True
