"""Series with their points as JSON text: functions that numba compiles.

`out` has space for the largest text and `SPARE` bytes more: texts are copied in words of 8 bytes,
whose last ones are overwritten by the next text.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from novaql.text.shortest import Bytes, Int, put_digits, without_zeros, write_float
from novaql.tsdb.runtime.compiled import inner, kernel
from novaql.tsdb.runtime.numba_intrinsics import keep_alive, pointer, put_word, word_at

Text = NDArray[np.uint8]

_OPENING = np.frombuffer(b'{"metric":{' + bytes(8), np.uint8)
_VALUE = np.frombuffer(b'},"value":' + bytes(8), np.uint8)
_VALUES = np.frombuffer(b'},"values":[' + bytes(8), np.uint8)
_HEAD = 32

_MATRIX = types.Array(types.float64, 2, "A", readonly=True)
_MASK = types.Array(types.boolean, 2, "A", readonly=True)
_CELLS = types.Array(types.uint64, 3, "A")
_LENGTH = np.uint64(56)
_TEXT_BYTES = np.uint64((1 << 56) - 1)
"""Parts of the last word of a cell: the place of its length, and its text."""
_VALUES_FLAT = types.Array(types.float64, 1, "C", readonly=True)
_LABELS = types.Array(types.int32, 2, "C", readonly=True)
_TEXT = types.Array(types.uint8, 1, "C", readonly=True)
_TIMES = types.Array(types.int64, 1, "C", readonly=True)
_OUT = types.Array(types.uint8, 1, "C")


@inner
def _copy(text: Bytes, begin: int, end: int, out: Bytes, at: int) -> int:
    """Copy text[begin : end], which 7 readable bytes follow; return the end in `out`."""
    for n in range(0, end - begin, 8):
        put_word(out, at + n, word_at(text, begin + n))
    return at + end - begin


@inner
def _write_seconds(time_ms: int, out: Bytes, at: int) -> int:
    """Write a time as seconds with up to three decimals."""
    if time_ms < 0:
        out[at] = 45  # -
        at += 1
    digits = np.uint64(abs(time_ms))
    whole = digits // np.uint64(1000)
    at = put_digits(whole, out, at)
    digits -= whole * np.uint64(1000)
    if digits:
        # 1ddd without the zeros at its end; the point replaces the 1.
        digits, _ = without_zeros(digits + np.uint64(1000), 0)
        begin = at
        at = put_digits(digits, out, at)
        out[begin] = 46
    return at


@inner
def _write_labels(
    row: int, labels: NDArray[np.int32], texts: Bytes, ends: NDArray[np.int64], out: Bytes, at: int
) -> int:
    """Write `{"metric":{…`, without the closing brace."""
    at = _copy(pointer(_OPENING, 0), 0, len(_OPENING) - 8, out, at)
    begin = at
    for column in range(labels.shape[1]):
        cell = labels[row, column]
        if cell >= 0:
            at = _copy(texts, ends[cell], ends[cell + 1], out, at)
    return at - (at > begin)  # without the last comma


@inner
def _write_key(many: bool, out: Bytes, at: int) -> int:
    """Write `},"values":[` or `},"value":`."""
    return _copy(pointer(_VALUES if many else _VALUE, 0), 0, 12 if many else 10, out, at)


@inner
def _open_value(value: float, quoted: bool, out: Bytes, at: int) -> int:
    """Write the quote before a value: if `quoted`, or if JSON has no number for it."""
    out[at] = 34
    return at + (quoted or not abs(value) < np.inf)


@inner
def _close_value(value: float, quoted: bool, out: Bytes, at: int) -> int:
    """Write the quote after it and `],`."""
    at = _open_value(value, quoted, out, at)
    out[at], out[at + 1] = 93, 44
    return at + 2


@inner
def _copy_cell(cells: NDArray[np.uint64], i: int, j: int, out: Bytes, at: int) -> Int:
    """Copy the text of a cell, if it has one."""
    last = cells[i, j, 2]
    put_word(out, at, cells[i, j, 0])
    put_word(out, at + 8, cells[i, j, 1])
    put_word(out, at + 16, last)
    return at + np.int64(last >> _LENGTH)


@kernel(_MATRIX, _CELLS)
def write_cells(values: NDArray[np.float64], cells: NDArray[np.uint64]) -> None:
    """Write texts of values [S, J] to cells [S, J, 3]: 23 bytes and a length, which is 0 for a text
    that has more."""
    owned = np.empty(2 * _HEAD, np.uint8)
    text = pointer(owned, 0)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            length = np.uint64(write_float(values[i, j], text, 0))
            if length > np.uint64(23):
                length = np.uint64(0)
            cells[i, j, 0], cells[i, j, 1] = word_at(text, 0), word_at(text, 8)
            cells[i, j, 2] = word_at(text, 16) & _TEXT_BYTES | length << _LENGTH
    keep_alive(owned)


@inner
def _end_series(many: bool, out: Bytes, at: int) -> int:
    """Replace the comma after the last point; return the position after `},` or `]},`."""
    if many:
        out[at - 1] = 93
        at += 1
    out[at - 1], out[at] = 125, 44
    return at + 1


@kernel(
    *(_MATRIX, _MASK, _CELLS, _TIMES, _LABELS, _TEXT, _TIMES),
    *(types.boolean, types.boolean, _OUT),
)
def write_steps(
    values: NDArray[np.float64],
    valid: NDArray[np.bool_],
    cells: NDArray[np.uint64],
    times_ms: NDArray[np.int64],
    labels: NDArray[np.int32],
    texts: Text,
    ends: NDArray[np.int64],
    quoted: bool,
    many: bool,
    out: Text,
) -> int:
    """Write series of which each may have a point at each of the same times, a comma after each.
    Series without a point are omitted. Return the number of bytes.

    values, valid  [S, J]; valid is [0, 0] if all are
    cells          [S, J, 3] from `write_cells`, or [0, 0, 3]
    labels         [S, L] for each label of a series the number of its text; -1: it has none
    texts, ends    `"name":"value",` concatenated: text n is texts[ends[n] : ends[n + 1]]
    quoted         write values as JSON strings
    many           a list of points under `values`; otherwise one point under `value`
    """
    rows, steps = values.shape
    text, to = pointer(texts, 0), pointer(out, 0)
    owned = np.empty(_HEAD * steps, np.uint8)
    heads = pointer(owned, 0)  # `[<seconds>,` of each step
    head_ends = np.empty(steps, np.int64)
    for j in range(steps):
        heads[_HEAD * j] = 91
        end = _write_seconds(times_ms[j], heads, _HEAD * j + 1)
        heads[end] = 44
        head_ends[j] = end + 1
    masked, cached = len(valid) > 0, len(cells) > 0
    at = 0
    for i in range(rows):
        first = 0
        while masked and first < steps and not valid[i, first]:
            first += 1
        if first == steps:
            continue
        at = _write_labels(i, labels, text, ends, to, at)
        at = _write_key(many, to, at)
        for j in range(first, steps):
            if masked and not valid[i, j]:
                continue
            at = _copy(heads, _HEAD * j, head_ends[j], to, at)
            at = begin = _open_value(values[i, j], quoted, to, at)
            if cached:
                at = _copy_cell(cells, i, j, to, begin)
            if at == begin:
                at = write_float(values[i, j], to, begin)
            at = _close_value(values[i, j], quoted, to, at)
        at = _end_series(many, to, at)
    keep_alive(owned)
    return at


@kernel(
    *(_VALUES_FLAT, _TIMES, _TIMES, _LABELS, _TEXT, _TIMES),
    *(types.boolean, types.boolean, _OUT),
)
def write_points(
    values: NDArray[np.float64],
    times_ms: NDArray[np.int64],
    offsets: NDArray[np.int64],
    labels: NDArray[np.int32],
    texts: Text,
    ends: NDArray[np.int64],
    quoted: bool,
    many: bool,
    out: Text,
) -> int:
    """Write series of which each has points at its own times; otherwise as `write_steps`.

    values, times_ms  series i has points offsets[i] : offsets[i + 1]; offsets: [S + 1]
    """
    text, to = pointer(texts, 0), pointer(out, 0)
    at = 0
    for i in range(len(offsets) - 1):
        if offsets[i] == offsets[i + 1]:
            continue
        at = _write_labels(i, labels, text, ends, to, at)
        at = _write_key(many, to, at)
        for k in range(offsets[i], offsets[i + 1]):
            to[at] = 91
            at = _write_seconds(times_ms[k], to, at + 1)
            to[at] = 44
            at = _open_value(values[k], quoted, to, at + 1)
            at = write_float(values[k], to, at)
            at = _close_value(values[k], quoted, to, at)
        at = _end_series(many, to, at)
    return at
