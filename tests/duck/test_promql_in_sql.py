"""`FROM promql(…)`: results of queries as tables; which text is a call; variables of the caller."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import novaql
from novaql import tsdb
from novaql.cli.main import run
from novaql.duck.problems import SqlNote, SqlProblem
from novaql.duck.promql_calls import calls_of
from novaql.duck.tokens import sql_of, tokens_of
from novaql.errors import SyntaxProblem
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

T0 = 1_700_000_000
AT = "time := 1700000060"


@pytest.fixture
def database() -> Iterator[novaql.Database]:
    """`up` of two jobs at five times, a minute apart: 0, 1, … of a, 100, 101, … of b."""
    with tsdb.memory() as store:
        series = SeriesTable.from_dicts([{"__name__": "up", "job": job} for job in "ab"])
        times = (1000 * T0 + 60_000 * np.tile(np.arange(5), 2)).astype(np.int64)
        values = np.concatenate([np.arange(5.0), 100 + np.arange(5.0)])
        store.append(Batch(series, np.repeat([0, 1], 5), times, values))
        yield novaql.Database(store)


def rows(database: novaql.Database, statement: str, **options: Any) -> list[tuple[Any, ...]]:
    found = database.sql(statement, **options)
    assert found is not None
    return found.fetchall()


@pytest.mark.parametrize("end", ['"end"', "end", "END"])
def test_a_query_is_a_table(database: novaql.Database, end: str) -> None:
    found = database.sql(
        "SELECT epoch(time)::INT AS at, job, value FROM promql('sum by (job) (up)', "
        f"start := {T0}, {end} := '2023-11-14T22:15:20Z', step := '1m') ORDER BY ALL"
    )
    assert found is not None
    assert found.fetchall() == [
        (T0 + 60 * step, job, base + step)
        for step in range(3)
        for job, base in (("a", 0.0), ("b", 100.0))
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        "'up{job=\"a\"}', time := 1700000060.0",
        '$$up{job="a"}$$, TIME => to_timestamp(1700000060)',
        "E'up{job=\\'a\\'}', time := '2023-11-14T22:14:20Z'",
        "'up' || '{job=\"a\"}', time := TIMESTAMP '2023-11-14 22:13:20' + INTERVAL 1 MINUTE",
        "/* ) */ 'up{job=\"a\"}' -- )\n, start := NULL, time := (1700000060)",
    ],
)
def test_arguments_are_constants_of_any_form(database: novaql.Database, arguments: str) -> None:
    assert rows(database, f"SELECT value FROM promql({arguments})") == [(1.0,)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"SELECT promql.value FROM PromQL('sum(up)', {AT})", [(102.0,)]),
        (f"SELECT p.value FROM promql('sum(up)', {AT}) AS p", [(102.0,)]),
        (f"SELECT p.v FROM promql('sum(up)', {AT}) p(t, v)", [(102.0,)]),
        (
            f"SELECT a.job, b.value - a.value FROM promql('up', {AT}) a "
            f"JOIN promql('up offset -1m', {AT}) b USING (job) ORDER BY 1",
            [("a", 1.0), ("b", 1.0)],
        ),
        (
            f"SELECT count(*) FROM up, promql('up', {AT}) AS now "
            "WHERE up.job = now.job AND up.value > now.value",
            [(6,)],
        ),
        (
            f"WITH now AS (FROM promql('up', {AT})) "
            f"SELECT max(value) FROM (FROM now UNION ALL BY NAME FROM promql('up + 1', {AT}))",
            [(102.0,)],
        ),
        (f"PIVOT (SELECT job, value FROM promql('up', {AT})) ON job USING sum(value)", [(1, 101)]),
        (f"SELECT 'ü', value FROM promql('sum(up) # ü', {AT}) WHERE 'ü' = 'ü'", [("ü", 102.0)]),
    ],
)
def test_wherever_a_table_is(
    database: novaql.Database, statement: str, expected: list[tuple[Any, ...]]
) -> None:
    assert rows(database, statement) == expected


def test_strings_comments_and_other_places_are_no_calls(database: novaql.Database) -> None:
    quiet = """
        SELECT 'FROM promql(''x'')', $$FROM promql('x')$$, "FROM promql('x')" -- FROM promql('x')
        /* FROM promql('x') */ FROM (SELECT 1 AS "FROM promql('x')")
    """
    assert calls_of(tokens_of(quiet)) == []
    assert len(rows(database, quiet)) == 1
    assert calls_of(tokens_of("WITH promql AS (SELECT 1) FROM promql")) == []
    assert calls_of(tokens_of("FROM promql('x'")) == []
    (call,) = calls_of(tokens_of("FROM promql(f(1, [2, 3]), step := g(',)'))"))
    assert {n: sql_of(t) for n, t in call.arguments.items()} == {
        "": "f ( 1 , [ 2 , 3 ] )",
        "step": "g ( ',)' )",
    }
    with pytest.raises(SqlProblem, match="promql"):
        database.sql("SELECT promql('up')")


@pytest.mark.parametrize(
    ("statement", "params"),
    [
        ("SELECT value FROM promql(?, time := ?) WHERE job = ?", ["up", T0 + 60, "b"]),
        ("SELECT value FROM promql($1, time := $2) WHERE job = $3", ("up", T0 + 60, "b")),
        (
            "SELECT value FROM promql($q, time := $at) WHERE job = $job",
            {"q": "up", "at": datetime.fromtimestamp(T0 + 60, UTC), "job": "b"},
        ),
        (
            "SELECT value FROM up WHERE job = ? AND value = "
            "(SELECT value FROM promql(?, time := ?) WHERE job = ?)",
            ["b", "up", T0 + 60, "b"],
        ),
        (
            "SELECT value FROM promql('up{job=\"' || $job || '\"}', time := $at) WHERE job = $job",
            {"job": "b", "at": T0 + 60},
        ),
        ("SELECT value FROM promql(?, time := ?)", ['up{job="b"}', T0 + 60]),
    ],
)
def test_bound_parameters(database: novaql.Database, statement: str, params: Any) -> None:
    assert rows(database, statement, params=params) == [(101.0,)]


def test_parameters_of_a_statement_without_a_call(database: novaql.Database) -> None:
    assert rows(database, "SELECT count(*) FROM up WHERE job = ?", params=["a"]) == [(5,)]
    with pytest.raises(SqlProblem, match="mismatch"):
        database.sql(f"FROM promql('up', {AT})", params={"more": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "no query"),
        ("'up', 'down'", "one query"),
        ("'up', time := 1, time := 2", "time is given twice"),
        ("'up', strat := 1", 'no argument strat; did you mean "start"'),
        ("job", "constants or bound parameters"),
        ("5", "the query is a text, not int"),
        ("'up', time := 'yesterday-ish'", "time"),
        ("'up', time := 'x'::INT", "Conversion"),
        ("'up', step := '1m'", "start: a range query needs it"),
    ],
)
def test_what_is_wrong_is_said(database: novaql.Database, arguments: str, message: str) -> None:
    with pytest.raises(SqlProblem, match=message):
        database.sql(f"FROM promql({arguments})")


def test_an_error_in_the_query_is_that_of_query(database: novaql.Database) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        database.sql("FROM promql('sum(up')")
    assert (caught.value.text, caught.value.line) == ("sum(up", 1)


def test_relations_of_one_connection_have_results_of_their_own(database: novaql.Database) -> None:
    connection = duckdb.connect()
    first, second = (
        database.sql(f"SELECT value FROM promql('{text}', {AT})", connection=connection)
        for text in ("sum(up)", "count(up)")
    )
    assert first is not None
    assert second is not None
    assert (first.fetchall(), second.fetchall(), first.fetchall()) == ([(102,)], [(2,)], [(102,)])
    assert connection.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [
        (0,)
    ]


OWNERS = pa.table({"job": ["a", "b"], "owner": ["kim", "lou"]})


def test_variables_of_the_caller_are_tables(database: novaql.Database) -> None:
    frame = pd.DataFrame({"job": ["b"], "limit": [50]})
    peaks = database.query("max_over_time(up[5m])", time=T0 + 240)
    assert len(peaks) == 2
    joined = database.sql(
        "SELECT owner, frame.limit, peaks.value FROM frame JOIN OWNERS USING (job) "
        "JOIN peaks USING (job)"
    )
    counted = novaql.sql("SELECT count(*) FROM frame JOIN up USING (job)", database.store)
    assert joined is not None
    assert counted is not None
    del frame
    assert joined.fetchall() == [("lou", 50, 104.0)]
    assert counted.fetchall() == [(5,)]


def test_tables_come_before_variables(database: novaql.Database) -> None:
    up = pd.DataFrame({"value": [7.0]})
    assert rows(database, "SELECT count(*) FROM up") == [(10,)]
    assert len(up) == 1
    statement = 3
    with pytest.raises(SqlProblem, match="statement"):
        database.sql("FROM statement")
    with pytest.raises(SqlProblem, match="connection"):  # a variable of NovaQL, not of the caller
        database.sql("FROM connection")
    assert statement == 3


def test_metrics_are_listed_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("novaql.duck.metric_tables.MOST_LISTED", 3)
    with tsdb.memory() as store:
        series = SeriesTable.from_dicts([{"__name__": f"m{number}"} for number in range(5)])
        store.append(Batch(series, np.arange(5), np.full(5, 1000 * T0), np.zeros(5)))
        with novaql.Database(store) as opened:
            with pytest.warns(SqlNote, match="3 of 5 metrics are listed") as noted:
                listed = [name for (name,) in rows(opened, "SHOW TABLES")]
            assert noted[0].filename == __file__
            assert listed == ["m0", "m1", "m2", "metrics", "samples", "series"]
            with pytest.warns(SqlNote):
                catalog = rows(opened, "SELECT table_name FROM information_schema.tables")
            assert ("m2",) in catalog
            assert rows(opened, "SELECT count(*) FROM m4") == [(1,)]
            assert rows(opened, "FROM query_table('m4')")[0][1] == 0
            monkeypatch.setattr("novaql.duck.metric_tables.MOST_LISTED", 5)
            assert len(rows(opened, "show tables")) == 8


def test_times_have_the_defaults_of_query() -> None:
    times = pd.to_datetime([T0, T0 + 60, T0 + 120], unit="s")
    frame = pd.DataFrame({"time": times, "up": [1.0, 2.0, 3.0]})
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        last = novaql.sql("SELECT value FROM promql('up')", frame)
        ranged = novaql.sql(f"SELECT count(*) FROM promql('up', start := {T0})", frame)
        novaql.sql(f"FROM promql('upp', {AT})", frame)
    assert last is not None
    assert ranged is not None
    assert (last.fetchall(), ranged.fetchall()) == ([(3.0,)], [(241,)])
    assert [str(note.message) for note in noted] == [
        "NovaQL info: time is 2023-11-14T22:15:20Z, that of the last sample of the data",
        "NovaQL info: end is 2023-11-14T22:15:20Z, that of the last sample of the data",
        "NovaQL info: there is no metric upp; did you mean up? (1:1)",
        "NovaQL info: the data has samples from 2023-11-14T22:13:20Z to 2023-11-14T22:15:20Z",
    ]


def test_infos_of_a_query_are_warnings(database: novaql.Database) -> None:
    with pytest.warns(SqlNote, match="counter"):
        database.sql(f"FROM promql('rate(up[5m])', {AT})")


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "metrics.om"
    lines = (f'up{{job="{job}"}} 1 {T0 + at}\n' for job in "ab" for at in (0, 60))
    path.write_text(f"# TYPE up gauge\n{''.join(lines)}# EOF\n")
    statement = f"SELECT value FROM promql('rate(up[5m])', time := {T0 + 60}) LIMIT 1"
    assert run(["sql", statement, "--data", str(path), "--format", "csv"]) == 0
    out, err = capfd.readouterr()
    assert out == "value\n0.0\n"
    assert err.startswith("info: ")
    assert run(["sql", "FROM promql('sum(up')", "--data", str(path)]) == 1
    assert "sum(up" in capfd.readouterr().err
    assert run(["sql", "SHOW TABLES", "--data", str(path), "--format", "csv"]) == 0
    assert capfd.readouterr().out.split() == ["name", "metrics", "samples", "series", "up"]
