"""Remote write 1.0 walked byte by byte, compiled by numba.

A walk reads messages of the shape that senders write. It returns -1 for any other message; the
plain decoder then reads the whole message, and reports what is wrong with it and where.

Every position is verified before it is read: `field_bounds` returns only ranges inside of the
message, and `varint` stops at the end that it is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.inputs.compiled.text_table_kernels import (
    BYTES,
    CODES,
    INTS_2D,
    OUT_BITS,
    OUT_BYTES,
    OUT_CODES,
    OUT_INTS,
    OUT_INTS_2D,
    TABLE,
    equals,
    find_or_add,
    look_up,
)
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import word_in

# A key is the number of a field times 8, plus its wire type: 0 varint, 1 eight bytes, 2 length.
_SERIES, _METADATA = 0x0A, 0x1A  # of a message
_LABEL, _SAMPLE, _EXEMPLAR, _HISTOGRAM = 0x0A, 0x12, 0x1A, 0x22  # of a series
_NAME, _VALUE = 0x0A, 0x12  # of a label
_NUMBER, _TIME, _START = 0x09, 0x10, 0x18  # of a sample; version 1.0 has no start timestamp
_CONTINUED, _SIX_BYTES = np.uint64(0x808080808080), np.uint64(0x008080808080)
"""The bits of six bytes that show that a varint continues; these bits of one that has six bytes."""


@inner
def varint(data: Any, at: int, stop: int) -> tuple[Any, int]:
    """An unsigned number and the position behind it; -1 if there is none."""
    number = np.uint64(0)
    shift = 0
    while at < stop and shift < 70:  # 64 bits are at most ten bytes of seven
        byte = np.uint64(data[at])
        at += 1
        if shift < 64:
            number |= (byte & np.uint64(0x7F)) << np.uint64(shift)
        if byte < np.uint64(0x80):
            return number, at
        shift += 7
    return np.uint64(0), -1


@inner
def field_bounds(data: Any, at: int, stop: int) -> tuple[int, int]:
    """Where the content of a field begins and ends whose length is at `at`; (-1, -1) if not."""
    if at < stop and data[at] < 0x80:  # nearly always
        start, size = at + 1, np.int64(data[at])
    else:
        number, start = varint(data, at, stop)
        if start < 0 or number > np.uint64(stop):
            return -1, -1
        size = np.int64(number)
    if size > stop - start:
        return -1, -1
    return start, int(start + size)


@inner
def read_sample(data: Any, at: int, stop: int) -> tuple[bool, Any, Any, Any]:
    """Whether a sample has the usual shape, the bits of its value, its time, and its start
    timestamp."""
    value = time = start = np.uint64(0)
    if stop - at == 16 and data[at] == _NUMBER and data[at + 9] == _TIME:
        six = word_in(data, at + 8) >> np.uint64(16)
        if six & _CONTINUED == _SIX_BYTES:  # all times from 1971 to 2109
            for place in range(6):
                time |= (six >> np.uint64(place)) & (np.uint64(0x7F) << np.uint64(7 * place))
            return True, word_in(data, at + 1), time, start
    while at < stop:
        key = data[at]
        if key == _NUMBER and at + 9 <= stop:
            value = word_in(data, at + 1)
            at += 9
        elif key == _TIME or key == _START:
            number, at = varint(data, at + 1, stop)
            if at < 0:
                return False, value, time, start
            if key == _TIME:
                time = number
            else:
                start = number
        else:
            return False, value, time, start
    return True, value, time, start


@inner
def put_number(keys: Any, at: int, number: int) -> int:
    """Append the four bytes of a number to a key. Returns the position behind them."""
    for byte in range(4):
        keys[at + byte] = (number >> (8 * byte)) & 0xFF
    return at + 4


@inner
def behind_fields(data: Any, at: int, stop: int, number: int, table: Any, fields: Any) -> int:
    """The position behind the label fields of a known series; -1 if others are at `at`."""
    _, _, starts, sizes, keys, _ = table
    _, _, begins, lengths, octets, _ = fields
    first = np.int64(starts[number])
    for place in range(first, first + np.int64(sizes[number]), 4):
        field = np.int64(word_in(keys, place) & np.uint64(0xFFFFFFFF))
        size: Any = np.int64(lengths[field])
        if size > stop - at or not equals(data, at, octets, begins[field], size):
            return -1
        at += size
    return at


@kernel(
    BYTES, types.int64, types.int64, TABLE, TABLE, CODES, OUT_CODES, OUT_BYTES, OUT_INTS, OUT_INTS,
    OUT_BITS, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk(
    data: Any,
    most: Any,
    most_samples: Any,
    fields: Any,
    table: Any,
    series: Any,
    follower: Any,
    keys: Any,
    rows: Any,
    times: Any,
    bits: Any,
    missing: Any,
    others: Any,
    found: Any,
) -> Any:
    """Every sample of a message, or of its beginning: its series, time, and the bits of its value.

    most      bytes, at or behind which the walk ends before the next field; a field that is longer
              is unusual
    most_samples  samples, after which it ends likewise
    fields    known label fields, each the bytes of one label
    table     keys of known series: the numbers of their label fields, four bytes each, so that a
              series does not hold the bytes that it shares with others; `series` [by number] which
              series
    follower  [by number + 1] the number that came next last time, -1 if none; updated
    keys      scratch: the key of a series that has as many labels as are allowed
    rows      the series; -1 - i for the i-th whose label bytes are not known
    missing   [:, 3] where those label bytes begin and end, and how many labels they are
    others    [:, 4] fields that are no samples: its number in its series (0: metadata, of the
              message), where it begins and ends, and the series as in `rows`
    found     [4] how many missing and others there are; where the walk ended; how many series

    Returns the count of samples, -1 for a message of another shape.
    """
    end = len(data)
    at = samples = lacking = odd = walked = 0
    last = -1
    while at < end and at < most and samples < most_samples:
        key = data[at]
        begin, stop = field_bounds(data, at + 1, end)
        if begin < 0 or stop - at > most:
            return -1
        if key != _SERIES:
            if key != _METADATA or odd >= len(others):
                return -1
            others[odd, 0], others[odd, 1], others[odd, 2], others[odd, 3] = 0, begin, stop, 0
            odd += 1
            at = stop
            continue
        walked += 1

        # The labels: most senders repeat their series in the same order, so the bytes are first
        # compared with those of the series that came next last time.
        number: Any = np.int64(follower[last + 1])
        behind = begin
        if number >= 0:
            behind = behind_fields(data, begin, stop, number, table, fields)
            if behind < 0 or (behind < stop and data[behind] == _LABEL):
                number = -1
        if number < 0:
            behind = begin
            labels = used = 0
            known = True
            while behind < stop and data[behind] == _LABEL:
                field_begin = behind
                _, behind = field_bounds(data, behind + 1, stop)
                if behind < 0 or used + 4 > len(keys):
                    return -1
                if known:
                    field, _, _ = look_up(data, field_begin, behind, fields)
                    known = field >= 0
                    used = put_number(keys, used, field)
                labels += 1
            if known:
                number, _, _ = look_up(keys, 0, used, table)
            if number >= 0:
                follower[last + 1] = number
            else:
                if lacking >= len(missing):
                    return -1
                missing[lacking, 0], missing[lacking, 1] = begin, behind
                missing[lacking, 2] = labels
                lacking += 1
        row = -lacking if number < 0 else series[number]
        last = number

        # Samples, exemplars and histograms.
        at = behind
        while at < stop:
            key = data[at]
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0:
                return -1
            if key == _SAMPLE:
                good, value, time, _ = read_sample(data, begin, after)
                if not good or samples >= len(rows):
                    return -1
                rows[samples], times[samples], bits[samples] = row, np.int64(time), value
                samples += 1
            elif (key == _EXEMPLAR or key == _HISTOGRAM) and odd < len(others):
                others[odd, 0], others[odd, 1], others[odd, 2] = key >> 3, begin, after
                others[odd, 3] = row
                odd += 1
            else:
                return -1
            at = after
    found[0], found[1], found[2], found[3] = lacking, odd, at, walked
    return samples


@kernel(BYTES, INTS_2D, TABLE, types.int64, OUT_INTS_2D, OUT_INTS)
def label_texts(data: Any, regions: Any, table: Any, count: Any, pairs: Any, found: Any) -> Any:
    """The labels in some regions of a message as numbers of texts; new texts are added.

    regions  [R, 3] as `missing` of `walk`
    table    with space for all texts; `count` are in it
    pairs    [L, 3] region, name, value; -1 for an absent one
    found    [2] how many labels, and how many bytes of the arena are in use (in and out)

    Returns the count of texts. For labels of another shape it is -1, and the caller removes what
    was added (`TextTable.cut`): `found` does not contain how far the walk came.
    """
    done = 0
    used = found[1]
    for region in range(len(regions)):
        at, stop = regions[region, 0], regions[region, 1]
        while at < stop:
            at, after = field_bounds(data, at + 1, stop)
            if at < 0:
                return -1
            name = value = -1
            while at < after:
                key = data[at]
                first, at = field_bounds(data, at + 1, after)
                # A name or a value that is repeated is not added: the table has no space for it.
                usual = (key == _NAME and name < 0) or (key == _VALUE and value < 0)
                if first < 0 or not usual:
                    return -1
                number, count, used = find_or_add(data, first, at, table, count, used)
                if key == _NAME:
                    name = number
                else:
                    value = number
            pairs[done, 0], pairs[done, 1], pairs[done, 2] = region, name, value
            done += 1
    found[0], found[1] = done, used
    return count


@kernel(BYTES, INTS_2D, TABLE, types.int64, OUT_BYTES, OUT_INTS_2D, OUT_INTS)
def field_keys(
    data: Any, regions: Any, fields: Any, count: Any, keys: Any, places: Any, found: Any
) -> Any:
    """The keys of the label bytes in some regions of a message; new label fields are added.

    regions  [R, 3] as `missing` of `walk`, with valid labels
    fields   with space for all fields; `count` are in it
    keys     four bytes for each label
    places   [R, 2] where each key begins and ends in `keys`
    found    [1] how many bytes of the arena of fields are in use (in and out)

    Returns the count of fields.
    """
    at_key, used = 0, found[0]
    for region in range(len(regions)):
        at, stop = regions[region, 0], regions[region, 1]
        places[region, 0] = at_key
        while at < stop:
            _, after = field_bounds(data, at + 1, stop)
            field, count, used = find_or_add(data, at, after, fields, count, used)
            at_key = put_number(keys, at_key, field)
            at = after
        places[region, 1] = at_key
    found[0] = used
    return count
