"""An Arrow IPC stream that a stranger sent → batches.

Arrow itself believes what a stream says of its sizes. So the messages are looked at first: what
they claim to hold must fit into what a body may have unpacked, and everything is validated.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from novaql.errors import InputError, LimitExceeded
from novaql.inputs.frames import read_frame
from novaql.inputs.label_limits import LabelLimits
from tsdb.tile import Batch

_CONTINUES = b"\xff\xff\xff\xff"
_DICTIONARY, _RECORDS = 2, 3
_HEADER_TYPE, _HEADER, _BODY_LENGTH = 1, 2, 3
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
_DICTIONARY_DATA = 1
_TIME_BYTES = 8


def read_arrow_stream(body: bytes, limits: LabelLimits, *, most_bytes: int) -> list[Batch]:
    """Every batch of the stream. Raises `InputError`, `LimitExceeded`.

    most_bytes  of all buffers together, when unpacked
    """
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only such bodies need it

    _need_room(body, most_bytes)
    try:
        with pa.ipc.open_stream(body) as stream:
            parts = list(stream)
            for part in parts:
                part.validate(full=True)
            schema = stream.schema
        found = list(read_frame(pa.Table.from_batches(parts, schema), what="body").batches)
    except (pa.ArrowException, OSError, ValueError) as problem:
        raise InputError(f"body: {problem}") from problem
    for batch in found:
        limits.check_columns(batch.series)
    return found


def _need_room(body: bytes, most_bytes: int) -> None:
    total = 0
    try:
        for at, header_type, body_at in _messages(body):
            header = _table(body, at, _HEADER)
            if header_type == _DICTIONARY:
                header = _table(body, header, _DICTIONARY_DATA)
            rows = _scalar(body, header, _LENGTH, "<q")
            total += sum(_unpacked_sizes(body, header, body_at))
            if total > most_bytes or rows * _TIME_BYTES > most_bytes:
                raise LimitExceeded(f"the body is larger than {most_bytes} bytes when unpacked")
    except (struct.error, IndexError) as problem:
        raise InputError("body: this is no Arrow IPC stream") from problem


def _messages(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Table, kind and place of the body of each message with records."""
    at = 0
    while at + 4 <= len(body):
        if body[at : at + 4] == _CONTINUES:
            at += 4
        (size,) = struct.unpack_from("<i", body, at)
        at += 4
        if size == 0:
            return
        if size < 8 or at + size > len(body):
            raise InputError("body: the Arrow IPC stream is cut off")
        root = at + struct.unpack_from("<I", body, at)[0]
        kind = _scalar(body, root, _HEADER_TYPE, "<B")
        length = _scalar(body, root, _BODY_LENGTH, "<q")
        at += size
        if not 0 <= length <= len(body) - at:
            raise InputError("body: the Arrow IPC stream is cut off")
        if kind in (_DICTIONARY, _RECORDS):
            yield root, kind, at
        at += length


def _unpacked_sizes(body: bytes, records: int, body_at: int) -> Iterator[int]:
    place = _field(body, records, _BUFFERS)
    if place is None:
        return
    packed = _field(body, records, _COMPRESSION) is not None
    vector = place + struct.unpack_from("<I", body, place)[0]
    (count,) = struct.unpack_from("<I", body, vector)
    for number in range(count):
        offset, length = struct.unpack_from("<qq", body, vector + 4 + 16 * number)
        if offset < 0 or length < 0:
            raise InputError("body: a buffer of the Arrow IPC stream has no size")
        if packed and length >= 8:
            (size,) = struct.unpack_from("<q", body, body_at + offset)
            yield length if size < 0 else size
        else:
            yield length


def _field(body: bytes, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table stands."""
    vtable = table - struct.unpack_from("<i", body, table)[0]
    (size,) = struct.unpack_from("<H", body, vtable)
    entry = 4 + 2 * number
    if entry >= size:
        return None
    (offset,) = struct.unpack_from("<H", body, vtable + entry)
    return table + offset if offset else None


def _scalar(body: bytes, table: int, number: int, form: str) -> int:
    place = _field(body, table, number)
    return 0 if place is None else int(struct.unpack_from(form, body, place)[0])


def _table(body: bytes, table: int, number: int) -> int:
    place = _field(body, table, number)
    if place is None:
        raise InputError("body: a message of the Arrow IPC stream is empty")
    return int(place + struct.unpack_from("<I", body, place)[0])
