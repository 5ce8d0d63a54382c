"""The points of OTLP metrics, walked byte by byte, compiled by numba.

`walk_points` verifies every position before it reads it: `field_bounds` returns only ranges inside
of the message.

A series has a key: the number of its metric, and the bytes of the point's attributes, for a
histogram also those of its bounds. So only new keys are decoded. Exemplars, which nothing stores,
are not decoded; their fields are verified.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.inputs.compiled.text_table_kernels import (
    BYTES,
    CODES,
    INTS,
    INTS_2D,
    OUT_BITS,
    OUT_BYTES,
    OUT_INTS,
    OUT_INTS_2D,
    TABLE,
    look_up,
)
from novaql.inputs.otlp.limits import LARGEST_MESSAGE
from novaql.inputs.otlp.scan_kernels import HISTOGRAM
from novaql.inputs.remote_write.walk_kernels import field_bounds, put_number, varint
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import bits_of, pointer, put_word, word_in

# The number of a field times 8, plus its wire type: 0 varint, 1 eight bytes, 2 length.
_START, _TIME = 0x11, 0x19  # of a point
_DOUBLE, _EXEMPLAR, _INT, _ATTRIBUTE, _FLAGS = 0x21, 0x2A, 0x31, 0x3A, 0x40  # of a number
_COUNT, _TOTAL, _COUNTS, _BOUNDS, _MIN, _MAX = 0x21, 0x29, 0x32, 0x3A, 0x59, 0x61  # of a histogram
_HISTOGRAM_EXEMPLAR, _HISTOGRAM_ATTRIBUTE, _HISTOGRAM_FLAGS = 0x42, 0x4A, 0x50
_FILTERED_ATTRIBUTE = 0x3A  # of an exemplar

_NO_VALUE = np.uint64(1)
_STALE_BITS = np.uint64(0x7FF0000000000002)
"""Those of `STALE`: a constant of a kernel is not imported, for the sake of its cache."""
_NANOSECONDS = np.uint64(1_000_000)
_ZERO = np.uint64(0)

EXTRA_SAMPLES = 3
"""A histogram of n bytes has at most n / 8 samples and these: +Inf, the sum and the count."""
EXTRA_KEY_BYTES = 8
"""A key has at most as many bytes as its point, and these."""


@inner
def _is_exemplar(data: Any, at: int, stop: int) -> bool:
    """Whether some bytes are the fields of an exemplar, none of which is a message."""
    while at < stop:
        key = data[at]
        if key < 0x08 or key >= 0x80 or key == _FILTERED_ATTRIBUTE:
            return False
        kind = key & 7
        if kind == 2:
            _, at = field_bounds(data, at + 1, stop)
        elif kind == 0:
            _, at = varint(data, at + 1, stop)
        elif kind == 1:
            at += 9
        elif kind == 5:
            at += 5
        else:
            return False
        if at < 0:
            return False
    return at == stop


@inner
def _number_point(data: Any, at: int, stop: int) -> tuple[bool, Any, Any, Any, int, int]:
    """Whether a point has the usual shape; its time and start in nanoseconds, the bits of its
    value, and where its attributes begin and end."""
    time = began = value = _ZERO
    first = last = seen = 0
    stale = False
    while at < stop:
        key = data[at]
        field = 0
        if key == _ATTRIBUTE or key == _EXEMPLAR:
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0 or (key == _EXEMPLAR and not _is_exemplar(data, begin, after)):
                return False, time, began, value, first, last
            if key == _ATTRIBUTE:
                if last == 0:
                    first = at
                elif last != at:
                    return False, time, began, value, first, last
                last = after
            at = after
            continue
        if key == _FLAGS:
            flags, at = varint(data, at + 1, stop)
            if at < 0:
                return False, time, began, value, first, last
            field = 8
            stale = flags & _NO_VALUE != _ZERO
        elif at + 9 > stop:
            return False, time, began, value, first, last
        else:
            word = word_in(data, at + 1)
            at += 9
            if key == _TIME:
                time, field = word, 1
            elif key == _START:
                began, field = word, 2
            elif key == _DOUBLE:
                value, field = word, 4
            elif key == _INT:
                value, field = np.uint64(bits_of(np.float64(np.int64(word)))), 4
            else:
                return False, time, began, value, first, last
        if seen & field:
            return False, time, began, value, first, last
        seen |= field
    return True, time, began, _STALE_BITS if stale else value, first, last


@inner
def _read_histogram(data: Any, at: int, stop: int, fields: Any) -> bool:
    """Read a histogram into `fields`: time, start, count, the bits of its sum, whether it has one,
    then begin and end of its counts, bounds and attributes. Returns whether it is usual."""
    for place in range(11):
        fields[place] = 0
    seen = 0
    while at < stop:
        key = data[at]
        field = 0
        if key == _COUNTS or key == _BOUNDS or key == _HISTOGRAM_ATTRIBUTE:
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0:
                return False
            if key == _HISTOGRAM_ATTRIBUTE:
                if fields[10] == 0:
                    fields[9] = at
                elif fields[10] != at:
                    return False
                fields[10] = after
            else:
                place = 5 if key == _COUNTS else 7
                fields[place], fields[place + 1], field = begin, after, 1 << place
            at = after
        elif key == _HISTOGRAM_EXEMPLAR:
            begin, at = field_bounds(data, at + 1, stop)
            if begin < 0 or not _is_exemplar(data, begin, at):
                return False
        elif key == _HISTOGRAM_FLAGS:
            flags, at = varint(data, at + 1, stop)
            if at < 0 or flags & _NO_VALUE != _ZERO:
                return False
        else:
            if at + 9 > stop:
                return False
            word = np.int64(word_in(data, at + 1))
            at += 9
            if key == _TIME:
                fields[0], field = word, 1
            elif key == _START:
                fields[1], field = word, 2
            elif key == _COUNT:
                fields[2], field = word, 4
            elif key == _TOTAL:
                fields[3], fields[4], field = word, 1, 8
            elif key != _MIN and key != _MAX:
                return False
        if seen & field:
            return False
        seen |= field
    counts, bounds = fields[6] - fields[5], fields[8] - fields[7]
    if counts % 8 or bounds % 8 or counts != (bounds + 8 if counts else 0):
        return False
    return counts == 0 or _has_sum(data, fields[5], fields[6], np.uint64(fields[2]))


@inner
def _has_sum(data: Any, at: int, stop: int, wanted: Any) -> bool:
    """Whether the sum of the counts of buckets is the one that is wanted, of 64 bits."""
    total = _ZERO
    for place in range(at, stop, 8):
        before = total
        total += word_in(data, place)
        if total < before:
            return False
    return bool(total == wanted)


@inner
def _append(data: Any, begin: int, stop: int, keys: Any, used: int) -> int:
    """Append bytes to a key. Returns the position behind them."""
    size = stop - begin
    if size < 8:
        for n in range(size):
            keys[used + n] = data[begin + n]
    else:
        to = pointer(keys, used)
        for n in range(0, size - 7, 8):
            put_word(to, n, word_in(data, begin + n))
        put_word(to, size - 8, word_in(data, stop - 8))
    return used + size


@kernel(
    BYTES, INTS_2D, TABLE, CODES, INTS, OUT_INTS_2D, OUT_INTS_2D, OUT_BITS, OUT_BYTES, OUT_INTS_2D,
    OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk_points(
    data: Any,
    metrics: Any,
    table: Any,
    place_of: Any,
    rows_of: Any,
    samples: Any,
    fields: Any,
    bits: Any,
    keys: Any,
    missing: Any,
    odd: Any,
    state: Any,
) -> Any:
    """The samples of points, until an output is full.

    metrics   [M, 4] the number of each metric, its kind, and where its points begin and end
    table     the keys of known series
    place_of  [by number of a key] where its rows are in `rows_of`: one for a number; for a
              histogram one for each bucket, then the sum, if it has one, and the count
    samples   [:, 4] row of the series, -1 - i for the i-th unknown one; time and start in
              milliseconds; index of the metric
    fields    [1, 11] memory of one histogram
    bits      of the value of each sample
    keys      the keys of unknown series, one after the other
    missing   [:, 6] begin and end of those in `keys`, index of the metric, begin and end of the
              point's content, and its count of series
    odd       [:, 3] points that are left to the caller: index of the metric, and where the
              point begins and ends
    state     [4] index of the metric and the position where to go on, and how many points are
              `missing` and `odd`; in and out

    Returns the count of samples.
    """
    of_histogram = fields[0]
    metric, at = state[0], state[1]
    count = lacking = unknown = strange = strange_bytes = used = 0
    while metric < len(metrics):
        at = max(at, metrics[metric, 2])
        stop = metrics[metric, 3]
        while at < stop:
            begin, after = field_bounds(data, at + 1, stop)
            size = after - begin
            is_small = size <= LARGEST_MESSAGE
            if (
                strange >= len(odd)
                or strange_bytes > LARGEST_MESSAGE
                or lacking >= len(missing)
                or (is_small and count + size // 8 + EXTRA_SAMPLES > len(samples))
                or (is_small and used + size + EXTRA_KEY_BYTES > len(keys))
            ):
                state[0], state[1], state[2], state[3] = metric, at, lacking, strange
                return count

            # The key is written behind those of unknown series, and stays there if it is one.
            key_end = put_number(keys, used, metrics[metric, 0])
            series = 1
            time = began = value = _ZERO
            if not is_small:
                good = False
            elif metrics[metric, 1] == HISTOGRAM:
                good = _read_histogram(data, begin, after, of_histogram)
                bounds = of_histogram[8] - of_histogram[7]
                series = bounds // 8 + 2 + of_histogram[4]
                time, began = np.uint64(of_histogram[0]), np.uint64(of_histogram[1])
                key_end = put_number(keys, key_end, bounds | of_histogram[4])
                if good:
                    key_end = _append(data, of_histogram[7], of_histogram[8], keys, key_end)
                    key_end = _append(data, of_histogram[9], of_histogram[10], keys, key_end)
            else:
                good, time, began, value, first, last = _number_point(data, begin, after)
                if good:
                    key_end = _append(data, first, last, keys, key_end)
            if not good:
                odd[strange, 0], odd[strange, 1], odd[strange, 2] = metric, at, after
                strange += 1
                strange_bytes += after - at
                at = after
                continue

            number, _, _ = look_up(keys, used, key_end, table)
            if number < 0:
                missing[lacking, 0], missing[lacking, 1], missing[lacking, 2] = (
                    used,
                    key_end,
                    metric,
                )
                missing[lacking, 3], missing[lacking, 4] = begin, after
                missing[lacking, 5] = series
                used = key_end
                lacking += 1
                for n in range(series):
                    samples[count + n, 0] = -1 - unknown - n
                unknown += series
            else:
                for n in range(series):
                    samples[count + n, 0] = rows_of[place_of[number] + n]
            if metrics[metric, 1] == HISTOGRAM:
                so_far = _ZERO
                for n in range((of_histogram[8] - of_histogram[7]) // 8):
                    so_far += word_in(data, of_histogram[5] + 8 * n)
                    bits[count + n] = np.uint64(bits_of(np.float64(so_far)))
                whole = np.uint64(bits_of(np.float64(np.uint64(of_histogram[2]))))
                bits[count + series - 2] = np.uint64(of_histogram[3])
                bits[count + series - 2 - of_histogram[4]] = whole
                bits[count + series - 1] = whole
            else:
                bits[count] = value
            time_ms, start_ms = np.int64(time // _NANOSECONDS), np.int64(began // _NANOSECONDS)
            for n in range(count, count + series):
                samples[n, 1], samples[n, 2], samples[n, 3] = time_ms, start_ms, metric
            count += series
            at = after
        metric += 1
    state[0], state[1], state[2], state[3] = metric, at, lacking, strange
    return count
