"""Records of the log that are read one by one: series, deletions, metadata, native histograms."""

from __future__ import annotations

import struct
from dataclasses import field
from enum import IntEnum

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.inputs.protobuf.wire import unzigzag
from novaql.inputs.remote_write.metadata import type_name
from novaql.model.histogram_rows import HistogramRows
from novaql.tsdb.model.histograms import (
    CUSTOM_SCHEMA,
    MAX_SCHEMA,
    MIN_SCHEMA,
    Histograms,
    ResetHint,
)
from novaql.tsdb.model.labels import Ints
from novaql.tsdb.model.samples import STALE_BITS
from novaql.tsdb.model.source import Metadata

_DOUBLE = struct.Struct(">d")
_LONG = struct.Struct(">q")


class RecordKind(IntEnum):
    """The first byte of a record."""

    SERIES = 1
    SAMPLES = 2
    TOMBSTONES = 3
    EXEMPLARS = 4
    CHUNK_MARKERS = 5
    METADATA = 6
    HISTOGRAMS = 7
    FLOAT_HISTOGRAMS = 8
    CUSTOM_HISTOGRAMS = 9
    CUSTOM_FLOAT_HISTOGRAMS = 10


class Cursor:
    """Numbers and texts of one record. Raises `IndexError` or `struct.error` at its end."""

    def __init__(self, data: bytes, at: int = 1) -> None:
        self.data, self.at = data, at

    @property
    def more(self) -> bool:
        return self.at < len(self.data)

    def uvarint(self) -> int:
        number = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 63:
                return number & (1 << 64) - 1

    def varint(self) -> int:
        return unzigzag(self.uvarint())

    def long(self) -> int:
        self.at += 8
        number: int = _LONG.unpack_from(self.data, self.at - 8)[0]
        return number

    def double(self) -> float:
        self.at += 8
        number: float = _DOUBLE.unpack_from(self.data, self.at - 8)[0]
        return number

    def octet(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def text(self) -> str:
        size = self.uvarint()
        start, self.at = self.at, self.at + size
        if self.at > len(self.data):
            raise IndexError
        return self.data[start : self.at].decode("utf-8", "replace")


def read_series(record: bytes, series: dict[int, dict[str, str]]) -> None:
    """Add the content of a record of series: reference → labels."""
    cursor = Cursor(record)
    while cursor.more:
        reference = cursor.long()
        pairs = [(cursor.text(), cursor.text()) for _ in range(cursor.uvarint())]
        series[reference] = dict(pairs)


def read_tombstones(record: bytes, deleted: dict[int, list[tuple[int, int]]]) -> None:
    """Add the content of a record of deletions: reference → ranges of time."""
    cursor = Cursor(record)
    while cursor.more:
        reference = cursor.long()
        deleted.setdefault(reference, []).append((cursor.varint(), cursor.varint()))


def read_metadata(record: bytes, known: dict[int, Metadata]) -> None:
    """Add the content of a record of metadata: reference → metadata."""
    cursor = Cursor(record)
    while cursor.more:
        reference, kind = cursor.uvarint(), cursor.octet()
        texts = {}
        for _ in range(cursor.uvarint()):
            name = cursor.text()
            texts[name] = cursor.text()
        known[reference] = Metadata(type_name(kind), texts.get("HELP", ""), texts.get("UNIT", ""))


@dataclass(slots=True)
class LoggedHistograms:
    """Native histograms, added record by record.

    stale  reference and time of each staleness marker
    """

    references: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    stale: list[tuple[int, int]] = field(default_factory=list)
    rows: HistogramRows = field(default_factory=HistogramRows)

    def read(self, record: bytes) -> None:
        """Raises `ValueError` for an unknown schema."""
        floats = record[0] in (RecordKind.FLOAT_HISTOGRAMS, RecordKind.CUSTOM_FLOAT_HISTOGRAMS)
        cursor = Cursor(record)
        if not cursor.more:
            return
        reference, time = cursor.long(), cursor.long()
        while cursor.more:
            where = reference + cursor.varint(), time + cursor.varint()
            self._one(cursor, where, floats=floats)

    def _one(self, cursor: Cursor, where: tuple[int, int], *, floats: bool) -> None:
        hint, schema = cursor.octet(), cursor.varint()
        threshold = cursor.double()
        if floats:
            zero, count = cursor.double(), cursor.double()
        else:
            zero, count = float(cursor.uvarint()), float(cursor.uvarint())
        bits = cursor.data[cursor.at : cursor.at + 8]
        total = cursor.double()
        above, below = _indices(cursor), _indices(cursor)
        sides = [_populations(cursor, floats=floats) for _ in range(2)]
        bounds: tuple[float, ...] = ()
        if schema == CUSTOM_SCHEMA:
            bounds = tuple(cursor.double() for _ in range(cursor.uvarint()))
        elif not MIN_SCHEMA <= schema <= MAX_SCHEMA:
            raise ValueError(f"there is no schema {schema}")
        if hint > ResetHint.GAUGE:
            raise ValueError(f"there is no reset hint {hint}")
        if int.from_bytes(bits, "big") == STALE_BITS:
            self.stale.append(where)
            return
        positive, negative = zip((above, below), sides, strict=True)
        if any(len(indexes) != len(populations) for indexes, populations in (positive, negative)):
            raise ValueError("its spans do not have as many buckets as there are counts")
        self.rows.add(schema, hint, count, total, zero, threshold, positive, negative, bounds)
        self.references.append(where[0])
        self.times.append(where[1])

    def columns(self) -> tuple[Ints, Ints, Histograms]:
        """References, times and histograms [N], in order of the log."""
        references, times = np.array(self.references, np.int64), np.array(self.times, np.int64)
        return references, times, self.rows.histograms()


def _indices(cursor: Cursor) -> list[int]:
    found: list[int] = []
    at = 0
    for _ in range(cursor.uvarint()):
        at += cursor.varint()
        length = cursor.uvarint()
        if length > len(cursor.data):
            raise IndexError
        found += range(at, at + length)
        at += length
    return found


def _populations(cursor: Cursor, *, floats: bool) -> list[float]:
    size = cursor.uvarint()
    if floats:
        return [cursor.double() for _ in range(size)]
    out: list[float] = []
    running = 0
    for _ in range(size):
        running += cursor.varint()
        out.append(float(running))
    return out
