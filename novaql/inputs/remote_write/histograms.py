"""Native histograms of remote write, both versions: messages → columns.

Buckets are spans of consecutive ones; their populations are differences of integers, each from the
one before, or floats.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np

from novaql.errors import InputError
from novaql.inputs.protobuf.wire import BYTES, FIXED64, VARINT, fields, read_varint, signed
from novaql.tsdb.model.histograms import (
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    Buckets,
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
    except ValueError as problem:
        raise InputError(f"byte {start}: native histogram: {problem}") from problem


def _take(raw: _Raw, data: bytes, number: int, kind: int, first: int, last: int) -> None:
    if number in _VARINTS and kind == VARINT:
        raw.numbers[number] = read_varint(data, first, last)[0]
    elif number in _DOUBLES and kind == FIXED64:
        raw.doubles[number] = _DOUBLE.unpack_from(data, first)[0]
        if number == _SUM:
            raw.sum_bits = _BITS.unpack_from(data, first)[0]
    elif number in raw.spans and kind == BYTES:
        raw.spans[number].append(_span(data, first, last))
    elif number in raw.deltas and kind in (BYTES, VARINT):
        raw.deltas[number] += [(n >> 1) ^ -(n & 1) for n in _varints(data, first, last)]
    elif number in raw.counts and kind == FIXED64:
        raw.counts[number].append(_DOUBLE.unpack_from(data, first)[0])
    elif number in raw.counts and kind == BYTES:
        if (last - first) % 8:
            raise InputError(f"byte {first}: field {number} of a histogram is cut off")
        raw.counts[number] += struct.unpack_from(f"<{(last - first) // 8}d", data, first)
    elif number <= _CUSTOM_VALUES:
        raise InputError(f"byte {first}: field {number} of a histogram has wire type {kind}")


def _span(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Distance from the bucket before, and length."""
    found = {1: 0, 2: 0}
    for number, kind, first, last in fields(data, start, stop):
        if number in found:
            if kind != VARINT:
                raise InputError(f"byte {first}: field {number} of a span has wire type {kind}")
            found[number] = read_varint(data, first, last)[0]
    return _zigzag(found[1]), found[2]


def _varints(data: bytes, at: int, stop: int) -> list[int]:
    packed = data[at:stop]
    if packed.isascii():  # every number is a byte, as small differences are
        return list(packed)
    numbers = []
    number = shift = 0
    for byte in packed:  # `read_varint` at each would take twice the time
        if byte >= 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise InputError(f"byte {at}: a number has more than ten bytes")
        else:
            numbers.append((number | byte << shift) & 0xFFFF_FFFF_FFFF_FFFF)
            number = shift = 0
    if shift:
        raise InputError(f"byte {stop}: the message ends inside a number")
    return numbers


def _zigzag(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def _histogram(raw: _Raw) -> WireHistogram:
    numbers, doubles = raw.numbers, raw.doubles
    floating = _COUNT_FLOAT in doubles or any(raw.counts[which] for which in _COUNTS)
    schema = _zigzag(numbers.get(_SCHEMA, 0))
    hint = numbers.get(_RESET_HINT, 0)
    total, zero = doubles.get(_SUM, 0.0), doubles.get(_ZERO_THRESHOLD, 0.0)
    time = signed(numbers.get(_TIMESTAMP, 0))
    if raw.sum_bits == STALE_BITS:
        return WireHistogram(time, 0, 0, 0.0, total, 0.0, 0.0, [], [], (), stale=True)
    if not (MIN_SCHEMA <= schema <= MAX_SCHEMA or schema == CUSTOM_SCHEMA):
        raise ValueError(f"its schema is {schema}")
    if hint > max(ResetHint):
        raise ValueError(f"its reset hint is {hint}")
    negative, positive = (_side(raw, at, floating=floating) for at in range(2))
    bounds = tuple(raw.counts[_CUSTOM_VALUES])
    if floating:
        count, zero_count = doubles.get(_COUNT_FLOAT, 0.0), doubles.get(_ZERO_COUNT_FLOAT, 0.0)
    else:
        counted, near_zero = numbers.get(_COUNT_INT, 0), numbers.get(_ZERO_COUNT_INT, 0)
        _need_equal(counted, near_zero, raw, total)
        count, zero_count = float(counted), float(near_zero)
    found = WireHistogram(
        time, schema, hint, count, total, zero_count, zero,
        [pair for pair in negative if pair[1] != 0], [pair for pair in positive if pair[1] != 0],
        bounds, stale=False,
    )  # fmt: skip
    _need_sound(found)
    return found


def _side(raw: _Raw, at: int, *, floating: bool) -> Side:
    spans, deltas = raw.spans[_SPANS[at]], raw.deltas[_DELTAS[at]]
    populations = raw.counts[_COUNTS[at]]
    if not floating:
        populations = [float(population) for population in accumulate(deltas)]
    elif deltas:
        raise ValueError("it has populations as floats and as differences")
    if sum(length for _, length in spans) != len(populations) or len(populations) > _MOST_BUCKETS:
        raise ValueError(f"its spans do not have {len(populations)} buckets")
    places: list[int] = []
    index = 0
    for number, (distance, length) in enumerate(spans):
        if number and distance < 0:
            raise ValueError(f"span {number} goes back by {-distance}")
        index += distance
        places += range(index, index + length)
        index += length
    if places and not -(2**31) <= places[0] <= places[-1] < 2**31:
        raise ValueError(f"it has a bucket number {places[-1]}")
    if populations and min(populations) < 0:
        raise ValueError("a bucket has a negative population")
    return list(zip(places, populations, strict=True))


def _need_equal(count: int, zero_count: int, raw: _Raw, total: float) -> None:
    """Raises `ValueError`. Observations of NaN are counted, but in no bucket."""
    inside = zero_count + sum(sum(accumulate(raw.deltas[which])) for which in _DELTAS)
    if count != inside and not (math.isnan(total) and count > inside):
        raise ValueError(f"it counts {count} observations, its buckets {inside}")


def _need_sound(h: WireHistogram) -> None:
    if h.count < 0 or h.zero_count < 0:
        raise ValueError("it has a negative count")
    if h.schema != CUSTOM_SCHEMA:
        if h.bounds:
            raise ValueError("it has custom bounds, which belong to schema -53")
        if not h.zero_threshold >= 0:
            raise ValueError(f"its zero threshold is {h.zero_threshold}")
        return
    if h.negative or h.zero_count or h.zero_threshold:
        raise ValueError("with custom bounds there is no zero bucket and no negative one")
    finite = all(math.isfinite(bound) for bound in h.bounds)
    if not finite or any(a >= b for a, b in pairwise(h.bounds)):
        raise ValueError("its custom bounds do not ascend, or are not finite")
    if h.positive and not 0 <= h.positive[0][0] <= h.positive[-1][0] <= len(h.bounds):
        raise ValueError("it has a bucket outside its custom bounds")


def columns_of(found: Sequence[WireHistogram]) -> Histograms:
    """Histograms as columns."""
    custom = [one.schema == CUSTOM_SCHEMA for one in found]
    sets: dict[tuple[float, ...], int] = {}
    bounds = [
        sets.setdefault(one.bounds, len(sets)) if own else -1
        for one, own in zip(found, custom, strict=True)
    ]
    return Histograms(
        np.array([one.schema for one in found], np.int8),
        np.array([one.hint for one in found], np.int8),
        np.array([one.count for one in found], np.float64),
        np.array([one.sum for one in found], np.float64),
        np.array([one.zero_count for one in found], np.float64),
        np.array([one.zero_threshold for one in found], np.float64),
        _buckets([one.positive for one in found]),
        _buckets([one.negative for one in found]),
        np.array(bounds, np.int32),
        tuple(sets),
    )


def _buckets(sides: Sequence[Side]) -> Buckets:
    flat = [pair for side in sides for pair in side]
    return Buckets(
        np.append(0, np.cumsum([len(side) for side in sides], dtype=np.int64)),
        np.array([index for index, _ in flat], np.int32),
        np.array([population for _, population in flat], np.float64),
    )
