"""Encoded chunks in memory."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.varints import PADDING
from novaql.tsdb.model.labels import Ints


class Encoding(IntEnum):
    """Kinds of chunks, numbered as on disk and in remote read."""

    XOR = 1
    HISTOGRAM = 2
    FLOAT_HISTOGRAM = 3


class BrokenChunk(ValueError):
    """A chunk whose bytes cannot be decoded. `number`: its index among those to be decoded."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        super().__init__(reason)


@dataclass(frozen=True, slots=True, eq=False)
class ChunkBytes:
    """C chunks, one after another.

    data    uint8, with `PADDING` after the last chunk
    first   [C] byte at which each begins, with its number of samples (two bytes)
    end     [C] one past its last byte
    counts  [C] number of samples
    """

    data: NDArray[np.uint8]
    first: Ints
    end: Ints
    counts: Ints

    @classmethod
    def of(cls, pieces: Sequence[bytes | memoryview]) -> ChunkBytes:
        """Raises `BrokenChunk` for one that is too short for a number of samples."""
        sizes = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
        short = np.flatnonzero(sizes < 2)
        if len(short):
            raise BrokenChunk(int(short[0]), "the chunk has fewer than two bytes")
        data = np.frombuffer(b"".join((*pieces, bytes(PADDING))), np.uint8)
        end = np.cumsum(sizes)
        first = end - sizes
        counts = data[first].astype(np.int64) << 8 | data[first + 1]
        return cls(data, first, end, counts)

    def __len__(self) -> int:
        return len(self.first)
