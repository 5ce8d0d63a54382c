"""Prometheus text and OpenMetrics walked byte by byte, compiled by numba.

Lines of the usual shape are read here, with the texts that name series looked up in a hash table.
Numbers are read where doubles are exact on the way: at most 2^53 as digits, times or divided by at
most 10^22 (Clinger, "How to read floating point numbers accurately", 1990, the easy case). Python
reads all other numbers and lines, and reports what is wrong with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.inputs.compiled.text_table_kernels import (
    BYTES,
    OUT_CODES,
    OUT_INTS,
    OUT_INTS_2D,
    TABLE,
    equals,
    look_up,
)
from novaql.tsdb.runtime.compiled import inlined, inner, kernel

_SPACE, _TAB, _NEWLINE, _HASH, _OPEN, _CLOSE = 0x20, 0x09, 0x0A, 0x23, 0x7B, 0x7D
_PLUS, _MINUS, _POINT, _UPPER_E, _LOWER_E = 0x2B, 0x2D, 0x2E, 0x45, 0x65
_OUT_FLOATS = types.Array(types.float64, 1, "C")
_TENS = 10.0 ** np.arange(23)
_MOST_SECONDS = 2.0**52


@inlined
def _after_blanks(data: Any, at: int, stop: int) -> int:
    while at < stop and (data[at] == _SPACE or data[at] == _TAB):
        at += 1
    return int(at)


@inner
def _end_of_series(data: Any, at: int, stop: int) -> int:
    """Where the text that names a series ends; -1 if it is of an unusual shape."""
    begin = at
    while at < stop:
        byte = data[at]
        if byte == _OPEN:
            at += 1
            while at < stop and data[at] != _CLOSE:
                at += 1
            return int(at + 1) if at < stop else -1
        if byte == _SPACE or byte == _TAB:
            return int(at) if at > begin else -1
        if byte == _HASH or byte == _CLOSE or 0x0A <= byte <= 0x0D:
            return -1
        at += 1
    return -1


@inlined
def _number(data: Any, at: int, stop: int) -> tuple[bool, float, int]:
    """Whether a number could be read exactly, the number, and where its text ends."""
    begin = at
    negative = False
    if at < stop and (data[at] == _MINUS or data[at] == _PLUS):
        negative = data[at] == _MINUS
        at += 1
    # 18 digits are below 2^63. Of more, the mantissa is wrong, and so the number is not exact.
    digits = 0
    mantissa = np.int64(0)
    point = -1
    while at < stop:
        byte = data[at]
        if 0x30 <= byte <= 0x39:
            if digits < 18:
                mantissa = mantissa * 10 + np.int64(byte - 0x30)
            digits += 1
        elif byte == _POINT and point < 0:
            point = digits
        else:
            break
        at += 1
    exponent = 0
    exact = 0 < digits <= 18
    if at < stop and (data[at] == _LOWER_E or data[at] == _UPPER_E):
        at += 1
        minus = False
        if at < stop and (data[at] == _MINUS or data[at] == _PLUS):
            minus = data[at] == _MINUS
            at += 1
        some = at
        while at < stop and 0x30 <= data[at] <= 0x39:
            if exponent < 10000:
                exponent = exponent * 10 + int(data[at] - 0x30)
            at += 1
        exact = exact and at > some
        if minus:
            exponent = -exponent
    while at < stop and data[at] != _SPACE and data[at] != _TAB:  # NaN, Inf, or no number
        exact = False
        at += 1
    if point >= 0:
        exponent -= digits - point
    if not exact or mantissa > 9007199254740992 or exponent > 22 or exponent < -22:
        return False, 0.0, int(at if at > begin else -1)
    value = np.float64(mantissa)
    if exponent < 0:
        value /= _TENS[-exponent]
    elif exponent > 0:
        value *= _TENS[exponent]
    return True, -value if negative else value, int(at)


@inner
def _is_exemplar(data: Any, at: int, stop: int) -> bool:
    """Whether the rest of a line is `# {…} value` or `# {…} value time`, with one space between."""
    if at + 3 > stop or data[at] != _HASH or data[at + 1] != _SPACE or data[at + 2] != _OPEN:
        return False
    at += 3
    while at < stop and data[at] != _CLOSE:
        at += 1
    at += 1
    numbers = 0
    while numbers < 2 and at + 1 < stop and data[at] == _SPACE:
        at += 1
        first = at
        while at < stop and (
            0x30 <= data[at] <= 0x39
            or data[at] == _PLUS
            or data[at] == _MINUS
            or data[at] == _POINT
            or data[at] == _UPPER_E
            or data[at] == _LOWER_E
        ):
            at += 1
        if at == first:
            return False
        numbers += 1
    return numbers > 0 and at == stop


@inlined
def _seconds(data: Any, at: int, stop: int, default_time: Any) -> tuple[bool, Any]:
    """Whether the rest of a line is usual OpenMetrics, and the time of its sample."""
    time = np.int64(default_time)
    if at < stop and data[at] != _HASH:
        exact, seconds, at = _number(data, at, stop)
        if not exact or abs(seconds) >= _MOST_SECONDS:
            return False, time
        time = np.int64(np.rint(seconds * 1000.0))
        at = _after_blanks(data, at, stop)
    return at == stop or _is_exemplar(data, at, stop), time


@inlined
def _milliseconds(data: Any, at: int, stop: int) -> tuple[bool, Any]:
    """Whether the rest of a line is a whole number of at most 18 digits, and this number."""
    minus = data[at] == _MINUS
    if minus or data[at] == _PLUS:
        at += 1
    first = at
    time = np.int64(0)
    while at < stop and at - first < 18 and 0x30 <= data[at] <= 0x39:
        time = time * 10 + np.int64(data[at] - 0x30)
        at += 1
    good = at > first and _after_blanks(data, at, stop) == stop
    return good, -time if minus else time


@kernel(
    BYTES, TABLE, OUT_CODES, types.int64, types.boolean, OUT_INTS, OUT_INTS, _OUT_FLOATS,
    OUT_INTS_2D, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk_text(
    data: Any,
    table: Any,
    follower: Any,
    default_time: Any,
    openmetrics: Any,
    texts: Any,
    times: Any,
    values: Any,
    missing: Any,
    hard: Any,
    odd: Any,
    found: Any,
) -> Any:
    """Every sample of whole lines.

    table         texts that name series
    follower      [by number + 1] the number that came next last time, -1 if none; updated
    default_time  milliseconds, of samples that have none
    openmetrics   times are seconds, and an exemplar may follow, which is skipped
    texts         [lines] number of the text of each sample; -1 - i for the i-th unknown one
    missing       [lines, 2] where those begin and end
    hard          [lines, 3] values for Python to read: sample, where it begins and ends
    odd           [lines, 3] lines for Python to read: which, where it begins and ends
    found         [4] how many unknown, hard, odd and lines

    Each line adds at most one row to each array, so none needs a check of its length.

    Returns the count of samples.
    """
    _, _, starts, sizes, arena, _ = table
    end = len(data)
    at = samples = lacking = difficult = strange = lines = 0
    last = -1
    while at < end:
        # The text that names the series: most texts repeat their series in the same order, so it is
        # first compared with the one that came next last time.
        begin = at
        behind = -1
        number: Any = np.int64(follower[last + 1])
        if number >= 0:
            size: Any = np.int64(sizes[number])
            behind = begin + size
            if (
                behind >= end
                or (data[behind] != _SPACE and data[behind] != _TAB)
                or not equals(data, begin, arena, starts[number], size)
            ):
                number = -1
        stop = behind if number >= 0 else begin
        while stop < end and data[stop] != _NEWLINE:
            stop += 1
        if number < 0:
            behind = _end_of_series(data, begin, stop)

        # The value and the time.
        place = _after_blanks(data, behind, stop) if behind >= 0 else -1
        good = place > behind >= 0 and place < stop
        exact, value, after = False, 0.0, -1
        time = np.int64(default_time)
        if good:
            exact, value, after = _number(data, place, stop)
            good = after > place
        if good:
            rest = _after_blanks(data, after, stop)
            if openmetrics:
                good, time = _seconds(data, rest, stop, time)
            elif rest < stop:
                good, time = _milliseconds(data, rest, stop)

        if good:
            if number < 0:
                number, _, _ = look_up(data, begin, behind, table)
                if number >= 0:
                    follower[last + 1] = number
                else:
                    missing[lacking, 0], missing[lacking, 1] = begin, behind
                    lacking += 1
            texts[samples] = number if number >= 0 else -lacking
            last = number
            times[samples], values[samples] = time, value
            if not exact:
                hard[difficult, 0], hard[difficult, 1], hard[difficult, 2] = samples, place, after
                difficult += 1
            samples += 1
        else:
            odd[strange, 0], odd[strange, 1], odd[strange, 2] = lines, begin, stop
            strange += 1
        lines += 1
        at = stop + 1
    found[0], found[1], found[2], found[3] = lacking, difficult, strange, lines
    return samples
