"""Times and values → XOR chunks, many at once.

The encoding of a sample depends on those before it in its chunk only by the leading and trailing
zeros that are in force. These are computed in step, sample k of all chunks at once. All else is one
pass over all samples: each is at most four pieces of bits, whose positions are a running sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import Floats

SAMPLES_A_CHUNK = 120
_U = np.uint64
_ZERO, _ONE = _U(0), _U(1)
_TOGETHER = 256  # chunks in step: their arrays fit in a core's cache
_NEVER = _U(255)  # no leading zeros are in force yet
Words = NDArray[np.uint64]


def chunk_starts(offsets: Ints, most: int = SAMPLES_A_CHUNK) -> Ints:
    """Where chunks begin, and where the last one ends. No chunk spans two series.

    offsets  [S + 1] of the series
    """
    sizes = np.diff(offsets)
    pieces = -(-sizes // most)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    begin = np.repeat(offsets[:-1], pieces) + (np.arange(pieces.sum()) - first) * most
    return np.append(begin, offsets[-1]).astype(np.int64)


def encode_xor(times: Ints, values: Floats, starts: Ints) -> list[bytes]:
    """Encode one chunk for each range between `starts` [C + 1]; none is empty."""
    made: list[bytes] = []
    for at in range(0, len(starts) - 1, _TOGETHER):
        some = starts[at : at + _TOGETHER + 1]
        part = slice(int(some[0]), int(some[-1]))
        made += _encoded(times[part], values[part], some - some[0])
    return made


def _encoded(times: Ints, values: Floats, starts: Ints) -> list[bytes]:
    first = starts[:-1]
    counts = np.diff(starts)
    samples = len(times)
    bits = np.ascontiguousarray(values, np.float64).view(np.uint64)
    delta = np.diff(times, prepend=times[0])
    is_first = np.zeros(samples, np.bool_)
    is_first[first] = True
    is_second = np.zeros(samples, np.bool_)
    is_second[first[counts > 1] + 1] = True
    later = ~(is_first | is_second)
    xor = bits ^ np.concatenate([bits[:1], bits[:-1]])
    xor[is_first] = 0
    pieces, sizes = np.zeros((samples, 4), np.uint64), np.zeros((samples, 4), np.int64)
    _put_varints(pieces, sizes, np.flatnonzero(is_first), _zigzag(times[is_first]))
    _put_varints(pieces, sizes, np.flatnonzero(is_second), delta[is_second].view(np.uint64))
    rows = np.flatnonzero(later)
    _put_differences(pieces, sizes, rows, delta[rows] - delta[rows - 1])
    pieces[first, 3], sizes[first, 3] = bits[first], 64
    rest = np.flatnonzero(~is_first)
    lead, trail, fresh = _zeros_in_force(xor, first, counts)
    _put_xors(pieces, sizes, rest, xor[rest], lead[rest], trail[rest], fresh[rest])
    return _packed(pieces, sizes, starts, counts)


def _zigzag(numbers: Ints) -> Words:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _put_varints(pieces: Words, sizes: Ints, rows: Ints, numbers: Words) -> None:
    """Seven bits a byte, the lowest first: up to eight bytes in piece 0, two more in piece 1."""
    width = np.ones(len(numbers), np.int64)
    for more in range(1, 10):
        width += numbers >= _U(1 << (7 * more))
    for byte in range(10):
        there = np.flatnonzero(width > byte)
        if len(there) == 0:
            break
        group = (numbers[there] >> _U(7 * byte)) & _U(0x7F)
        group |= np.where(width[there] > byte + 1, _U(0x80), _ZERO)
        piece, at = (0, rows[there]) if byte < 8 else (1, rows[there])
        pieces[at, piece] = (pieces[at, piece] << _U(8)) | group
        sizes[at, piece] += 8


def _put_differences(pieces: Words, sizes: Ints, rows: Ints, dod: Ints) -> None:
    number = dod.view(np.uint64)
    value, size = np.zeros(len(rows), np.uint64), np.ones(len(rows), np.int64)
    left = dod != 0
    for prefix, length, width in ((0b10, 2, 14), (0b110, 3, 17), (0b1110, 4, 20)):
        half = 1 << (width - 1)
        fits = left & (dod >= 1 - half) & (dod <= half)
        value[fits] = _U(prefix << width) | (number[fits] & _U((1 << width) - 1))
        size[fits] = length + width
        left &= ~fits
    value[left], size[left] = _U(0b1111), 4
    pieces[rows, 0], sizes[rows, 0] = value, size
    pieces[rows[left], 1], sizes[rows[left], 1] = number[left], 64


def _zeros_in_force(xor: Words, first: Ints, counts: Ints) -> tuple[Words, Words, NDArray[Any]]:
    """Leading and trailing zeros with which each sample is written, and where they are new."""
    leading = np.minimum(_leading_zeros(xor), _U(31))
    trailing = _trailing_zeros(xor)
    fresh = np.zeros(len(xor), np.bool_)
    order = np.argsort(-counts, kind="stable")
    sorted_counts = counts[order]
    begin = first[order]
    lead = np.full(len(order), _NEVER, np.uint64)
    trail = np.zeros(len(order), np.uint64)
    live = np.searchsorted(-sorted_counts, -np.arange(1, int(sorted_counts[0]) + 1), "right")
    for k in range(1, int(sorted_counts[0])):
        n = int(live[k])
        at = begin[:n] + k
        now_lead, now_trail = leading[at], trailing[at]
        lead_before, trail_before = lead[:n], trail[:n]
        changed = xor[at] != _ZERO
        new = changed & (
            (lead_before == _NEVER) | (now_lead < lead_before) | (now_trail < trail_before)
        )
        lead[:n] = np.where(new, now_lead, lead_before)
        trail[:n] = np.where(new, now_trail, trail_before)
        fresh[at] = new
        leading[at], trailing[at] = lead[:n], trail[:n]
    return leading, trailing, fresh


def _put_xors(
    pieces: Words,
    sizes: Ints,
    rows: Ints,
    xor: Words,
    lead: Words,
    trail: Words,
    fresh: NDArray[Any],
) -> None:
    changed = xor != _ZERO
    width = np.where(changed, _U(64) - lead - trail, _ZERO)
    head = (_U(0b11) << _U(11)) | (lead << _U(6)) | (width & _U(63))
    pieces[rows, 2] = np.where(fresh, head, np.where(changed, _U(0b10), _ZERO))
    sizes[rows, 2] = np.where(fresh, 13, np.where(changed, 2, 1))
    pieces[rows, 3] = np.where(changed, xor >> (trail & _U(63)), _ZERO)
    sizes[rows, 3] = width.astype(np.int64)


def _packed(pieces: Words, sizes: Ints, starts: Ints, counts: Ints) -> list[bytes]:
    """The bits of all pieces one after another; each chunk begins with a whole word."""
    per_sample = sizes.sum(axis=1)
    chunk_bits = np.add.reduceat(per_sample, starts[:-1]) + 16
    chunk_words = -(-chunk_bits // 64)
    word_end = np.cumsum(chunk_words)
    word_start = word_end - chunk_words
    flat = sizes.ravel()
    behind = np.cumsum(flat)
    before = behind - flat
    base = word_start * 64 + 16 - before.reshape(sizes.shape)[starts[:-1], 0]
    pos = before + np.repeat(base, counts * sizes.shape[1])
    value = pieces.ravel()
    some = flat > 0
    pos, value, flat = pos[some], value[some], flat[some]
    word, over = pos >> 6, (pos & 63) + flat - 64
    split = over > 0
    shift = np.abs(over).astype(np.uint64) & _U(63)
    upper = np.where(split, value >> shift, value << shift)
    lower = np.where(split, value << ((_U(64) - shift) & _U(63)), _ZERO)
    index = np.stack([word, word + split], axis=1).ravel()
    parts = np.stack([upper, lower], axis=1).ravel()
    fresh = np.flatnonzero(np.diff(index, prepend=-1))
    words = np.zeros(int(word_end[-1]), np.uint64)
    words[index[fresh]] = np.bitwise_or.reduceat(parts, fresh)
    words[word_start] |= counts.astype(np.uint64) << _U(48)
    out = words.astype(">u8").tobytes()
    ends = word_start * 8 + -(-chunk_bits // 8)
    return [out[a:b] for a, b in zip((word_start * 8).tolist(), ends.tolist(), strict=True)]


def _leading_zeros(words: Words) -> Words:
    """[N] zeros above the highest bit that is set; 64 for 0."""
    count = np.zeros(len(words), np.uint64)
    left = words.copy()
    for step in (32, 16, 8, 4, 2, 1):
        empty = left < (_ONE << _U(64 - step))
        count += np.where(empty, _U(step), _ZERO)
        left = np.where(empty, left << _U(step), left)
    count += left == _ZERO  # 0 has one more than the steps count
    return count


def _trailing_zeros(words: Words) -> Words:
    """[N] zeros below the lowest bit that is set; 64 for 0."""
    return _U(64) - _leading_zeros(words & (~words + _ONE)) - np.where(words == _ZERO, _ZERO, _ONE)
