"""Folders called `label=value`: labels, as DuckDB and polars make columns of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import novaql
from novaql import tsdb
from novaql.inputs.files import read_paths
from novaql.inputs.importer import import_into
from novaql.tsdb.model.samples import Batch
from tests.support.store.batches import read_plain

T = 1_700_000_000_000
Labels = dict[str, str]


def write(path: Path, first: float = 0.0, **columns: Any) -> None:
    """Four samples of `m`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "timestamp": pa.array([T + 1000 * n for n in range(4)], pa.timestamp("ms")),
        "value": [first + n for n in range(4)],
        "metric": ["m"] * 4,
        **columns,
    }
    pq.write_table(pa.table({n: c for n, c in table.items() if c is not None}), path)


def labels_of(path: Path, *, pattern: str = "") -> list[Labels]:
    batches = list(read_paths([path / pattern if pattern else path]).batches)
    return sorted(
        (b.series.labels(row) for b in batches for row in set(b.series_index.tolist())),
        key=repr,
    )


@pytest.mark.parametrize("pattern", ["", "**/*.parquet", "host=*/*.parquet", "*/part*"])
def test_partitions_are_labels_of_a_folder_and_of_a_pattern(tmp_path: Path, pattern: str) -> None:
    for number, host in enumerate("ab"):
        write(tmp_path / f"host={host}" / "part-0.parquet", 10.0 * number)
    assert labels_of(tmp_path, pattern=pattern) == [
        {"__name__": "m", "host": "a"},
        {"__name__": "m", "host": "b"},
    ]
    path = str(tmp_path / pattern) if pattern else str(tmp_path)
    found = novaql.query("sum by (host) (m)", path, time=T / 1000)
    assert {s.labels["host"]: float(s.values[0]) for s in found} == {"a": 0.0, "b": 10.0}
    with tsdb.open(tmp_path / "store") as database:
        report = import_into(database, path)
        assert (report.samples, report.series) == (8, 2)
        assert sum(len(of) for of in read_plain(database).values()) == 8


@pytest.mark.parametrize(
    ("folders", "labels"),
    [
        ("host=a/day=2026-01-01", {"host": "a", "day": "2026-01-01"}),
        ("a=1/b=2.50/c=true", {"a": "1", "b": "2.50", "c": "true"}),
        ("path=a%2Fb%20c%3D%C3%A9", {"path": "a/b c=é"}),
        ("host=%FF", {"host": "%FF"}),
        ("host=__HIVE_DEFAULT_PARTITION__/zone=z", {"zone": "z"}),
        ("host=", {}),
        ("host=a/host=b", {"host": "b"}),
        ("q=a=b", {"q": "a=b"}),
        ("timestamp=5/time=6/value=7", {"timestamp": "5", "time": "6", "value": "7"}),
        ("date=2026-01-01/t=1", {"date": "2026-01-01", "t": "1"}),
        ("=a", None),
    ],
)
def test_what_folders_say(tmp_path: Path, folders: str, labels: Labels | None) -> None:
    write(tmp_path / folders / "a.parquet")
    if labels is None:
        with pytest.raises(novaql.errors.InputError, match="no file of metrics"):
            labels_of(tmp_path)
        return
    assert labels_of(tmp_path) == [{"__name__": "m", **labels}]


def test_the_folder_counts_where_the_file_has_such_a_column(tmp_path: Path) -> None:
    write(tmp_path / "host=a" / "a.parquet", host=["x"] * 4, zone=["z"] * 4)
    assert labels_of(tmp_path) == [{"__name__": "m", "host": "a", "zone": "z"}]


def test_a_folder_may_say_the_metric_name(tmp_path: Path) -> None:
    write(tmp_path / "metric=up" / "a.parquet", metric=None)
    write(tmp_path / "metric=down" / "a.parquet", metric=None)
    assert labels_of(tmp_path) == [{"__name__": "down"}, {"__name__": "up"}]


def test_numbers_in_folders_are_no_metrics_of_a_wide_table(tmp_path: Path) -> None:
    write(
        tmp_path / "year=2026" / "a.parquet", value=None, metric=None, cpu=[1.0] * 4, year=[1] * 4
    )
    assert labels_of(tmp_path) == [{"__name__": "cpu", "year": "2026"}]


def text(path: Path) -> None:
    path.write_text(f"m 1 {T}\n")


def json_lines(path: Path) -> None:
    path.write_text(f'{{"metric":{{"__name__":"m"}},"value":1,"timestamp":{T}}}\n')


def influx(path: Path) -> None:
    path.write_text(f"a m=1 {T}000000\n")


def csv(path: Path) -> None:
    path.write_text(f"timestamp,metric,value\n{T},m,1\n")


@pytest.mark.parametrize(
    ("name", "make"),
    [("a.prom", text), ("a.jsonl", json_lines), ("a.lp", influx), ("a.csv", csv)],
)
def test_files_of_every_kind(tmp_path: Path, name: str, make: Callable[[Path], None]) -> None:
    for host in "ab":
        (tmp_path / f"host={host}").mkdir()
        make(tmp_path / f"host={host}" / name)
    assert [found["host"] for found in labels_of(tmp_path)] == ["a", "b"]


def test_the_same_as_duckdb_and_polars(tmp_path: Path) -> None:
    """What each of them partitions is read back with the columns that it was divided by."""
    duckdb = pytest.importorskip("duckdb", reason="pip install 'novaql[all]' brings duckdb")
    rows = [(T + n, f"h {n % 2}/é", f"2026-01-0{1 + n % 3}", float(n)) for n in range(12)]
    duckdb.sql("create or replace table t (ts_ms bigint, host text, day text, value double)")
    duckdb.executemany("insert into t values (?, ?, ?, ?)", rows)
    duckdb.sql(f"copy t to '{tmp_path}/out' (format parquet, partition_by (host, day))")
    batches = list(read_paths([tmp_path / "out"]).batches)
    found = sorted(sample for batch in batches for sample in samples(batch))
    assert found == sorted((t, h, d, v) for t, h, d, v in rows)


def samples(batch: Batch) -> list[tuple[int, str, str, float]]:
    return [
        (time, *(batch.series.labels(row)[n] for n in ("host", "day")), value)
        for row, time, value in zip(
            batch.series_index.tolist(),
            batch.timestamps.tolist(),
            batch.values.tolist(),
            strict=True,
        )
    ]
