"""Query a relation of DuckDB."""

import duckdb

import novaql

relation = duckdb.sql(
    """
    SELECT TIMESTAMPTZ '2026-03-01 12:00:00+00' + to_minutes(i) AS time, i::DOUBLE AS n
    FROM range(10) t(i)
    """
)

assert novaql.query("max_over_time(n[3m])", relation).item() == 9
assert novaql.query("count_over_time(n[3m])", relation).item() == 3
