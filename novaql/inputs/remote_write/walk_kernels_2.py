"""Remote write 2.0 walked byte by byte, compiled by numba.

A message has a table of symbols, and its series refer to their labels by positions in it, which
differ from message to message. So a series is looked up by a key that does not: the numbers of its
texts in the text table that both versions share, four bytes each.

As in 1.0, a walk returns -1 for a message of an unusual shape; the plain decoder then reads it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from novaql.inputs.compiled.text_table_kernels import (
    BYTES,
    INTS,
    INTS_2D,
    OUT_BITS,
    OUT_BYTES,
    OUT_INTS,
    OUT_INTS_2D,
    SEED,
    TABLE,
    find,
    text_hash,
)
from novaql.inputs.remote_write.walk_kernels import field_bounds, varint
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import word_in


@kernel(
        BYTES, SEED, *TABLE, OUT_INTS, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def scan_2(
    data: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
    symbols: Any,
    missing: Any,
    places: Any,
    found: Any,
) -> Any:
    """The symbols of a message, and where its series are.

    slots … arena  known texts, by number
    symbols        number of the text of each symbol; -1 - i for the i-th unknown one
    missing        [:, 2] where the unknown ones begin and end
    places         [:, 2] where the content of each series begins and ends
    found          [2] how many symbols, how many unknown ones

    Returns the count of series, -1 for a message of another shape.
    """
    end = len(data)
    at = count = lacking = series = 0
    while at < end:
        key = data[at]
        begin, stop = field_bounds(data, at + 1, end)
        if begin < 0:
            return -1
        if key == 0x2A:
            if series >= len(places):
                return -1
            places[series, 0], places[series, 1] = begin, stop
            series += 1
        elif key == 0x22:
            if count >= len(symbols) or (count == 0 and stop > begin):
                return -1
            mixed = text_hash(data, begin, stop, seed)
            number = find(data, begin, stop, mixed, slots, hashes, starts, sizes, arena)
            if number < 0:
                missing[lacking, 0], missing[lacking, 1] = begin, stop
                lacking += 1
                number = -lacking
            symbols[count] = number
            count += 1
        else:
            return -1
        at = stop
    found[0], found[1] = count, lacking
    return series


@inner
def _write_key(data: Any, at: int, stop: int, symbols: Any, keys: Any, used: int) -> int:
    """Write the key of label references. Returns where it ends in `keys`, -1 for bad ones."""
    labels = 0
    while at < stop:
        reference, at = varint(data, at, stop)
        if at < 0 or reference >= np.uint64(len(symbols)) or used + 4 > len(keys):
            return -1
        number = symbols[np.int64(reference)]
        for shift in range(4):
            keys[used + shift] = (number >> (8 * shift)) & 0xFF
        used += 4
        labels += 1
    return used if labels % 2 == 0 and labels > 0 else -1


@inner
def _read_metadata(data: Any, at: int, stop: int, symbols: Any, out: Any, row: int) -> bool:
    """Read a metadata message into columns 1 to 3 of a row: type, and numbers of texts."""
    out[row, 1] = 0
    out[row, 2] = out[row, 3] = symbols[0]
    while at < stop:
        key = data[at]
        value, at = varint(data, at + 1, stop)
        if at < 0:
            return False
        if key == 0x08:
            out[row, 1] = np.int64(value) if value < np.uint64(64) else 64
        elif (key == 0x18 or key == 0x20) and value < np.uint64(len(symbols)):
            out[row, 2 if key == 0x18 else 3] = symbols[np.int64(value)]
        else:
            return False
    return True


@kernel(
        BYTES, INTS_2D, INTS, SEED, *TABLE, INTS, OUT_BYTES, OUT_INTS, OUT_INTS, OUT_BITS,
        OUT_INTS, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk_2(
    data: Any,
    places: Any,
    symbols: Any,
    seed: Any,
    slots: Any,
    hashes: Any,
    starts: Any,
    sizes: Any,
    arena: Any,
    series: Any,
    keys: Any,
    rows: Any,
    times: Any,
    bits: Any,
    began: Any,
    missing: Any,
    others: Any,
    metadata: Any,
    found: Any,
) -> Any:
    """Every sample of a message: its series, time, the bits of its value, and its start timestamp.

    places, symbols  as of `scan_2`, all symbols known
    slots … arena    keys of known series, by number; `series` [by number] which series
    keys             the keys of unknown series, one after the other
    rows             the series; -1 - i for the i-th whose key is not known
    began            start timestamps, 0 for none
    missing          [:, 3] where the keys of those begin and end in `keys`, and how many labels
    others           [:, 4] histograms and exemplars: the number of the field, where it begins and
                     ends, and the series as in `rows`
    metadata         [:, 4] series as in `rows`, type, and the texts of help and unit
    found            [3] how many of the last three there are

    Returns the count of samples, -1 for a message of another shape.
    """
    samples = lacking = odd = described = used = 0
    for place in range(len(places)):
        at, stop = places[place, 0], places[place, 1]
        if at >= stop or data[at] != 0x0A:
            return -1
        begin, after = field_bounds(data, at + 1, stop)
        if begin < 0:
            return -1
        key_end = _write_key(data, begin, after, symbols, keys, used)
        if key_end < 0:
            return -1
        mixed = text_hash(keys, used, key_end, seed)
        number = find(keys, used, key_end, mixed, slots, hashes, starts, sizes, arena)
        if number < 0:
            if lacking >= len(missing):
                return -1
            missing[lacking, 0], missing[lacking, 1] = used, key_end
            missing[lacking, 2] = (key_end - used) // 8
            used = key_end
            lacking += 1
        row = -lacking if number < 0 else series[number]
        has_metadata = False
        at = after
        while at < stop:
            key = data[at]
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0:
                return -1
            if key == 0x12:
                if samples >= len(rows):
                    return -1
                value = time = start = np.uint64(0)
                at = begin
                while at < after:
                    key = data[at]
                    if key == 0x09 and at + 9 <= after:
                        value = word_in(data, at + 1)
                        at += 9
                    elif key == 0x10 or key == 0x18:
                        number_read, at = varint(data, at + 1, after)
                        if at < 0:
                            return -1
                        if key == 0x10:
                            time = number_read
                        else:
                            start = number_read
                    else:
                        return -1
                rows[samples] = row
                times[samples] = np.int64(time)
                bits[samples] = value
                began[samples] = np.int64(start)
                samples += 1
            elif key == 0x1A or key == 0x22:
                if odd >= len(others):
                    return -1
                others[odd, 0], others[odd, 1], others[odd, 2] = key >> 3, begin, after
                others[odd, 3] = row
                odd += 1
            elif key == 0x2A:
                if has_metadata or described >= len(metadata):
                    return -1
                if not _read_metadata(data, begin, after, symbols, metadata, described):
                    return -1
                metadata[described, 0] = row
                described += 1
                has_metadata = True
            else:
                return -1
            at = after
    found[0], found[1], found[2] = lacking, odd, described
    return samples
