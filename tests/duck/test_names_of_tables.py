"""Which table a name is: metrics that differ in case, the caller's own tables, what remains."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

import novaql
from novaql.duck.places import table_places
from novaql.duck.problems import SqlNote, SqlProblem
from novaql.duck.tokens import tokens_of

AT = "time := 1700000000"


def metrics(*names: str) -> dict[str, list[Any]]:
    """A sample of each metric: 1, 2, …"""
    count = len(names)
    values = [1.0 + number for number in range(count)]
    return {"__name__": [*names], "time": [1.7e9] * count, "value": values}


def rows(statement: str, data: Any, **options: Any) -> list[tuple[Any, ...]]:
    found = novaql.sql(statement, data, **options)
    assert found is not None
    return found.fetchall()


def value(name: str, data: Any, **options: Any) -> Any:
    return rows(f"SELECT value FROM {name}", data, **options)


@pytest.mark.slow
def test_a_metric_is_found_by_its_exact_spelling_or_ignoring_case() -> None:
    both = metrics("Up", "up")

    assert (value('"Up"', both), value("Up", both), value("up", both)) == ([(1,)], [(1,)], [(2,)])
    assert value("Up", metrics("down", "up")) == [(2,)]
    assert value("query_table('Up')", both) == [(1,)]
    assert rows("SELECT a.value FROM up AS a JOIN UP AS b USING (time)", metrics("up")) == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT * FROM "Up" UNION ALL FROM up',
        'SELECT a.value FROM "Up" AS a JOIN up AS b USING (time)',
        'SELECT (SELECT max(value) FROM "Up"), (SELECT max(value) FROM up)',
        "WITH a AS (FROM Up), b AS (FROM up) FROM a UNION ALL FROM b",
    ],
)
def test_two_metrics_that_differ_in_case_are_an_error_in_one_statement(statement: str) -> None:
    with pytest.raises(SqlProblem, match=r'"Up" and "up" differ in case only.*promql'):
        novaql.sql(statement, metrics("Up", "up"))
    with pytest.raises(SqlProblem, match=r'"UP", "Up" differ in case only'):
        novaql.sql("FROM up", metrics("UP", "Up"))


def test_promql_tells_such_metrics_apart() -> None:
    both = metrics("Up", "up")
    upper = f"SELECT value FROM promql('Up', {AT})"
    lower = f"SELECT value FROM promql('up', {AT})"

    assert rows(f"{upper} UNION ALL {lower} ORDER BY 1", both) == [(1,), (2,)]
    assert rows(f"{upper} UNION SELECT value FROM up ORDER BY 1", both) == [(1,), (2,)]


def test_a_variable_beside_a_metric_that_differs_in_case() -> None:
    UP = pd.DataFrame({"value": [7.0]})
    data = metrics("up")
    variable, metric = novaql.sql("FROM UP", data), novaql.sql("SELECT value FROM up", data)
    assert variable is not None
    assert metric is not None

    assert (variable.fetchall(), metric.fetchall()) == ([(7,)], [(1,)])
    with pytest.raises(SqlProblem, match=r"in case only.*rename the variable UP"):
        novaql.sql("SELECT value FROM UP UNION FROM up", data)
    assert len(UP) == 1


def test_a_variable_that_is_read_once() -> None:
    UP = pa.table({"value": [7.0]}).to_reader()
    found = novaql.sql("FROM UP", metrics("up"))
    assert found is not None
    assert found.fetchall() == [(7,)]
    assert UP.schema.names == ["value"]


@pytest.mark.parametrize("name", ["Samples", "Series", "METRICS"])
def test_a_metric_that_is_called_like_a_table(name: str) -> None:
    data = metrics(name, "up")

    assert value(f'"{name}"', data) == [(1,)]
    assert rows("SELECT count(*) FROM samples", data) == [(2,)]
    assert rows("SELECT count(*) FROM SERIES" if name != "Series" else "FROM up", data)
    assert rows("SELECT count(*) FROM sErIeS", data) == [(2,)]
    with pytest.warns(SqlNote, match=f"{name} is not listed: another differs in case only"):
        listed = rows("SHOW TABLES", data)
    assert listed == [("metrics",), ("samples",), ("series",), ("up",)]


def test_show_tables_lists_the_one_that_the_statement_names() -> None:
    with pytest.warns(SqlNote, match="up is not listed"):
        assert ("Up",) in rows("SHOW TABLES", metrics("Up", "up"))
    statement = "SELECT value FROM up WHERE exists(FROM information_schema.tables)"
    with pytest.warns(SqlNote, match="Up is not listed"):
        assert rows(statement, metrics("Up", "up")) == [(2,)]


def test_a_catalog_does_not_mix_metrics_up() -> None:
    both = metrics("Up", "up")
    statement = "SELECT value AS Up FROM up WHERE exists(FROM duckdb_views())"
    with pytest.warns(SqlNote, match="[uU]p is not listed"):
        assert rows(statement, both) == [(2,)]
    assert rows("SELECT x.value, 1 AS Up FROM up AS x", both) == [(2, 1)]


def test_show_and_describe_a_metric() -> None:
    for statement in ("SHOW up", "DESCRIBE up"):
        assert [row[0] for row in rows(statement, metrics("up"))] == ["time", "value"]


def catalog(connection: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT table_name, table_type FROM information_schema.tables ORDER BY ALL"
    ).fetchall()


def test_tables_of_the_connection_come_first_and_nothing_is_left_behind() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE up AS SELECT 42 AS value")
    connection.execute("CREATE VIEW samples AS SELECT 43 AS value")
    connection.execute("CREATE TEMP TABLE Down AS SELECT 44 AS value")
    before = catalog(connection)
    data = metrics("up", "down", "load")

    for name, expected in (("up", 42), ("samples", 43), ("down", 44), ("load", 3), ("UP", 42)):
        assert value(name, data, connection=connection) == [(expected,)]
    assert rows("SHOW TABLES", data, connection=connection) == [
        ("Down",),
        ("load",),
        ("metrics",),
        ("samples",),
        ("series",),
        ("up",),
    ]
    assert catalog(connection) == before
    assert connection.sql("FROM up").fetchall() == [(42,)]
    with pytest.raises(duckdb.CatalogException):
        connection.sql("FROM load")


def test_an_error_in_a_transaction_of_the_caller() -> None:
    connection = duckdb.connect()
    connection.execute("BEGIN")
    with pytest.raises(SqlProblem, match="Could not convert string 'x'"):
        novaql.sql("SHOW TABLES; SELECT 1 / 'x'::INT", metrics("up"), connection=connection)
    connection.execute("ROLLBACK")
    assert catalog(connection) == []


def test_a_relation_outlives_the_statement() -> None:
    connection = duckdb.connect()
    found = novaql.sql("SELECT value FROM up", metrics("up"), connection=connection)
    listed = novaql.sql("SHOW TABLES", metrics("up"), connection=connection)
    assert found is not None
    assert listed is not None
    assert (found.fetchall(), found.fetchall()) == ([(1,)], [(1,)])
    assert len(listed.fetchall()) == 4


@pytest.mark.parametrize("setting", ["enable_external_access", "python_enable_replacements"])
def test_a_connection_that_finds_no_variables(setting: str) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE load AS SELECT 42 AS value")
    connection.execute(f"SET {setting} = false")
    data = metrics("up", "load")

    assert value("up", data, connection=connection) == [(1,)]
    assert value("load", data, connection=connection) == [(42,)]
    assert value(f"promql('up + load', {AT})", data, connection=connection) == [(3,)]
    assert catalog(connection) == [("load", "BASE TABLE")]


@pytest.mark.parametrize(
    "call", ["LATERAL promql('up', {})", "LATERAL promql('up', {}) AS p(t, value)"]
)
def test_lateral(call: str) -> None:
    data, call = metrics("up"), call.format(AT)

    assert rows(f"SELECT x, value FROM (VALUES (5)) AS v(x), {call}", data) == [(5, 1)]
    assert rows(f"SELECT x, value FROM (VALUES (5)) AS v(x) JOIN {call} ON true", data) == [(5, 1)]


@pytest.mark.parametrize(
    "create",
    [
        "CREATE VIEW v AS",
        "CREATE OR REPLACE TEMP VIEW v AS",
        "CREATE MACRO m() AS TABLE",
        "SELECT 1; CREATE TEMPORARY FUNCTION m() AS TABLE",
    ],
)
@pytest.mark.parametrize(
    ("table", "message"),
    [(f"promql('up', {AT})", "cannot use promql.*TABLE"), ("up", "cannot use up.*CREATE TABLE")],
)
def test_what_remains_cannot_use_what_does_not(create: str, table: str, message: str) -> None:
    connection = duckdb.connect()
    with pytest.raises(SqlProblem, match=message):
        novaql.sql(f"{create} FROM {table}", metrics("up"), connection=connection)
    assert catalog(connection) == []


def test_a_table_and_a_view_of_it_remain() -> None:
    connection = duckdb.connect()
    for number, table in enumerate((f"promql('up', {AT})", "up")):
        novaql.sql(f"CREATE TABLE t{number} AS FROM {table}", metrics("up"), connection=connection)
    novaql.sql("CREATE VIEW view AS FROM t1", metrics("up"), connection=connection)
    for name in ("t0", "t1", "view"):
        assert connection.sql(f"SELECT value FROM {name}").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("req_totl", "req_total"),
        ("Req_Totals", "req_total"),
        ("sample", "samples"),
        ("ownrs", "owners"),
    ],
)
def test_an_unknown_table_has_the_nearest_as_a_hint(name: str, near: str) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE owners AS SELECT 1 AS a")
    with pytest.raises(SqlProblem, match=f'{name} does not exist!\nDid you mean "{near}"'):
        novaql.sql(f"FROM {name}", metrics("req_total"), connection=connection)
    with pytest.raises(SqlProblem, match="SHOW TABLES") as caught:
        novaql.sql("FROM nothing_like_it", metrics("req_total"), connection=connection)
    assert "sqlite_master" not in str(caught.value)


def test_columns_and_texts_that_differ_in_case_from_a_metric() -> None:
    JOB = "a"
    data = metrics("job", "Job") | {"Job": ["x", "y"]}

    assert rows("SELECT value, Job FROM job", data) == [(1, "x")]
    assert rows("SELECT count(Job) FROM job GROUP BY value, Job", data) == [(1,)]
    assert rows("SELECT max(JOB) FROM job", metrics("job") | {"job": ["a"]}) == [("a",)]
    assert rows('SELECT max(job) FROM (SELECT value AS job FROM "Job")', data) == [(2,)]
    assert rows("SELECT extract(year FROM Job) FROM (SELECT time AS Job FROM job)", data)
    assert rows("SELECT value::TEXT IS DISTINCT FROM Job FROM job", data) == [(True,)]
    assert value("JOB", metrics("job")) == [(1,)]  # the variable is no table
    assert JOB == "a"


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("SELECT a, b FROM c, d AS e JOIN f USING (g), h WHERE i IN (j, k)", "c d f h"),
        (
            "FROM (a JOIN (b CROSS JOIN c) ON d(e, f)), (SELECT g FROM h), i SELECT j, k",
            "a b c h i",
        ),
        ("SELECT substring(a FROM b), c FROM d GROUP BY e, f; SELECT g, h", "d"),
        ("WITH a(b, c) AS (FROM d) SELECT (SELECT e FROM f), [g, h] FROM a, LATERAL i", "d f a i"),
        (
            "PIVOT a ON b, c USING sum(d); UNPIVOT e ON f, g; SUMMARIZE h; FROM i PIVOT (j)",
            "a e h i",
        ),
        ("TABLE a; CREATE TABLE b AS TABLE c; EXPLAIN TABLE d", "a c d"),
        ("SELECT ((a)), b WHERE c NOT IN (FROM d, e) AND f IS NOT DISTINCT FROM g", "d e"),
    ],
)
def test_the_places_of_tables(statement: str, names: str) -> None:
    tokens = tokens_of(statement)
    found = [tokens[at].text for at in table_places(tokens)]
    assert " ".join(name for name in found if name.islower()) == names
