"""Record batches of a column of times and a matrix of floats, as messages of Arrow's IPC format.

Arrow's own writer takes a batch as an array for each column. To make ten thousand arrays of a
hundred cells takes longer than to write them, and a kilobyte of memory for each, while columns of
one length are described by arithmetic.

The metadata of a message is a flatbuffer of the tables `Message` and `RecordBatch` (`Message.fbs`
of the format, version 5). Here it has its parts at these bytes:

    0   where Message is        40  vtable of RecordBatch      80  a FieldNode for each column:
    4   vtable of Message       56  RecordBatch                    its length, its nulls
    16  Message                 76  number of FieldNodes       …   number of Buffers, and two for
                                                                   each column: place in the body,
                                                                   bytes
"""

from __future__ import annotations

import struct

import numpy as np

from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.buffer_pool import BUFFERS

_HEAD = struct.Struct("<ii I6H iHBxqI4x 5H6x iIqII")
_MESSAGE_FIELDS = 12, 24, 4, 6, 16, 8  # bytes of the vtable and the table; where each field is
_BATCH_FIELDS = 10, 20, 8, 4, 16
_VERSION_5, _RECORD_BATCH = 4, 3
_NODES_AT = 80


def wide_message(times_ms: Ints, values: Floats, valid: Bools | None) -> tuple[bytes, memoryview]:
    """Return metadata and body of a batch of a column of times, and one of each row of `values`.

    values, valid  [S, T]; not valid is null
    """
    rows, count = values.shape
    bitmap = 0 if valid is None else -(-count // 64)  # in words, as everything in the body
    width = bitmap + count
    nodes = np.zeros((rows + 1, 2), np.int64)
    nodes[:, 0] = count
    if valid is not None:
        nodes[1:, 1] = count - np.count_nonzero(valid, axis=1)
    buffers = np.zeros((rows + 1, 2, 2), np.int64)
    buffers[1:, 0, 0] = count + width * np.arange(rows)
    buffers[1:, 0, 1] = bitmap
    buffers[1:, 1, 0] = buffers[1:, 0, 0] + bitmap
    buffers[:, 1, 1] = count
    body = BUFFERS.ints(count + rows * width)
    body[:count] = times_ms
    _fill(body[count:].reshape(rows, width), values, valid)
    return _metadata(nodes, 8 * buffers, count, body.nbytes), body.view(np.uint8).data


def _metadata(nodes: Ints, buffers: Ints, count: int, body: int) -> bytes:
    columns = len(nodes)
    buffers_at = _NODES_AT + nodes.nbytes + 8
    head = _HEAD.pack(
        -1, buffers_at + buffers.nbytes,
        16, *_MESSAGE_FIELDS,
        12, _VERSION_5, _RECORD_BATCH, body, 24,
        *_BATCH_FIELDS,
        16, 16, count, buffers_at - 4 - 72, columns,
    )  # fmt: skip
    number = struct.pack("<4xI", 2 * columns)
    return b"".join([head, nodes.tobytes(), number, buffers.tobytes()])


def _fill(cells: Ints, values: Floats, valid: Bools | None) -> None:
    """The bitmap and the values of each column, one beside the other."""
    bitmap = cells.shape[1] - values.shape[1]
    cells[:, bitmap:] = values.view(np.int64)
    if valid is not None:
        cells[:, :bitmap] = 0
        packed = np.packbits(valid, axis=1, bitorder="little")
        cells.view(np.uint8)[:, : packed.shape[1]] = packed
