"""Packs short lists of whole numbers, in the smallest of four encodings."""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.codec.columns import Undecodable, decode_numbers, encode_numbers
from novaql.tsdb.model.labels import Ints

_CONSTANT, _PCODEC = 0, 9
"""Encodings. Any other is the number of bytes of each number, stored as its distance from the
minimum."""
_LEAST = Struct("<q")
_LENGTH = Struct("<I")
_PCODEC_FROM = 24


def pack(numbers: Ints, level: int | None) -> bytes:
    """Pack int64 numbers. Their count is not written; the reader passes it.

    level: of pcodec; None excludes that encoding, which is the slowest.
    """
    if len(numbers) == 0:
        return b""
    least = int(numbers.min())
    spread = int(numbers.max()) - least
    if spread == 0:
        return bytes([_CONSTANT]) + _LEAST.pack(least)
    width = next(w for w in (1, 2, 4, 8) if spread < 1 << 8 * w)
    plain = bytes([width]) + _LEAST.pack(least)
    plain += (numbers - np.int64(least)).view(np.uint64).astype(f"<u{width}").tobytes()
    if level is not None and len(numbers) >= _PCODEC_FROM:
        data = encode_numbers(numbers, level)
        if _LENGTH.size + len(data) + 1 < len(plain):
            return bytes([_PCODEC]) + _LENGTH.pack(len(data)) + data
    return plain


class Unpacker:
    """Reads what `pack` and `Struct.pack` wrote, one after another.

    Raises `Undecodable` beyond the end of the bytes, and for invalid ones.
    """

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def bytes(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise Undecodable("a page is cut off")
        self.at += count
        return piece

    def fields(self, struct: Struct) -> tuple[int, ...]:
        at = self.at
        self.at += struct.size
        try:
            return struct.unpack_from(self.data, at)
        except StructError:
            raise Undecodable("a page is cut off") from None

    def ints(self, count: int) -> Ints:
        """Return the `count` numbers of a `pack`."""
        if count == 0:
            return np.empty(0, np.int64)
        kind = self.bytes(1)[0]
        if kind == _PCODEC:
            (length,) = self.fields(_LENGTH)
            return decode_numbers(self.bytes(length), np.int64, count).view(np.int64)
        (least,) = self.fields(_LEAST)
        if kind == _CONSTANT:
            return np.full(count, least)
        if kind not in (1, 2, 4, 8):
            raise Undecodable(f"numbers packed in way {kind}")
        above: NDArray[np.uint64] = np.frombuffer(self.bytes(kind * count), f"<u{kind}").astype(
            np.uint64
        )
        return above.view(np.int64) + np.int64(least)
