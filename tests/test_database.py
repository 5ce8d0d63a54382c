"""Databases as objects: how they open, what they are called with, what they have."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import novaql
from tests.support.programs.prometheus_data import blocks_from

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def frame() -> pd.DataFrame:
    times = [NOON, NOON + timedelta(minutes=1)]
    return pd.DataFrame({"time": times, "__name__": "up", "job": ["a", "b"], "value": [1.0, 2.0]})


def test_memory_is_a_database() -> None:
    with novaql.memory() as database, novaql.open(":memory:", cache_bytes=0) as other:
        assert database.load(frame()).samples == 2
        assert database.query("sum(up)", time=NOON + timedelta(minutes=1)).values.item() == 3
        assert other.metrics() == []
        assert other.store.options.cache_bytes == 0
        assert repr(database) == "Database(':memory:')"
    assert not Path(":memory:").exists()


def test_memory_that_is_only_read_would_stay_empty() -> None:
    with pytest.raises(novaql.ArgumentError, match=r"^read_only: "):
        novaql.open(":memory:", read_only=True)


def test_a_database_is_data(tmp_path: Path) -> None:
    with novaql.open(tmp_path / "data") as database:
        database.load(frame())
        assert novaql.query("up", database, time=NOON).series.dicts() == [
            {"__name__": "up", "job": "a"}
        ]
        assert novaql.metrics(database) == ["up"]
        found = novaql.sql("SELECT count(*) FROM up", database)
        assert found is not None
        assert found.fetchall() == [(2,)]
        assert repr(database) == f"Database({str(tmp_path / 'data')!r})"


@pytest.mark.parametrize(
    ("method", "function", "data"),
    [
        (novaql.Database.query, novaql.query, "data"),
        (novaql.Database.sql, novaql.sql, "data"),
        (novaql.Database.save, novaql.save, "data"),
        (novaql.Database.metrics, novaql.metrics, "data"),
        (novaql.Database.labels, novaql.labels, "data"),
        (novaql.Database.label_values, novaql.label_values, "data"),
        (novaql.Database.series, novaql.series, "data"),
        (novaql.Database.time_range, novaql.time_range, "data"),
        (novaql.Database.cardinality, novaql.cardinality, "data"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_methods_have_the_arguments_of_their_functions(
    method: Callable[..., object], function: Callable[..., object], data: str
) -> None:
    """All but the data, which is the database."""
    wanted = inspect.signature(function)
    ours = inspect.signature(method)

    assert [p for name, p in ours.parameters.items() if name != "self"] == [
        p for name, p in wanted.parameters.items() if name != data
    ]
    assert ours.return_annotation == wanted.return_annotation


def test_what_a_database_has(tmp_path: Path) -> None:
    with novaql.open(tmp_path / "data") as database:
        assert database.time_range() is None
        database.load(frame())

        assert database.metrics() == ["up"]
        assert database.labels() == ["__name__", "job"]
        assert database.label_values("job", start=NOON + timedelta(seconds=1)) == ["b"]
        assert database.series(match='{job="a"}') == [{"__name__": "up", "job": "a"}]
        assert database.time_range() == (NOON, NOON + timedelta(minutes=1))
        assert database.cardinality().series == 2

    with pytest.raises(novaql.StorageUnavailable, match="closed"):
        database.metrics()


def test_a_directory_of_prometheus_is_read_in_place(tmp_path: Path) -> None:
    at = int(NOON.timestamp())
    lines = [
        f'requests_total{{job="j{i % 2}",i="{i}"}} {i} {at + k}' for i in range(4) for k in (0, 30)
    ]
    folder = blocks_from(["# TYPE requests_total counter", *lines], tmp_path / "data")
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))

    with novaql.open(folder) as database:
        assert database.metrics() == ["requests_total"]
        assert database.label_values("job") == ["j0", "j1"]
        assert database.query("sum by (job) (requests_total)", time=NOON).values.tolist() == [
            [2],
            [4],
        ]
        span = database.time_range()
        assert span is not None
        assert span[0] <= NOON < span[1]
        assert database.cardinality(limit=1).series_by_metric == [
            {"name": "requests_total", "value": 4}
        ]
        assert database.save(tmp_path / "copy.parquet").samples == 8
        with pytest.raises(
            novaql.StorageUnavailable, match="of Prometheus, which NovaQL only reads"
        ):
            database.load(frame())
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*")) == before

    with pytest.raises(novaql.ArgumentError, match=r"^sync: "):
        novaql.open(folder, sync="always")
    with novaql.open(folder, read_only=True) as database:
        assert repr(database) == f"Database({str(folder)!r})"


def test_errors_about_a_database_name_it_once(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    with novaql.open(folder), pytest.raises(novaql.StorageUnavailable) as caught:
        novaql.open(folder)

    assert str(caught.value) == (
        f"{folder} is being written by process {os.getpid()}: stop it first; "
        "a database has one writer, and can be read meanwhile"
    )
    with pytest.raises(novaql.StorageUnavailable) as caught:
        novaql.open(tmp_path / "no", read_only=True)
    assert str(caught.value) == f"there is no store at {tmp_path / 'no'}"


def test_a_file_is_no_database_and_the_error_says_what_reads_it(tmp_path: Path) -> None:
    page = tmp_path / "page.prom"
    page.write_text("up 1\n")
    with pytest.raises(novaql.StorageUnavailable, match=r"is a file, not .*; novaql.query reads"):
        novaql.open(page)
    with pytest.raises(novaql.StorageUnavailable, match="holds other files and no store; name the"):
        novaql.open(tmp_path)


def query_async(database: novaql.Database) -> object:
    return asyncio.run(database.query_async("up"))


READS: dict[str, Callable[[novaql.Database], object]] = {
    "query": lambda database: database.query("up"),
    "query_async": query_async,
    "sql": lambda database: database.sql("FROM up"),
    "metrics": lambda database: database.metrics(),
    "labels": lambda database: database.labels(),
    "label_values": lambda database: database.label_values("job"),
    "series": lambda database: database.series(),
    "time_range": lambda database: database.time_range(),
    "cardinality": lambda database: database.cardinality(),
    "save": lambda database: database.save(io.BytesIO(), format="csv"),
}
WRITES: dict[str, Callable[[novaql.Database], object]] = {
    "load": lambda database: database.load(frame()),
}
FUNCTIONS: dict[str, Callable[[novaql.Database], object]] = {
    "estimate": lambda database: novaql.estimate("rate(up)", database),
    "analyze": lambda database: novaql.analyze("up", database),
    "why_empty": lambda database: novaql.why_empty("up", database),
    "promql": lambda database: novaql.sql(
        "FROM promql('up', time := '2026-03-01T12:00:00Z')", database
    ),
}


def test_all_methods_are_below() -> None:
    methods = {name for name, _ in inspect.getmembers(novaql.Database, inspect.isfunction)}
    # The store has its own errors; a second call of close does nothing.
    assert {name for name in methods if name[0] != "_"} == {*READS, *WRITES, "close"}


@pytest.mark.parametrize("name", [*READS, *WRITES, *FUNCTIONS])
def test_a_closed_database_is_an_error_of_novaql(name: str, tmp_path: Path) -> None:
    database = novaql.open(tmp_path / "data")
    database.load(frame())
    database.close()
    database.close()
    with pytest.raises(novaql.StorageUnavailable, match="this database is closed"):
        (READS | WRITES | FUNCTIONS)[name](database)


def test_a_read_only_database_refuses_only_writes(tmp_path: Path) -> None:
    with novaql.open(tmp_path / "data") as database:
        database.load(frame())
    with novaql.open(tmp_path / "data", read_only=True) as database:
        for read in (READS | FUNCTIONS).values():
            read(database)
        for write in WRITES.values():
            with pytest.raises(novaql.StorageUnavailable, match="opened for reading only"):
                write(database)
