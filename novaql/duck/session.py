"""sql(): a statement of SQL over any data that can be queried."""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from novaql.duck.problems import SqlNote, SqlProblem
from novaql.errors import ArgumentError, StorageUnavailable
from novaql.fast_dataclass import dataclass
from novaql.inputs.resolve import as_source
from novaql.lazy_exports import lazy_module
from novaql.options import time_window
from novaql.timeparse import TimeLike
from novaql.tsdb.errors import StoreError

if TYPE_CHECKING:
    import duckdb

    from novaql import opening
    from novaql.duck import explained, metric_tables, places, promql_calls, tokens
    from novaql.result import Result
else:  # they load pyarrow, duckdb and the evaluator
    opening = lazy_module("novaql.opening")
    explained = lazy_module("novaql.duck.explained")
    metric_tables = lazy_module("novaql.duck.metric_tables")
    places = lazy_module("novaql.duck.places")
    promql_calls = lazy_module("novaql.duck.promql_calls")
    tokens = lazy_module("novaql.duck.tokens")

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
                and one for each metric, with its name, such as `up` or `"job:up:sum"`. Exact
                spelling comes before names that differ in case. Other names are variables of the
                caller: frames, Arrow tables, results of `query`
    data        as for `query`
    params      values of `?` and `$1` in order, or of `$name` by name
    start, end  only samples between them; a condition on `time` has the same effect
    connection  a DuckDB connection whose own tables and views the statement also uses; they come
                before the tables above, of which nothing stays in the connection (None: a new
                connection, in UTC)

    `FROM promql('sum by (job) (rate(x[5m]))', start := …, "end" := …, step := …)` is the result of
    a query over `data` as a table: `time`, `value`, a column for each label. Arguments are those of
    `query`, with the same defaults: `time`, or `start`, `end` and `step`, also `lookback` and
    `rollup`; each is a constant, such as `'-1h'` and `now() - INTERVAL 1 HOUR`, or a bound
    parameter. The query runs once, before the statement.

    DuckDB reads only the columns and series that the statement uses. Returns a lazy relation
    (`.fetchall()`, `.df()`, `.pl()`, `.to_arrow_table()`, `.show()`), or None if the statement is
    not a query. A view or macro cannot use the tables above or `promql`; CREATE TABLE … AS copies
    their rows. Staleness markers are rows with the value NaN: exclude them with
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
    """A text of statements that can run.

    connection  runs them
    pieces      what DuckDB gets, one after the other, the last with `params`
    variables   name → variable of the caller
    tables      name → table of the source, or result of `promql`
    views       name → table that the catalog has while statements run
    names       of all tables of the source
    notes       (kind, text) of warnings and infos
    """

    connection: duckdb.DuckDBPyConnection
    pieces: Sequence[places.Piece]
    params: Any
    variables: Mapping[str, Any]
    tables: Mapping[str, Any]
    views: Mapping[str, Any]
    names: Sequence[str]
    notes: Sequence[tuple[str, str]]

    def run(self) -> duckdb.DuckDBPyRelation | None:
        """The last answer, None if that statement is no query. Raises `SqlProblem`."""
        *before, last = self.pieces
        for piece in before:
            self._answer(piece, None, lazy=False)
        return self._answer(last, self.params, lazy=not self.views)

    def _answer(
        self, piece: places.Piece, params: Any, *, lazy: bool
    ) -> duckdb.DuckDBPyRelation | None:
        import duckdb  # noqa: PLC0415 - slow to load

        work = partial(self.connection.sql, piece.text, params=params)
        # Views and macros must not use tables that end with the statement.
        views, tables = ({}, {}) if piece.lasting else (self.views, self.tables)
        made = []
        try:
            for name, table in views.items():
                self.connection.register(name, table)
                made.append(name)
            # DuckDB looks up unknown tables in the frame that calls it: here, only these.
            answer: duckdb.DuckDBPyRelation | None = eval(  # noqa: S307 - a constant
                f"{_RUN}()", {**self.variables, **tables, _RUN: work}
            )
            return answer if lazy or answer is None else _held(answer, self.connection)
        except duckdb.Error as problem:
            lost = self.tables if piece.lasting else ()
            raise explained.explained(problem, self.names, lost) from None
        finally:
            # A rollback of the caller's own transaction also ends them.
            with suppress(duckdb.TransactionException):
                for name in made:
                    self.connection.unregister(name)


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
    """Make the tables that the statement uses, and evaluate its calls of `promql`; see `sql`.

    frame  where variables are looked up; None: nowhere
    """
    import duckdb  # noqa: PLC0415 - slow to load

    if not statement.strip():
        raise ArgumentError("statement", "is empty; pass a text of SQL")
    window = time_window(start, end)
    parts = tokens.tokens_of(statement)
    calls = promql_calls.calls_of(parts)
    _check_lasting(parts, calls)
    words = {token.name for token in parts if token.name is not None}
    inside = {token for call in calls for token in call.tokens}
    texts = [t.text for t in parts if t.kind == "string_const" and t not in inside]
    if connection is None:
        connection = connect("UTC")
    opened_ms = time.time_ns() // 1_000_000
    source = as_source(data, now_ms=opened_ms)

    def result_of(text: str, **times: Any) -> Result:
        return opening.answer(text, source, *opening.timed(data, source, opened_ms, **times))

    # Strings may be SQL or names, as in `query_table('up')`.
    words = words.union(*map(_METRIC.findall, texts))
    try:
        tables = metric_tables.MetricTables(connection, source, window)
        variables = {} if frame is None else _variables(frame, words.difference(tables.names))
        used = tables.used(words)
        for name in [name for name in used if name in variables]:
            del (used if metric_tables.can_scan(variables[name]) else variables)[name]
        named = {parts[at].name or "" for at in places.table_places(parts)}
        metric_tables.check_apart(used, variables, named)
        tables.check_unqualified(parts, {*used, *variables})
        views, notes = tables.views(parts, used, named)
        final = promql_calls.rewritten(statement, parts, calls, params, result_of, connection)
        for name, result in final.tables.items():
            (used if tables.found else views)[name] = result.arrow()
            notes += [("warning", text) for text in result.warnings]
            notes += [("info", text) for text in result.infos]
    except duckdb.Error as problem:  # the connection has an unfinished answer or transaction
        raise SqlProblem(str(problem)) from None
    except StoreError as failure:
        raise StorageUnavailable(f"reading the data failed: {failure}") from failure
    pieces = places.pieces_of(final.text)
    return Prepared(connection, pieces, final.params, variables, used, views, tables.names, notes)


def connect(zone: str) -> duckdb.DuckDBPyConnection:
    """Return a new connection, whose sessions have a time zone.

    It draws no progress bar. DuckDB draws one of its own into the standard output of a program of
    `python -c`, which it takes for a session with a person.
    """
    import duckdb  # noqa: PLC0415 - slow to load

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET TimeZone = '{zone}'")
    return connection


def _check_lasting(parts: Sequence[tokens.Token], calls: Sequence[promql_calls.Call]) -> None:
    inside = {token for call in calls for token in call.tokens}
    for statement in places.statements_of(parts):
        if places.makes_what_remains(statement) and not inside.isdisjoint(statement):
            raise SqlProblem(
                "a view or macro cannot use promql, which runs once, before the statement: copy "
                "its rows by CREATE TABLE … AS"
            )


def _held(
    answer: duckdb.DuckDBPyRelation, connection: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    """The answer with rows that DuckDB holds, so that it needs no views."""
    if hasattr(answer, "materialize"):
        return answer.materialize()
    return connection.from_arrow(answer.to_arrow_table())  # DuckDB 1; some types change


def _caller() -> tuple[FrameType | None, int]:
    """The nearest frame outside of this package, and its distance from `sql`."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("novaql."):
        frame, depth = frame.f_back, depth + 1
    return frame, depth


def _variables(frame: FrameType, words: set[str]) -> dict[str, Any]:
    every = {**frame.f_globals, **frame.f_locals}
    return {name: every[name] for name in words & every.keys()}
