"""Parquet files at https and s3 addresses: what a query needs is requested, and not more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import novaql
from novaql.errors import InputError
from tests.support.peers.object_store import ObjectStore, serving

T = 1_700_000_000_000


def file_of(*hosts: str, label: str = "host", rows: int = 20_000) -> bytes:
    """A row group for each host, of random values."""
    made = io.BytesIO()
    times = pa.array(np.arange(rows) * 1000 + T, pa.int64()).cast(pa.timestamp("ms"))
    rng = np.random.default_rng(1)
    kinds: list[tuple[str, pa.DataType]] = [("time", times.type), (label, pa.string())]
    with pq.ParquetWriter(made, pa.schema([*kinds, ("load", pa.float64())])) as writer:
        for number, host in enumerate(hosts):
            values = rng.random(rows)
            values[-1] = number
            columns: dict[str, pa.Array[Any]] = {"time": times, label: pa.array([host] * rows)}
            columns["load"] = pa.array(values)
            writer.write_table(pa.table(columns))
    return made.getvalue()


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    files = {
        "bucket/all.parquet": file_of("a", "b", "c"),
        "bucket/day=1/x.parquet": file_of("a", rows=10),
        "bucket/day=2/x.parquet": file_of("b", rows=10),
        "bucket/day=2/readme.txt": b"no Parquet",
    }
    with serving(files) as made:
        yield made


def total(asked: list[tuple[str, str, str]]) -> int:
    """Bytes of the ranges that were requested."""
    spans = [span.removeprefix("bytes=").split("-") for _, _, span in asked if span]
    return sum(int(last) - int(first) + 1 if first else int(last) for first, last in spans)


def test_a_file_over_http_is_read_by_ranges(store: ObjectStore) -> None:
    address = f"http://{store.address}/bucket/all.parquet"
    time = (T + 19_999_000) / 1000
    assert novaql.query('load{host="b"}', address, time=time).item() == 1
    requests = store.asked.copy()
    assert {method for method, _, _ in requests} == {"GET"}
    assert all(span for _, _, span in requests)
    assert total(requests) < 0.6 * len(store.files["bucket/all.parquet"])
    assert novaql.label_values("host", address + "?key=1") == ["a", "b", "c"]
    assert novaql.query("count(load)", [address, address]).item() == 3


def test_a_server_without_ranges_sends_the_whole_file(store: ObjectStore) -> None:
    store.ranges = False
    address = f"http://{store.address}/bucket/all.parquet"
    assert novaql.query("sum(load)", address).item() == 0 + 1 + 2
    assert len(store.asked) == 1


def test_a_file_that_is_not_there(store: ObjectStore) -> None:
    with pytest.raises(InputError, match=r"bucket/none\.parquet: the target answered 404"):
        novaql.query("load", f"http://{store.address}/bucket/none.parquet")
    with pytest.raises(InputError, match=r"s3://bucket/none\.parquet"):
        novaql.query("load", store.s3("bucket/none.parquet"))
    with pytest.raises(InputError, match=r"s3://bucket/empty: .*"):
        novaql.query("load", store.s3("bucket/empty"))


def test_a_file_that_changes(store: ObjectStore) -> None:
    address = f"http://{store.address}/bucket/all.parquet"
    source = novaql.frame(address)
    store.files["bucket/all.parquet"] = file_of("a")
    with pytest.raises(InputError, match="the file changed while it was read"):
        novaql.query('load{host="b"}', source)


@pytest.mark.slow
def test_files_in_a_bucket(store: ObjectStore) -> None:
    assert novaql.query('load{host="c"}', store.s3("bucket/all.parquet")).item() == 2
    days = novaql.query(
        "count by (day) (last_over_time(load[1h]))", store.s3("bucket/day=*/*.parquet")
    )
    assert sorted(series.labels["day"] for series in days) == ["1", "2"]
    assert novaql.label_values("day", store.s3("bucket/day=2")) == ["2"]
    store.asked.clear()
    assert novaql.query('load{day="1"}', store.s3("bucket/*/x.parquet"), time=T / 1000).item() < 1
    read = {path for method, path, span in store.asked if method == "GET" and span}
    assert read == {"bucket/day=1/x.parquet"}


def test_an_import_of_a_bucket(store: ObjectStore) -> None:
    with novaql.memory() as database:
        report = database.load(store.s3("bucket/day=*/*"))
        assert (report.samples, report.series, report.files) == (20, 2, 2)
