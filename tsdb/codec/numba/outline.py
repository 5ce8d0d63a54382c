"""The head of a page of rows (what precedes its columns), read in one call. For numba.

`row_heads` reads it in Python, and raises the error of a damaged page.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.tsdb.runtime.compiled import inner, kernel

ORDERED, LINKED, EXCEPTIONAL, EQUAL = 1, 2, 4, 8
SHORT = 1
PLACES = 9
HEAD_BYTES, GROUP_BYTES = 7, 10
CONSTANT, PCODEC = 0, 9
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
INTS = types.Array(types.int64, 1, "C")
TABLE = types.Array(types.int64, 2, "C")
FLAGS = types.Array(types.boolean, 1, "C")
NUMBER = types.int64


@inner
def _number(data: Any, at: Any, width: Any) -> Any:
    """A little-endian unsigned number of `width` bytes; 8 bytes are taken as a signed one."""
    found = types.uint64(0)
    for n in range(width):
        found |= types.uint64(data[at + n]) << types.uint64(8 * n)
    return types.int64(found)


@inner
def _unpack(data: Any, at: Any, out: Any, later: Any) -> Any:
    """Read a packed list (`codec.packed`) into `out`. Returns the byte where it ends, or -1.

    later  [2] offset and bytes of a pcodec file, which the caller is to decode into `out`
    """
    count = len(out)
    if count == 0:
        return at
    if at + 5 > len(data):
        return -1
    kind = data[at]
    if kind == PCODEC:
        size = _number(data, at + 1, 4)
        later[0], later[1] = at + 5, size
        end = at + 5 + size
        return end if end <= len(data) else -1
    width = types.int64(kind)
    if width not in (0, 1, 2, 4, 8):
        return -1
    end = at + 9 + width * count
    if end > len(data):
        return -1
    least = _number(data, at + 1, 8)
    at += 9
    if width == 1:
        for n in range(count):
            out[n] = least + types.int64(data[at + n])
    else:
        for n in range(count):
            out[n] = least + _number(data, at + n * width, width)
    return end


@inner
def _settle(
    count: Any, table: Any, lengths: Any, order: Any, linked: Any, exceptions: Any, end: Any
) -> Any:
    """Check that the lists agree, and fill columns 3 and 6 of the table. Returns whether they do.

    `spread` relies on these checks: it does not check an index again.

    end  bytes of the page, which no column must exceed
    """
    rows, total = len(lengths), 0
    for row in range(rows):
        if lengths[row] <= 0 or lengths[row] > count:
            return False
        total += lengths[row]
    if total != count:
        return False
    if len(order):
        seen = np.zeros(rows, np.bool_)
        for n in range(rows):
            row = order[n]
            if row < 0 or row >= rows or seen[row]:
                return False
            seen[row] = True
    if len(linked):
        if linked[0]:
            return False
        for row in range(1, rows):
            if linked[row] and lengths[row] != lengths[row - 1]:
                return False
    for n in range(exceptions.shape[1]):
        place = exceptions[0, n]
        if place < 0 or place >= count or (n > 0 and place <= exceptions[0, n - 1]):
            return False
    at, word = 0, 0
    for group in range(len(table)):
        values = 0
        for _ in range(table[group, 0]):
            values += lengths[order[at] if len(order) else at]
            at += 1
        table[group, 3], table[group, 6] = word, values
        word += (values + 1) // 2 if table[group, 1] == SHORT else values
        if table[group, 4] + table[group, 5] > end:
            return False
    return True


@kernel(BYTES, NUMBER, NUMBER)
def outline(data: Any, at: Any, count: Any) -> Any:
    """Read the head at `at` of a page of `count` values. Returns whether it is valid, and

    table       [G, 7] of the groups: rows, type, decimal places, first word of the column where
                each begins with one of 8 bytes, first byte in the page, bytes, values
    lengths     [R], firsts [R], order [R or 0], linked [R or 0], exceptions [2, E] as in `RowHeads`
    later       [5, 2] offset and bytes of those of `lengths`, `firsts`, `order`, and of the rows of
                `exceptions`, that are pcodec files. If there is any, the caller decodes them and
                calls `settle`
    """
    rows, groups = _number(data, at, 4), _number(data, at + 4, 2)
    flags = data[at + 6]
    at += HEAD_BYTES
    good = 0 < rows <= count and groups <= rows and at + groups * GROUP_BYTES <= len(data)
    if not good:  # arrays of a damaged page are empty, so that nothing is allocated for them
        rows, groups, flags = 0, 0, 0
    table = np.zeros((groups, 7), np.int64)
    of_groups = 0
    for group in range(groups):
        table[group, 0] = _number(data, at, 4)
        table[group, 1] = data[at + 8]
        table[group, 2] = types.int8(data[at + 9])
        table[group, 5] = _number(data, at + 4, 4)
        of_groups += table[group, 0]
        good &= table[group, 1] <= 2 and -1 <= table[group, 2] <= PLACES
        at += GROUP_BYTES
    good &= of_groups == rows
    lengths, firsts = np.empty(rows, np.int64), np.empty(rows, np.int64)
    order = np.empty(rows if flags & ORDERED else 0, np.int64)
    linked = np.zeros(rows if flags & LINKED else 0, np.bool_)
    exceptions = np.empty((2, 0), np.int64)
    later = np.zeros((5, 2), np.int64)
    if good:
        if flags & EQUAL:
            at = _unpack(data, at, lengths[:1], later[0])
            lengths[:] = lengths[0]
            good = later[0, 1] == 0
        else:
            at = _unpack(data, at, lengths, later[0])
        at = _unpack(data, at, firsts, later[1]) if at >= 0 else at
        at = _unpack(data, at, order, later[2]) if at >= 0 else at
        bits = (len(linked) + 7) // 8
        if at >= 0 and at + bits <= len(data):
            for row in range(len(linked)):
                linked[row] = (data[at + row // 8] >> (7 - row % 8)) & 1
            at += bits
        else:
            at = -1
        if flags & EXCEPTIONAL and at >= 0:
            number = _number(data, at, 4) if at + 4 <= len(data) else count + 1
            if number <= count:
                exceptions = np.empty((2, number), np.int64)
                at = _unpack(data, at + 4, exceptions[0], later[3])
                at = _unpack(data, at, exceptions[1], later[4]) if at >= 0 else at
            else:
                at = -1
        good &= at >= 0
        for group in range(groups):
            table[group, 4] = at
            at += table[group, 5]
        if good and later.max() == 0:
            good = _settle(count, table, lengths, order, linked, exceptions, len(data))
    return good, table, lengths, firsts, order, linked, exceptions, later


@kernel(NUMBER, TABLE, INTS, INTS, FLAGS, TABLE, NUMBER)
def settle(
    count: Any, table: Any, lengths: Any, order: Any, linked: Any, exceptions: Any, end: Any
) -> bool:
    """Do the checks that `outline` postpones until its lists are decoded. Returns whether they
    pass."""
    return bool(_settle(count, table, lengths, order, linked, exceptions, end))
