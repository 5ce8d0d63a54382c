"""`novaql sql`: SQL over metrics."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import duckdb

from novaql.cli.failures import note
from novaql.cli.interrupts import interruptible
from novaql.cli.options import (
    TIME,
    data_argument,
    data_option,
    output_option,
    text_argument,
    zone_option,
)
from novaql.cli.output import destination
from novaql.duck.problems import SqlProblem
from novaql.duck.session import connect, prepare

_COPY = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
_SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".pq": "parquet"}
_MOST_ROWS = 100
_EVERYTHING = 1_000_000


@click.command("sql")
@click.argument("statement")
@data_option
@click.option("--start", type=TIME, help="Only samples from this time on.")
@click.option("--end", type=TIME, help="Only samples until this time.")
@click.option("--format", "format_", type=click.Choice(["table", *_COPY]), help="Default: table.")
@output_option("Write to this file; the suffix sets the format. -: standard output.")
@click.option("--rows", type=click.IntRange(min=1), help="Rows in a table.")
@zone_option
def command(
    statement: str,
    data: tuple[str, ...],
    start: int | None,
    end: int | None,
    format_: str | None,
    output: str | None,
    rows: int | None,
    zone: ZoneInfo | None,
) -> None:
    """Run SQL with DuckDB; `-` reads it from standard input.

    \b
    novaql sql 'SELECT job, avg(value) FROM up GROUP BY job'
    novaql sql 'SELECT * FROM samples WHERE __name__ = $$up$$ AND time > now() - INTERVAL 1 HOUR'
    novaql sql 'FROM metrics' --data http://localhost:9100/metrics
    novaql sql "FROM promql('sum by (job) (up)', start := '-1h', end := 'now', step := '5m')"

    Tables: `samples` (time, value, a column for each label), `series`, `metrics`, one for each
    metric, named after it, and `promql(…)`, the result of a query. SHOW TABLES lists 500 metrics at
    most.
    """
    form = format_ or _SUFFIXES.get(Path(output).suffix.lower() if output else "", "table")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise click.UsageError("parquet is not for a terminal: use --output FILE, or a pipe")
    text = text_argument(statement)
    window = (None if start is None else start / 1000, None if end is None else end / 1000)
    connection = connect(str(zone or "UTC"))
    prepared = prepare(
        text, data_argument(data), start=window[0], end=window[1], connection=connection
    )
    novaql_answer = interruptible(prepared.run, connection.interrupt)
    for kind, remark in prepared.notes:
        note(kind, remark)
    if novaql_answer is None:
        return
    try:
        with destination(output) as out:
            if form == "table":
                terminal = output is None and sys.stdout.isatty()
                box = partial(_box, novaql_answer, rows, terminal=terminal)
                out.write(interruptible(box, connection.interrupt))
                return
            with tempfile.TemporaryDirectory(prefix="novaql-sql-") as folder:
                place = Path(folder) / "answer"
                copy = f"COPY (FROM novaql_answer) TO '{place}' ({_COPY[form]})"
                interruptible(partial(_copy, connection, copy, novaql_answer), connection.interrupt)
                with place.open("rb") as made:
                    shutil.copyfileobj(made, out)
    except duckdb.Error as problem:
        raise SqlProblem(str(problem)) from None


def _copy(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    novaql_answer: duckdb.DuckDBPyRelation,  # noqa: ARG001 - DuckDB finds it in this frame
) -> None:
    """Copy an answer, as a variable: a view would be in the answer to SHOW TABLES."""
    connection.execute(statement)


def _box(answer: duckdb.DuckDBPyRelation, rows: int | None, *, terminal: bool) -> bytes:
    """DuckDB's own table: limited to the size of a terminal, complete elsewhere."""
    drawn = io.StringIO()
    with redirect_stdout(drawn):
        if terminal:
            width = shutil.get_terminal_size().columns
            answer.show(max_rows=rows or _MOST_ROWS, max_width=width)
        else:
            answer.show(max_rows=rows or _EVERYTHING, max_width=_EVERYTHING)
    return drawn.getvalue().encode()
