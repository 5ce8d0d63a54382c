"""JSON lines with one row of a table in each, as pandas, polars and DuckDB write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from novaql.errors import InputError
from novaql.inputs.batch_stream import Progress
from novaql.inputs.compression import first_lines, open_plain
from novaql.inputs.tables.arrow_table import read_arrow
from novaql.inputs.tables.column_roles import Columns, later_numbers
from novaql.inputs.text.json_lines import SAMPLE_KEYS
from novaql.lazy_exports import lazy_module
from novaql.tsdb.model.samples import Batch

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.json as pajson
else:  # loaded at the first use
    pa = lazy_module("pyarrow")
    pajson = lazy_module("pyarrow.json")

_BLOCK = 16 << 20
_LONGEST_LINE = 1 << 20


def has_rows(path: Path) -> bool:
    """Whether the first line of a file is a row of a table, and not a line of samples.

    Raises `InputError` for an answer of Prometheus's API.
    """
    with open_plain(path) as file:
        first = file.readline(_LONGEST_LINE)
    try:
        found = orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    if not isinstance(found, dict):
        return False
    if "resultType" in found or found.get("status") in ("success", "error"):
        raise InputError(
            f"{path}: is an answer of Prometheus's API, which is not read from a file; name the "
            "address of the server, or write the answer as .csv or .parquet"
        )
    return bool(found.keys() - SAMPLE_KEYS) or isinstance(found.get("metric"), str)


def read_json_rows(path: Path, columns: Columns, progress: Progress) -> Iterator[Batch]:
    """Batches of samples, in long or wide form. null is no sample. Raises `InputError`."""

    def opened(file: Any, known: pa.Schema | None = None) -> pa.RecordBatchReader:
        options = pajson.ParseOptions(explicit_schema=known)
        return pajson.open_json(file, pajson.ReadOptions(block_size=_BLOCK), options)

    try:
        known = None
        if (first := first_lines(path, _BLOCK)) is not None:
            schema = opened(pa.BufferReader(first)).schema
            known = pa.schema(list(later_numbers(schema, columns, str(path)).items()))
        with open_plain(path, progress) as file:
            reader = opened(file, known)
            yield from read_arrow(reader, reader.schema, columns, str(path))
    except pa.ArrowInvalid as problem:
        raise InputError(f"{path}: {problem}") from problem
