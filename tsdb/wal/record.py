"""The bytes of the log: segment header, records, and their payloads. FORMAT.md, "Log"."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from struct import Struct
from struct import error as StructError

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.codec.columns import TextColumn, Undecodable, encode_texts
from novaql.tsdb.codec.histogram_columns import decode_plain, encode_plain
from novaql.tsdb.disk.checksum import checksum
from novaql.tsdb.head.float_run import FloatSamples
from novaql.tsdb.head.histogram_run import NativeSamples
from novaql.tsdb.model.exemplars import Exemplars, SeriesExemplars
from novaql.tsdb.model.histograms import Histograms
from novaql.tsdb.model.labels import Ints, LabelColumn, SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.model.source import Metadata
from novaql.tsdb.wal.run_length import IDS_COUNT_UP, ONE_TIME, decode_runs, encode_runs

FORMAT, NATIVE_FORMAT, STARTS_FORMAT, RUNS_FORMAT = 1, 2, 3, 4
"""Format 2 may have native histograms, 3 also start timestamps and exemplars, 4 also samples in
runs."""
FORMATS = (FORMAT, NATIVE_FORMAT, STARTS_FORMAT, RUNS_FORMAT)
RUNS_FROM = 1024
"""A record of at least this many samples is written in runs; a smaller one would save little."""
MAGIC = b"NOVAWAL\n"
SEGMENT_HEADER = Struct("<8sIQ16sI")  # magic, format, number, store, checksum of the rest
RECORD = Struct("<4sII")  # marker, payload bytes, checksum of both and the payload
MARKER = b"\xf7rec"
MOST_SAMPLES = 1 << 20
"""Samples in one record; a larger batch needs several."""

SERIES, SAMPLES, METADATA, NATIVE, EXEMPLARS, SAMPLE_RUNS = 1, 2, 3, 4, 5, 6
KIND = Struct("<BBHI")  # kind, flags, 0, count
_COUNT = Struct("<I")
_STARTS, _ONE_START = 4, 8  # further flags of records of samples; see `run_length.py`


def encode_segment_header(store: bytes, number: int, version: int = FORMAT) -> bytes:
    fields = SEGMENT_HEADER.pack(MAGIC, version, number, store, 0)[:-4]
    return fields + _COUNT.pack(checksum(store, b"segment", number, fields))


def segment_store(data: bytes) -> bytes | None:
    """Return the identity of the store in a segment's header; None if the header is damaged."""
    if len(data) < SEGMENT_HEADER.size:
        return None
    _, version, number, store, _ = SEGMENT_HEADER.unpack_from(data)
    right = encode_segment_header(store, number, version) == data[: SEGMENT_HEADER.size]
    return bytes(store) if right else None


def encode_record(store: bytes, number: int, offset: int, *pieces: bytes) -> list[bytes]:
    """Return a record for `offset` of segment `number`, as pieces to write."""
    head = RECORD.pack(MARKER, sum(len(piece) for piece in pieces), 0)[:8]
    crc = checksum(store + number.to_bytes(8, "little"), b"record", offset, head, *pieces)
    return [head + _COUNT.pack(crc), *pieces]


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are not a record. `tail`: no readable record follows."""

    offset: int
    length: int
    tail: bool


def read_records(data: bytes, store: bytes, number: int) -> Iterator[tuple[int, bytes] | Damage]:
    """Yield (offset, payload) of each whole record of a segment, and the damage between them.

    After damage, the search continues at the next marker that begins a record with a right
    checksum.
    """
    at = SEGMENT_HEADER.size
    identity = store + number.to_bytes(8, "little")
    known = (encode_segment_header(store, number, v) for v in FORMATS)
    if data[:at] not in known:
        yield Damage(0, min(at, len(data)), tail=len(data) <= at)
    while at < len(data):
        payload = _payload_at(data, at, identity)
        if payload is not None:
            yield at, payload
            at += RECORD.size + len(payload)
            continue
        after = data.find(MARKER, at + 1)
        while after >= 0 and _payload_at(data, after, identity) is None:
            after = data.find(MARKER, after + 1)
        end = len(data) if after < 0 else after
        yield Damage(at, end - at, tail=after < 0)
        at = end


def _payload_at(data: bytes, at: int, identity: bytes) -> bytes | None:
    """identity: of the store and the segment."""
    if len(data) - at < RECORD.size:
        return None
    marker, length, crc = RECORD.unpack_from(data, at)
    begin = at + RECORD.size
    if marker != MARKER or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    right = checksum(identity, b"record", at, data[at : at + 8], payload) == crc
    return payload if right else None


@dataclass(frozen=True, slots=True, eq=False)
class SeriesRecord:
    """Label sets, and their ids in this segment."""

    ids: Ints
    table: SeriesTable


@dataclass(frozen=True, slots=True)
class MetadataRecord:
    """Metric name → metadata."""

    metadata: Mapping[str, Metadata]


def encode_series(ids: Ints, table: SeriesTable) -> list[bytes]:
    head = [KIND.pack(SERIES, 0, 0, len(ids)), _COUNT.pack(len(table.columns))]
    return [*head, ids.astype("<u4").tobytes(), *_encode_columns(table)]


def encode_exemplars(found: SeriesExemplars) -> list[bytes]:
    """Encode label sets of the series, exemplars, label sets of the exemplars."""
    series, exemplars = found.series, found.exemplars
    return [
        KIND.pack(EXEMPLARS, 0, 0, len(exemplars)),
        _COUNT.pack(series.rows), _COUNT.pack(len(series.columns)), *_encode_columns(series),
        exemplars.series_index.astype("<u4").tobytes(),
        exemplars.timestamps.astype("<i8").tobytes(),
        exemplars.values.astype("<f8").tobytes(),
        _COUNT.pack(len(exemplars.labels.columns)), *_encode_columns(exemplars.labels),
    ]  # fmt: skip


def _encode_columns(table: SeriesTable) -> list[bytes]:
    pieces = []
    for name, column in table.columns.items():
        label, texts = name.encode(), encode_texts(column.values[1:])
        pieces += [
            _COUNT.pack(len(label)), label,
            column.codes.astype("<u4").tobytes(),
            _COUNT.pack(len(column.values) - 1), _COUNT.pack(len(texts)), texts,
        ]  # fmt: skip
    return pieces


def encode_samples(
    ids: Ints, times: Ints, values: Floats, starts: Ints | None = None
) -> list[bytes]:
    """Encode samples. Consecutive ids, and a time or a start that all samples share, are written
    once. A large record is written in runs (format 4)."""
    if len(ids) >= RUNS_FROM:
        flags, places_in_runs = encode_runs(ids, times)
        more, begun = _encode_starts(starts)
        head = KIND.pack(SAMPLE_RUNS, flags | more, 0, len(ids))
        return [head, places_in_runs, begun, values.astype("<f8", copy=False).tobytes()]
    places = _encode_places(SAMPLES, ids, times, starts)
    return [*places, values.astype("<f8", copy=False).tobytes()]


def encode_native(
    ids: Ints, times: Ints, histograms: Histograms, starts: Ints | None = None
) -> list[bytes]:
    """Encode histograms; ids, times and starts as those of floats."""
    return [*_encode_places(NATIVE, ids, times, starts), *encode_plain(histograms)]


def _encode_places(kind: int, ids: Ints, times: Ints, starts: Ints | None) -> list[bytes]:
    flags = 0
    if len(ids) > 1 and ids[-1] - ids[0] == len(ids) - 1 and bool((np.diff(ids) == 1).all()):
        flags |= IDS_COUNT_UP
        ids = ids[:1]
    one, encoded = _encode_times(times)
    more, begun = _encode_starts(starts)
    head = KIND.pack(kind, flags | (ONE_TIME if one else 0) | more, 0, len(times))
    return [head, ids.astype("<u4").tobytes(), encoded, begun]


def _encode_times(times: Ints) -> tuple[bool, bytes]:
    """Return whether all times are equal, and the bytes of one or of all."""
    one = bool((times == times[0]).all())
    return one, (times[:1] if one else times).astype("<i8", copy=False).tobytes()


def _encode_starts(starts: Ints | None) -> tuple[int, bytes]:
    """Return flags and bytes."""
    if starts is None:
        return 0, b""
    one, begun = _encode_times(starts)
    return _STARTS | (_ONE_START if one else 0), begun


def encode_metadata(metadata: Mapping[str, Metadata]) -> list[bytes]:
    text = json.dumps({name: astuple(entry) for name, entry in metadata.items()})
    return [KIND.pack(METADATA, 0, 0, len(metadata)), text.encode()]


def encode_end() -> list[bytes]:
    """Return the closing record, after which the segment has no other: metadata of no metric, which
    every format has."""
    return encode_metadata({})


Record = SeriesRecord | FloatSamples | NativeSamples | MetadataRecord | SeriesExemplars
"""Samples have ids of the segment, and are in order of arrival."""


def decode(payload: bytes) -> Record:
    """Return the content of a record. Raises `Undecodable` for a kind that this program does not
    support."""
    try:
        kind, flags, _, count = KIND.unpack_from(payload)
        if kind == SERIES:
            return _decode_series(payload, count)
        if kind == SAMPLES:
            ids, times, starts, at = _decode_places(payload, flags, count)
            return FloatSamples(ids, times, np.frombuffer(payload, "<f8", count, at), starts)
        if kind == SAMPLE_RUNS:
            ids, times, at = decode_runs(payload, KIND.size, flags, count)
            starts, at = _decode_starts(payload, at, flags, count)
            return FloatSamples(ids, times, np.frombuffer(payload, "<f8", count, at), starts)
        if kind == NATIVE:
            ids, times, starts, at = _decode_places(payload, flags, count)
            return NativeSamples(ids, times, decode_plain(payload, at, count), starts)
        if kind == METADATA:
            entries = json.loads(payload[KIND.size :])
            return MetadataRecord({name: Metadata(*entry) for name, entry in entries.items()})
        if kind == EXEMPLARS:
            return _decode_exemplars(payload, count)
    except (StructError, ValueError, TypeError) as problem:
        raise Undecodable(f"a record cannot be read: {problem}") from problem
    raise Undecodable(f"a record of unknown kind {kind}")


def read_log(
    data: bytes, store: bytes, number: int
) -> Iterator[tuple[int, int, Record | Undecodable] | Damage]:
    """Yield (offset, end, content) of each whole record, and the damage, as `read_records` does."""
    for item in read_records(data, store, number):
        if isinstance(item, Damage):
            yield item
            continue
        offset, payload = item
        try:
            record: Record | Undecodable = decode(payload)
        except Undecodable as problem:
            record = problem
        yield offset, offset + RECORD.size + len(payload), record


def is_end(record: Record | Undecodable) -> bool:
    """Whether this is the closing record of a segment."""
    return isinstance(record, MetadataRecord) and not record.metadata


def _decode_series(payload: bytes, count: int) -> SeriesRecord:
    at = KIND.size
    (names,) = _COUNT.unpack_from(payload, at)
    at += _COUNT.size
    ids = np.frombuffer(payload, "<u4", count, at).astype(np.int64)
    at += 4 * count
    return SeriesRecord(ids, _decode_columns(payload, at, names, count)[0])


def _decode_exemplars(payload: bytes, count: int) -> SeriesExemplars:
    rows, names = struct.unpack_from("<II", payload, KIND.size)
    if not names and rows > 1:
        raise ValueError("series without labels are one")
    series, at = _decode_columns(payload, KIND.size + 8, names, rows)
    index = np.frombuffer(payload, "<u4", count, at).astype(np.int64)
    times = np.frombuffer(payload, "<i8", count, at + 4 * count).astype(np.int64)
    values = np.frombuffer(payload, "<f8", count, at + 12 * count).astype(np.float64)
    at += 20 * count
    (names,) = _COUNT.unpack_from(payload, at)
    labels, _ = _decode_columns(payload, at + 4, names, count)
    if int(index.max(initial=-1)) >= rows:
        raise ValueError("an exemplar belongs to no series")
    return SeriesExemplars(series, Exemplars(index, times, values, labels))


def _decode_columns(payload: bytes, at: int, names: int, count: int) -> tuple[SeriesTable, int]:
    """Return a table of `count` rows, and the offset after it."""
    columns: dict[str, LabelColumn] = {}
    for _ in range(names):
        (size,) = _COUNT.unpack_from(payload, at)
        name = payload[at + 4 : at + 4 + size].decode()
        at += 4 + size
        codes = np.frombuffer(payload, "<u4", count, at).astype(np.int32)
        at += 4 * count
        texts, size = _COUNT.unpack_from(payload, at)[0], _COUNT.unpack_from(payload, at + 4)[0]
        at += 8
        values = TextColumn(payload[at : at + size], texts).all()
        at += size
        if int(codes.max(initial=0)) > texts:
            raise ValueError(f"label {name!r} has a code without a text")
        columns[name] = LabelColumn(codes, ("", *values))
    return SeriesTable.from_columns(count, columns), at


def _decode_places(payload: bytes, flags: int, count: int) -> tuple[Ints, Ints, Ints | None, int]:
    """Return ids, times, starts, and the offset after them."""
    at = KIND.size
    # A record has at least 8 bytes for each sample, so a damaged count allocates no memory.
    if len(payload) - at < 8 * count:
        raise Undecodable("a record is cut off")
    stored = 1 if flags & IDS_COUNT_UP else count
    ids = np.frombuffer(payload, "<u4", stored, at).astype(np.int64)
    at += 4 * stored
    if flags & IDS_COUNT_UP:
        ids = np.arange(ids[0], ids[0] + count)
    times, at = _decode_times(payload, at, 1 if flags & ONE_TIME else count, count)
    return ids, times, *_decode_starts(payload, at, flags, count)


def _decode_starts(payload: bytes, at: int, flags: int, count: int) -> tuple[Ints | None, int]:
    """Return starts, and the offset after them."""
    if not flags & _STARTS:
        return None, at
    return _decode_times(payload, at, 1 if flags & _ONE_START else count, count)


def _decode_times(payload: bytes, at: int, stored: int, count: int) -> tuple[Ints, int]:
    """Return times, of which one may be stored for all, and the offset after them."""
    times = np.frombuffer(payload, "<i8", stored, at).astype(np.int64)
    return (times if stored == count else np.full(count, times[0])), at + 8 * stored
