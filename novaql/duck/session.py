"""sql(): a statement of SQL over whatever can be queried."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from novaql.duck.problems import SqlNote, SqlProblem
from novaql.errors import ArgumentError
from novaql.inputs.resolve import as_source
from novaql.lazy_exports import lazy_module
from novaql.options import time_window
from novaql.timeparse import TimeLike
from novaql.tsdb.model.labels import METRIC_NAME
from novaql.tsdb.model.source import Source

if TYPE_CHECKING:
    import duckdb

    from novaql import opening
    from novaql.duck import dataset, promql_calls, tables, tokens
    from novaql.result import Result
else:  # they load pyarrow, duckdb and the evaluator
    opening = lazy_module("novaql.opening")
    dataset = lazy_module("novaql.duck.dataset")
    promql_calls = lazy_module("novaql.duck.promql_calls")
    tables = lazy_module("novaql.duck.tables")
    tokens = lazy_module("novaql.duck.tokens")

SAMPLES, SERIES, METRICS = "samples", "series", "metrics"
TABLES = (SAMPLES, SERIES, METRICS)
MOST_LISTED = 500
_CATALOGS = {"information_schema", "duckdb_tables", "duckdb_views", "sqlite_master", "pg_tables"}
_METRIC = re.compile(r"[^\W\d][\w:]*")
_RUN = "__novaql_run__"


def sql(
    statement: str,
    data: Any = None,
    *,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
) -> duckdb.DuckDBPyRelation | None:
    """Run SQL over metrics with DuckDB.

    statement   SQL of DuckDB. The tables are `samples` (time, value, a column for each label, with
                `__name__` for the metric), `series` (labels), `metrics` (name, type, help, unit),
                and one for each metric, with its name, such as `up` or `"job:up:sum"`. Other names
                are variables of the caller: frames, Arrow tables, results of `query`
    data        as for `query`
    params      values of `?` and `$1` in order, or of `$name` by name
    start, end  only samples between them; a condition on `time` has the same effect
    connection  a DuckDB connection whose own tables the statement also uses; the function creates
                the tables above in it as temporary tables (None: a new connection, in UTC)

    `FROM promql('sum by (job) (rate(x[5m]))', start := …, "end" := …, step := …)` is the result of
    a query over `data` as a table: `time`, `value`, a column for each label. Arguments are those of
    `query`, with the same defaults: `time`, or `start`, `end` and `step`, also `lookback` and
    `rollup`; each is a constant, such as `'-1h'` and `now() - INTERVAL 1 HOUR`, or a bound
    parameter. The query runs once, before the statement.

    DuckDB reads only the columns and series that the statement uses. Returns a lazy relation
    (`.fetchall()`, `.df()`, `.pl()`, `.to_arrow_table()`, `.show()`), or None if the statement is
    not a query. Staleness markers are rows with the value NaN: exclude them with
    `WHERE NOT isnan(value)`. `SHOW TABLES` lists 500 metrics at most. Warns (`SqlNote`) of what it
    leaves out, and of warnings and infos of `promql`.

    Raises `SqlProblem`, the errors that `query` raises for its data, and for `promql` those of
    `query`.
    """
    frame, depth = _caller()
    prepared = prepare(
        statement, data, params=params, start=start, end=end, connection=connection, frame=frame
    )
    for _, text in prepared.notes:
        warnings.warn(text, SqlNote, stacklevel=depth)
    return prepared.run()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that can run.

    connection  has the tables that the statement uses
    text        what DuckDB gets, with `params`
    variables   name → table, of results and of variables of the caller
    notes       (kind, text) of warnings and infos
    """

    connection: duckdb.DuckDBPyConnection
    text: str
    params: Any
    variables: Mapping[str, Any]
    notes: Sequence[tuple[str, str]]

    def run(self) -> duckdb.DuckDBPyRelation | None:
        """The answer, None if the statement is no query. Raises `SqlProblem`."""
        import duckdb  # noqa: PLC0415 - slow to load

        work = partial(self.connection.sql, self.text, params=self.params)
        try:
            # DuckDB looks up unknown tables in the frame that calls it: here, only `variables`.
            answer: duckdb.DuckDBPyRelation | None = eval(  # noqa: S307 - a constant
                f"{_RUN}()", {**self.variables, _RUN: work}
            )
        except duckdb.Error as problem:
            raise SqlProblem(str(problem)) from None
        return answer


def prepare(
    statement: str,
    data: Any = None,
    *,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    frame: FrameType | None = None,
) -> Prepared:
    """Create the tables that the statement uses, and evaluate its calls of `promql`; see `sql`.

    frame  where variables are looked up; None: nowhere
    """
    import duckdb  # noqa: PLC0415 - slow to load

    if not statement.strip():
        raise ArgumentError("statement", "is empty; pass a text of SQL")
    window = time_window(start, end)
    parts = tokens.tokens_of(statement)
    calls = promql_calls.calls_of(parts)
    words = {token.name for token in parts if token.name is not None}
    inside = {token for call in calls for token in call.tokens}
    texts = [t.text for t in parts if t.kind == "string_const" and t not in inside]
    if connection is None:
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
    opened_ms = time.time_ns() // 1_000_000
    source = as_source(data, now_ms=opened_ms)

    def result_of(text: str, **times: Any) -> Result:
        return opening.answer(text, source, *opening.timed(data, source, opened_ms, **times))

    # Strings may be SQL or names, as in `query_table('up')`.
    notes = _attach(connection, source, window, words.union(*map(_METRIC.findall, texts)))
    final = promql_calls.rewritten(statement, parts, calls, params, result_of, connection)
    variables = {} if frame is None else _variables(frame, words)
    for name, result in final.tables.items():
        variables[name] = result.arrow()
        notes += [("warning", text) for text in result.warnings]
        notes += [("info", text) for text in result.infos]
    return Prepared(connection, final.text, final.params, variables, notes)


def _caller() -> tuple[FrameType | None, int]:
    """The nearest frame outside of this package, and its distance from `sql`."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("novaql."):
        frame, depth = frame.f_back, depth + 1
    return frame, depth


def _variables(frame: FrameType, words: set[str]) -> dict[str, Any]:
    every = {**frame.f_globals, **frame.f_locals}
    return {name: every[name] for name in words & every.keys()}


def _attach(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    window: tuple[int, int],
    words: set[str],
) -> list[tuple[str, str]]:
    """Create the tables of a source, and of those of its metrics that the statement may use.

    Returns notes on what is left out.
    """
    samples: Any = dataset.SampleDataset(source, *window)
    connection.register(SAMPLES, samples)
    connection.register(SERIES, tables.series_table(samples))
    connection.register(METRICS, tables.metrics_table(source))
    known = set(source.label_values(METRIC_NAME, [], *window)) - set(TABLES)
    upper = {word.upper() for word in words}
    listed: set[str] = set()
    if {"SHOW", "TABLES"} <= upper or not _CATALOGS.isdisjoint(map(str.lower, words)):
        listed = set(sorted(known)[:MOST_LISTED])
    for name in sorted(words & known | listed):
        rows = f"FROM {SAMPLES} WHERE {METRIC_NAME} = {_text(name)}"
        what = f"SELECT * EXCLUDE ({METRIC_NAME}) {rows}"
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {_name(name)} AS {what}")
    if listed and len(listed) < len(known):
        where = f"{METRIC_NAME} of {SERIES} has all"
        return [("info", f"{len(listed)} of {len(known)} metrics are listed; {where}")]
    return []


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
