"""Prometheus text and OpenMetrics walked byte by byte, compiled by numba.

Lines of the usual shape are read here, with the texts that name series looked up in a hash table.
Numbers are read where doubles are exact on the way: at most 2^53 as digits, times or divided by at
most 10^22 (Clinger, "How to read floating point numbers accurately", 1990, the easy case). All
other numbers and lines are left to Python, which also says what is wrong with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.inputs.compiled.text_table_kernels import (
    BYTES,
    OUT_INTS,
    OUT_INTS_2D,
    SEED,
    TABLE,
    find,
    same,
    text_hash,
)
from novaql.tsdb.runtime.compiled import inner, kernel

_OUT_FLOATS = types.Array(types.float64, 1, "C")
_TENS = 10.0 ** np.arange(23)
_MOST_SECONDS = 2.0**52


@inner
def _end_of_series(data: Any, at: int, stop: int) -> int:
    """Behind the text that names a series; -1 if it is of an unusual shape."""
    begin = at
    while at < stop:
        byte = data[at]
        if byte == 0x7B:  # {
            at += 1
            while at < stop and data[at] != 0x7D:
                at += 1
            return int(at + 1) if at < stop else -1
        if byte == 0x20 or byte == 0x09:
            return int(at) if at > begin else -1
        if byte == 0x23 or byte == 0x7D or 0x0A <= byte <= 0x0D:
            return -1
        at += 1
    return -1


@inner
def _number(data: Any, at: int, stop: int) -> tuple[bool, float, int]:
    """Whether a number could be read exactly, the number, and where its text ends."""
    begin = at
    negative = False
    if at < stop and (data[at] == 0x2D or data[at] == 0x2B):
        negative = data[at] == 0x2D
        at += 1
    digits = 0
    mantissa = np.int64(0)
    point = -1
    while at < stop:
        byte = data[at]
        if 0x30 <= byte <= 0x39:
            if digits < 18:
                mantissa = mantissa * 10 + np.int64(byte - 0x30)
            digits += 1
        elif byte == 0x2E and point < 0:
            point = digits
        else:
            break
        at += 1
    exponent = 0
    exact = 0 < digits <= 18
    if at < stop and (data[at] == 0x65 or data[at] == 0x45):
        at += 1
        minus = False
        if at < stop and (data[at] == 0x2D or data[at] == 0x2B):
            minus = data[at] == 0x2D
            at += 1
        some = at
        while at < stop and 0x30 <= data[at] <= 0x39:
            if exponent < 10000:
                exponent = exponent * 10 + int(data[at] - 0x30)
            at += 1
        exact = exact and at > some
        if minus:
            exponent = -exponent
    while at < stop and data[at] != 0x20 and data[at] != 0x09:
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
    if at + 3 > stop or data[at] != 0x23 or data[at + 1] != 0x20 or data[at + 2] != 0x7B:
        return False
    at += 3
    while at < stop and data[at] != 0x7D:
        at += 1
    at += 1
    numbers = 0
    while numbers < 2 and at + 1 < stop and data[at] == 0x20:
        at += 1
        first = at
        while at < stop and (
            0x30 <= data[at] <= 0x39
            or data[at] == 0x2B
            or data[at] == 0x2D
            or data[at] == 0x2E
            or data[at] == 0x45
            or data[at] == 0x65
        ):
            at += 1
        if at == first:
            return False
        numbers += 1
    return numbers > 0 and at == stop


@kernel(
    BYTES, SEED, *TABLE, OUT_INTS, types.int64, types.boolean,
    OUT_INTS, OUT_INTS, _OUT_FLOATS, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk_text(
    data: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
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

    slots … arena  texts that name series, by number
    follower       [by number + 1] the number that came next last time, -1 if none; noted anew
    default_time   milliseconds, of samples that have none
    openmetrics    times are seconds, and an exemplar may follow, which is passed over
    texts          [lines] number of the text of each sample; -1 - i for the i-th unknown one
    missing        [lines, 2] where those begin and end
    hard           [lines, 3] values for Python to read: sample, where it begins and ends
    odd            [lines, 3] lines for Python to read: which, where it begins and ends
    found          [4] how many unknown, hard, odd and lines

    Returns the count of samples.
    """
    end = len(data)
    at = samples = lacking = difficult = strange = lines = 0
    last = -1
    while at < end:
        begin = at
        behind = -1
        number = follower[last + 1]
        if number >= 0:
            behind = begin + sizes[number]
            if (
                behind >= end
                or (data[behind] != 0x20 and data[behind] != 0x09)
                or not same(data, begin, arena, starts[number], sizes[number])
            ):
                number = -1
        stop = behind if number >= 0 else begin
        while stop < end and data[stop] != 0x0A:
            stop += 1
        if number < 0:
            behind = _end_of_series(data, begin, stop)
        place = behind
        while 0 <= place < stop and (data[place] == 0x20 or data[place] == 0x09):
            place += 1
        good = place > behind >= 0 and place < stop
        exact, value, after = False, 0.0, -1
        if good:
            exact, value, after = _number(data, place, stop)
            good = after > place
        time = np.int64(default_time)
        if good:
            ahead = after
            while ahead < stop and (data[ahead] == 0x20 or data[ahead] == 0x09):
                ahead += 1
            if openmetrics:
                fits, seconds, behind_time = True, 0.0, ahead
                if ahead < stop and data[ahead] != 0x23:
                    fits, seconds, behind_time = _number(data, ahead, stop)
                    fits = fits and abs(seconds) < _MOST_SECONDS
                    if fits:
                        time = np.int64(np.rint(seconds * 1000.0))
                        ahead = behind_time
                        while ahead < stop and (data[ahead] == 0x20 or data[ahead] == 0x09):
                            ahead += 1
                good = fits and (ahead == stop or _is_exemplar(data, ahead, stop))
            elif ahead < stop:
                minus = data[ahead] == 0x2D
                if minus or data[ahead] == 0x2B:
                    ahead += 1
                first = ahead
                time = np.int64(0)
                while ahead < stop and ahead - first < 18 and 0x30 <= data[ahead] <= 0x39:
                    time = time * 10 + np.int64(data[ahead] - 0x30)
                    ahead += 1
                good = ahead > first
                if minus:
                    time = -time
                while ahead < stop and (data[ahead] == 0x20 or data[ahead] == 0x09):
                    ahead += 1
                good = good and ahead == stop
        if not good:
            odd[strange, 0], odd[strange, 1], odd[strange, 2] = lines, begin, stop
            strange += 1
            lines += 1
            at = stop + 1
            continue
        if number < 0:
            mixed = text_hash(data, begin, behind, seed)
            number = find(data, begin, behind, mixed, slots, hashes, starts, sizes, arena)
            if number >= 0:
                follower[last + 1] = number
            else:
                missing[lacking, 0], missing[lacking, 1] = begin, behind
                lacking += 1
                number = -1
        texts[samples] = number if number >= 0 else -lacking
        last = number
        times[samples] = time
        values[samples] = value
        if not exact:
            hard[difficult, 0], hard[difficult, 1], hard[difficult, 2] = samples, place, after
            difficult += 1
        samples += 1
        lines += 1
        at = stop + 1
    found[0], found[1], found[2], found[3] = lacking, difficult, strange, lines
    return samples
