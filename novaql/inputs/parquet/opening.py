"""Parquet files, wherever they are → a source."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.parquet.table import ParquetFileAt, ParquetTable
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.inputs.tables.partitions import partition_of


def source_of(places: Sequence[ParquetFileAt], columns: Columns = BY_NAME) -> ParquetSource | None:
    """A source of files; None if they have native histograms, which are read as a whole. Opens the
    first one only. Raises `InputError`."""
    tables = [ParquetTable(place, columns) for place in places]
    return None if tables[0].layout.native is not None else ParquetSource(tables)


def local_source(paths: Sequence[Path], columns: Columns = BY_NAME) -> ParquetSource | None:
    """`source_of` for files of this machine."""
    return source_of([_local(path) for path in paths], columns)


def _local(path: Path) -> ParquetFileAt:
    place = path.absolute()
    return ParquetFileAt(
        str(path), lambda: str(place), partition_of(path), state=partial(_state, place)
    )


def _state(path: Path) -> object:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino
