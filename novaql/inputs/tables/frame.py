"""`frame`: a table of which the caller names the columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novaql.errors import InputError
from novaql.inputs.addresses import is_path, is_remote_parquet
from novaql.inputs.open_any import open_stream
from novaql.inputs.opened import large_source
from novaql.inputs.parquet import remote
from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.tables.column_roles import Columns
from novaql.inputs.tables.table_source import TableSource

if TYPE_CHECKING:
    from novaql.inputs.tables.arrow_time import TimeUnit

TIME_UNITS = ("s", "ms", "us", "ns")


def frame(
    data: Any,
    *,
    time: str | None = None,
    value: str | Sequence[str] | None = None,
    labels: str | Sequence[str] | None = None,
    name: str | None = None,
    time_unit: TimeUnit | None = None,
) -> TableSource | ParquetSource:
    """Read a table whose columns have other names than `query` expects, or is queried repeatedly.

    data       a frame, an Arrow table, a DuckDB relation, the path of a Parquet or CSV file, or an
               address of Parquet files; large Parquet files are read as queries need them
    time       the column of times
    value      the column of values; or several, each of which is a metric
    labels     the column that is a label, or several, if not all others are
    name       the column with the metric name; or the name itself
    time_unit  "s", "ms", "us" or "ns" for numeric times

    >>> query("avg by (room) (temperature)", frame(df, value="celsius", name="temperature"))

    The function detects missing arguments by name and type, like `query`. Raises `InputError`.
    """
    if isinstance(labels, str):
        labels = [labels]
    if time_unit not in (None, *TIME_UNITS):
        *others, last = map(repr, TIME_UNITS)
        raise InputError(f"time_unit: is {', '.join(others)} or {last}, not {time_unit!r}")
    columns = Columns(time, value, labels, name, time_unit)
    if is_remote_parquet(data):
        return remote.remote_source(data, columns)
    if is_path(data) and (large := large_source([Path(data)], columns)) is not None:
        return large
    return open_stream(data, ReadOptions(columns)).collect()
