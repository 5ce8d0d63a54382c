"""CSV in long or wide form, read in blocks by Arrow."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress
from novaql.inputs.compression import open_plain
from novaql.inputs.tables.arrow_table import read_arrow
from novaql.inputs.tables.column_roles import NAME_NAMES, TIME_NAMES, VALUE_NAMES, Columns
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pacsv
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    pacsv = lazy_module("pyarrow.csv")

_BLOCK = 16 << 20


def read_csv(path: Path, columns: Columns, progress: Progress) -> Iterator[Batch]:
    """Batches of samples. An empty field is no sample, NaN is a value. Raises `InputError`.

    In long form every column but time and value is text as it is written: le="0.50" stays "0.50".
    In wide form columns of numbers are metrics. Commas, semicolons or tabs separate fields.
    """
    header, delimiter = _header(path)
    with open_plain(path, progress) as file:
        try:
            reader = pacsv.open_csv(
                file,
                pacsv.ReadOptions(block_size=_BLOCK),
                pacsv.ParseOptions(delimiter=delimiter),
                pacsv.ConvertOptions(
                    column_types=_types(header, columns),
                    null_values=["", "null", "NULL"],
                ),
            )
            yield from read_arrow(reader, reader.schema, columns, str(path))
        except pa.ArrowInvalid as problem:
            raise InputError(f"{path}: {problem}") from problem


def _header(path: Path) -> tuple[list[str], str]:
    with open_plain(path) as file:
        first = file.readline(1 << 20)
    try:
        line = first.decode("utf-8-sig").rstrip("\r\n")
        if not line:
            raise InputError(f"{path}: the first line is empty; it must name the columns")
        delimiter = max(",;\t", key=line.count)
        return next(csv.reader([line], delimiter=delimiter)), delimiter
    except (UnicodeDecodeError, csv.Error) as problem:
        raise InputError(f"{path}: the first line does not name columns: {problem}") from problem


def _types(header: list[str], columns: Columns) -> dict[str, pa.DataType]:
    """Types that Arrow must not infer from the first block of a long-form file."""
    text = pa.string()
    types: dict[str, pa.DataType] = dict.fromkeys(columns.labels or (), text)
    if columns.name is not None and columns.name in header:
        types[columns.name] = text
    types |= {name: text for name in header if name.lower() in NAME_NAMES}
    if isinstance(columns.value, str):
        value = columns.value
    elif columns.value is None:
        by_name = {name.lower(): name for name in header}
        value = next((by_name[v] for v in VALUE_NAMES if v in by_name), "")
    else:
        value = ""
    if not value:
        return types
    times = {columns.time} if columns.time else {n for n in header if _sounds_like_time(n)}
    types |= {name: text for name in header if name != value and name not in times}
    return {**types, value: pa.float64()}


def _sounds_like_time(name: str) -> bool:
    lowered = name.lower()
    stem = lowered.removesuffix("_ms").removesuffix("_us").removesuffix("_ns").removesuffix("_s")
    return lowered in TIME_NAMES or stem in TIME_NAMES
