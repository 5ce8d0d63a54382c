"""What a connection of the caller has and keeps: its answers, transactions, tables and types."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

import novaql
from novaql.duck.problems import SqlProblem
from tests.duck.test_names_of_tables import AT, catalog, metrics, rows, value


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM up", f"FROM promql('up', {AT})", "SHOW TABLES", "SHOW up"],
)
def test_an_unfinished_answer_of_the_caller_is_not_lost(statement: str) -> None:
    connection = duckdb.connect()
    connection.execute("SELECT * FROM range(3)")
    assert connection.fetchone() == (0,)
    with pytest.raises(SqlProblem, match="unfinished result"):
        novaql.sql(statement, metrics("up"), connection=connection)
    assert connection.fetchall() == [(1,), (2,)]
    assert catalog(connection) == []


def test_a_transaction_that_failed_can_be_rolled_back() -> None:
    connection = duckdb.connect()
    connection.execute("BEGIN")
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT error('x')").fetchall()
    for statement in ("FROM up", "SHOW TABLES", f"FROM promql('up', {AT})"):
        with pytest.raises(SqlProblem, match="aborted"):
            novaql.sql(statement, metrics("up"), connection=connection)
    novaql.sql("ROLLBACK", metrics("up"), connection=connection)
    assert value("up", metrics("up"), connection=connection) == [(1,)]


TYPED = """
    SELECT sum(1) AS n, 'a'::ENUM('a', 'b') AS e, '101'::BIT AS b,
        170141183460469231731687303715884105727::HUGEINT AS h, 'show' AS show FROM up
"""
TYPES = ["HUGEINT", "ENUM('a', 'b')", "BIT", "HUGEINT", "VARCHAR"]


@pytest.mark.parametrize("setting", ["", "enable_external_access", "python_enable_replacements"])
@pytest.mark.parametrize(
    "where", ["", "WHERE 'the show' <> ''", "WHERE exists(FROM duckdb_views())"]
)
def test_an_answer_has_its_own_types(setting: str, where: str) -> None:
    connection = duckdb.connect()
    if setting:
        connection.execute(f"SET {setting} = false")
    found = novaql.sql(f"{TYPED} {where}", metrics("up"), connection=connection)
    assert found is not None
    assert [str(kind) for kind in found.types] == TYPES
    assert found.fetchall() == found.filter("n = 1").fetchall()
    assert found.fetchall() == [(1, "a", "101", 170141183460469231731687303715884105727, "show")]
    assert catalog(connection) == []


@pytest.mark.parametrize("word", ["x", "the show", "duckdb_tables"])
def test_a_text_does_not_make_an_answer_eager(word: str) -> None:
    statement = f"SELECT error(value::TEXT) FROM up WHERE '{word}' <> ''"
    found = novaql.sql(statement, metrics("up"))
    assert found is not None
    with pytest.raises(duckdb.Error):
        found.fetchall()


@pytest.mark.parametrize("setting", ["", "SET python_enable_replacements = false"])
def test_tables_that_a_name_alone_does_not_find_hide_nothing(setting: str) -> None:
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA s; CREATE TABLE s.up AS SELECT 7 AS value")
    connection.execute("ATTACH ':memory:' AS other; CREATE VIEW other.samples AS SELECT 8 AS value")
    connection.execute(setting or "SET TimeZone = 'UTC'")
    data = metrics("up")

    for name, expected in (("up", 1), ("samples", 1), ("s.up", 7), ("other.samples", 8)):
        assert value(name, data, connection=connection) == [(expected,)]
    listed = rows("SHOW TABLES", data, connection=connection)
    assert listed == [("metrics",), ("samples",), ("series",), ("up",)]
    connection.execute("USE s")
    assert value("up", data, connection=connection) == [(7,)]
    assert rows("SHOW TABLES", data, connection=connection)[-1] == ("up",)


@pytest.mark.parametrize("name", ["main.up", "temp.up", 'memory.main."up"', "main.samples"])
@pytest.mark.parametrize("setting", ["", "SET enable_external_access = false"])
def test_tables_of_the_data_are_in_no_schema(name: str, setting: str) -> None:
    connection = duckdb.connect()
    connection.execute(setting or "SET TimeZone = 'UTC'")
    with pytest.raises(SqlProblem, match=f"there is no table {name}; write .* without a schema"):
        novaql.sql(f"SELECT count(*) FROM {name}", metrics("up"), connection=connection)
    with pytest.raises(SqlProblem, match=f"there is no table {name}"):
        novaql.sql(f"SELECT 1; TABLE {name}", metrics("up"), connection=connection)
    connection.execute("CREATE TABLE up AS SELECT 7 AS value; CREATE VIEW samples AS FROM up")
    connection.execute("CREATE TEMP TABLE up AS SELECT 7 AS value")
    assert value(name, metrics("up"), connection=connection) == [(7,)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TEMP MACRO f(x) AS x * 2; SELECT f(value) FROM up", [(2,)]),
        ("CREATE VIEW v AS SELECT 1 AS x; SELECT count(*) FROM up, v", [(1,)]),
        ("CREATE TABLE main.up AS SELECT 7 AS a; SELECT a FROM main.up", [(7,)]),
        ("CREATE SCHEMA s; CREATE TABLE s.up AS SELECT 7 AS a; SELECT a FROM s.up", [(7,)]),
        (f"CREATE TEMP MACRO f(x) AS x * 2; SELECT f(value) FROM promql('up', {AT})", [(2,)]),
        ("CREATE TABLE t AS FROM up; CREATE VIEW v AS FROM t; SELECT value FROM v", [(1,)]),
        ("SELECT ';'; CREATE MACRO f(x) AS x /* ; */ + 1; ; SELECT f(value) FROM up;", [(2,)]),
        (
            "CREATE SEQUENCE s; SELECT nextval('s') FROM up; CREATE MACRO f(x) AS x; "
            "SELECT f(nextval('s'))",
            [(2,)],
        ),
    ],
)
def test_a_text_that_also_creates_what_remains(text: str, expected: list[tuple[Any, ...]]) -> None:
    connection = duckdb.connect()
    assert rows(text, metrics("up"), connection=connection) == expected
    assert ("up", "VIEW") not in catalog(connection)


def test_an_error_ends_the_text() -> None:
    connection = duckdb.connect()
    text = "SELECT error(value::TEXT) FROM up; CREATE VIEW v AS SELECT 1; SELECT 2"
    with pytest.raises(SqlProblem, match=r"1\.0"):
        novaql.sql(text, metrics("up"), connection=connection)
    assert catalog(connection) == []


def test_parameters_are_those_of_the_last_statement() -> None:
    text = "CREATE MACRO f(x) AS x * 2; SELECT f(value) FROM up WHERE value = ?"
    assert rows(text, metrics("up"), params=[1]) == [(2,)]


@pytest.mark.parametrize("setting", ["", "SET python_enable_replacements = false"])
@pytest.mark.parametrize("table", ["up", f"promql('up', {AT})"])
def test_only_what_remains_cannot_use_metrics(setting: str, table: str) -> None:
    connection = duckdb.connect()
    connection.execute(setting or "SET TimeZone = 'UTC'")
    text = f"SELECT count(*) FROM up; CREATE VIEW v AS FROM {table}"
    with pytest.raises(SqlProblem, match="a view or macro cannot use"):
        novaql.sql(text, metrics("up"), connection=connection)
    assert catalog(connection) == []
