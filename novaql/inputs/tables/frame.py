"""`frame`: a table of which the caller names the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from novaql.inputs.open_any import open_stream
from novaql.inputs.read_options import ReadOptions
from novaql.inputs.tables.column_roles import Columns
from novaql.inputs.tables.table_source import TableSource

if TYPE_CHECKING:
    from novaql.inputs.tables.arrow_time import TimeUnit


def frame(
    data: Any,
    *,
    time: str | None = None,
    value: str | Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    name: str | None = None,
    time_unit: TimeUnit | None = None,
) -> TableSource:
    """Read a table whose columns have other names than `query` expects.

    data       a frame, an Arrow table, a DuckDB relation, or the path of a Parquet or CSV file
    time       the column of times
    value      the column of values; or several, each of which is a metric
    labels     the columns that are labels, if not all others are
    name       the column with the metric name; or the name itself
    time_unit  "s", "ms", "us" or "ns" for numeric times

    >>> query("avg by (room) (temperature)", frame(df, value="celsius", name="temperature"))

    The function detects missing arguments by name and type, like `query`. Raises `InputError`.
    """
    columns = Columns(time, value, labels, name, time_unit)
    return open_stream(data, ReadOptions(columns)).collect()
