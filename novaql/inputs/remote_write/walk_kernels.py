"""Remote write 1.0 walked byte by byte, compiled by numba.

A walk reads messages of the shape that senders write. It returns -1 for any other message; the
plain decoder then reads the whole message, and says what is wrong with it and where.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from novaql.inputs.compiled.text_table_kernels import (
    BYTES,
    INTS,
    INTS_2D,
    OUT_BITS,
    OUT_INTS,
    OUT_INTS_2D,
    SEED,
    TABLE,
    find,
    same,
    text_hash,
)
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import word_in


@inner
def varint(data: Any, at: int, stop: int) -> tuple[Any, int]:
    """An unsigned number and the position behind it; -1 if there is none."""
    number = np.uint64(0)
    shift = 0
    while at < stop and shift < 70:
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
    """Where the bytes of a field begin and end whose length stands at `at`; (-1, -1) if not."""
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


@kernel(
    BYTES, SEED, *TABLE, INTS, OUT_INTS,
    OUT_INTS, OUT_INTS, OUT_BITS, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk(
    data: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
    series: Any,
    follower: Any,
    rows: Any,
    times: Any,
    bits: Any,
    missing: Any,
    others: Any,
    found: Any,
) -> Any:
    """Every sample of a message: its series, time, and the bits of its value.

    slots … arena  label bytes of known series, by number; `series` [by number] which series
    follower       [by number + 1] the number that came next last time, -1 if none; noted anew
    rows           the series; -1 - i for the i-th whose label bytes are not known
    missing        [:, 3] where those label bytes begin and end, and how many labels they are
    others         [:, 4] fields that are no samples: its number in its series (0: metadata, of the
                   message), where it begins and ends, and the series as in `rows`
    found          [2] how many of those there are

    Returns the count of samples, -1 for a message of another shape.
    """
    end = len(data)
    at = samples = lacking = odd = 0
    last = -1
    while at < end:
        key = data[at]
        begin, stop = field_bounds(data, at + 1, end)
        if begin < 0:
            return -1
        if key != 0x0A:
            if key != 0x1A or odd >= len(others):
                return -1
            others[odd, 0], others[odd, 1], others[odd, 2], others[odd, 3] = 0, begin, stop, 0
            odd += 1
            at = stop
            continue
        number = follower[last + 1]
        behind = begin
        if number >= 0:
            behind = begin + sizes[number]
            if (
                behind > stop
                or (behind < stop and data[behind] == 0x0A)
                or not same(data, begin, arena, starts[number], sizes[number])
            ):
                number = -1
        if number < 0:
            behind = begin
            labels = 0
            while behind < stop and data[behind] == 0x0A:
                _, behind = field_bounds(data, behind + 1, stop)
                if behind < 0:
                    return -1
                labels += 1
            mixed = text_hash(data, begin, behind, seed)
            number = find(data, begin, behind, mixed, slots, hashes, starts, sizes, arena)
            if number >= 0:
                follower[last + 1] = number
            else:
                if lacking >= len(missing):
                    return -1
                missing[lacking, 0], missing[lacking, 1] = begin, behind
                missing[lacking, 2] = labels
                lacking += 1
                number = -1
        row = -lacking if number < 0 else series[number]
        last = number
        at = behind
        while at < stop:
            key = data[at]
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0:
                return -1
            if key != 0x12:
                if (key != 0x1A and key != 0x22) or odd >= len(others):
                    return -1
                others[odd, 0], others[odd, 1], others[odd, 2] = key >> 3, begin, after
                others[odd, 3] = row
                odd += 1
                at = after
                continue
            if samples >= len(rows):
                return -1
            value = np.uint64(0)
            time = np.uint64(0)
            at = begin
            while at < after:
                key = data[at]
                if key == 0x09 and at + 9 <= after:
                    value = word_in(data, at + 1)
                    at += 9
                elif key == 0x10:
                    time, at = varint(data, at + 1, after)
                    if at < 0:
                        return -1
                else:
                    return -1
            rows[samples] = row
            times[samples] = np.int64(time)
            bits[samples] = value
            samples += 1
            at = after
    found[0], found[1] = lacking, odd
    return samples


@kernel(BYTES, INTS_2D, SEED, *TABLE, types.int64, OUT_INTS_2D, OUT_INTS)
def label_texts(
    data: Any,
    regions: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
    count: Any,
    pairs: Any,
    found: Any,
) -> Any:
    """The labels in some regions of a message as numbers of texts; new texts are entered.

    regions        [R, 3] as `missing` of `walk`
    slots … arena  of texts, with room for all of them; `count` are there
    pairs          [L, 3] region, name, value
    found          [2] how many labels, and how many bytes of the arena are in use (in and out)

    Returns the count of texts. For labels of another shape it is -1, and what was entered is the
    caller's to take back (`TextTable.cut`): `found` does not say how far the walk came.
    """
    done = 0
    used = found[1]
    place = np.empty(2, np.int64)
    for region in range(len(regions)):
        at, stop = regions[region, 0], regions[region, 1]
        while at < stop:
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0:
                return -1
            place[0] = place[1] = -1
            at = begin
            while at < after:
                key = data[at]
                if key != 0x0A and key != 0x12:
                    return -1
                first, at = field_bounds(data, at + 1, after)
                which = 0 if key == 0x0A else 1
                if first < 0 or place[which] >= 0:
                    return -1
                mixed = text_hash(data, first, at, seed)
                number = find(data, first, at, mixed, slots, hashes, starts, sizes, arena)
                if number < 0:
                    slots[-1 - number] = count
                    number = count
                    hashes[count], starts[count], sizes[count] = mixed, used, at - first
                    for byte in range(first, at):
                        arena[used] = data[byte]
                        used += 1
                    count += 1
                place[which] = number
            pairs[done, 0], pairs[done, 1], pairs[done, 2] = region, place[0], place[1]
            done += 1
    found[0], found[1] = done, used
    return count
