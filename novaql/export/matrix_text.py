"""The points of a matrix as JSON text, value by value: functions that numba compiles.

They write whole numbers and decimals of few digits themselves. The texts of other values are
arguments: orjson finds the shortest decimals of 17 digits.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from novaql.export.compiled_text import ABSENT, DECIMAL, OTHER
from novaql.tsdb.runtime.compiled import kernel

OPENING = np.frombuffer(b'{"metric":', np.uint8)
VALUES = np.frombuffer(b',"values":[', np.uint8)

Bytes = NDArray[np.uint8]

_MATRIX = types.Array(types.float64, 2, "C", readonly=True)
_MASK = types.Array(types.boolean, 2, "C", readonly=True)
_KINDS = types.Array(types.int8, 2, "C")
_TEXT = types.Array(types.uint8, 1, "C", readonly=True)
_ENDS = types.Array(types.int64, 1, "C", readonly=True)
_OUT = types.Array(types.uint8, 1, "C")


@kernel(_MATRIX, _MASK, _KINDS)
def kinds_of(
    values: NDArray[np.float64], valid: NDArray[np.bool_], kinds: NDArray[np.int8]
) -> tuple[int, int]:
    """Fill in the kinds of values [S, J], and return how many are `DECIMAL` and `OTHER`.

    valid  [S, J], or [0, 0]: all values are valid

    A value has k decimals if it is m / 10^k rounded to a float, for a whole m below 10^15: a text
    of at most 15 digits reads back as the same float, and no shorter text does.
    """
    decimal = other = 0
    rows, steps = values.shape
    masked = len(valid) > 0
    for i in range(rows):
        for j in range(steps):
            if masked and not valid[i, j]:
                kinds[i, j] = ABSENT
                continue
            value = values[i, j]
            size = abs(value)
            kind = DECIMAL if 1e-5 <= size < 1e15 else OTHER
            if size < 9.0e15 and np.rint(value) == value:
                if value != 0.0 or not np.signbit(value):
                    kind = 0
            elif 1e-5 <= size < 1e12:
                # As many decimals as keep m below 10^15.
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
            decimal += kind == DECIMAL
            other += kind == OTHER
    return decimal, other


@kernel(_MATRIX, _KINDS, _TEXT, _ENDS, _TEXT, _ENDS, _TEXT, _TEXT, types.boolean, _OUT)
def write_matrix(
    values: NDArray[np.float64],
    kinds: NDArray[np.int8],
    heads: Bytes,
    head_ends: NDArray[np.int64],
    metrics: Bytes,
    metric_ends: NDArray[np.int64],
    decimals: Bytes,
    others: Bytes,
    quoted: bool,
    out: Bytes,
) -> int:
    """Write the series that have points, separated by commas; return the number of bytes.

    values, kinds  [S, J]
    heads          for each step what precedes a value, `[<time>,`, concatenated;
                   head_ends: [J] the end of each
    metrics        texts of the label sets, concatenated; metric_ends: [S] the end of each
    decimals       texts of the values of that kind, in order, with `,` or `]` after each
    others         likewise
    quoted         write values as JSON strings; the quote before the value is part of the head
    out            filled in; the caller allocates the largest possible size
    """
    powers = (1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
    digits = np.empty(24, np.uint8)
    rows, steps = values.shape
    at = 0
    next_decimal = next_other = 0  # positions in `decimals` and `others`
    for i in range(rows):
        first = 0
        while first < steps and kinds[i, first] == ABSENT:
            first += 1
        if first == steps:
            continue  # the JSON omits series without points

        # {"metric":<labels>,"values":[
        if at:
            out[at] = 44  # ,
            at += 1
        for n in range(len(OPENING)):
            out[at + n] = OPENING[n]
        at += len(OPENING)
        for n in range(metric_ends[i - 1] if i else 0, metric_ends[i]):
            out[at] = metrics[n]
            at += 1
        for n in range(len(VALUES)):
            out[at + n] = VALUES[n]
        at += len(VALUES)

        for j in range(first, steps):
            kind = kinds[i, j]
            if kind == ABSENT:
                continue
            # [<time>,<value>],
            begin = head_ends[j - 1] if j else 0
            size = head_ends[j] - begin
            # A loop over two slices of one size copies several bytes at a time.
            source, target = heads[begin : begin + size], out[at : at + size]
            for n in range(size):
                target[n] = source[n]
            at += size
            if kind < 0:
                texts = decimals if kind == DECIMAL else others
                begin = next_decimal if kind == DECIMAL else next_other
                end = begin
                while texts[end] != 44 and texts[end] != 93:
                    end += 1
                size = end - begin
                source, target = texts[begin:end], out[at : at + size]
                for n in range(size):
                    target[n] = source[n]
                at += size
                if kind == DECIMAL:
                    next_decimal = end + 1
                else:
                    next_other = end + 1
            else:
                value = values[i, j]
                if value < 0:
                    out[at] = 45  # -
                    at += 1
                # Exact, since `kinds_of` has verified it: m = value * 10^kind. The digits come from
                # the right; `count <= kind` writes a zero before the decimal point.
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
                        out[at] = 46  # .
                        at += 1
            if quoted:
                out[at] = 34  # "
                at += 1
            out[at] = 93  # ]
            out[at + 1] = 44
            at += 2
        out[at - 1] = 93  # in place of the comma after the last point
        out[at] = 125  # }
        at += 1
    return at
