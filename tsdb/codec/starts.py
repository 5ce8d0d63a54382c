"""Encodes start timestamps: runs of equal ones, or all of them if there are few equal ones.

A counter has one start time while its process lives, and so have its neighbours.
"""

from __future__ import annotations

from struct import Struct

import numpy as np

from novaql.tsdb.codec.columns import Undecodable, decode_numbers, encode_numbers
from novaql.tsdb.model.labels import Ints

_RUNS, _EACH = 0, 1
_HEAD = Struct("<BII")  # for runs: their number, and bytes of their lengths
_RUNS_UP_TO = 4
"""Runs are written if they are at least this long, on average."""


def encode_starts(starts: Ints, level: int) -> bytes:
    """Encode as in FORMAT.md, "Page of start timestamps". At least one."""
    first = np.flatnonzero(np.append(True, starts[1:] != starts[:-1]))
    if len(first) * _RUNS_UP_TO > len(starts):
        return _HEAD.pack(_EACH, 0, 0) + encode_numbers(starts, level)
    lengths = encode_numbers(np.diff(first, append=len(starts)).astype(np.uint32), level)
    head = _HEAD.pack(_RUNS, len(first), len(lengths))
    return head + lengths + encode_numbers(starts[first], level)


def decode_starts(data: bytes, count: int) -> Ints:
    """Decode the start timestamps of a page. Raises `Undecodable`."""
    if len(data) < _HEAD.size:
        raise Undecodable("a page of start timestamps is cut off")
    kind, runs, size = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if kind == _EACH:
        return decode_numbers(body, np.int64, count).view(np.int64)
    if kind != _RUNS:
        raise Undecodable(f"a page of start timestamps of kind {kind}")
    lengths = decode_numbers(body[:size], np.uint32, runs).astype(np.int64)
    if int(lengths.sum()) != count:
        raise Undecodable("lengths of runs do not add up")
    return np.repeat(decode_numbers(body[size:], np.int64, runs).view(np.int64), lengths)
