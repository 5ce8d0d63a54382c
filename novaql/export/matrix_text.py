"""The points of a matrix as JSON text, value by value: functions for numba to compile.

Columns whose text is there from an earlier answer are copied from that.

Whole numbers and decimals of few digits are written here. Of the others (`ODD`) the text comes from
outside: shortest decimals of 17 digits are orjson's trade.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from novaql.tsdb.runtime.compiled import kernel

OPENING = np.frombuffer(b'{"metric":', np.uint8)
VALUES = np.frombuffer(b',"values":[', np.uint8)

Bytes = NDArray[np.uint8]

_MATRIX = types.Array(types.float64, 2, "C", readonly=True)
_BITS = types.Array(types.int64, 2, "C", readonly=True)
_MASK = types.Array(types.boolean, 2, "C", readonly=True)
_KINDS = types.Array(types.int8, 2, "C")
_TEXT = types.Array(types.uint8, 1, "C", readonly=True)
_ENDS = types.Array(types.int64, 1, "C", readonly=True)
_OUT = types.Array(types.uint8, 1, "C")
_FLAGS = types.Array(types.boolean, 1, "C")
_PLACES = types.Array(types.int64, 1, "C")
_OLD_SIZES = types.Array(types.int16, 2, "A", readonly=True)
_SIZES = types.Array(types.int16, 2, "C")
_INT = types.int64


@kernel(_BITS, _MASK, _BITS, _MASK, _INT, _FLAGS)
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


@kernel(_MATRIX, _MASK, _KINDS)
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


@kernel(
    _MATRIX, _KINDS, _TEXT, _ENDS, _TEXT, _ENDS, _TEXT, types.boolean, _TEXT, _ENDS, _ENDS,
    _OLD_SIZES, _INT, _INT, _INT, _OUT, _PLACES, _PLACES, _SIZES,
)  # fmt: skip
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
    old_begins: NDArray[np.int64],
    old_ends: NDArray[np.int64],
    old_sizes: NDArray[np.int16],
    shift: int,
    first: int,
    last: int,
    out: Bytes,
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    sizes: NDArray[np.int16],
) -> int:
    """Write series one behind the other, with commas between; returns how many bytes.

    values, kinds  [S, F] of the columns that are not known: the first `first` ones stand before
                   those that are, the others behind
    times          their texts one behind the other, and where each ends; metrics: as well, those of
                   the series; odd: texts, a comma after each
    old            what was written earlier; known are its columns first + shift … last + shift - 1
    old_begins, old_ends, old_sizes   what begins, ends and sizes was then
    begins, ends   [S], filled in: where the points of a series begin, and where they end, with a
                   comma behind the last, which is not there; equal if there are none
    sizes          [S, F], filled in: of each text of a point, without commas; 0: absent
    """
    powers = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
    digits = np.empty(24, np.uint8)
    rows, fresh = values.shape
    columns = old_sizes.shape[1]
    at = 0
    next_odd = 0
    for i in range(rows):
        here, end = 0, 0
        if last > first:
            here, end = old_begins[i], old_ends[i]
            for j in range(first + shift):
                if old_sizes[i, j] > 0:
                    here += old_sizes[i, j] + 1
            for j in range(last + shift, columns):
                if old_sizes[i, j] > 0:
                    end -= old_sizes[i, j] + 1
        some = end > here
        for f in range(fresh):
            some = some or kinds[i, f] != -2
            sizes[i, f] = 0
        begins[i] = at
        ends[i] = at
        if not some:
            continue
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
        begins[i] = at
        for f in range(fresh + 1):
            if f == first and end > here:
                known, copied = old[here : end - 1], out[at : at + end - here - 1]
                for n in range(len(known)):  # a tenth of the time that copying the slice takes
                    copied[n] = known[n]
                at += end - here
                out[at - 1] = 44
            if f == fresh or kinds[i, f] == -2:
                continue
            kind = kinds[i, f]
            point = at
            out[at] = 91
            at += 1
            begin = time_ends[f - 1] if f else 0
            for n in range(begin, time_ends[f]):
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
                value = values[i, f]
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
            sizes[i, f] = at - point
            out[at] = 44
            at += 1
        ends[i] = at
        out[at - 1] = 93  # where a comma would be
        out[at] = 125
        at += 1
    return at
