"""Parquet files, read by row groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress
from novaql.inputs.tables.arrow_table import read_arrow
from novaql.inputs.tables.column_roles import Columns, find_layout
from novaql.inputs.tables.table_metadata import metadata_of
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.source import Metadata

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    pq = lazy_module("pyarrow.parquet")


def read_parquet(
    path: Path, columns: Columns, progress: Progress, metadata: dict[str, Metadata]
) -> Iterator[Batch]:
    """Batches of samples, in long or wide form; fills `metadata`. Raises `InputError`."""
    file = open_parquet(path)
    schema = file.schema_arrow
    metadata.update(metadata_of(schema, str(path)))
    wanted = find_layout(schema, columns, str(path)).used
    return read_arrow(row_groups(file, path, wanted, progress), schema, columns, str(path))


def open_parquet(path: Path) -> pq.ParquetFile:
    """Raises `InputError` if the file is missing or is no Parquet."""
    try:
        # Texts are read as dictionaries, as labels are stored.
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        return pq.ParquetFile(path, read_dictionary=texts)
    except (pa.ArrowException, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: this is no readable Parquet file: {problem}") from problem
    except (FileNotFoundError, PermissionError) as problem:
        raise InputError(f"{path}: {problem.strerror}") from problem
    except OSError as problem:  # for some kinds of damage
        raise InputError(f"{path}: this is no readable Parquet file: {problem}") from problem


def row_groups(
    file: pq.ParquetFile, path: Path, columns: list[str], progress: Progress
) -> Iterator[pa.RecordBatch]:
    """Record batches of these columns. Raises `InputError` with the row group that is damaged."""
    metadata = file.metadata
    sizes = [metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)]
    done = 0
    for number, size in enumerate(sizes):
        try:
            table = file.read_row_group(number, columns=columns)
        except (pa.ArrowException, OSError) as problem:
            raise InputError(f"{path}: row group {number} is damaged: {problem}") from problem
        yield from table.combine_chunks().to_batches()
        done += size
        progress(done, sum(sizes))
