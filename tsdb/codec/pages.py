"""Pages of a block's streams in format 3: a byte for the encoding, and the encoded values."""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.codec.columns import Undecodable, decode_into, decode_numbers, encode_numbers
from novaql.tsdb.codec.numba.decoder import OpenPage, open_rows, ready
from novaql.tsdb.codec.packed import Unpacker, pack
from novaql.tsdb.codec.row_pages import decode_rows, encode_rows
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats

_PLAIN, _ROWS, _STEPS = 0, 1, 2
_STEPS_HEAD = Struct("<IqB")  # rows, step, bytes of a number
_ONE_EVEN = Struct("<BIqBBqBq")
"""The whole page of one even row: its kind, `_STEPS_HEAD`, and two packed numbers."""
_STRAYS = {4: np.int32, 8: np.int64}
_MOST_TIME = 1 << 60


def encode_values(values: Floats, lengths: Ints, linked: Bools, level: int) -> bytes:
    """Encode a page of values, losslessly.

    lengths  [R] of the rows of the page
    linked   [R] rows that may be larger than the row before by a part; a hint
    """
    data = encode_rows(values, lengths, linked, level)
    back = decode_rows(data, 0, len(values))
    if np.array_equal(back.view(np.int64), values.view(np.int64)):
        return bytes([_ROWS]) + data
    return bytes([_PLAIN]) + encode_numbers(values, level)


def decode_values(data: bytes, count: int, *, passing: bool = False) -> Floats:
    """Decode a page of values. Raises `Undecodable`.

    passing  see `decode_rows`
    """
    kind = _kind(data)
    if kind == _ROWS:
        return decode_rows(data, 1, count, passing=passing)
    if kind == _PLAIN:
        return decode_numbers(data[1:], np.float64, count).view(np.float64)
    raise Undecodable(f"a page of values of kind {kind}")


def open_values(data: bytes, count: int, *, passing: bool = False) -> OpenPage | None:
    """Return an open page of values; None if the page is of another kind, or the compiled decoder
    is not ready. Raises `Undecodable`.

    passing  see `decode_rows`
    """
    if not ready(count) or _kind(data) != _ROWS:
        return None
    return open_rows(data, 1, count, passing=passing)


def encode_times(times: Ints, lengths: Ints, level: int) -> bytes:
    """Encode a page of timestamps as distances from an even step, if that is shorter.

    lengths  [R] of the rows of the page
    """
    plain = bytes([_PLAIN]) + encode_numbers(times, level)
    if len(times) < 2 or int(times.min()) < -_MOST_TIME or int(times.max()) >= _MOST_TIME:
        return plain
    step = int(np.median(np.diff(times)))
    if abs(step) >= _MOST_TIME // len(times):
        return plain
    strays = times - _even(np.zeros(len(lengths), np.int64), lengths, step)
    least = np.minimum.reduceat(strays, np.cumsum(lengths) - lengths)
    strays -= np.repeat(least, lengths)
    widest = int(strays.max())
    width = 0 if widest == 0 else 4 if widest < 1 << 31 else 8
    head = _STEPS_HEAD.pack(len(lengths), step, width)
    rows = pack(lengths, level) + pack(least, level)
    body = encode_numbers(strays.astype(_STRAYS[width]), level) if width else b""
    stepped = bytes([_STEPS]) + head + rows + body
    if width == 0:  # whatever its size: it costs nothing to read
        return stepped
    return min(plain, stepped, key=len)


def decode_times(data: bytes, count: int) -> Ints:
    """Decode a page of timestamps. Raises `Undecodable`."""
    kind = _kind(data)
    if len(data) == _ONE_EVEN.size and kind == _STEPS:
        _, rows, step, width, constant, size, also, first = _ONE_EVEN.unpack(data)
        if (rows, width, constant, size, also) == (1, 0, 0, count, 0):
            even: Ints = np.arange(count)
            even *= step
            even += first
            return even
    if kind == _PLAIN:
        return decode_numbers(data[1:], np.int64, count).view(np.int64)
    if kind != _STEPS:
        raise Undecodable(f"a page of times of kind {kind}")
    source = Unpacker(data, 1)
    rows, step, width = source.fields(_STEPS_HEAD)
    if rows > count or width not in (0, 4, 8):
        raise Undecodable(f"{rows} rows of {count} times")
    lengths, firsts = source.ints(rows), source.ints(rows)
    if (lengths <= 0).any() or int(lengths.sum()) != count:
        raise Undecodable("lengths of rows do not add up")
    times = _even(firsts, lengths, step)
    if width == 0:
        if source.at != len(data):
            raise Undecodable("even times have no strays")
        return times
    strays: NDArray[Any] = np.empty(count, _STRAYS[width])
    decode_into(data[source.at :], strays)
    times += strays
    return times


def _even(firsts: Ints, lengths: Ints, step: int) -> Ints:
    """Return times at an even step after the first time of each row."""
    even: Ints = np.arange(int(lengths.sum()))
    even *= np.int64(step)
    if len(lengths) == 1:
        even += firsts
        return even
    starts = np.cumsum(lengths) - lengths
    even += np.repeat(firsts - starts * np.int64(step), lengths)
    return even


def _kind(data: bytes) -> int:
    if not data:
        raise Undecodable("a page without bytes")
    return data[0]
