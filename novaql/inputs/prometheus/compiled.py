"""Decoders of chunks compiled by numba; `xor_decode` and `histogram_decode` need no numba.

A decoder decodes chunk after chunk and returns -1, or the number of the first chunk that ends
before its samples do. It may read up to `PADDING` bytes after the end of a chunk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.runtime.compiled import inner, kernel

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C", readonly=True)
OUT_INTS = types.Array(types.int64, 1, "C")
OUT_BITS = types.Array(types.uint64, 1, "C")

_VARBIT_SIZES = np.array([0, 3, 6, 9, 12, 18, 25, 56], np.int64)


@inner
def _bits(data: Any, pos: Any, size: Any) -> Any:
    """Up to 56 bits from bit `pos` on."""
    byte = pos >> 3
    number = types.int64(0)
    have = -(pos & 7)
    while have < size:
        number = (number << 8) | types.int64(data[byte])
        byte += 1
        have += 8
    number >>= have - size
    return number & ((types.int64(1) << size) - 1)


@inner
def _word(data: Any, pos: Any) -> Any:
    """The 64 bits from bit `pos` on."""
    return (_bits(data, pos, 32) << 32) | _bits(data, pos + 32, 32)


@inner
def _varint(data: Any, byte: Any) -> Any:
    """A number of seven bits a byte, and the byte after it."""
    number, shift = types.int64(0), 0
    while shift < 70:
        found = types.int64(data[byte])
        byte += 1
        number |= (found & 0x7F) << shift
        if found < 0x80:
            break
        shift += 7
    return number, byte


@inner
def _signed(number: Any, size: Any) -> Any:
    """Of `size` bits, numbers above 2^(size - 1) are negative ones."""
    if number > (types.int64(1) << (size - 1)):
        number -= types.int64(1) << size
    return number


@inner
def _difference(data: Any, pos: Any) -> Any:
    """A difference of differences of times of an XOR chunk, and the bit after it."""
    head = _bits(data, pos, 4)
    if head < 8:
        return types.int64(0), pos + 1
    if head < 12:
        return _signed(_bits(data, pos + 2, 14), 14), pos + 16
    if head < 14:
        return _signed(_bits(data, pos + 3, 17), 17), pos + 20
    if head == 14:
        return _signed(_bits(data, pos + 4, 20), 20), pos + 24
    return _word(data, pos + 4), pos + 68


@inner
def _varbit(data: Any, pos: Any, signed: Any) -> Any:
    """A number of a histogram chunk, and the bit after it. Its size is a unary code of 0 to 8."""
    ones = 0
    while ones < 8 and _bits(data, pos + ones, 1) == 1:
        ones += 1
    if ones == 0:
        return types.int64(0), pos + 1
    if ones == 8:
        return _word(data, pos + 8), pos + 72
    pos += ones + 1
    size = _VARBIT_SIZES[ones]
    number = _bits(data, pos, size)
    if signed:
        number = _signed(number, size)
    return number, pos + size


@inner
def _xor(data: Any, pos: Any, value: Any, lead: Any, trail: Any) -> Any:
    """The next value, the leading and trailing zeros of its XOR, and the bit after it."""
    if _bits(data, pos, 1) == 0:
        return value, lead, trail, pos + 1
    pos += 2
    if _bits(data, pos - 1, 1) == 1:
        lead = _bits(data, pos, 5)
        size = _bits(data, pos + 5, 6)
        if size == 0:
            size = types.int64(64)
        trail = (64 - lead - size) & 63
        pos += 11
    size = min((64 - lead - trail) & 127, 64)  # more than 64 together: no encoder writes that
    if size > 32:
        found = (_bits(data, pos, size - 32) << 32) | _bits(data, pos + size - 32, 32)
    else:
        found = _bits(data, pos, size)
    return value ^ (found << trail), lead, trail, pos + size


@kernel(BYTES, INTS, INTS, INTS, OUT_INTS, OUT_BITS)
def decode_xor(data: Any, first: Any, end: Any, counts: Any, times: Any, bits: Any) -> Any:
    """XOR chunks; times and bits: [N] for all samples, chunk after chunk."""
    out = 0
    for chunk in range(len(first)):
        count = counts[chunk]
        if count == 0:
            continue
        limit = end[chunk] << 3
        zigzag, byte = _varint(data, first[chunk] + 2)
        time = ((zigzag >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(zigzag & 1)
        value = _word(data, byte << 3)
        pos = (byte << 3) + 64
        times[out], bits[out] = time, value
        delta, lead, trail = types.int64(0), types.int64(0), types.int64(0)
        # The second time is a difference, all others are differences of differences.
        for k in range(1, count):
            if pos > limit:
                return chunk
            if k == 1:
                delta, byte = _varint(data, pos >> 3)
                pos = byte << 3
            else:
                dod, pos = _difference(data, pos)
                delta += dod
            time += delta
            value, lead, trail, pos = _xor(data, pos, value, lead, trail)
            times[out + k], bits[out + k] = time, value
        if pos > limit:
            return chunk
        out += count
    return -1


@kernel(BYTES, INTS, INTS, INTS, INTS, INTS, OUT_INTS, OUT_INTS, OUT_INTS, OUT_BITS, OUT_INTS)
def decode_whole_histograms(
    data: Any, first: Any, end: Any, counts: Any, widths: Any, stale: Any,
    times: Any, count: Any, zero: Any, sums: Any, buckets: Any,
) -> Any:  # fmt: skip
    """Integer histogram chunks whose layouts have been read.

    first    [C] bit at which the first sample begins
    widths   [C] buckets of each sample, both sides together
    stale    [1] the bits of the staleness marker
    times, count, zero, sums  [N];  buckets  [sum of counts · widths], zeroed, differences between
    neighbours
    """
    out, cell = 0, 0
    for chunk in range(len(first)):
        pos, limit, width = first[chunk], end[chunk] << 3, widths[chunk]
        sample = cell
        time, n, z = types.int64(0), types.int64(0), types.int64(0)
        time_by, n_by, z_by = types.int64(0), types.int64(0), types.int64(0)
        total, lead, trail = types.int64(0), types.int64(0), types.int64(0)
        # Times, counts and buckets: of the first sample the numbers, of the second the differences,
        # of all others the differences of differences. Sums are XORs.
        for k in range(counts[chunk]):
            if k == 0:
                time, pos = _varbit(data, pos, True)
                n, pos = _varbit(data, pos, False)
                z, pos = _varbit(data, pos, False)
                total = _word(data, pos)
                pos += 64
            else:
                by, pos = _varbit(data, pos, k > 1)
                time_by = time_by + by if k > 1 else by
                by, pos = _varbit(data, pos, True)
                n_by = n_by + by if k > 1 else by
                by, pos = _varbit(data, pos, True)
                z_by = z_by + by if k > 1 else by
                time, n, z = time + time_by, n + n_by, z + z_by
                total, lead, trail, pos = _xor(data, pos, total, lead, trail)
            times[out + k], count[out + k], zero[out + k], sums[out + k] = time, n, z, total
            if total != stale[0]:
                for b in range(width):
                    if pos > limit:
                        return chunk
                    by, pos = _varbit(data, pos, True)
                    if k == 0:
                        buckets[sample + b] = by
                    else:
                        # the same bucket of the sample before, and how much that had changed
                        last = buckets[sample - width + b]
                        if k > 1:
                            by += last - buckets[sample - 2 * width + b]
                        buckets[sample + b] = last + by
            if pos > limit:
                return chunk
            sample += width
        out += counts[chunk]
        cell = sample
    return -1


@kernel(BYTES, INTS, INTS, INTS, INTS, INTS, OUT_INTS, OUT_BITS, OUT_BITS, OUT_BITS, OUT_BITS)
def decode_float_histograms(
    data: Any, first: Any, end: Any, counts: Any, widths: Any, stale: Any,
    times: Any, count: Any, zero: Any, sums: Any, buckets: Any,
) -> Any:  # fmt: skip
    """As `decode_whole_histograms`; all but times are bits of floats, buckets absolute."""
    out, cell = 0, 0
    for chunk in range(len(first)):
        pos, limit, width = first[chunk], end[chunk] << 3, widths[chunk]
        # the leading and trailing zeros of each column: count, zero count, sum, and the buckets
        zeros = [(types.int64(0), types.int64(0)) for _ in range(width + 3)]
        sample = cell
        time, time_by = types.int64(0), types.int64(0)
        n, z, total = types.int64(0), types.int64(0), types.int64(0)
        for k in range(counts[chunk]):
            by, pos = _varbit(data, pos, k != 1)
            if k == 0:
                time = by
                n, z, total = _word(data, pos), _word(data, pos + 64), _word(data, pos + 128)
                pos += 192
            else:
                time_by = time_by + by if k > 1 else by
                time += time_by
                lead, trail = zeros[0]
                n, lead, trail, pos = _xor(data, pos, n, lead, trail)
                zeros[0] = lead, trail
                lead, trail = zeros[1]
                z, lead, trail, pos = _xor(data, pos, z, lead, trail)
                zeros[1] = lead, trail
                lead, trail = zeros[2]
                total, lead, trail, pos = _xor(data, pos, total, lead, trail)
                zeros[2] = lead, trail
            times[out + k], count[out + k], zero[out + k], sums[out + k] = time, n, z, total
            if total != stale[0]:
                for b in range(width):
                    if pos > limit:
                        return chunk
                    if k == 0:
                        buckets[sample + b] = _word(data, pos)
                        pos += 64
                        continue
                    lead, trail = zeros[3 + b]
                    last = types.int64(buckets[sample - width + b])
                    value, lead, trail, pos = _xor(data, pos, last, lead, trail)
                    zeros[3 + b] = lead, trail
                    buckets[sample + b] = value
            if pos > limit:
                return chunk
            sample += width
        out += counts[chunk]
        cell = sample
    return -1


@kernel(BYTES, INTS, INTS, OUT_INTS, OUT_INTS, OUT_BITS)
def decode_logged(data: Any, begin: Any, end: Any, references: Any, times: Any, bits: Any) -> Any:
    """Records of samples of a log.

    begin, end  [R] where the samples of each record begin and end, after reference and time
    references, times, bits  as long as there can be samples: each has at least ten bytes

    Returns the count of samples, or -1 - the number of the record that is cut off.
    """
    out = 0
    for record in range(len(begin)):
        at, stop = begin[record], end[record]
        reference, time = types.int64(0), types.int64(0)
        for byte in range(8):
            reference = (reference << 8) | types.int64(data[at - 16 + byte])
            time = (time << 8) | types.int64(data[at - 8 + byte])
        while at < stop:
            by, at = _varint(data, at)
            later, at = _varint(data, at)
            word = types.int64(0)
            for byte in range(8):
                word = (word << 8) | types.int64(data[at + byte])
            at += 8
            if at > stop:
                return -1 - record
            references[out] = reference + (((by >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(by & 1))
            times[out] = time + (((later >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(later & 1))
            bits[out] = word
            out += 1
    return out
