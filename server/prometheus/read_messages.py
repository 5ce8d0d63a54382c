"""The messages of remote read 1.0: decode `ReadRequest`, encode `ReadResponse`.

The encoder works on arrays: it encodes the samples of many series at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from novaql import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.protobuf import (
    BYTES,
    VARINT,
    bytes_field,
    fields,
    read_varint,
    signed,
    text,
    varint,
)
from novaql.server.prometheus.read_histograms import histogram_fields
from novaql.tsdb import Floats, Ints, LabelColumn, Matcher, MatchOp, Selection, SeriesTable

_OPS = (MatchOp.EQUAL, MatchOp.NOT_EQUAL, MatchOp.REGEX, MatchOp.NOT_REGEX)
_SAMPLE = 0x12  # field 2 of a time series, a message
_VALUE, _TIME = 0x09, 0x10  # fields of a sample: a double and a varint
MOST_QUERIES, MOST_MATCHERS, MOST_TYPES = 1_000, 10_000, 16
"""Limits of one request: queries, matchers of all queries, and response types."""
_FIXED = 11  # bytes of a sample before the tag of its time: tag, size, tag, double


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """One query of a request. The range includes both ends.

    labels_only  return series without samples
    """

    start_ms: int
    end_ms: int
    matchers: Sequence[Matcher]
    labels_only: bool = False


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request. accepted: numbers of the response types that the client accepts; empty: SAMPLES"""

    queries: Sequence[ReadQuery]
    accepted: Sequence[int]


def read_request(data: bytes) -> ReadRequest:
    """Decode a request. Raises `InputError`, also for a request above a limit."""
    queries: list[ReadQuery] = []
    accepted: list[int] = []
    matchers = 0
    for number, kind, start, stop in fields(data, 0, len(data)):
        if number == 1 and kind == BYTES:
            queries.append(_query(data, start, stop))
            matchers += len(queries[-1].matchers)
            _check_bound("queries", len(queries), MOST_QUERIES)
            _check_bound("matchers", matchers, MOST_MATCHERS)
        elif number == 2 and kind == VARINT:
            accepted.append(read_varint(data, start, stop)[0])
        elif number == 2 and kind == BYTES:  # packed encoding
            at = start
            while at < stop:
                value, at = read_varint(data, at, stop)
                accepted.append(value)
                _check_bound("response types", len(accepted), MOST_TYPES)
        _check_bound("response types", len(accepted), MOST_TYPES)
    return ReadRequest(queries, accepted)


def _check_bound(what: str, count: int, most: int) -> None:
    if count > most:
        raise InputError(f"the request has more than {most} {what}")


def _query(data: bytes, start: int, stop: int) -> ReadQuery:
    times = {1: 0, 2: 0}
    matchers: list[Matcher] = []
    labels_only = False
    for number, kind, first, last in fields(data, start, stop):
        if number in times and kind == VARINT:
            times[number] = signed(read_varint(data, first, last)[0])
        elif number == 3 and kind == BYTES:
            matchers.append(_matcher(data, first, last))
            _check_bound("matchers", len(matchers), MOST_MATCHERS)
        elif number == 4 and kind == BYTES:
            # Whether the hints name the function `series`, as Prometheus's series API does.
            hints = fields(data, first, last)
            labels_only = any(
                n == 2 and k == BYTES and data[a:b] == b"series" for n, k, a, b in hints
            )
    return ReadQuery(times[1], times[2], matchers, labels_only)


def _matcher(data: bytes, start: int, stop: int) -> Matcher:
    op, texts = 0, {2: "", 3: ""}
    for number, kind, first, last in fields(data, start, stop):
        if number == 1 and kind == VARINT:
            op = read_varint(data, first, last)[0]
        elif number in texts and kind == BYTES:
            texts[number] = text(data, first, last)
    if op >= len(_OPS):
        raise InputError("invalid matcher type")
    matcher = Matcher(texts[2], _OPS[op], texts[3])
    try:
        matcher.matches("")  # compiles the regex, so that an invalid one is rejected here
    except ValueError as problem:
        raise InputError(f"error parsing regexp: {problem}") from None
    return matcher


def read_response(results: Sequence[bytes]) -> bytes:
    """Encode a response from encoded results."""
    return b"".join(bytes_field(1, result) for result in results)


def query_result(selection: Selection, *, labels_only: bool = False) -> bytes:
    """Encode the series of a selection that have samples, in order of their labels.

    labels_only  encode all series, without samples
    """
    labels = label_fields(selection.series)
    encoded: list[bytes] = [b""] * len(selection.series)
    for view in selection.views():
        flat = view.ragged()
        stream, ends = encode_samples(flat.timestamps, flat.values)
        bounds = np.concatenate([[0], ends])[flat.bounds].tolist()
        for row, first, last in zip(flat.rows.tolist(), bounds, bounds[1:], strict=False):
            encoded[row] = stream[first:last]
    for native in selection.histograms:
        found = native.load()
        fields_of = histogram_fields(found.histograms, found.timestamps)
        bounds = found.offsets.tolist()
        for row, first, last in zip(found.rows.tolist(), bounds, bounds[1:], strict=False):
            encoded[row] += b"".join(fields_of[first:last])
    pieces: list[bytes] = []
    for row in selection.series.order().tolist():
        if encoded[row] or labels_only:
            size = len(labels[row]) + len(encoded[row])
            pieces += (b"\x0a", varint(size), labels[row], encoded[row])
    return b"".join(pieces)


def label_fields(table: SeriesTable) -> list[bytes]:
    """Encode the labels of each row. Each distinct pair of name and value is encoded once."""
    rows = [b""] * len(table)
    for name, column in table.columns.items():
        encoded = _encoded_pairs(name, column)
        for row in np.flatnonzero(column.codes).tolist():
            rows[row] += encoded[int(column.codes[row])]
    return rows


def label_octets(table: SeriesTable) -> int:
    """Return the bytes of `label_fields` of a table. Rows may share a long label, so they may be
    many more than those of the table."""
    octets = 0
    for name, column in table.columns.items():
        times = np.bincount(column.codes, minlength=1)
        encoded = _encoded_pairs(name, column)
        octets += sum(len(pair) * int(times[code]) for code, pair in encoded.items())
    return octets


def _encoded_pairs(name: str, column: LabelColumn) -> dict[int, bytes]:
    """Return the encoded pair of a name and each value that a row has, by the code of the value."""
    used = np.unique(column.codes[column.codes != 0]).tolist()
    of_name = bytes_field(1, name.encode())
    return {
        code: bytes_field(1, of_name + bytes_field(2, column.values[code].encode()))
        for code in used
    }


def encode_samples(times: Ints, values: Floats) -> tuple[bytes, Ints]:
    """Encode samples as consecutive fields of a series; return the bytes and the end of each field.

    Times of the same encoded size (6 bytes from 1971 to 2109) are encoded together.
    """
    unsigned = times.astype(np.int64).view(np.uint64)
    widths = np.ones(len(times), np.int64)
    for width in range(1, 10):
        widths += unsigned >= np.uint64(1 << (7 * width))
    ends = np.cumsum(widths + _FIXED + 1)
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    doubles = np.ascontiguousarray(values, "<f8").view(np.uint8).reshape(-1, 8)
    for width in np.unique(widths).tolist():
        some = np.flatnonzero(widths == width)
        size = width + _FIXED + 1
        block = np.empty((len(some), size), np.uint8)
        block[:, 0], block[:, 1], block[:, 2], block[:, _FIXED] = (_SAMPLE, size - 2, _VALUE, _TIME)
        block[:, 3:_FIXED] = doubles[some]
        block[:, _FIXED + 1 :] = _varints(unsigned[some], width)
        if len(some) == len(times):
            out = block.ravel()
        else:
            out[(ends[some] - size)[:, None] + np.arange(size)] = block
    return out.tobytes(), ends


def _varints(numbers: NDArray[np.uint64], width: int) -> NDArray[np.uint8]:
    shifts = np.arange(width, dtype=np.uint64) * np.uint64(7)
    digits = ((numbers[:, None] >> shifts) & np.uint64(0x7F)).astype(np.uint8)
    digits[:, :-1] |= 0x80
    return digits
