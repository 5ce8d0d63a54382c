"""Messages of remote read: requests to write, answers to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Protocol

import google_crc32c

from novaql.errors import InputError
from novaql.fast_dataclass import dataclass
from novaql.inputs.prometheus.chunk_bytes import Encoding
from novaql.inputs.protobuf.label_fields import label_pair
from novaql.inputs.protobuf.wire import (
    BYTES,
    VARINT,
    bytes_field,
    fields,
    number_field,
    read_varint,
    varint,
)
from novaql.tsdb.model.matchers import Matcher, MatchOp

_OPS = {MatchOp.EQUAL: 0, MatchOp.NOT_EQUAL: 1, MatchOp.REGEX: 2, MatchOp.NOT_REGEX: 3}
_MOST_FRAME_BYTES = 256 << 20


class Readable(Protocol):
    """The body of an answer."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(slots=True)
class ReadSeries:
    """One series of a streamed answer, and its chunks: encoding and bytes of each."""

    labels: dict[str, str]
    chunks: list[tuple[Encoding, bytes]] = field(default_factory=list)


def read_request(
    matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, labels_only: bool
) -> bytes:
    """A request of one query, for chunks if the server has them. labels_only: a hint that the
    client needs no samples."""
    parts = [number_field(1, start_ms), number_field(2, end_ms)]
    parts += [
        bytes_field(
            3,
            number_field(1, _OPS[matcher.op])
            + bytes_field(2, matcher.name.encode())
            + bytes_field(3, matcher.value.encode()),
        )
        for matcher in matchers
    ]
    function = bytes_field(2, b"series") if labels_only else b""
    parts.append(bytes_field(4, function + number_field(3, start_ms) + number_field(4, end_ms)))
    accepted = [0] if labels_only else [1, 0]
    return bytes_field(1, b"".join(parts)) + b"".join(b"\x10" + varint(one) for one in accepted)


def series_of_frames(body: Readable, what: str) -> Iterator[ReadSeries]:
    """Series of a streamed answer; one may be in several pieces. Raises `InputError`."""
    number = 0
    while (size := _frame_size(body, what)) is not None:
        if size > _MOST_FRAME_BYTES:
            raise InputError(f"{what}: frame {number} would have {size} bytes")
        checksum = int.from_bytes(_exactly(body, 4, what), "big")
        message = _exactly(body, size, what)
        if int(google_crc32c.value(message)) != checksum:
            raise InputError(f"{what}: frame {number} does not have its checksum")
        for at, kind, start, stop in fields(message, 0, len(message)):
            if at == 1 and kind == BYTES:
                yield _chunked_series(message, start, stop)
        number += 1


def results_of(message: bytes) -> Iterator[tuple[int, int]]:
    """Where the results of an answer in one message begin and end. Raises `InputError`.

    A result has the fields of a remote write message.
    """
    for number, kind, start, stop in fields(message, 0, len(message)):
        if number == 1 and kind == BYTES:
            yield start, stop


def label_sets_of(message: bytes) -> Iterator[dict[str, str]]:
    """The label sets of all results of an answer in one message. Raises `InputError`."""
    for start, stop in results_of(message):
        for number, kind, first, last in fields(message, start, stop):
            if number == 1 and kind == BYTES:
                parts = fields(message, first, last)
                yield dict(
                    label_pair(message, a, b)
                    for part, inner, a, b in parts
                    if part == 1 and inner == BYTES
                )


def _chunked_series(data: bytes, start: int, stop: int) -> ReadSeries:
    found = ReadSeries({})
    for number, kind, first, last in fields(data, start, stop):
        if number == 1 and kind == BYTES:
            name, value = label_pair(data, first, last)
            found.labels[name] = value
        elif number == 2 and kind == BYTES:
            encoding, piece = 0, b""
            for part, inner, a, b in fields(data, first, last):
                if part == 3 and inner == VARINT:
                    encoding = read_varint(data, a, b)[0]
                elif part == 4 and inner == BYTES:
                    piece = data[a:b]
            try:
                found.chunks.append((Encoding(encoding), piece))
            except ValueError:
                raise InputError(f"there is no chunk encoding {encoding}") from None
    return found


def _frame_size(body: Readable, what: str) -> int | None:
    """The size of the next frame; None at the end."""
    number = shift = 0
    while byte := body.read(1):
        number |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return number
        shift += 7
        if shift > 63:
            raise InputError(f"{what}: the size of a frame has more than ten bytes")
    if shift:
        raise InputError(f"{what}: the answer ends inside a frame")
    return None


def _exactly(body: Readable, size: int, what: str) -> bytes:
    parts: list[bytes] = []
    while size:
        part = body.read(size)
        if not part:
            raise InputError(f"{what}: the answer ends inside a frame")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
