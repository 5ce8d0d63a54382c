"""XOR chunks → times and values with NumPy, many chunks in step: sample k of all of them at once.

For small reads, and without numba; see `compiled.decode_xor`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.inputs.prometheus.chunk_bytes import BrokenChunk, ChunkBytes
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats

Words = NDArray[np.uint64]

_TOGETHER = 2048
"""Chunks that are decoded in step: their arrays fit in a core's cache."""

# By the first four bits of a difference of differences: bits of its prefix, bits of its number.
_PREFIX = np.array([1] * 8 + [2] * 4 + [3] * 2 + [4] * 2, np.uint64)
_SIZE = np.array([0] * 8 + [14] * 4 + [17] * 2 + [20, 64], np.uint64)
_U = np.uint64
_FULL = _U(64)


def decode_xor(chunks: ChunkBytes) -> tuple[Ints, Floats]:
    """Times in milliseconds and values [N], chunk after chunk in the given order.

    Raises `BrokenChunk` for a chunk that ends before its last sample.
    """
    offsets = np.concatenate([[0], np.cumsum(chunks.counts)])
    times = np.empty(offsets[-1], np.int64)
    bits = np.empty(offsets[-1], np.uint64)
    order = np.argsort(-chunks.counts, kind="stable")
    order = order[chunks.counts[order] > 0]
    for at in range(0, len(order), _TOGETHER):
        some = order[at : at + _TOGETHER]
        _decode_in_step(chunks, some, offsets[some], times, bits)
    return times, bits.view(np.float64)


def _decode_in_step(
    chunks: ChunkBytes, some: Ints, out: Ints, times: Ints, bits: NDArray[np.uint64]
) -> None:
    """Decode the chunks `some`, longest first; out: where the samples of each begin."""
    counts = chunks.counts[some]
    reader = _Reader(chunks.data)
    limit = chunks.end[some].astype(np.uint64) << _U(3)
    pos = (chunks.first[some] + 2).astype(np.uint64)
    zigzag, pos = reader.varint(pos)
    time = (zigzag >> _U(1)).view(np.int64) ^ -(zigzag & _U(1)).view(np.int64)
    pos <<= _U(3)
    value = reader.full(pos)
    pos = pos + _FULL
    times[out], bits[out] = time, value
    delta = np.zeros(len(some), np.int64)
    lead = np.zeros(len(some), np.uint64)
    trail = np.zeros(len(some), np.uint64)
    # [k] how many chunks have more than k samples
    live = np.searchsorted(-counts, -np.arange(1, int(counts[0]) + 1), "right")
    for k in range(1, int(counts[0])):
        n = int(live[k])
        if n < len(pos):
            _check(chunks, some[n:], pos[n:], limit[n:])
            pos, time, delta, value = pos[:n], time[:n], delta[:n], value[:n]
            lead, trail, limit = lead[:n], trail[:n], limit[:n]
        pos = np.minimum(pos, limit)  # a broken chunk stops; `_check` raises at its end
        if k == 1:
            unsigned, byte = reader.varint(pos >> _U(3))
            delta = unsigned.view(np.int64)
            pos = byte << _U(3)
        else:
            dod, pos = reader.difference(pos)
            delta = delta + dod
        time = time + delta
        value, lead, trail, pos = reader.xor(pos, value, lead, trail)
        times[out[:n] + k], bits[out[:n] + k] = time, value
    _check(chunks, some[: len(pos)], pos, limit)


def _check(chunks: ChunkBytes, some: Ints, pos: Words, limit: Words) -> None:
    beyond = np.flatnonzero(pos > limit)
    if len(beyond):
        which = int(some[beyond[0]])
        raise BrokenChunk(which, f"it ends before its {chunks.counts[which]} samples do")


class _Reader:
    """Numbers at many bit positions of one buffer."""

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data = data
        # [i] the eight bytes from byte i on, as one big-endian number
        self.words = np.ndarray((len(data) - 8,), ">u8", data, strides=(1,))

    def word(self, pos: Words) -> Words:
        """At least 57 bits from each position on, in the highest bits."""
        found: Words = self.words[(pos >> _U(3)).view(np.int64)].astype(np.uint64)
        found <<= pos & _U(7)
        return found

    def full(self, pos: Words) -> Words:
        """The 64 bits from each position on."""
        shift = pos & _U(7)
        found = self.word(pos)
        found |= self.data[(pos >> _U(3)).view(np.int64) + 8].astype(np.uint64) >> (_U(8) - shift)
        return found

    def varint(self, byte: Words) -> tuple[Words, Words]:
        """An unsigned number of seven bits a byte, and the byte after it."""
        number = np.zeros(len(byte), np.uint64)
        goes_on = np.ones(len(byte), np.bool_)
        at = byte.copy()
        for shift in range(0, 70, 7):
            found = self.data[at.view(np.int64)].astype(np.uint64)
            number |= np.where(goes_on, (found & _U(0x7F)) << _U(min(shift, 63)), _U(0))
            at += goes_on
            goes_on &= found >= _U(0x80)
            if not goes_on.any():
                break
        return number, at

    def difference(self, pos: Words) -> tuple[NDArray[np.int64], Words]:
        """A difference of differences of times, and the position after it."""
        word = self.word(pos)
        kind = (word >> _U(60)).view(np.int64)
        prefix, size = _PREFIX[kind], _SIZE[kind]
        some = size > 0
        if not some.any():
            return np.zeros(len(pos), np.int64), pos + _U(1)
        word <<= prefix
        number = np.where(some, word >> ((_FULL - size) & _U(63)), _U(0)).view(np.int64)
        # Of n bits, numbers above 2^(n - 1) are negative ones.
        half = np.int64(1) << (np.maximum(size, _U(1)) - _U(1)).view(np.int64)
        number = np.where(some & (number > half), number - (half << 1), number)
        wide = kind == 15
        if wide.any():
            number[wide] = self.full(pos[wide] + _U(4)).view(np.int64)
        return number, pos + prefix + size

    def xor(
        self, pos: Words, value: Words, lead: Words, trail: Words
    ) -> tuple[Words, Words, Words, Words]:
        """The next values, the leading and trailing zeros of their XORs, and the next positions."""
        word = self.word(pos)
        changed = (word >> _U(63)).astype(np.bool_)
        if not changed.any():
            return value, lead, trail, pos + _U(1)
        fresh = (word >> _U(62)) == _U(3)
        lead = np.where(fresh, (word >> _U(57)) & _U(31), lead)
        size = (word >> _U(51)) & _U(63)
        size = np.where(size == _U(0), _FULL, size)
        trail = np.where(fresh, (_FULL - lead - size) & _U(63), trail)
        size = np.minimum((_FULL - lead - trail) & _U(127), _FULL)
        start = pos + np.where(fresh, _U(13), _U(2))
        found = self.full(start) >> ((_FULL - size) & _U(63))
        value = np.where(changed, value ^ (found << trail), value)
        return value, lead, trail, np.where(changed, start + size, pos + _U(1))
