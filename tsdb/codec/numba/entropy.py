"""The entropy coding of pcodec's columns: bits, the table of a column's bins, the bins of a batch.

Asymmetric numeral systems, four of them interleaved, with a table of states. A part of `pco`; all
arrays are pointers.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.cpython.unsafe.numbers import leading_zeros

from novaql.tsdb.runtime.compiled import inner
from novaql.tsdb.runtime.numba_intrinsics import word_at

MOST_ANS_BITS = 14

_leading_zeros: Any = leading_zeros


@inner
def bits_at(data: Any, at: Any, count: Any) -> Any:
    """`count` bits from bit `at` on, at most 64."""
    shift = types.uint64(at & 7)
    found = word_at(data, at >> 3) >> shift
    if count + (at & 7) > 64:
        found |= types.uint64(data[(at >> 3) + 8]) << (types.uint64(64) - shift)
    if count < 64:
        found &= (types.uint64(1) << types.uint64(count)) - types.uint64(1)
    return found


@inner
def table_of(
    data: Any,
    at: Any,
    width: Any,
    log: Any,
    bins: Any,
    nodes: Any,
    lowers: Any,
    counts: Any,
) -> Any:
    """Fill the entropy decoder's table from the bins at bit `at`. Returns the largest number of
    bits of an offset, or -1 if the bins are not valid.

    nodes   [2 ** log] of each state: bits to read for the next one, that one's base << 8, bits of
            the offset << 24, and << 32 what the offset is added to, or the number of the bin,
            marked as such, where numbers have 64 bits
    lowers  [bins] the number to which the offset is added
    counts  [bins] scratch
    """
    size = 1 << log
    stride = 3 * size // 5
    stride += 1 - stride % 2
    offset_field = 6 if width == 32 else 7
    state, left, widest = 0, size, 0
    for number in range(bins):
        weight = types.int64(bits_at(data, at, log)) + 1
        lowers[number] = bits_at(data, at + log, width)
        bits = types.int64(bits_at(data, at + log + width, offset_field))
        at += log + width + offset_field
        left -= weight
        widest = max(widest, bits)
        if left < 0 or bits > width:
            return -1
        counts[number] = weight
        node = types.uint64(number) | types.uint64(bits << 24)
        for _ in range(weight):
            nodes[state] = node
            state = (state + stride) & (size - 1)
    if left != 0:
        return -1
    # The states of a bin count, in increasing order, from its weight on; as many bits choose from
    # there as bring that into the table.
    top = types.uint32(_leading_zeros(types.uint32(size)))
    for state in range(size):
        node = nodes[state]
        number = node & types.uint64(0xFFFFFF)
        base = counts[number]
        counts[number] = base + types.uint32(1)
        bits = types.uint32(_leading_zeros(base)) - top
        nodes[state] = (
            (node & types.uint64(0xFF000000))
            | types.uint64((types.uint32(base << bits) - types.uint32(size)) << types.uint32(8))
            | types.uint64(bits)
            | (lowers[number] if width == 32 else number) << types.uint64(32)
        )
    return widest


@inner
def _following(node: Any, packed: Any, have: Any) -> Any:
    """The state after a node, which the next of the `have` bits in `packed` choose; the rest."""
    bits = node & types.uint64(255)
    chosen = packed & ((types.uint64(1) << bits) - types.uint64(1))
    state = ((node >> types.uint64(8)) & types.uint64(0xFFFF)) + chosen
    return state, packed >> bits, have - bits


@inner
def symbols(data: Any, bit: Any, count: Any, nodes: Any, states: Any, found: Any) -> Any:
    """Write the node of each latent of a batch to `found`: the node has the latent's bin. Returns
    the bit where the states' bits end.

    Four interleaved decoders read from one word at a time, which holds 4 · 14 bits. No state leaves
    the table: `table_of` makes bases and bits so that their sum is below its size.
    """
    state0, state1, state2, state3 = states[0], states[1], states[2], states[3]
    byte, have, packed = types.uint64(bit >> 3), types.uint64(0), types.uint64(0)
    skip = types.uint64(bit & 7)
    whole = count & ~3
    for n in range(0, whole, 4):
        # The next address depends on the turn before the last one, so the load does not wait.
        packed |= word_at(data, types.int64(byte)) << have
        byte += (types.uint64(63) - have) >> types.uint64(3)
        have |= types.uint64(56)
        if n == 0:
            packed >>= skip
            have -= skip
            packed |= word_at(data, types.int64(byte)) << have
            byte += (types.uint64(63) - have) >> types.uint64(3)
            have |= types.uint64(56)
        found[n] = node = nodes[state0]
        state0, packed, have = _following(node, packed, have)
        found[n + 1] = node = nodes[state1]
        state1, packed, have = _following(node, packed, have)
        found[n + 2] = node = nodes[state2]
        state2, packed, have = _following(node, packed, have)
        found[n + 3] = node = nodes[state3]
        state3, packed, have = _following(node, packed, have)
    if whole:
        bit = types.int64(types.uint64(8) * byte - have)
    for n in range(whole, count):
        state = state0 if n == whole else state1 if n == whole + 1 else state2
        found[n] = node = nodes[state]
        # No later latent reads the state that these bits choose.
        bit += types.int64(node & types.uint64(255))
    states[0], states[1], states[2], states[3] = state0, state1, state2, state3
    return bit
