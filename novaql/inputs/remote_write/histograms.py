"""Native histograms of remote write, both versions: messages → columns.

Buckets are spans of consecutive ones; their populations are differences of integers, each from the
one before, or floats.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import field
from itertools import accumulate, pairwise

import numpy as np

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.protobuf.metric_message import read_span
from novaql.inputs.protobuf.wire import (
    BYTES,
    FIXED64,
    VARINT,
    fields,
    packed_doubles,
    packed_zigzags,
    read_varint,
    signed,
    unzigzag,
)
from novaql.model.histogram_rows import HistogramRows
from novaql.tsdb.model.histograms import (
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    Histograms,
    ResetHint,
)
from novaql.tsdb.model.samples import STALE_BITS

_DOUBLE = struct.Struct("<d")
_BITS = struct.Struct("<Q")
_COUNT_INT, _COUNT_FLOAT, _SUM, _SCHEMA, _ZERO_THRESHOLD = 1, 2, 3, 4, 5
_ZERO_COUNT_INT, _ZERO_COUNT_FLOAT = 6, 7
_RESET_HINT, _TIMESTAMP, _CUSTOM_VALUES = 14, 15, 16
_SPANS, _DELTAS, _COUNTS = (8, 11), (9, 12), (10, 13)  # negative, positive
_VARINTS = {_COUNT_INT, _SCHEMA, _ZERO_COUNT_INT, _RESET_HINT, _TIMESTAMP}
_DOUBLES = {_COUNT_FLOAT, _SUM, _ZERO_THRESHOLD, _ZERO_COUNT_FLOAT}
_MOST_BUCKETS = 1 << 16
_LAST_HINT = max(ResetHint)

HISTOGRAM_START = 17
"""Number of the field with the start timestamp, which only 2.0 has."""

Side = list[tuple[int, float]]
"""Indexes and populations of buckets, in order, none empty."""


@dataclass(slots=True)
class WireHistogram:
    """One histogram. `stale`: it is a staleness marker."""

    time: int
    schema: int
    hint: int
    count: float
    sum: float
    zero_count: float
    zero_threshold: float
    negative: Side
    positive: Side
    bounds: tuple[float, ...]
    stale: bool


_EMPTY = WireHistogram(0, 0, 0, 0.0, 0.0, 0.0, 0.0, [], [], (), stale=False)
"""A message without fields. One object for all, since a body may have millions."""


@dataclass(slots=True)
class _Raw:
    numbers: dict[int, int] = field(default_factory=dict)
    doubles: dict[int, float] = field(default_factory=dict)
    sum_bits: int = 0
    spans: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: {8: [], 11: []})
    deltas: dict[int, list[int]] = field(default_factory=lambda: {9: [], 12: []})
    counts: dict[int, list[float]] = field(default_factory=lambda: {10: [], 13: [], 16: []})


def read_histogram(data: bytes, start: int, stop: int) -> WireHistogram:
    """The histogram in data[start:stop]. Raises `InputError` for one that is malformed, or
    contradicts itself."""
    if start == stop:
        return _EMPTY
    raw = _Raw()
    for number, kind, first, last in fields(data, start, stop):
        _take(raw, data, number, kind, first, last)
    try:
        return _histogram(raw)
    except InputError as problem:
        raise InputError(f"byte {start}: native histogram: {problem}") from problem


def _take(raw: _Raw, data: bytes, number: int, kind: int, first: int, last: int) -> None:
    if number in _VARINTS and kind == VARINT:
        raw.numbers[number] = read_varint(data, first, last)[0]
    elif number in _DOUBLES and kind == FIXED64:
        raw.doubles[number] = _DOUBLE.unpack_from(data, first)[0]
        if number == _SUM:
            raw.sum_bits = _BITS.unpack_from(data, first)[0]
    elif number in raw.spans and kind == BYTES:
        raw.spans[number].append(read_span(data, first, last))
    elif number in raw.deltas and kind in (BYTES, VARINT):
        raw.deltas[number] += packed_zigzags(data, first, last)
    elif number in raw.counts and kind == FIXED64:
        raw.counts[number].append(_DOUBLE.unpack_from(data, first)[0])
    elif number in raw.counts and kind == BYTES:
        raw.counts[number] += packed_doubles(data, first, last)
    elif number <= _CUSTOM_VALUES:
        raise InputError(f"byte {first}: field {number} of a histogram has wire type {kind}")


def _histogram(raw: _Raw) -> WireHistogram:
    numbers, doubles = raw.numbers, raw.doubles
    floating = _COUNT_FLOAT in doubles or any(raw.counts[which] for which in _COUNTS)
    schema = unzigzag(numbers.get(_SCHEMA, 0))
    hint = numbers.get(_RESET_HINT, 0)
    total, zero = doubles.get(_SUM, 0.0), doubles.get(_ZERO_THRESHOLD, 0.0)
    time = signed(numbers.get(_TIMESTAMP, 0))
    if raw.sum_bits == STALE_BITS:
        return WireHistogram(time, 0, 0, 0.0, total, 0.0, 0.0, [], [], (), stale=True)
    if not (MIN_SCHEMA <= schema <= MAX_SCHEMA or schema == CUSTOM_SCHEMA):
        raise InputError(f"its schema is {schema}")
    if hint > _LAST_HINT:
        raise InputError(f"its reset hint is {hint}")
    negative, positive = (_side(raw, at, floating=floating) for at in range(2))
    bounds = tuple(raw.counts[_CUSTOM_VALUES])
    if floating:
        count, zero_count = doubles.get(_COUNT_FLOAT, 0.0), doubles.get(_ZERO_COUNT_FLOAT, 0.0)
    else:
        counted, near_zero = numbers.get(_COUNT_INT, 0), numbers.get(_ZERO_COUNT_INT, 0)
        need_equal(
            counted, near_zero + sum(sum(accumulate(raw.deltas[which])) for which in _DELTAS), total
        )
        count, zero_count = float(counted), float(near_zero)
    found = WireHistogram(
        time, schema, hint, count, total, zero_count, zero,
        negative, positive, bounds, stale=False,
    )  # fmt: skip
    _need_sound(found)
    return found


def _side(raw: _Raw, at: int, *, floating: bool) -> Side:
    spans, deltas = raw.spans[_SPANS[at]], raw.deltas[_DELTAS[at]]
    populations = raw.counts[_COUNTS[at]]
    if not floating:
        populations = list(map(float, accumulate(deltas)))
    elif deltas:
        raise InputError("it has populations as floats and as differences")
    if sum(length for _, length in spans) != len(populations) or len(populations) > _MOST_BUCKETS:
        raise InputError(f"its spans do not have {len(populations)} buckets")
    places: list[int] = []
    index = 0
    for number, (distance, length) in enumerate(spans):
        if number and distance < 0:
            raise InputError(f"span {number} goes back by {-distance}")
        index += distance
        places += range(index, index + length)
        index += length
    if places and not -(2**31) <= places[0] <= places[-1] < 2**31:
        raise InputError(f"it has a bucket number {places[-1]}")
    if populations and min(populations) < 0:
        raise InputError("a bucket has a negative population")
    cells = list(zip(places, populations, strict=True))
    return [cell for cell in cells if cell[1] != 0] if 0 in populations else cells


def need_equal(count: int, inside: int, total: float) -> None:
    """Raises `InputError` for a histogram whose count is not that of its buckets, which is
    `inside`. Observations of NaN, which make the sum `total` NaN, are counted, but in no bucket."""
    if count != inside and not (math.isnan(total) and count > inside):
        raise InputError(f"it counts {count} observations, its buckets {inside}")


def need_ascending(bounds: Sequence[float]) -> None:
    """Raises `InputError` for bounds of buckets that are not strictly increasing numbers."""
    if any(map(math.isnan, bounds)) or any(a >= b for a, b in pairwise(bounds)):
        raise InputError("its bounds do not ascend")


def need_zero_threshold(threshold: float) -> None:
    """Raises `InputError` for one that is negative or NaN."""
    if not threshold >= 0:
        raise InputError(f"its zero threshold is {threshold}")


def _need_sound(h: WireHistogram) -> None:
    if h.count < 0 or h.zero_count < 0:
        raise InputError("it has a negative count")
    if h.schema != CUSTOM_SCHEMA:
        if h.bounds:
            raise InputError("it has custom bounds, which belong to schema -53")
        need_zero_threshold(h.zero_threshold)
        return
    if h.negative or h.zero_count or h.zero_threshold:
        raise InputError("with custom bounds there is no zero bucket and no negative one")
    if not all(map(math.isfinite, h.bounds)):
        raise InputError("its custom bounds are not finite")
    need_ascending(h.bounds)
    if h.positive and not 0 <= h.positive[0][0] <= h.positive[-1][0] <= len(h.bounds):
        raise InputError("it has a bucket outside its custom bounds")


def columns_of(found: Sequence[WireHistogram]) -> Histograms:
    """Histograms as columns. An object that occurs several times is converted once."""
    rows = HistogramRows()
    row_of: dict[int, int] = {}
    order = [row_of.setdefault(id(h), len(row_of)) for h in found]
    last = -1
    for row, h in zip(order, found, strict=True):
        if row > last:
            rows.add(
                h.schema, h.hint, h.count, h.sum, h.zero_count, h.zero_threshold,
                _columns(h.positive), _columns(h.negative), h.bounds,
            )  # fmt: skip
            last = row
    columns = rows.histograms()
    return columns if len(row_of) == len(order) else columns.take(np.array(order, np.int64))


def _columns(side: Side) -> tuple[tuple[int, ...], tuple[float, ...]]:
    indexes, populations = zip(*side, strict=True) if side else ((), ())
    return indexes, populations
