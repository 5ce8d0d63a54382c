"""The parts of a `Metric` message of the Prometheus protobuf format, one metric at a time.

Whatever a message leaves out is 0 or empty. Every function reads data[at:end] and raises
`InputError` on a malformed message.
"""

from __future__ import annotations

import struct
from dataclasses import field

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.protobuf.native_rows import NativeRow, SpannedBuckets
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
from novaql.tsdb.model.source import FIRST_SAMPLE_MS, LAST_SAMPLE_MS

_DOUBLE = struct.Struct("<d")
_KINDS = {VARINT: "a varint", FIXED64: "eight bytes", BYTES: "a length and bytes"}


@dataclass(slots=True)
class Point:
    """A counter, gauge or untyped metric."""

    value: float = 0.0
    start_ms: int = 0
    exemplars: int = 0


@dataclass(slots=True)
class SummaryPoint:
    """quantiles: (quantile, value) pairs."""

    count: float = 0.0
    sum: float = 0.0
    quantiles: list[tuple[float, float]] = field(default_factory=list)
    start_ms: int = 0


@dataclass(slots=True)
class HistogramPoint:
    """A histogram, classic, native or both.

    buckets  (upper bound, cumulative count) of the classic buckets
    native   None unless there is something that only native histograms have
    """

    count: float = 0.0
    sum: float = 0.0
    buckets: list[tuple[float, float]] = field(default_factory=list)
    native: NativeRow | None = None
    start_ms: int = 0
    exemplars: int = 0


def read_point(data: bytes, at: int, end: int) -> Point:
    """The content of `counter`, `gauge` or `untyped`."""
    found = Point()
    for number, kind, start, stop in fields(data, at, end):
        if number == 1:
            found.value = _double(data, start, kind)
        elif number == 2:
            found.exemplars += 1
        elif number == 3:
            found.start_ms = read_time_ms(data, start, stop, kind)
    return found


def read_summary(data: bytes, at: int, end: int) -> SummaryPoint:
    found = SummaryPoint()
    for number, kind, start, stop in fields(data, at, end):
        if number == 1:
            found.count = float(_varint(data, start, stop, kind))
        elif number == 2:
            found.sum = _double(data, start, kind)
        elif number == 3:
            _need(BYTES, kind, start)
            pair = {1: 0.0, 2: 0.0}
            for place, inner, first, _ in fields(data, start, stop):
                if place in pair:
                    pair[place] = _double(data, first, inner)
            found.quantiles.append((pair[1], pair[2]))
        elif number == 4:
            found.start_ms = read_time_ms(data, start, stop, kind)
    return found


def read_histogram(data: bytes, at: int, end: int) -> HistogramPoint:
    found = HistogramPoint()
    count = zero_count = 0
    count_float = zero_count_float = zero_threshold = 0.0
    schema = 0
    positive, negative = SpannedBuckets(), SpannedBuckets()
    for number, kind, start, stop in fields(data, at, end):
        if number == 3:
            found.exemplars += _read_bucket(data, start, stop, kind, found.buckets)
        elif number == 13:
            _add_deltas(data, start, stop, kind, positive.deltas)
        elif number == 10:
            _add_deltas(data, start, stop, kind, negative.deltas)
        elif number == 12:
            _add_span(data, start, stop, kind, positive)
        elif number == 9:
            _add_span(data, start, stop, kind, negative)
        elif number == 1:
            count = _varint(data, start, stop, kind)
        elif number == 2:
            found.sum = _double(data, start, kind)
        elif number == 4:
            count_float = _double(data, start, kind)
        elif number == 5:
            schema = unzigzag(_varint(data, start, stop, kind))
        elif number == 6:
            zero_threshold = _double(data, start, kind)
        elif number == 7:
            zero_count = _varint(data, start, stop, kind)
        elif number == 8:
            zero_count_float = _double(data, start, kind)
        elif number == 14:
            _add_doubles(data, start, stop, kind, positive.counts)
        elif number == 11:
            _add_doubles(data, start, stop, kind, negative.counts)
        elif number == 15:
            found.start_ms = read_time_ms(data, start, stop, kind)
        elif number == 16:
            found.exemplars += 1
    found.count = count_float if count_float > 0 else float(count)
    spans = positive.offsets or negative.offsets
    if spans or zero_threshold > 0 or zero_count or zero_count_float > 0:
        whole = not (count_float > 0 or zero_count_float > 0)
        found.native = NativeRow(
            schema,
            float(count) if whole else count_float,
            found.sum,
            float(zero_count) if whole else zero_count_float,
            zero_threshold,
            positive,
            negative,
            whole,
        )
    return found


def read_time_ms(data: bytes, at: int, end: int, kind: int) -> int:
    """Milliseconds of a `google.protobuf.Timestamp`."""
    _need(BYTES, kind, at)
    parts = {1: 0, 2: 0}
    for number, inner, start, stop in fields(data, at, end):
        if number in parts:
            parts[number] = signed(_varint(data, start, stop, inner))
    time_ms = parts[1] * 1000 + parts[2] // 1_000_000
    if not FIRST_SAMPLE_MS <= time_ms <= LAST_SAMPLE_MS:
        raise InputError(f"byte {at}: the time {parts[1]} s is out of range")
    return time_ms


def _read_bucket(
    data: bytes, at: int, end: int, kind: int, buckets: list[tuple[float, float]]
) -> int:
    """Adds a classic bucket; how many exemplars it has."""
    _need(BYTES, kind, at)
    count = exemplars = 0
    count_float = bound = 0.0
    # As senders write it: a count of one or two bytes, then the bound, and nothing else.
    if end - at == 11 and data[at] == 0x08 and data[at + 1] < 0x80 and data[at + 2] == 0x11:
        buckets.append((_DOUBLE.unpack_from(data, at + 3)[0], float(data[at + 1])))
        return 0
    for number, inner, start, stop in fields(data, at, end):
        if number == 1:
            count = _varint(data, start, stop, inner)
        elif number == 2:
            bound = _double(data, start, inner)
        elif number == 3:
            exemplars += 1
        elif number == 4:
            count_float = _double(data, start, inner)
    buckets.append((bound, count_float if count_float > 0 else float(count)))
    return exemplars


def _add_span(data: bytes, at: int, end: int, kind: int, side: SpannedBuckets) -> None:
    _need(BYTES, kind, at)
    offset, length = read_span(data, at, end)
    side.offsets.append(offset)
    side.lengths.append(length)


def read_span(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A run of consecutive buckets: its distance from the one before, and its length."""
    offset = length = 0
    for number, kind, start, stop in fields(data, at, end):
        if number == 1:
            offset = unzigzag(_varint(data, start, stop, kind))
        elif number == 2:
            length = _varint(data, start, stop, kind)
    return offset, length


def _add_deltas(data: bytes, at: int, end: int, kind: int, deltas: list[int]) -> None:
    """One number, or many packed."""
    if kind == VARINT:
        deltas.append(unzigzag(data[at] if data[at] < 0x80 else read_varint(data, at, end)[0]))
        return
    _need(BYTES, kind, at)
    deltas += packed_zigzags(data, at, end)


def _add_doubles(data: bytes, at: int, end: int, kind: int, into: list[float]) -> None:
    if kind != FIXED64:
        _need(BYTES, kind, at)
    into += packed_doubles(data, at, end)


def _double(data: bytes, at: int, kind: int) -> float:
    _need(FIXED64, kind, at)
    value: float = _DOUBLE.unpack_from(data, at)[0]
    return value


def _varint(data: bytes, at: int, end: int, kind: int) -> int:
    _need(VARINT, kind, at)
    return read_varint(data, at, end)[0]


def _need(wanted: int, kind: int, at: int) -> None:
    if kind != wanted:
        raise InputError(f"byte {at}: wire type {kind}, expected {_KINDS[wanted]}")
