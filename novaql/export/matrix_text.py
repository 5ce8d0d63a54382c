"""The points of a matrix as JSON text, value by value: functions for numba to compile.

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


def kinds_of(values: NDArray[np.float64], valid: NDArray[np.bool_], kinds: NDArray[np.int8]) -> int:
    """Kinds of values [S, J]; valid: [S, J], or [0, 0] for all. Returns how many are odd.

    A value of k decimals is m / 10^k rounded to a float, with a whole m below 10^15: a text of so
    few digits reads back as the same float, and there is no shorter one.
    """
    odd = 0
    rows, steps = values.shape
    some = len(valid) > 0
    for i in range(rows):
        for j in range(steps):
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
    out: Bytes,
) -> int:
    """Write series one behind the other, with commas between; returns how many bytes.

    times, metrics  texts one behind the other, and where each ends; odd: texts, a comma after each
    """
    powers = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
    digits = np.empty(24, np.uint8)
    rows, steps = values.shape
    at = 0
    next_odd = 0
    for i in range(rows):
        first = True
        for j in range(steps):
            kind = kinds[i, j]
            if kind == -2:
                continue
            if first:
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
                first = False
            else:
                out[at] = 44
                at += 1
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
        if not first:
            out[at] = 93
            out[at + 1] = 125
            at += 2
    return at
