"""Many texts at once, each of which consists of a head, any number of items, and a tail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.histogram_buckets import interleaved
from novaql.tsdb.model.labels import Ints


def glued(
    heads: Sequence[bytes],
    items: Sequence[bytes] | NDArray[np.object_],
    sizes: Ints,
    tails: Sequence[bytes],
) -> list[bytes]:
    """[N] texts. Row i has sizes[i] of the items, row after row; no part may contain a line
    break."""
    count = len(heads)
    if count == 0:
        return []
    ones = np.ones(count, np.int64)
    offsets, (first, middle, last) = interleaved([ones, sizes, ones])
    pieces = np.empty(int(offsets[-1]), object)
    pieces[first] = heads
    pieces[middle] = items
    pieces[last] = [tail + b"\n" for tail in tails]
    return b"".join(pieces.tolist()).split(b"\n")[:-1]
