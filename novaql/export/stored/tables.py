"""Record batches as files: Parquet and Arrow streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from novaql.export.columns import METADATA_KEY, TIME
from novaql.export.stored.samples import StoredSamples
from novaql.export.stored.wide import WideForm
from novaql.tsdb.model.source import Metadata

__all__ = ["StoredSamples", "WideForm", "write_table"]


def write_table(
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    out: BinaryIO,
    *,
    parquet: bool,
    metadata: Mapping[str, Metadata],
) -> int:
    """Write all batches, and the metadata of their metrics; return the number of rows."""
    if metadata:
        facts = {name: [one.type, one.help, one.unit] for name, one in metadata.items()}
        schema = schema.with_metadata({METADATA_KEY: orjson.dumps(facts)})
    sink: Any = out  # any Python file works; the type stubs are narrower
    if not parquet:
        with pa.ipc.new_stream(sink, schema) as stream:
            return sum(_written(stream.write_batch, batch) for batch in batches)
    # Neighbours in time and value are alike: differences of times, and the bytes of floats sorted
    # by significance, pack much better than plain numbers. Current readers support both.
    floats = [field.name for field in schema if pa.types.is_float64(field.type)]
    texts: Any = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    encodings = {TIME: "DELTA_BINARY_PACKED", **dict.fromkeys(floats, "BYTE_STREAM_SPLIT")}
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=texts, column_encoding=encodings
    ) as writer:
        return sum(_written(writer.write_batch, batch) for batch in batches)


def _written(write: Any, batch: pa.RecordBatch) -> int:
    write(batch)
    return batch.num_rows
