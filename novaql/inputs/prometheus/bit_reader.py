"""Bits of one chunk, read one number at a time: for headers, and without numba."""

from __future__ import annotations

import math
import struct

_VARBIT_SIZES = (0, 3, 6, 9, 12, 18, 25, 56, 64)
_EVERY = (1 << 64) - 1


class EndOfChunk(Exception):
    """The chunk has fewer bits than the read needs."""


class BitReader:
    """Reads data[first:end]. `pos`: the next bit, counted from the beginning of the data."""

    def __init__(self, data: bytes | memoryview, first: int, end: int) -> None:
        self._data = data
        self._end = end * 8
        self.pos = first * 8

    def bits(self, size: int) -> int:
        """An unsigned number. Raises `EndOfChunk`."""
        begin, self.pos = self.pos, self.pos + size
        if self.pos > self._end:
            raise EndOfChunk
        last = (self.pos + 7) >> 3
        number = int.from_bytes(self._data[begin >> 3 : last], "big")
        return (number >> (last * 8 - self.pos)) & ((1 << size) - 1)

    def varbit(self, *, signed: bool) -> int:
        """A number of 0 … 64 bits, after a unary code of its size."""
        ones = 0
        while ones < 8 and self.bits(1):
            ones += 1
        size = _VARBIT_SIZES[ones]
        number = self.bits(size)
        if signed and size:
            half = 1 << (size - 1)
            if number > half or (size == 64 and number == half):
                number -= 1 << size
        return number

    def float64(self) -> float:
        value: float = struct.unpack(">d", self.bits(64).to_bytes(8, "big"))[0]
        return value

    def zero_threshold(self) -> float:
        """A power of two is one byte, any other threshold nine."""
        code = self.bits(8)
        if code == 0:
            return 0.0
        return self.float64() if code == 255 else math.ldexp(0.5, code - 243)

    def custom_bound(self) -> float:
        """Thousandths are a whole number, any other bound is a zero and a float."""
        number = self.varbit(signed=False)
        return self.float64() if number == 0 else (number - 1) / 1000


class XorReader:
    """A column of floats inside a chunk: each is written as its XOR with the one before."""

    def __init__(self, bits: int) -> None:
        self.value = bits
        self._lead = self._trail = 0

    def next(self, reader: BitReader) -> int:
        """The bits of the next value. Raises `EndOfChunk`."""
        if not reader.bits(1):
            return self.value
        if reader.bits(1):
            self._lead = reader.bits(5)
            size = reader.bits(6) or 64
            self._trail = (64 - self._lead - size) % 64
        # No encoder writes more than 64 zeros and bits together; all readers agree what it means.
        found = reader.bits(min((64 - self._lead - self._trail) & 127, 64))
        self.value ^= (found << self._trail) & _EVERY
        return self.value
