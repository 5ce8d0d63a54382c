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
from novaql.inputs.remote_write.walk_kernels import (
    field_bounds,
    put_number,
    read_sample,
    varint,
)
from novaql.tsdb.runtime.compiled import inner, kernel

# As in version 1.0: the number of a field times 8, plus its wire type.
_SYMBOL, _SERIES = 0x22, 0x2A  # of a message
_LABELS, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA = 0x0A, 0x12, 0x1A, 0x22, 0x2A  # of a series
_TYPE, _HELP, _UNIT = 0x08, 0x18, 0x20  # of metadata


@kernel(BYTES, TABLE, OUT_INTS, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS)
def scan_2(data: Any, table: Any, symbols: Any, missing: Any, places: Any, found: Any) -> Any:
    """The symbols of a message, and where its series are.

    table    known texts
    symbols  number of the text of each symbol; -1 - i for the i-th unknown one
    missing  [:, 2] where the unknown ones begin and end; as long as `symbols`
    places   [:, 2] where the content of each series begins and ends
    found    [2] how many symbols, how many unknown ones

    Returns the count of series, -1 for a message of another shape.
    """
    end = len(data)
    at = count = lacking = series = 0
    while at < end:
        key = data[at]
        begin, stop = field_bounds(data, at + 1, end)
        if begin < 0:
            return -1
        if key == _SERIES:
            if series >= len(places):
                return -1
            places[series, 0], places[series, 1] = begin, stop
            series += 1
        elif key == _SYMBOL:
            if count >= len(symbols) or (count == 0 and stop > begin):
                return -1
            number, _, _ = look_up(data, begin, stop, table)
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
        used = put_number(keys, used, number)
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
        if key == _TYPE:
            # every number above the known types is "unknown"
            out[row, 1] = np.int64(value) if value < np.uint64(64) else 64
        elif (key == _HELP or key == _UNIT) and value < np.uint64(len(symbols)):
            out[row, 2 if key == _HELP else 3] = symbols[np.int64(value)]
        else:
            return False
    return True


@kernel(
    BYTES, INTS_2D, INTS, TABLE, CODES, OUT_BYTES, OUT_INTS, OUT_INTS, OUT_BITS, OUT_INTS,
    OUT_INTS_2D, OUT_INTS_2D, OUT_INTS_2D, OUT_INTS,
)  # fmt: skip
def walk_2(
    data: Any,
    places: Any,
    symbols: Any,
    table: Any,
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
    table            the keys of known series; `series` [by number] which series
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
        if at >= stop or data[at] != _LABELS:
            return -1
        begin, after = field_bounds(data, at + 1, stop)
        if begin < 0:
            return -1

        # The key is written behind those of unknown series, and stays there if it is one of them.
        key_end = _write_key(data, begin, after, symbols, keys, used)
        if key_end < 0:
            return -1
        number, _, _ = look_up(keys, used, key_end, table)
        if number < 0:
            if lacking >= len(missing):
                return -1
            missing[lacking, 0], missing[lacking, 1] = used, key_end
            missing[lacking, 2] = (key_end - used) // 8
            used = key_end
            lacking += 1
        row = -lacking if number < 0 else series[number]

        # Samples, histograms, exemplars, and at most one description of the metric.
        has_metadata = False
        at = after
        while at < stop:
            key = data[at]
            begin, after = field_bounds(data, at + 1, stop)
            if begin < 0:
                return -1
            if key == _SAMPLE:
                good, value, time, start = read_sample(data, begin, after)
                if not good or samples >= len(rows):
                    return -1
                rows[samples], times[samples], bits[samples] = row, np.int64(time), value
                began[samples] = np.int64(start)
                samples += 1
            elif (key == _HISTOGRAM or key == _EXEMPLAR) and odd < len(others):
                others[odd, 0], others[odd, 1], others[odd, 2] = key >> 3, begin, after
                others[odd, 3] = row
                odd += 1
            elif key == _METADATA and not has_metadata and described < len(metadata):
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
