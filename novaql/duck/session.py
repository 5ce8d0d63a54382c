"""sql(): a statement of SQL over whatever can be queried."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from novaql.errors import ArgumentError, NovaqlError
from novaql.inputs.resolve import as_source
from novaql.lazy_exports import lazy_module
from novaql.options import time_window
from novaql.timeparse import TimeLike
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.source import Source

if TYPE_CHECKING:
    import duckdb

    from novaql.duck import dataset, tables
else:
    dataset = lazy_module("novaql.duck.dataset")  # both load pyarrow
    tables = lazy_module("novaql.duck.tables")

_QUOTED = re.compile(r'"(?:[^"]|"")+"')
_PLAIN = re.compile(r"[^\W\d]\w*")
SAMPLES, SERIES, METRICS = "samples", "series", "metrics"
TABLES = (SAMPLES, SERIES, METRICS)


class SqlProblem(NovaqlError):
    """DuckDB rejected a statement. The message is DuckDB's."""


def sql(
    statement: str,
    data: Any = None,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyRelation | None:
    """Run SQL over metrics with DuckDB.

    statement   SQL of DuckDB. The tables are `samples` (time, value, a column for each label, with
                `__name__` for the metric), `series` (labels), `metrics` (name, type, help, unit),
                and one for each metric, with its name, such as `up` or `"job:up:sum"`
    data        as for `query`
    start, end  only samples between them; a condition on `time` has the same effect
    connection  a DuckDB connection whose own tables the statement also uses; the function creates
                the tables above in it as temporary tables (None: a new connection, in UTC)

    DuckDB reads only the columns and series that the statement uses. Returns a lazy relation
    (`.fetchall()`, `.df()`, `.pl()`, `.to_arrow_table()`, `.show()`), or None if the statement is
    not a query. Staleness markers are rows with the value NaN: exclude them with
    `WHERE NOT isnan(value)`.

    Raises `SqlProblem`, and the errors that `query` raises for its data.
    """
    return run(attached(statement, data, start=start, end=end, connection=connection), statement)


def attached(
    statement: str,
    data: Any = None,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables that the statement uses; see `sql`."""
    import duckdb  # noqa: PLC0415 - slow to load

    if not statement.strip():
        raise ArgumentError("statement", "is empty; give a text of SQL")
    window = time_window(start, end)
    if connection is None:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
    _attach(connection, as_source(data), window, _words(statement))
    return connection


def run(connection: duckdb.DuckDBPyConnection, statement: str) -> duckdb.DuckDBPyRelation | None:
    """The answer to a statement, None if it is no query. Raises `SqlProblem`."""
    import duckdb  # noqa: PLC0415 - slow to load

    try:
        return connection.sql(statement)
    except duckdb.Error as problem:
        raise SqlProblem(str(problem)) from None


def _attach(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    window: tuple[int, int],
    words: set[str],
) -> None:
    """Create the tables of a source, and of those of its metrics that the statement may use."""
    samples: Any = dataset.SampleDataset(source, *window)
    connection.register(SAMPLES, samples)
    connection.register(SERIES, tables.series_table(samples))
    connection.register(METRICS, tables.metrics_table(source))
    known = set(source.label_values(METRIC_NAME, [], *window))
    for name in sorted(words & known - set(TABLES)):
        rows = f"FROM {SAMPLES} WHERE {METRIC_NAME} = {_text(name)}"
        what = f"SELECT * EXCLUDE ({METRIC_NAME}) {rows}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {_name(name)} AS {what}")


def _words(statement: str) -> set[str]:
    """Everything that could be the name of a table."""
    quoted = (text[1:-1].replace('""', '"') for text in _QUOTED.findall(statement))
    return {*quoted, *_PLAIN.findall(statement)}


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
