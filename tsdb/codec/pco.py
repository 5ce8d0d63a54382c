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

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.cpython.unsafe.numbers import leading_zeros
from numba.extending import intrinsic

from tsdb.codec.columns import BATCH
from tsdb.codec.compiled import MARGIN

FILE, MAJOR = 0x03216F6370, 4
"""b"pco!" and the version of the file; that of the format, of which minor ones add what is told
apart below."""
CLASSIC, MULTIPLES = 0, 1
"""Modes: numbers as they are; multiples of a number, and what each of them has beyond that."""
I32, I64, F64 = 3, 4, 6
"""Number types as files name them."""
MOST_ANS_BITS = 14
MOST_ORDER = 7

F = TypeVar("F", bound=Callable[..., Any])


def _inner(function: F) -> F:
    jit: Any = numba.njit
    made: F = jit(nogil=True, error_model="numpy")(function)
    return made


@intrinsic
def _intrinsic_word(_context: Any, data: Any, at: Any) -> Any:  # noqa: ARG001 - by numba
    """The 8 bytes at an offset, little-endian, on no boundary."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, word = ir.IntType(8), ir.IntType(64)
        place = builder.gep(array.data, [arguments[1]], source_etype=byte)
        return builder.load(builder.bitcast(place, word.as_pointer()), align=1, typ=word)

    return types.uint64(data, types.intp), build


_word: Any = _intrinsic_word
_leading_zeros: Any = leading_zeros


@_inner
def _bits(data: Any, at: Any, count: Any) -> Any:
    """`count` bits from bit `at` on, at most 64."""
    shift = types.uint64(at & 7)
    found = _word(data, at >> 3) >> shift
    if count + (at & 7) > 64:
        found |= types.uint64(data[(at >> 3) + 8]) << (types.uint64(64) - shift)
    if count < 64:
        found &= (types.uint64(1) << types.uint64(count)) - types.uint64(1)
    return found


@_inner
def _table(
    data: Any,
    at: Any,
    width: Any,
    log: Any,
    bins: Any,
    nodes: Any,
    lowers: Any,
    counts: Any,
    bounds: Any,
) -> Any:
    """Fill the entropy decoder's table from the bins at bit `at`; the most bits that an offset has,
    or -1 if they make no table.

    nodes   [2 ** log] of each state: bits to read for the next one, that one's base << 8, bits of
            the offset << 24
    lowers  [2 ** log] of each state: what the offset is added to
    counts  and `bounds`: room for as many numbers as there are bins
    """
    size = 1 << log
    stride = 3 * size // 5
    stride += 1 - stride % 2
    offset_field = 6 if width == 32 else 7
    state, left, widest = 0, size, 0
    for number in range(bins):
        weight = types.int64(_bits(data, at, log)) + 1
        bounds[number] = _bits(data, at + log, width)
        bits = types.int64(_bits(data, at + log + width, offset_field))
        at += log + width + offset_field
        left -= weight
        widest = max(widest, bits)
        if left < 0 or bits > width:
            return -1
        counts[number] = weight
        node = types.uint32(number) | types.uint32(bits << 24)
        for _ in range(weight):
            nodes[state] = node
            state = (state + stride) & (size - 1)
    if left != 0:
        return -1
    # The states of a bin count, in increasing order, from its weight on; as many bits choose from
    # there as bring that into the table.
    top = types.uint32(_leading_zeros(types.uint32(size)))
    for state in range(size):
        number = nodes[state] & types.uint32(0xFFFFFF)
        base = counts[number]
        counts[number] = base + types.uint32(1)
        bits = types.uint32(_leading_zeros(base)) - top
        nodes[state] = (
            (nodes[state] & types.uint32(0xFF000000))
            | ((types.uint32(base << bits) - types.uint32(size)) << types.uint32(8))
            | bits
        )
        lowers[state] = bounds[number]
    return widest


@_inner
def _symbols(
    data: Any,
    bit: Any,
    count: Any,
    nodes: Any,
    lowers: Any,
    states: Any,
    latents: Any,
    extents: Any,
) -> Any:
    """What bins say of a batch: lower bounds of latents, and bits of their offsets; where it ends.

    Four interleaved decoders read from one word at a time, since that holds 4 · 14 bits.
    """
    state0, state1, state2, state3 = states[0], states[1], states[2], states[3]
    byte, have, packed = types.uint64(bit >> 3), types.uint64(0), types.uint64(0)
    skip = types.uint64(bit & 7)
    whole = count & ~3
    for n in range(0, whole, 4):
        # Where the next bytes are hangs on the last turn but one, so they are there in time.
        packed |= _word(data, types.int64(byte)) << have
        byte += (types.uint64(63) - have) >> types.uint64(3)
        have |= types.uint64(56)
        if n == 0:
            packed >>= skip
            have -= skip
            packed |= _word(data, types.int64(byte)) << have
            byte += (types.uint64(63) - have) >> types.uint64(3)
            have |= types.uint64(56)
        node = types.uint64(nodes[state0])
        latents[n], extents[n] = lowers[state0], node >> types.uint64(24)
        bits = node & types.uint64(255)
        chosen = packed & ((types.uint64(1) << bits) - types.uint64(1))
        state0 = ((node >> types.uint64(8)) & types.uint64(0xFFFF)) + chosen
        packed >>= bits
        have -= bits
        node = types.uint64(nodes[state1])
        latents[n + 1], extents[n + 1] = lowers[state1], node >> types.uint64(24)
        bits = node & types.uint64(255)
        chosen = packed & ((types.uint64(1) << bits) - types.uint64(1))
        state1 = ((node >> types.uint64(8)) & types.uint64(0xFFFF)) + chosen
        packed >>= bits
        have -= bits
        node = types.uint64(nodes[state2])
        latents[n + 2], extents[n + 2] = lowers[state2], node >> types.uint64(24)
        bits = node & types.uint64(255)
        chosen = packed & ((types.uint64(1) << bits) - types.uint64(1))
        state2 = ((node >> types.uint64(8)) & types.uint64(0xFFFF)) + chosen
        packed >>= bits
        have -= bits
        node = types.uint64(nodes[state3])
        latents[n + 3], extents[n + 3] = lowers[state3], node >> types.uint64(24)
        bits = node & types.uint64(255)
        chosen = packed & ((types.uint64(1) << bits) - types.uint64(1))
        state3 = ((node >> types.uint64(8)) & types.uint64(0xFFFF)) + chosen
        packed >>= bits
        have -= bits
    if whole:
        bit = types.int64(types.uint64(8) * byte - have)
    for n in range(whole, count):
        state = state0 if n == whole else state1 if n == whole + 1 else state2
        node = types.uint64(nodes[state])
        latents[n], extents[n] = lowers[state], node >> types.uint64(24)
        # The state that these bits choose is not looked at again.
        bit += types.int64(node & types.uint64(255))
    states[0], states[1], states[2], states[3] = state0, state1, state2, state3
    return bit


@_inner
def _offsets(data: Any, bit: Any, count: Any, widest: Any, latents: Any, extents: Any) -> Any:
    """Add their offsets to latents; where these end."""
    if widest > 57:
        for n in range(count):
            bits = types.int64(extents[n])
            if bits > 0:
                latents[n] += _bits(data, bit, bits)
                bit += bits
        return bit
    place = types.uint64(bit)
    for n in range(count):
        bits = extents[n]
        word = _word(data, types.int64(place >> types.uint64(3)))
        latents[n] += (word >> (place & types.uint64(7))) & (
            (types.uint64(1) << bits) - types.uint64(1)
        )
        place += bits
    return types.int64(place)


@_inner
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


@_inner
def workspace() -> Any:
    """Memory for `decode`, which needs it anew for each column: two tables, bins, a batch."""
    most = 1 << MOST_ANS_BITS
    return (
        np.empty((2, most), np.uint32),
        np.empty((2, most), np.uint64),
        np.empty(most, np.uint32),
        np.empty(most, np.uint64),
        np.empty((2, BATCH), np.uint64),
        np.empty(BATCH, np.uint64),
    )


@_inner
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
    end = at + size
    if _word(data, at) & types.uint64(0xFFFFFFFFFF) != types.uint64(FILE):
        return -1
    if data[at + 5] != 0 and data[at + 5] != kind:
        return -1
    bit = 8 * (at + 6)
    bit += 6 + types.int64(_bits(data, bit, 6)) + 1
    at = (bit + 7) >> 3
    if at + 8 > end or data[at] != MAJOR or data[at + 2] != kind:
        return -1
    total = types.int64(_bits(data, 8 * (at + 3), 24)) + 1
    if total < count or (total > count and count % BATCH):
        return -1
    bit = 8 * (at + 6)
    width = 32 if kind == I32 else 64
    middle = types.uint64(1) << types.uint64(width - 1)
    mode = _bits(data, bit, 4)
    bit += 4
    factor = types.uint64(1)
    if mode == MULTIPLES and kind != F64:
        factor = _bits(data, bit, width)
        bit += width
    elif mode != CLASSIC:
        return -1
    columns = 1 if mode == CLASSIC else 2
    delta = _bits(data, bit, 4)
    bit += 4
    orders, bins, logs, widest = (
        np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64)
    )  # fmt: skip
    if delta == 1:
        orders[0] = types.int64(_bits(data, bit, 3))
        orders[1] = orders[0] if _bits(data, bit + 3, 1) else 0
        bit += 4
    elif delta != 0:
        return -1
    offset_field = 6 if width == 32 else 7
    nodes, lowers, counts, bounds, latents, extents = work
    for column in range(columns):
        log, some = types.int64(_bits(data, bit, 4)), types.int64(_bits(data, bit + 4, 15))
        bit += 19
        fields = some * (log + width + offset_field)
        if log > MOST_ANS_BITS or some > 1 << log or bit + fields > 8 * end:
            return -1
        if some == 0 and total > orders[column]:
            return -1
        if some == 1 and log > 0:
            return -1
        if some > 0:
            widest[column] = _table(
                data, bit, width, log, some, nodes[column], lowers[column], counts, bounds
            )
            if widest[column] < 0:
                return -1
        bins[column], logs[column] = some, log
        bit += fields
    bit = (bit + 7) & ~7
    moments = np.zeros((2, MOST_ORDER), np.uint64)
    states = np.zeros((2, 4), np.uint64)
    for column in range(columns):
        if bit + orders[column] * width + 4 * logs[column] > 8 * end:
            return -1
        for n in range(orders[column]):
            moments[column, n] = _bits(data, bit, width)
            bit += width
        for n in range(4):
            states[column, n] = _bits(data, bit, logs[column])
            bit += logs[column]
    bit = (bit + 7) & ~7
    done = 0
    while done < count:
        some = min(BATCH, count - done)
        for column in range(columns):
            if bit > 8 * end:
                return -1
            coded = max(0, min(some, total - orders[column] - done))
            mine = latents[column]
            if bins[column] > 1:
                bit = _symbols(
                    data, bit, coded, nodes[column], lowers[column], states[column], mine, extents
                )
            else:
                for n in range(coded):
                    mine[n], extents[n] = lowers[column, 0], types.uint64(widest[column])
            if widest[column] > 0:
                bit = _offsets(data, bit, coded, widest[column], mine, extents)
            for n in range(coded, some):
                mine[n] = types.uint64(0)
            if column == 0 and columns == 1 and orders[0] == 1:
                continue  # below
            _summed(mine, some, orders[column], moments[column], middle)
        part = out[done : done + some]
        if columns == 2:
            for n in range(some):
                part[n] = types.int64(latents[0, n] * factor + latents[1, n] - middle)
        elif orders[0] == 1:  # by far the most usual: the sums need not be written and read
            moment = moments[0, 0] - middle
            for n in range(some):
                part[n] = types.int64(moment)
                moment += latents[0, n] - middle
            moments[0, 0] = moment + middle
        else:
            for n in range(some):
                part[n] = types.int64(latents[0, n] - middle)
        done += some
    if total == count:
        last = (bit + 7) >> 3
        if last + 1 != end or data[last] != 0:
            return -1
    if kind == F64:  # latents are ordered as floats are
        for n in range(count):
            if out[n] < 0:
                out[n] = out[n] ^ types.int64(0x7FFFFFFFFFFFFFFF)
    return count
