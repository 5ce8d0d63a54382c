"""SQL over a source against SQL over the same rows as a plain table; what is read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import novaql
from novaql import tsdb
from novaql.duck.dataset import SampleDataset
from novaql.duck.problems import SqlProblem
from novaql.duck.session import sql
from novaql.errors import ArgumentError
from novaql.export.stored.samples import StoredSamples
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import MAX_TIME_MS, MIN_TIME_MS, NO_HINTS, Hints, Metadata, Selection
from tests.support.store.batches import batches

T0 = 1_700_000_000_000
TIMES = st.integers(T0, T0 + 5_000)
QUICK = settings(max_examples=60, deadline=None)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """WHERE clauses of the kinds that DuckDB hands down, and of others."""
    if depth and draw(st.booleans()):
        left, right = draw(conditions(depth - 1)), draw(conditions(depth - 1))
        return f"({left} {draw(st.sampled_from(['AND', 'OR']))} {right})"
    label = draw(st.sampled_from(["__name__", "job", "instance", "zone"]))
    text = draw(st.sampled_from(["up", "temp:5m", "a", "b", "", "0"]))
    other = draw(st.sampled_from(["up", "b", "a'b".replace("'", "''"), "node_load1"]))
    moment = f"make_timestamptz({(T0 + draw(st.integers(-10, 5_010))) * 1000})"
    compare = draw(st.sampled_from(["=", "<>", "<", ">=", ">"]))
    number = draw(st.sampled_from(["0", "1.5", "'NaN'::DOUBLE", "-1e300"]))
    return draw(
        st.sampled_from(
            [
                f"{label} = '{text}'",
                f"{label} <> '{text}'",
                f"{label} IN ('{text}', '{other}')",
                f"{label} NOT IN ('{text}', '{other}')",
                f"{label} > '{text}'",
                f"{label} LIKE '{text}%'",
                f"{label} IS NULL",
                f"{label} IS NOT NULL",
                f"time {compare} {moment}",
                f"time BETWEEN {moment} AND {moment} + INTERVAL 1 SECOND",
                "time IS NOT NULL",
                f"value {compare} {number}",
                f"value IN (0, {number})",
                "NOT isnan(value)",
                f"NOT ({label} = '{text}')",
            ]
        )
    )


@pytest.mark.slow
@QUICK
@given(batch=batches(at=TIMES, text=st.sampled_from(["a", "b", "0", "a'b"])), where=conditions())
def test_rows_are_those_of_a_plain_table(batch: Batch, where: str) -> None:
    with tsdb.memory() as database:
        database.append(batch)
        samples = SampleDataset(database)
        names = [n for n in ("__name__", "job", "instance", "zone") if n in samples.schema.names]
        if any(name in where and name not in names for name in ("job", "instance", "zone")):
            return
        if not names:
            return
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        every = StoredSamples(database.select([], MIN_TIME_MS, MAX_TIME_MS))
        plain = pa.Table.from_batches(every.batches(), samples.schema)
        connection.register("plain", plain)
        columns = ", ".join(["epoch_ms(time) AS t", "value::VARCHAR AS v", *names])
        question = f"SELECT {columns} FROM {{}} WHERE {where} ORDER BY ALL"
        wanted = connection.sql(question.format("plain")).fetchall()
        found = sql(question.format("samples"), database)
        assert found is not None
        assert found.fetchall() == wanted
        counted = sql(f"SELECT count(*) FROM samples WHERE {where}", database)
        assert counted is not None
        assert counted.fetchall() == [(len(wanted),)]


class Watched:
    """A source that notes what is asked of it, and how many samples are read."""

    def __init__(self, database: tsdb.Database) -> None:
        self._database = database
        self.asked: list[tuple[Sequence[Matcher], int, int]] = []
        self.read = 0
        self.series = database.series
        self.label_names = database.label_names
        self.label_values = database.label_values
        self.metadata = database.metadata
        self.has_histograms = database.has_histograms

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = NO_HINTS
    ) -> Selection:
        self.asked.append((matchers, start_ms, end_ms))
        found = self._database.select(matchers, start_ms, end_ms, hints)
        batches = [SeriesBatchRef(partial(self._load, ref), ref.samples) for ref in found.batches]
        return replace(found, batches=batches)

    def _load(self, ref: SeriesBatchRef) -> SeriesBatch:
        batch = ref.load()
        self.read += batch.sample_count
        return batch


def fleet(database: tsdb.Database) -> None:
    sets = [
        {"__name__": name, "job": f"j{n % 10}", "instance": str(n)}
        for n in range(100)
        for name in ("up", "http_requests_total")
    ]
    table = SeriesTable.from_dicts(sets)
    times = np.tile(T0 + 15_000 * np.arange(40), len(sets))
    values = np.arange(40.0 * len(sets))
    database.append(Batch(table, np.repeat(np.arange(len(sets)), 40), times, values))
    database.set_metadata({"up": Metadata("gauge", "whether it runs")})


@pytest.mark.parametrize(
    ("where", "most_samples"),
    [
        ("__name__ = 'up' AND instance = '7'", 40),
        ("__name__ = 'up' AND job IN ('j1', 'j2')", 800),
        (
            f"instance = '7' AND epoch_ms(time) > 0 AND time < make_timestamptz({T0 + 30_000}000)",
            4,
        ),
        ("__name__ = 'nothing'", 0),
        ("job = 'j1' OR (job = 'j2' AND value > 5)", 1600),
    ],
)
def test_only_what_may_pass_is_read(where: str, most_samples: int) -> None:
    with tsdb.memory() as database:
        fleet(database)
        watched = Watched(database)
        found = sql(f"SELECT count(*) FROM samples WHERE {where}", watched)
        assert found is not None
        ((count,),) = found.fetchall()
        assert count <= watched.read <= most_samples


def test_times_outside_are_not_asked_for() -> None:
    with tsdb.memory() as database:
        fleet(database)
        watched = Watched(database)
        found = sql(
            "SELECT min(time), max(time) FROM up "
            f"WHERE time >= make_timestamptz({T0 + 60_000}000) "
            f"AND time <= make_timestamptz({T0 + 90_000}000)",
            watched,
        )
        assert found is not None
        found.fetchall()
        _, start, end = watched.asked[-1]
        assert start == T0 + 60_000
        assert end == T0 + 90_000


def test_a_metric_is_a_table_and_so_are_series_and_metrics() -> None:
    with tsdb.memory() as database:
        fleet(database)
        odd = SeriesTable.from_dicts([{"__name__": "odd'\"name", "x": "1"}])
        database.append(Batch(odd, np.zeros(1, np.int64), np.array([T0]), np.array([2.5])))
        with novaql.Database(database) as opened:

            def rows(statement: str) -> list[tuple[object, ...]]:
                found = opened.sql(statement)
                assert found is not None
                return found.fetchall()

            assert rows(
                "SELECT job, count(*) FROM up WHERE job < 'j2' GROUP BY job ORDER BY job"
            ) == [
                ("j0", 400),
                ("j1", 400),
            ]
            assert rows('SELECT value, x FROM "odd\'""name"') == [(2.5, "1")]
            assert rows("SELECT count(*) FROM series WHERE __name__ = 'up'") == [(100,)]
            assert rows("FROM metrics") == [("up", "gauge", "whether it runs", "")]
            joined = (
                "SELECT count(*) FROM up JOIN http_requests_total AS r "
                "ON up.time = r.time AND up.instance = r.instance"
            )
            assert rows(joined) == [(4000,)]


def test_tables_of_the_caller_stand_beside() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE owners AS SELECT 'j1' AS job, 'kim' AS owner")
    with tsdb.memory() as database:
        fleet(database)
        found = sql(
            "SELECT owner, count(*) FROM up JOIN owners USING (job) GROUP BY owner",
            database,
            connection=connection,
            start=T0 / 1000,
            end=T0 / 1000,
        )
        assert found is not None
        assert found.fetchall() == [("kim", 10)]


def test_what_is_wrong_is_said() -> None:
    with tsdb.memory() as database:
        fleet(database)
        with pytest.raises(SqlProblem, match="syntax error"):
            sql("SELEC 1", database)
        with pytest.raises(SqlProblem, match="nope"):
            sql("SELECT * FROM nope", database)
        with pytest.raises(ArgumentError):
            sql("  ", database)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO up VALUES (1)",
        "UPDATE up SET value = 1",
        "DELETE FROM up",
        "DROP TABLE samples",
        "ALTER TABLE up ADD COLUMN more INT",
        "CREATE INDEX it ON up (value)",
    ],
)
def test_metrics_are_read_only(statement: str) -> None:
    with tsdb.memory() as database:
        fleet(database)
        with pytest.raises(SqlProblem, match=r"read-only; CREATE TABLE … AS copies"):
            sql(statement, database)
