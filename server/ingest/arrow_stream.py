"""Read untrusted Arrow IPC streams as batches.

Arrow does not check the sizes that a stream declares. So this module reads the headers of all
messages first, rejects declared sizes above the limit of a decompressed body, and validates every
record batch.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from novaql import InputError, LimitExceeded
from novaql.inputs import BY_NAME, ArrowReader, LabelLimits, Layout
from novaql.lazy_exports import lazy_module
from novaql.tsdb import Batch, Ints

if TYPE_CHECKING:
    import pyarrow as pa
else:  # heavy, and only such bodies need it
    pa = lazy_module("pyarrow")

_HEADER = 2
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = 0, 1, 2, 3
_DICTIONARY_DATA = 1
_TIME_BYTES = 8
_MOST_SCHEMA_BYTES = 2 << 20
_MOST_COLUMNS = 10_000
_CELLS = 256 << 10
_MOST_WAITING = 1024
_OFTEN = 1024
"""Messages that a reader processes before it yields to other bodies."""


def read_arrow_stream(
    body: bytes, limits: LabelLimits, *, most_bytes: int
) -> Iterator[Batch | None]:
    """Read batches of at most some hundred thousand cells; None: yield to other bodies.

    most_bytes  limit for the decompressed size of all buffers

    Raises `InputError`, `LimitExceeded`.
    """
    try:
        for _ in _check_unpacked_size(body, most_bytes):
            yield None
        with pa.ipc.open_stream(body) as stream:
            schema = stream.schema
            if len(schema) > _MOST_COLUMNS:
                raise LimitExceeded(f"the table has {len(schema)} columns, {_MOST_COLUMNS} is most")
            _need_flat_texts(schema)
            reader = ArrowReader.of_schema(schema, BY_NAME, "body")
            for part in _parts(stream, reader.layout, limits, most_bytes):
                if part is None:
                    yield None
                    continue
                batch = reader.read(part)
                limits.check_columns(batch.series)
                yield batch
    except (pa.ArrowException, OSError, ValueError, struct.error) as problem:
        if isinstance(problem, InputError):
            raise
        raise InputError(f"body: {problem}") from problem


def _parts(
    stream: pa.RecordBatchStreamReader, layout: Layout, limits: LabelLimits, most_bytes: int
) -> Iterator[pa.RecordBatch | None]:
    """Validated record batches of the columns that the layout uses: joins small ones, splits large
    ones."""
    waiting: list[pa.RecordBatch] = []
    rows = texts = 0
    for number, whole in enumerate(stream):
        whole.validate(full=True)
        part = whole.select(layout.used)
        texts += sum(_octets_of_views(column) for column in part.columns)
        if texts > most_bytes:
            raise LimitExceeded(f"the body is larger than {most_bytes} bytes when unpacked")
        if part.num_rows:
            waiting.append(part)
            rows += part.num_rows
        if rows >= _CELLS or len(waiting) >= _MOST_WAITING:
            yield from _cut(waiting, layout, limits)
            waiting, rows = [], 0
        elif number % _OFTEN == 0:
            yield None
    yield from _cut(waiting, layout, limits)


def _cut(
    parts: list[pa.RecordBatch], layout: Layout, limits: LabelLimits
) -> Iterator[pa.RecordBatch]:
    joined = parts
    if len(parts) > 1:
        joined = pa.Table.from_batches(parts).combine_chunks().to_batches()
    for part in joined:
        entries = max((_most_entries(column, limits) for column in part.columns), default=1)
        rows = max(1, _CELLS // max(entries, len(layout.values)))
        for at in range(0, part.num_rows, rows):
            yield part.slice(at, rows)


def _most_entries(column: pa.Array[Any], limits: LabelLimits) -> int:
    """Length of the longest list or map of a column; 1 for other types."""
    offsets = getattr(column, "offsets", None)
    if offsets is None or len(column) == 0:
        return 1
    most = int(np.diff(offsets.to_numpy(zero_copy_only=False)).max())
    if most > limits.labels:
        raise InputError(f"a series has {most} labels, the limit is {limits.labels}")
    return max(1, most)


def _octets_of_views(column: pa.Array[Any]) -> int:
    """Size of the texts of a view column without sharing: views can share the same bytes."""
    if not pa.types.is_string_view(column.type):
        return 0
    buffer = column.buffers()[1]
    if buffer is None:
        return 0
    views = np.frombuffer(memoryview(buffer), "<i4")[4 * column.offset :: 4]
    return int(views[: len(column)].astype(np.int64).sum())


def _need_flat_texts(schema: pa.Schema) -> None:
    """Raise `InputError` for types whose texts can share bytes: views inside other types, and
    dictionaries of dictionaries."""
    for name, kind in zip(schema.names, schema.types, strict=True):
        inside = [kind.field(at).type for at in range(kind.num_fields)]
        if isinstance(kind, pa.DictionaryType):
            inside.append(kind.value_type)
            if isinstance(kind.value_type, pa.DictionaryType):
                raise InputError(f"body: column {name}: {kind} cannot be read")
        while inside:
            one = inside.pop()
            if pa.types.is_string_view(one) or pa.types.is_binary_view(one):
                raise InputError(f"body: column {name}: {kind} cannot be read")
            inside += [one.field(at).type for at in range(one.num_fields)]


def _check_unpacked_size(body: bytes, most_bytes: int) -> Iterator[None]:
    total = rows = 0
    # Arrow verifies that a header is a valid flatbuffer, and that the body has all its bytes.
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(body)):
        header = message.metadata.to_pybytes()
        if message.type == "schema" and len(header) > _MOST_SCHEMA_BYTES:
            raise LimitExceeded(f"the schema has {len(header)} bytes, {_MOST_SCHEMA_BYTES} is most")
        if message.type not in ("dictionary", "record batch"):
            continue
        records = _table(header, struct.unpack_from("<I", header)[0], _HEADER)
        if message.type == "dictionary":
            records = _table(header, records, _DICTIONARY_DATA)
        else:
            rows += _length(header, records)
        nodes = _structs(header, records, _NODES)[::2]
        if (nodes < 0).any():
            raise InputError("body: an array of the Arrow IPC stream has no length")
        longest = max(_length(header, records), int(nodes.max(initial=0)))
        total += _unpacked_size(header, records, message.body)
        if total > most_bytes or max(rows, longest) * _TIME_BYTES > most_bytes:
            raise LimitExceeded(f"the body is larger than {most_bytes} bytes when unpacked")
        if number % _OFTEN == 0:
            yield


def _unpacked_size(header: bytes, records: int, body: pa.Buffer | None) -> int:
    buffers = _structs(header, records, _BUFFERS)
    if (buffers < 0).any():
        raise InputError("body: a buffer of the Arrow IPC stream has no size")
    if _field(header, records, _COMPRESSION) is None:
        return int(sum(buffers[1::2].tolist()))
    total = 0
    view = memoryview(body or b"")
    for offset, length in buffers.reshape(-1, 2).tolist():
        size = struct.unpack_from("<q", view, offset)[0] if length >= 8 else length
        total += length if size < 0 else size
    return total


def _structs(header: bytes, table: int, number: int) -> Ints:
    """A vector of structs with two numbers each."""
    place = _field(header, table, number)
    if place is None:
        return np.zeros(0, np.int64)
    vector = place + struct.unpack_from("<I", header, place)[0]
    (count,) = struct.unpack_from("<I", header, vector)
    return np.frombuffer(header, "<i8", 2 * count, vector + 4)


def _length(header: bytes, records: int) -> int:
    place = _field(header, records, _LENGTH)
    return 0 if place is None else int(struct.unpack_from("<q", header, place)[0])


def _field(body: bytes, table: int, number: int) -> int | None:
    """The offset of a field of a flatbuffer table; None: absent."""
    vtable = table - struct.unpack_from("<i", body, table)[0]
    (size,) = struct.unpack_from("<H", body, vtable)
    entry = 4 + 2 * number
    if entry >= size:
        return None
    (offset,) = struct.unpack_from("<H", body, vtable + entry)
    return table + offset if offset else None


def _table(body: bytes, table: int, number: int) -> int:
    place = _field(body, table, number)
    if place is None:
        raise InputError("body: a message of the Arrow IPC stream is empty")
    return int(place + struct.unpack_from("<I", body, place)[0])
