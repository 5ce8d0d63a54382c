"""Number columns by pcodec, text columns by length and zlib. Lossless for every bit pattern."""

from __future__ import annotations

import itertools
import zlib
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, standalone

FLUSH_LEVEL = 4
"""pcodec's level for new blocks: level 8 is 2 % smaller and takes twice the time."""

COMPACTION_LEVEL = 8
"""pcodec's level for merged blocks."""

BATCH = 256
"""Numbers that pcodec decodes at a time."""

_COMPRESSED_FROM = 1024
_PLAIN, _DEFLATED = 0, 1


class Undecodable(ValueError):
    """These bytes are not an encoded column."""


def encode_numbers(values: NDArray[np.generic], level: int = FLUSH_LEVEL) -> bytes:
    """Encode a one-dimensional array of 32- or 64-bit numbers. An empty array has no bytes."""
    if len(values) == 0:
        return b""
    encoded: bytes = standalone.simple_compress(
        np.ascontiguousarray(values), ChunkConfig(compression_level=level)
    )
    return encoded


def decode_numbers(data: bytes, dtype: type[np.generic], count: int) -> NDArray[np.generic]:
    """Decode an array. Raises `Undecodable` unless there are `count` numbers of this type."""
    if count == 0 and not data:
        return np.empty(0, dtype)
    try:
        found = standalone.simple_decompress(data)
    except (RuntimeError, TypeError) as problem:
        raise Undecodable(str(problem)) from problem
    if found is None or found.dtype != dtype or len(found) != count:
        raise Undecodable(f"expected {count} of {np.dtype(dtype)}, found {found!r:.60}")
    array: NDArray[np.generic] = found
    return array


def decode_into(data: bytes, out: NDArray[np.generic], *, beginning: bool = False) -> None:
    """Decode into an existing array. Raises `Undecodable` unless it is filled exactly.

    beginning  decode only the first numbers, a multiple of `BATCH`; there may be more
    """
    if len(out) == 0 and not data:
        return
    try:
        progress = standalone.simple_decompress_into(data, out)
    except (RuntimeError, TypeError) as problem:
        raise Undecodable(str(problem)) from problem
    if progress.n_processed != len(out) or not (progress.finished or beginning):
        raise Undecodable(f"expected {len(out)} numbers, found {progress.n_processed} or more")


def encode_texts(texts: Sequence[str]) -> bytes:
    """Encode as in FORMAT.md, "Text column": a flag byte, then [count + 1] offsets as u32 and the
    bytes."""
    pieces = [text.encode() for text in texts]
    offsets = np.zeros(len(pieces) + 1, "<u4")
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    plain = offsets.tobytes() + b"".join(pieces)
    if len(plain) >= _COMPRESSED_FROM:
        packed = zlib.compress(plain, 6)
        if len(packed) < len(plain) * 3 // 4:
            return bytes([_DEFLATED]) + packed
    return bytes([_PLAIN]) + plain


class TextColumn:
    """Encoded texts, each decoded when it is read."""

    def __init__(self, data: bytes, count: int) -> None:
        """Raises `Undecodable` unless there are `count` texts."""
        if not data:
            raise Undecodable("a text column is empty")
        if data[0] == _DEFLATED:
            try:
                plain = zlib.decompress(data[1:])
            except zlib.error as problem:
                raise Undecodable(str(problem)) from problem
        else:
            plain = data[1:]
        head = 4 * (count + 1)
        if len(plain) < head:
            raise Undecodable(f"expected {count} texts, found {len(plain)} bytes")
        self._offsets = np.frombuffer(plain, "<u4", count + 1).astype(np.int64)
        self._bytes = plain[head:]
        ends_right = int(self._offsets[-1]) == len(self._bytes) and self._offsets[0] == 0
        if not ends_right or (np.diff(self._offsets) < 0).any():
            raise Undecodable("text offsets are wrong")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def nbytes(self) -> int:
        return self._offsets.nbytes + len(self._bytes)

    def raw(self, number: int) -> bytes:
        return self._bytes[self._offsets[number] : self._offsets[number + 1]]

    def __getitem__(self, number: int) -> str:
        return self.raw(number).decode()

    def all(self) -> list[str]:
        ends = self._offsets.tolist()
        data = self._bytes
        return [data[a:b].decode() for a, b in itertools.pairwise(ends)]

    def bisect(self, wanted: bytes) -> int:
        """Return the first position whose text is not smaller, by bytes; the texts must be
        sorted."""
        return bisect_left(range(len(self)), wanted, key=self.raw)
