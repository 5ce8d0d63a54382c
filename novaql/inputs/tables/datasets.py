"""Datasets, scanners and opened files of pyarrow → a source, or batches of samples."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream
from novaql.inputs.parquet.opening import source_of
from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.parquet.table import ParquetFileAt
from novaql.inputs.tables.arrow_table import ROWS_AT_ONCE, read_arrow
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.frames import read_frame, readable
from novaql.lazy_exports import lazy_module

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    ds = lazy_module("pyarrow.dataset")
    pq = lazy_module("pyarrow.parquet")


def dataset_source(data: Any) -> ParquetSource | None:
    """A source that reads the files of a dataset as it needs them; None if some are no Parquet, or
    if the dataset has a filter. Columns of the partitioning are labels. Raises `InputError`."""
    if not isinstance(data, ds.Dataset):
        return None
    try:
        fragments = list(data.get_fragments())
    except ValueError:  # pyarrow hides the fragments of a filtered dataset
        return None
    files = [one for one in fragments if isinstance(one, ds.ParquetFileFragment)]
    if not files or len(files) < len(fragments):
        return None
    return source_of([_place_of(fragment) for fragment in files])


def read_dataset(data: Any, columns: Columns = BY_NAME) -> BatchStream:
    """All rows of a dataset or scanner. Raises `InputError`."""
    what = f"pyarrow {type(data).__name__}"
    scanner = data if isinstance(data, ds.Scanner) else data.scanner()
    return read_frame(scanner.to_reader(), columns, what)


def read_table_file(data: Any, columns: Columns = BY_NAME) -> BatchStream:
    """All rows of a file that pyarrow has opened, some at a time. Raises `InputError`."""
    what = f"pyarrow {type(data).__name__}"
    try:
        if isinstance(data, pq.ParquetDataset):
            return read_frame(data.read(), columns, what)
        if isinstance(data, pq.ParquetFile):
            schema, parts = data.schema_arrow, data.iter_batches(ROWS_AT_ONCE)
        else:
            schema, parts = data.schema, _batches_of(data)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{what}: {problem}") from problem
    return BatchStream(read_arrow(readable(parts, what), schema, columns, what))


def _batches_of(file: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    for number in range(file.num_record_batches):
        batch = file.get_batch(number)
        batch.validate(full=True)  # a damaged offset may point outside of the file
        yield batch


def _place_of(fragment: ds.ParquetFileFragment) -> ParquetFileAt:
    keys = ds.get_partition_keys(fragment.partition_expression)
    return ParquetFileAt(
        fragment.path,
        fragment.open,
        {label: _text(value) for label, value in keys.items()},
        groups=partial(_groups_of, fragment),
    )


def _groups_of(fragment: ds.ParquetFileFragment) -> list[int]:
    return [group.id for group in fragment.row_groups]


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
