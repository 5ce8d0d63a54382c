"""Decode number columns that pcodec has written, many of them in one compiled call.

pcodec's own decoder is as fast, but decodes one column per call, and each call releases and
acquires the interpreter's lock: with columns of a few microseconds, two threads are slower than
one. The format is https://github.com/pcodec/pcodec/blob/main/docs/format.md. `decode` reads what
this store's columns use: standalone files of one chunk of i32, i64 or f64, in classic mode or
(integers) as multiples of a number, without deltas or with consecutive ones. It leaves anything
else to pcodec.

No input makes it read or write outside its arrays: states of the entropy decoder stay in the table
that `table_of` makes, and each batch begins before the end of the file, so that it reads at most
`MARGIN` bytes beyond.
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
"""b"pco!" and the version of the file; the major version of the format. Minor versions add only
modes and deltas that `decode` checks for."""
CLASSIC, MULTIPLES = 0, 1
"""Modes: numbers; or multiples of a number, and the remainders in a second column."""
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
"""Offsets in the words of a `workspace`, in pairs for two columns."""


@inner
def _latents(
    data: Any, bit: Any, count: Any, widest: Any, found: Any, short: Any, lowers: Any, out: Any
) -> Any:
    """The latents of a batch from its nodes and from the offsets at `bit`. Returns the bit where
    the offsets end."""
    if widest > 57:  # with up to 7 bits before it in its byte, such an offset exceeds one word
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
    """`_latents` and `_summed` in one pass, for numbers of 32 bits with deltas of order one or two.
    Writes `size` numbers to `out`. Returns the bit where the offsets end."""
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
    """Replace deltas of an order, which are centered at `middle`, by latents."""
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
    """Memory that `decode` uses for one column after the other: sizes, words, and counts."""
    return np.empty((4, 2), np.int64), np.empty(WORDS, np.uint64), np.empty(MOST, np.uint32)


@inner
def decode(data: Any, at: Any, size: Any, kind: Any, out: Any, work: Any) -> Any:
    """Decode the first len(out) numbers of a file of `size` bytes at data[at]. Returns len(out).

    kind  I32, I64 or F64
    out   [N] int32 or int64: numbers, or bit patterns of floats. N is a multiple of `BATCH`, or the
          number of all values
    work  a `workspace`

    Returns -1 if pcodec is to decode the file: it uses other features, is not of `kind`, is
    damaged, or has fewer numbers. The contents of `out` are then undefined.
    """
    count = len(out)
    if count == 0 or size < 20 or at + size + MARGIN > len(data):
        return -1
    # The header of the file: magic and version, perhaps the type of all chunks, and a hint of the
    # number of values, of which 6 bits are the length.
    end, there = at + size, pointer(data, 0)
    if word_at(there, at) & types.uint64(0xFFFFFFFFFF) != types.uint64(FILE):
        return -1
    if there[at + 5] != 0 and there[at + 5] != kind:
        return -1
    bit = 8 * (at + 6)
    bit += 6 + types.int64(bits_at(there, bit, 6)) + 1
    # The chunk: version of the format, type, and number of values.
    at = (bit + 7) >> 3
    if at + 8 > end or there[at] != MAJOR or there[at + 2] != kind:
        return -1
    total = types.int64(bits_at(there, 8 * (at + 3), 24)) + 1
    if total < count or (total > count and count % BATCH):
        return -1
    # Its metadata: the mode with its number, and the order of deltas.
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
    # The bins of each column. All of them lie before `end`, and `log` is at most MOST_ANS_BITS, so
    # the table of states fits its place in the workspace.
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
    # The page: of each column the first latents that deltas are added to, and the states.
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
    quick = kind == I32 and columns == 1 and 1 <= orders[0] <= 2  # nearly all columns of a store
    # Batches: of each column the states' bits, then the offsets. At the start of a batch `bit` is
    # at most 8 * end, and a batch reads less than MARGIN bytes.
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
    if total == count:  # the file ends with one byte that is 0
        last = (bit + 7) >> 3
        if last + 1 != end or there[last] != 0:
            return -1
    if kind == F64:  # latents are ordered as floats are
        for n in range(count):
            if out[n] < 0:
                out[n] = out[n] ^ types.int64(0x7FFFFFFFFFFFFFFF)
    return count
