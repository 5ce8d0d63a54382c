"""CSV in long or wide form, read in blocks by Arrow."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress
from novaql.inputs.compression import first_lines, open_plain
from novaql.inputs.tables.arrow_table import read_arrow
from novaql.inputs.tables.column_roles import (
    NAME_NAMES,
    TIME_NAMES,
    VALUE_NAMES,
    Columns,
    find_layout,
    later_numbers,
)
from novaql.lazy_exports import lazy_module
from novaql.model.sample_notation import parse_float
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv as pacsv
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    pacsv = lazy_module("pyarrow.csv")

_BLOCK = 16 << 20
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")


def read_csv(path: Path, columns: Columns, progress: Progress) -> Iterator[Batch]:
    """Batches of samples. An empty field is no sample, NaN is a value. Raises `InputError`.

    In long form every column but time and value is text as it is written: le="0.50" stays "0.50".
    In wide form columns of numbers are metrics. Commas, semicolons or tabs separate fields. The
    first line names the columns, blanks around a name do not count.
    """
    header, delimiter = _header(path)
    types = _types([name.strip() for name in header], columns)

    def opened(file: Any) -> pa.RecordBatchReader:
        return pacsv.open_csv(
            file,
            pacsv.ReadOptions(block_size=_BLOCK),
            pacsv.ParseOptions(delimiter=delimiter),
            pacsv.ConvertOptions(
                column_types={n: types[n.strip()] for n in header if n.strip() in types},
                null_values=["", "null", "NULL"],
            ),
        )

    try:
        if (first := first_lines(path, _BLOCK)) is not None:
            schema = _stripped(opened(pa.BufferReader(first)).schema)
            _need_names(schema, columns, str(path))
            types |= later_numbers(schema, columns, str(path))
        with open_plain(path, progress) as file:
            reader = opened(file)
            schema = _stripped(reader.schema)
            _need_names(schema, columns, str(path))
            parts = (part.rename_columns(schema.names) for part in reader)
            yield from read_arrow(parts, schema, columns, str(path))
    except pa.ArrowInvalid as problem:
        raise InputError(f"{path}: {problem}") from problem


def _stripped(schema: pa.Schema) -> pa.Schema:
    """A schema without blanks around the names."""
    return pa.schema([(field.name.strip(), field.type) for field in schema])


def _header(path: Path) -> tuple[list[str], str]:
    with open_plain(path) as file:
        first = file.readline(1 << 20)
    try:
        line = first.decode("utf-8-sig").rstrip("\r\n")
        if not line:
            raise InputError(f"{path}: the first line is empty; it must name the columns")
        delimiter = max(",;\t", key=line.count)
        return next(csv.reader([line], delimiter=delimiter)), delimiter
    except UnicodeDecodeError:
        reason = "the first line is not UTF-8: no CSV file, or one in another encoding"
        raise InputError(f"{path}: {reason}") from None
    except csv.Error as problem:
        raise InputError(f"{path}: the first line does not name columns: {problem}") from problem


def _need_names(schema: pa.Schema, columns: Columns, what: str) -> None:
    """Raises `InputError` for a table whose first line has values instead of names.

    A time is no name. A number is one, as in wide tables of numbered columns, if there is a column
    of times.
    """
    try:
        wrong = [name for name in find_layout(schema, columns, what).used if _TIME.fullmatch(name)]
    except InputError:
        wrong = [n for n in schema.names if _TIME.fullmatch(n) or parse_float(n) is not None]
        if not wrong or any(_sounds_like_time(name) for name in schema.names):
            raise
    if wrong:
        kind = "a time" if _TIME.fullmatch(wrong[0]) else "a number"
        raise InputError(
            f"{what}: the first line must name the columns, and {wrong[0]!r} is {kind}"
        )


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
