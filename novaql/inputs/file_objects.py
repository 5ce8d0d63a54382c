"""Open files and bytes in memory, of any file format → a source, or batches of samples."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.inputs.batch_stream import BatchStream
from novaql.inputs.file_formats import format_of, read_file
from novaql.inputs.parquet.opening import source_of
from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.parquet.table import ParquetFileAt
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.tables.column_roles import BY_NAME, Columns
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    import pyarrow as pa
else:  # loaded at the first use
    pa = lazy_module("pyarrow")

_PARQUET_MAGIC = b"PAR1"


def file_object_source(data: Any, columns: Columns = BY_NAME) -> ParquetSource | None:
    """A source that reads Parquet as it needs it, and moves its position; None for other formats,
    and for files without positions. Raises `InputError`."""
    if not _is_parquet(data):
        return None
    if isinstance(data, io.BytesIO):
        whole: Any = pa.BufferReader(data.getvalue())
    else:
        whole = data if isinstance(data, pa.NativeFile) else pa.PythonFile(data, mode="r")
    return source_of([ParquetFileAt(_name_of(data), lambda: whole, {})], columns)


def read_file_object(data: Any, options: ReadOptions) -> BatchStream:
    """The samples from the current position on. The position does not change if the file can set
    it.

    The name of the file, or else its first bytes, determine the format. Raises `InputError`.
    """
    if (parquet := file_object_source(data, options.columns)) is not None:
        return parquet.stream()
    stream = BatchStream(iter(()), files=1)

    def batches() -> Iterator[Batch]:
        with _as_path(data) as path:
            try:
                yield from read_file(path, format_of(path), options, stream.metadata)
            except InputError as problem:
                raise InputError(str(problem).replace(str(path), _name_of(data))) from problem

    stream.batches = batches()
    return stream


def _is_parquet(data: Any) -> bool:
    with _failures(data):
        if isinstance(data, io.TextIOBase) or not _seekable(data):
            return False
        with _position_restored(data):
            data.seek(0)
            return bool(data.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC)


@contextmanager
def _as_path(data: Any) -> Iterator[Path]:
    """A copy of the file, which exists as long as it is read."""
    with tempfile.TemporaryDirectory(prefix="novaql-") as folder:
        path = Path(folder) / Path(_name_of(data)).name
        parquet = _is_parquet(data)
        with _failures(data), _position_restored(data), path.open("wb") as copy:
            if parquet:
                data.seek(0)
            if isinstance(data, io.TextIOBase):
                copy.write(data.read().encode())
            else:
                shutil.copyfileobj(data, copy)
        yield path


@contextmanager
def _failures(data: Any) -> Iterator[None]:
    """What a closed or broken file raises becomes `InputError`."""
    try:
        yield
    except (OSError, ValueError) as problem:
        raise InputError(f"{_name_of(data)}: {problem}") from problem


@contextmanager
def _position_restored(data: Any) -> Iterator[None]:
    before = data.tell() if _seekable(data) else None
    yield
    if before is not None:
        data.seek(before)


def _seekable(data: Any) -> bool:
    known = getattr(data, "seekable", None)
    return bool(known()) if callable(known) else hasattr(data, "seek")


def _name_of(data: Any) -> str:
    name = getattr(data, "name", None)
    return os.fspath(name) if isinstance(name, str | os.PathLike) and name else type(data).__name__
