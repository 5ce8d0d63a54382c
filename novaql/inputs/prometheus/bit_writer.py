"""Bits of one chunk, written one number at a time: the counterpart of `bit_reader`."""

from __future__ import annotations

import math
import struct

_VARBIT_SIZES = (3, 6, 9, 12, 18, 25, 56)
_EVERY = (1 << 64) - 1


class BitWriter:
    """Numbers one after another; `done` fills the last byte with zeros."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._open = self._size = 0

    def bits(self, number: int, size: int) -> None:
        self._open = (self._open << size) | (number & ((1 << size) - 1))
        self._size += size
        if self._size >= 512:  # move whole bytes out, so that `_open` stays small
            rest = self._size & 7
            self._done += (self._open >> rest).to_bytes(self._size >> 3, "big")
            self._open &= (1 << rest) - 1
            self._size = rest

    def done(self) -> bytes:
        rest = -self._size & 7
        return bytes(self._done + (self._open << rest).to_bytes((self._size + rest) >> 3, "big"))

    def varbit(self, number: int, *, signed: bool) -> None:
        """A number of 0 … 64 bits, after a unary code of its size."""
        if number == 0:
            self.bits(0, 1)
            return
        for ones, size in enumerate(_VARBIT_SIZES, start=1):
            half = 1 << (size - 1)
            if 1 - half <= number <= half if signed else number < 1 << size:
                self.bits((1 << (ones + 1)) - 2, ones + 1)
                self.bits(number, size)
                return
        self.bits(0xFF, 8)
        self.bits(number, 64)

    def float64(self, value: float) -> None:
        self.bits(int.from_bytes(struct.pack(">d", value), "big"), 64)

    def zero_threshold(self, value: float) -> None:
        """A power of two is one byte, any other threshold nine."""
        fraction, exponent = math.frexp(value)
        if value == 0:
            self.bits(0, 8)
        elif fraction == 0.5 and -242 <= exponent <= 11:
            self.bits(exponent + 243, 8)
        else:
            self.bits(255, 8)
            self.float64(value)

    def custom_bound(self, bound: float) -> None:
        """Thousandths are a whole number, any other bound is a zero and a float."""
        if 0 <= bound * 1000 <= 33554430 and round(bound * 1000) / 1000 == bound:
            self.varbit(round(bound * 1000) + 1, signed=False)
        else:
            self.bits(0, 1)
            self.float64(bound)


class XorWriter:
    """A column of floats inside a chunk: each is written as its XOR with the one before."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._lead = self._trail = -1

    def write(self, writer: BitWriter, bits: int) -> None:
        last, self._last = self._last, bits
        if last is None:
            writer.bits(bits, 64)
            return
        xor = last ^ bits
        if xor == 0:
            writer.bits(0, 1)
            return
        lead = min(64 - xor.bit_length(), 31)
        trail = (xor & -xor).bit_length() - 1
        if self._lead < 0 or lead < self._lead or trail < self._trail:
            self._lead, self._trail = lead, trail
            size = 64 - lead - trail
            writer.bits(0b11 << 11 | lead << 6 | size & 63, 13)
        else:
            writer.bits(0b10, 2)
        writer.bits((xor & _EVERY) >> self._trail, 64 - self._lead - self._trail)
