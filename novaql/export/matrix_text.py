"""The points of a matrix as JSON text, value by value: functions for numba to compile.

Columns whose text is there from an earlier answer are copied from that.

Whole numbers and decimals of few digits are written here. Of the others (`ODD`) the text comes from
outside: shortest decimals of 17 digits are orjson's trade.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ODD = -1
"""The kind of a value whose text comes from outside; other kinds are numbers of decimals."""

ABSENT = -2
"""The kind of a cell without a value."""

OPENING = np.frombuffer(b'{"metric":', np.uint8)
VALUES = np.frombuffer(b',"values":[', np.uint8)

Bytes = NDArray[np.uint8]


def equal_columns(
    bits: NDArray[np.int64],
    valid: NDArray[np.bool_],
    others: NDArray[np.int64],
    valid_others: NDArray[np.bool_],
    shift: int,
    equal: NDArray[np.bool_],
) -> None:
    """Which columns are those of others, `shift` to the right there. Both: bits of floats [S, J],
    and validity [S, J], or [0, 0] for all; equal: [J], false from the start."""
    rows, steps = bits.shape
    first, last = max(0, -shift), min(steps, others.shape[1] - shift)
    if last <= first:
        return
    width = last - first
    differs = np.zeros(width, np.int64)  # as wide as what is compared: many at a time
    some, some_others = len(valid) > 0, len(valid_others) > 0
    for i in range(rows):
        one, other = bits[i, first:last], others[i, first + shift : last + shift]
        if not some and not some_others:
            for j in range(width):
                differs[j] |= one[j] ^ other[j]
            continue
        for j in range(width):
            there = valid[i, first + j] if some else True
            there_too = valid_others[i, first + shift + j] if some_others else True
            differs[j] |= ((one[j] ^ other[j]) if there else 0) | np.int64(there != there_too)
    for j in range(width):
        equal[first + j] = differs[j] == 0


def kinds_of(
    values: NDArray[np.float64],
    valid: NDArray[np.bool_],
    kinds: NDArray[np.int8],
    first: int,
    last: int,
) -> int:
    """Kinds of values [S, J] but for columns first … last - 1, which are left alone; valid: [S, J],
    or [0, 0] for all. Returns how many are odd.

    A value of k decimals is m / 10^k rounded to a float, with a whole m below 10^15: a text of so
    few digits reads back as the same float, and there is no shorter one.
    """
    odd = 0
    rows, steps = values.shape
    some = len(valid) > 0
    for i in range(rows):
        for j in range(steps):
            if first <= j < last:
                continue
            if some and not valid[i, j]:
                kinds[i, j] = -2
                continue
            value = values[i, j]
            size = abs(value)
            kind = -1
            if size < 9.0e15 and np.rint(value) == value:
                if value != 0.0 or not np.signbit(value):
                    kind = 0
            elif 1e-5 <= size < 1e12:
                most = 9 if size < 1e6 else 6 if size < 1e9 else 3
                scale = 1e9 if most == 9 else 1e6 if most == 6 else 1e3
                whole = np.rint(size * scale)
                if whole / scale == size:
                    left = np.int64(whole)
                    kind = most
                    while left % 10 == 0:
                        left //= 10
                        kind -= 1
            kinds[i, j] = kind
            if kind == -1:
                odd += 1
    return odd


def write_matrix(
    values: NDArray[np.float64],
    kinds: NDArray[np.int8],
    times: Bytes,
    time_ends: NDArray[np.int64],
    metrics: Bytes,
    metric_ends: NDArray[np.int64],
    odd: Bytes,
    quoted: bool,
    old: Bytes,
    old_ends: NDArray[np.int64],
    shift: int,
    first: int,
    last: int,
    out: Bytes,
    ends: NDArray[np.int64],
) -> int:
    """Write series one behind the other, with commas between; returns how many bytes.

    times, metrics  texts one behind the other, and where each ends; odd: texts, a comma after each
    old, old_ends   what was written earlier: columns first … last - 1 stand there `shift` columns
                    to the right
    ends            [S, J + 1], filled in: where the first point of a series begins, and where each
                    point ends, with the comma before it if there is one; an absent one where the
                    one before it does. [0, 0]: nobody wants to know
    """
    powers = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
    digits = np.empty(24, np.uint8)
    rows, steps = values.shape
    noted = len(ends) > 0
    at = 0
    next_odd = 0
    for i in range(rows):
        begun = False
        j = 0
        while j < steps:
            known = first <= j < last
            here, end = 0, 0
            if known:
                here, end = old_ends[i, j + shift], old_ends[i, last + shift]
            if here == end and (known or kinds[i, j] == -2):  # nothing to write
                if known:
                    for n in range(j, last if noted else j):
                        ends[i, n + 1] = at
                    j = last
                else:
                    if noted:
                        ends[i, j + 1] = at
                    j += 1
                continue
            if not begun:
                if at:
                    out[at] = 44
                    at += 1
                for n in range(len(OPENING)):
                    out[at + n] = OPENING[n]
                at += len(OPENING)
                begin = metric_ends[i - 1] if i else 0
                for n in range(begin, metric_ends[i]):
                    out[at] = metrics[n]
                    at += 1
                for n in range(len(VALUES)):
                    out[at + n] = VALUES[n]
                at += len(VALUES)
                for n in range(j + 1 if noted else 0):
                    ends[i, n] = at
            if known:
                before, origin = at, here
                if begun and old[here] != 44:
                    out[at] = 44
                    at += 1
                elif not begun and old[here] == 44:
                    here += 1
                out[at : at + end - here] = old[here:end]
                for n in range(j, last if noted else j):
                    ended = old_ends[i, n + 1 + shift]
                    ends[i, n + 1] = before if ended == origin else at + ended - here
                at += end - here
                begun = True
                j = last
                continue
            if begun:
                out[at] = 44
                at += 1
            begun = True
            kind = kinds[i, j]
            out[at] = 91
            at += 1
            begin = time_ends[j - 1] if j else 0
            for n in range(begin, time_ends[j]):
                out[at] = times[n]
                at += 1
            out[at] = 44
            at += 1
            if quoted:
                out[at] = 34
                at += 1
            if kind == -1:
                while odd[next_odd] != 44:
                    out[at] = odd[next_odd]
                    at += 1
                    next_odd += 1
                next_odd += 1
            else:
                value = values[i, j]
                if value < 0:
                    out[at] = 45
                    at += 1
                left = np.int64(np.rint(abs(value) * powers[kind]))
                count = 0
                while left > 0 or count <= kind:
                    rest = left // 10
                    digits[count] = 48 + (left - rest * 10)
                    left = rest
                    count += 1
                while count > 0:
                    count -= 1
                    out[at] = digits[count]
                    at += 1
                    if count == kind and kind > 0:
                        out[at] = 46
                        at += 1
            if quoted:
                out[at] = 34
                at += 1
            out[at] = 93
            at += 1
            if noted:
                ends[i, j + 1] = at
            j += 1
        if begun:
            out[at] = 93
            out[at + 1] = 125
            at += 2
        elif noted:
            for n in range(steps + 1):
                ends[i, n] = at
    return at
