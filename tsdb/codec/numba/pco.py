"""Number columns as pcodec writes them, decoded by numba: many of them without coming back.

pcodec's own decoder is as fast, but each column is a call of its own, which takes and gives the
interpreter's lock; with columns of a few microseconds, two threads are slower than one. The format
is https://github.com/pcodec/pcodec/blob/main/docs/format.md. Here is what this store's columns use:
standalone files of one chunk of i32, i64 or f64, in classic mode or (whole numbers) as multiples of
one, without deltas or with consecutive ones. Anything else `decode` leaves to pcodec.

No input makes this read or write outside of what it is given: states of the entropy decoder stay in
the table by how that is made, and what a batch may read at most is checked before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.codec.columns import BATCH
from novaql.tsdb.codec.numba.compiled import MARGIN
from novaql.tsdb.codec.numba.entropy import MOST_ANS_BITS, bits_at, symbols, table_of
from novaql.tsdb.runtime.compiled import inner
from novaql.tsdb.runtime.numba_intrinsics import pointer, word_at

FILE, MAJOR = 0x03216F6370, 4
"""b"pco!" and the version of the file; that of the format, of which minor ones add what is told
apart below."""
CLASSIC, MULTIPLES = 0, 1
"""Modes: numbers as they are; multiples of a number, and what each of them has beyond that."""
I32, I64, F64 = 3, 4, 6
"""Number types as files name them."""
MOST_ORDER = 7
MOST = 1 << MOST_ANS_BITS
NODES, LOWERS = (0, MOST), (2 * MOST, 3 * MOST)
FOUND = 4 * MOST
LATENTS = (FOUND + BATCH, FOUND + 2 * BATCH)
MOMENTS, STATES = (
    (FOUND + 3 * BATCH, FOUND + 3 * BATCH + 8),
    (FOUND + 3 * BATCH + 16, FOUND + 3 * BATCH + 20),
)
WORDS = FOUND + 3 * BATCH + 24
"""Of a workspace: where in its words, for each of two columns, there is what."""


@inner
def _latents(
    data: Any, bit: Any, count: Any, widest: Any, found: Any, short: Any, lowers: Any, out: Any
) -> Any:
    """Latents of a batch, out of its nodes and the offsets from `bit` on; where these end."""
    if widest > 57:
        for n in range(count):
            out[n] = lowers[found[n] >> types.uint64(32)]
            bits = types.int64((found[n] >> types.uint64(24)) & types.uint64(255))
            if bits > 0:
                out[n] += bits_at(data, bit, bits)
                bit += bits
        return bit
    place = types.uint64(bit)
    for n in range(count):
        lower = found[n] >> types.uint64(32)
        if not short:
            lower = lowers[lower]
        bits = (found[n] >> types.uint64(24)) & types.uint64(255)
        word = word_at(data, types.int64(place >> types.uint64(3))) >> (place & types.uint64(7))
        out[n] = lower + (word & ((types.uint64(1) << bits) - types.uint64(1)))
        place += bits
    return types.int64(place)


@inner
def _short_sums(
    data: Any, bit: Any, count: Any, size: Any, widest: Any, found: Any, order: Any, moments: Any,
    out: Any,
) -> Any:  # fmt: skip
    """`_latents` and `_summed` at once, where numbers have 32 bits and deltas are of order one or
    two: `size` numbers to `out`. Where the offsets end."""
    place = types.uint64(bit)
    middle = types.uint64(1 << 31)
    value, slope = moments[0] - middle, moments[1]
    for n in range(count):
        step = (found[n] >> types.uint64(32)) - middle
        if widest > 0:
            bits = (found[n] >> types.uint64(24)) & types.uint64(255)
            word = word_at(data, types.int64(place >> types.uint64(3))) >> (place & types.uint64(7))
            step += word & ((types.uint64(1) << bits) - types.uint64(1))
            place += bits
        out[n] = types.int32(value)
        if order == 1:
            value += step
        else:
            value += slope
            slope += step
    for n in range(count, size):  # as if latents were zero
        out[n] = types.int32(value)
        if order == 1:
            value -= middle
        else:
            value += slope
            slope -= middle
    moments[0], moments[1] = value + middle, slope
    return types.int64(place)


@inner
def _summed(latents: Any, count: Any, order: Any, moments: Any, middle: Any) -> None:
    """Latents out of deltas of an order, which are centered at `middle`."""
    for level in range(order - 1, -1, -1):
        moment = moments[level]
        shift = middle if level == order - 1 else types.uint64(0)
        for n in range(count):
            step = latents[n] - shift
            latents[n] = moment
            moment += step
        moments[level] = moment


@inner
def workspace() -> Any:
    """Memory for `decode`, which needs it anew for each column: some sizes, words, and counts."""
    return np.empty((4, 2), np.int64), np.empty(WORDS, np.uint64), np.empty(MOST, np.uint32)


@inner
def decode(data: Any, at: Any, size: Any, kind: Any, out: Any, work: Any) -> Any:
    """The first len(out) numbers of a file of `size` bytes at data[at]; how many it did, or -1.

    kind  I32, I64 or F64
    out   [N] int32 or int64: numbers, or bit patterns of floats. N is a multiple of `BATCH`, or all
    work  a `workspace`

    -1: the file is none of these, or not of `kind`, or damaged, or has fewer numbers; `out` has
    anything in it then.
    """
    count = len(out)
    if count == 0 or size < 20 or at + size + MARGIN > len(data):
        return -1
    end, there = at + size, pointer(data, 0)
    if word_at(there, at) & types.uint64(0xFFFFFFFFFF) != types.uint64(FILE):
        return -1
    if there[at + 5] != 0 and there[at + 5] != kind:
        return -1
    bit = 8 * (at + 6)
    bit += 6 + types.int64(bits_at(there, bit, 6)) + 1
    at = (bit + 7) >> 3
    if at + 8 > end or there[at] != MAJOR or there[at + 2] != kind:
        return -1
    total = types.int64(bits_at(there, 8 * (at + 3), 24)) + 1
    if total < count or (total > count and count % BATCH):
        return -1
    bit = 8 * (at + 6)
    width = 32 if kind == I32 else 64
    middle = types.uint64(1) << types.uint64(width - 1)
    mode = bits_at(there, bit, 4)
    bit += 4
    factor = types.uint64(1)
    if mode == MULTIPLES and kind != F64:
        factor = bits_at(there, bit, width)
        bit += width
    elif mode != CLASSIC:
        return -1
    columns = 1 if mode == CLASSIC else 2
    delta = bits_at(there, bit, 4)
    bit += 4
    sizes, words, counts = work
    sizes[:] = 0
    orders, bins, logs, widest = sizes[0], sizes[1], sizes[2], sizes[3]
    if delta == 1:
        orders[0] = types.int64(bits_at(there, bit, 3))
        orders[1] = orders[0] if bits_at(there, bit + 3, 1) else 0
        bit += 4
    elif delta != 0:
        return -1
    offset_field = 6 if width == 32 else 7
    for column in range(columns):
        log, some = types.int64(bits_at(there, bit, 4)), types.int64(bits_at(there, bit + 4, 15))
        bit += 19
        fields = some * (log + width + offset_field)
        if log > MOST_ANS_BITS or some > 1 << log or bit + fields > 8 * end:
            return -1
        if some == 0 and total > orders[column]:
            return -1
        if some == 1 and log > 0:
            return -1
        if some > 0:
            nodes, lowers = pointer(words, NODES[column]), pointer(words, LOWERS[column])
            widest[column] = table_of(
                there, bit, width, log, some, nodes, lowers, pointer(counts, 0)
            )
            if widest[column] < 0:
                return -1
        bins[column], logs[column] = some, log
        bit += fields
    bit = (bit + 7) & ~7
    for column in range(columns):
        if bit + orders[column] * width + 4 * logs[column] > 8 * end:
            return -1
        moments, states = pointer(words, MOMENTS[column]), pointer(words, STATES[column])
        for n in range(MOST_ORDER):
            moments[n] = types.uint64(0)
        for n in range(orders[column]):
            moments[n] = bits_at(there, bit, width)
            bit += width
        for n in range(4):
            states[n] = bits_at(there, bit, logs[column])
            bit += logs[column]
    bit = (bit + 7) & ~7
    if bit > 8 * end:
        return -1
    found, first, second = (
        pointer(words, FOUND), pointer(words, LATENTS[0]), pointer(words, LATENTS[1])
    )  # fmt: skip
    quick = kind == I32 and columns == 1 and 1 <= orders[0] <= 2  # nearly all of a store's are
    done = 0
    while done < count:
        some, part = min(BATCH, count - done), pointer(out, done)
        for column in range(columns):
            coded = max(0, min(some, total - orders[column] - done))
            nodes, moments = pointer(words, NODES[column]), pointer(words, MOMENTS[column])
            if bins[column] > 1:
                states = pointer(words, STATES[column])
                bit = symbols(there, bit, coded, nodes, states, found)
            else:
                for n in range(coded):
                    found[n] = nodes[0]
            if quick:
                bit = _short_sums(
                    there, bit, coded, some, widest[0], found, orders[0], moments, part
                )
            else:
                lowers, mine = pointer(words, LOWERS[column]), second if column else first
                bit = _latents(there, bit, coded, widest[column], found, width == 32, lowers, mine)
                for n in range(coded, some):
                    mine[n] = types.uint64(0)
                _summed(mine, some, orders[column], moments, middle)
            if bit > 8 * end:
                return -1
        if columns == 2:
            for n in range(some):
                part[n] = types.int64(first[n] * factor + second[n] - middle)
        elif not quick:
            for n in range(some):
                part[n] = types.int64(first[n] - middle)
        done += some
    if total == count:
        last = (bit + 7) >> 3
        if last + 1 != end or there[last] != 0:
            return -1
    if kind == F64:  # latents are ordered as floats are
        for n in range(count):
            if out[n] < 0:
                out[n] = out[n] ^ types.int64(0x7FFFFFFFFFFFFFFF)
    return count
