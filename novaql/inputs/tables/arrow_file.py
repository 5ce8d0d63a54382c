"""Arrow IPC files and streams, read by record batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress
from novaql.inputs.compression import open_plain
from novaql.inputs.tables.arrow_table import read_arrow
from novaql.inputs.tables.column_roles import Columns
from novaql.inputs.tables.table_metadata import metadata_of
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

FILE_MAGIC = b"ARROW1\0\0"
STREAM_MAGIC = b"\xff\xff\xff\xff"


def read_arrow_file(
    path: Path, columns: Columns, progress: Progress, metadata: dict[str, Metadata]
) -> Iterator[Batch]:
    """Batches of samples, in long or wide form; fills `metadata`. Raises `InputError`."""
    try:
        with open_plain(path, progress) as file:
            head = file.read(len(FILE_MAGIC))
            if head == FILE_MAGIC:
                with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as whole:
                    parts = _sound(whole.get_batch(n) for n in range(whole.num_record_batches))
                    metadata.update(metadata_of(whole.schema, str(path)))
                    yield from read_arrow(parts, whole.schema, columns, str(path))
                return
        with open_plain(path, progress) as file, pa.ipc.open_stream(cast(Any, file)) as stream:
            metadata.update(metadata_of(stream.schema, str(path)))
            yield from read_arrow(_sound(stream), stream.schema, columns, str(path))
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as problem:
        raise InputError(f"{path}: this is no readable Arrow file: {problem}") from problem


def _sound(parts: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        part.validate(full=True)  # a damaged offset may point outside of the file
        yield part
