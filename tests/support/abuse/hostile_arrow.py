"""Arrow IPC streams that are small on the wire and large in memory, on purpose."""

from __future__ import annotations

import gzip
import io
import os
import struct
from typing import Any

import numpy as np
import pyarrow as pa

MB = 1 << 20
FULL = int(os.environ.get("NOVAQL_HOSTILE_MB", "2")) * MB
"""The limit of a decompressed body: 2 MiB, so that the tests are quick."""


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, 6)


def stream(table: pa.Table, batches: int = 1, **options: Any) -> bytes:
    out = io.BytesIO()
    chosen = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(out, table.schema, options=chosen) as writer:
        for _ in range(batches):
            for batch in table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]:
                writer.write_batch(batch)
    return out.getvalue()


def many_empty_batches() -> bytes:
    table = pa.table(
        {"time": pa.array([], pa.timestamp("ms")), "value": pa.array([], pa.float64())}
    )
    one, two = stream(table), stream(table, 2)
    batch = two[len(one) - 8 : len(two) - 8]
    return zipped(one[:-8] + batch * ((FULL - len(one)) // len(batch)))


def compressed_buffers() -> bytes:
    rows = FULL // 8
    zeros = pa.table(
        {"time": pa.array(np.zeros(rows, "M8[ms]")), "value": pa.array(np.zeros(rows))}
    )
    return stream(zeros, compression="zstd")


def nothing_but_rows(batches: int) -> bytes:
    none = pa.Array.from_buffers(pa.null(), FULL // 8, [None])
    return stream(pa.table({"time": none, "value": none}), batches)


def one_text_many_rows() -> bytes:
    """Rows whose label is a large text that is in the body once."""
    rows = 1 * MB
    texts = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int8), pa.array(["x" * 60_000]))
    table = pa.table(
        {
            "time": pa.array(np.zeros(rows, "M8[ms]")),
            "value": texts,
            "job": texts,
        }
    )
    return stream(table, compression="zstd")


def views() -> bytes:
    rows = 1 * MB
    view = struct.pack("<i4sii", 60_000, b"xxxx", 0, 0)
    texts = pa.Array.from_buffers(
        pa.string_view(), rows, [None, pa.py_buffer(view * rows), pa.py_buffer(b"x" * 60_000)]
    )
    table = pa.table(
        {
            "time": pa.array(np.zeros(rows, "M8[ms]")),
            "value": pa.array(np.zeros(rows)),
            "job": texts,
        }
    )
    return stream(table, compression="zstd")


def run_ends() -> bytes:
    rows = 512 * MB
    ends = pa.array([rows], pa.int32())
    label: Any = pa.RunEndEncodedArray.from_arrays(ends, pa.array(["x"]))
    value: Any = pa.RunEndEncodedArray.from_arrays(ends, pa.array([1.0]))
    time: Any = pa.RunEndEncodedArray.from_arrays(ends, pa.array([0], pa.timestamp("ms")))
    return stream(pa.table({"time": time, "value": value, "job": label}))


def deep_types() -> bytes:
    kind: pa.DataType = pa.float64()
    for _ in range(60):
        kind = pa.struct([("x", kind), ("y", pa.float64())])
    return stream(pa.table({"time": pa.array([], pa.timestamp("ms")), "value": pa.array([], kind)}))


def many_columns() -> bytes:
    table = pa.table({f"c{n}": pa.array([], pa.float64()) for n in range(100_000)})
    return zipped(stream(table))


def wide_rows() -> bytes:
    """Rows with many columns and distinct label sets: the number of series is the product of
    both."""
    rows, columns = 4096, 1024
    table: dict[str, Any] = {
        "time": pa.array(np.zeros(rows, "M8[ms]")),
        "job": pa.array([f"j{n}" for n in range(rows)]),
    }
    table |= {f"c{n}": pa.array(np.zeros(rows)) for n in range(columns)}
    return stream(pa.table(table), compression="zstd")
