"""Data that cannot be read as it is: the message says what is wrong, and what to pass instead."""

from __future__ import annotations

import datetime as dt
import io
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import novaql
from novaql import InputError, frame, query
from tests.support.repository.documents import free_port

TIMES = pd.date_range("2026-01-01", periods=3, freq="1min")


def message(data: Any) -> str:
    with pytest.raises(InputError) as caught:
        query("up", data)
    return str(caught.value)


def test_a_pattern_without_files(tmp_path: Path) -> None:
    assert message(tmp_path / "*.parquet") == f"{tmp_path}/*.parquet: no file matches this pattern"
    assert message(tmp_path / "no.csv") == f"{tmp_path}/no.csv: there is no such file or folder"


def test_the_content_of_a_file_in_place_of_its_path() -> None:
    assert message('up{job="a"} 1\nup{job="b"} 2\n') == (
        "the data is a text of several lines, which is no path; pass its content as a file: "
        "io.StringIO(text)"
    )
    assert message(b"up 1\n").endswith("bytes are read as a file: io.BytesIO(data)")


def test_rows_as_dictionaries() -> None:
    rows = [{"time": "2026-01-01", "up": 1}]
    assert message(rows).endswith(
        "of a list of dict, the table is pandas.DataFrame(rows) or pyarrow.Table.from_pylist(rows)"
    )


def test_addresses_and_paths_in_one_list() -> None:
    both = ["up.csv", "http://127.0.0.1:1"]
    assert message(both).endswith("; an address is read alone, not in a list")


def test_addresses_without_a_server_or_without_tls() -> None:
    place = f"127.0.0.1:{free_port()}"
    assert message(f"http://{place}").endswith("Connection refused: no program listens there")

    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        said = message(f"https://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert said.endswith(": the server does not speak TLS: write http:// in place of https://")


def test_a_database_beside_other_data(tmp_path: Path) -> None:
    place = tmp_path / "data"
    novaql.open(place).close()
    (tmp_path / "a.csv").write_text("time,up\n1,1\n")
    for data in ([place, tmp_path / "a.csv"], [tmp_path / "a.csv", str(place)], [place]):
        assert message(data).startswith(f"{place} is a database, which is read alone: ")


def test_a_generator_of_frames() -> None:
    frames = (one for one in [pd.DataFrame({"time": TIMES, "up": 1.0})])
    assert message(frames).endswith("a generator is read as a list: list(data)")


def test_a_frame_without_columns() -> None:
    assert message(pd.DataFrame()) == "pandas DataFrame: the table has no columns"


def test_columns_that_are_no_numbers() -> None:
    assert message(pd.DataFrame({"time": TIMES, "__name__": "up", "value": ["1"] * 3})) == (
        "pandas DataFrame: there is no column of numbers beside the time: "
        "column value is of text; convert it to numbers, for example with .astype(float)"
    )
    lasting = pa.table(
        {"time": pa.array(TIMES, pa.timestamp("ms")), "up": pa.array([1, 2, 3], pa.duration("s"))}
    )
    assert message(lasting) == (
        "pyarrow Table: there is no column of numbers beside the time; the columns are "
        "time (timestamp[ms]), up (duration[s])"
    )


def test_a_row_without_a_time() -> None:
    missing = pd.DataFrame({"time": [TIMES[0], pd.NaT], "up": [1.0, 2.0]})
    assert message(missing) == (
        "pandas DataFrame: column time: row 1 has no time; leave such rows out"
    )


def test_a_period_has_two_times() -> None:
    periods = pd.DataFrame({"up": [1.0] * 3}, pd.period_range("2026-01-01", periods=3, freq="D"))
    assert message(periods) == (
        "pandas DataFrame: column time: a period is no time; convert it, as by .to_timestamp()"
    )


def test_one_text_is_one_label() -> None:
    table = pd.DataFrame({"time": TIMES, "host": "a", "note": "n", "value": 1.0})
    found = query('{host="a"}', frame(table, labels="host"))
    assert found.series.dicts() == [{"host": "a"}]


def test_a_unit_of_times_that_there_is_not() -> None:
    with pytest.raises(InputError) as caught:
        frame({"t": [1], "up": [1.0]}, time="t", time_unit="min")  # type: ignore[arg-type]
    assert str(caught.value) == "time_unit: is 's', 'ms', 'us' or 'ns', not 'min'"


def test_a_series_of_pandas_without_a_name() -> None:
    assert query("up", pd.Series([1.0] * 3, TIMES, name="up")).item() == 1.0
    assert query("value", pd.Series([1.0, 2.0, 3.0], TIMES)).item() == 3.0
    hosts = pd.MultiIndex.from_product([["a"], TIMES], names=["host", "time"])
    assert query('{host="a"}', pd.Series([1.0, 2.0, 3.0], hosts)).item() == 3.0


def test_sparse_columns() -> None:
    values = pd.arrays.SparseArray([0.0, 0.0, 2.0])
    assert query("up", pd.DataFrame({"time": TIMES, "up": values})).item() == 2.0


def test_labels_that_are_run_length_encoded() -> None:
    hosts: Any = pa.RunEndEncodedArray.from_arrays(
        pa.array([2, 3], pa.int32()), pa.array(["a", "b"])
    )
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    table = pa.table(
        {"time": [start] * 3, "__name__": ["up"] * 3, "host": hosts, "value": [1.0] * 3}
    )
    assert query("up", table).series.dicts() == [
        {"__name__": "up", "host": "a"},
        {"__name__": "up", "host": "b"},
    ]


def test_an_array_of_numpy() -> None:
    assert message(np.ones((3, 2))).endswith(
        "an array has no columns: pandas.DataFrame(…) names them"
    )


@pytest.mark.parametrize("content", [b"up 1\n", b"PAR1"])
def test_a_closed_file(content: bytes) -> None:
    file = io.BytesIO(content)
    file.close()
    assert message(file) == "BytesIO: I/O operation on closed file."
    text = io.StringIO()
    text.close()
    assert message(text) == "StringIO: I/O operation on closed file"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.prom").write_bytes(b'up{job="\xff"} 1\n')
    with (tmp_path / "a.prom").open(encoding="utf-8") as file:
        assert message(file).startswith(f"{file.name}: 'utf-8' codec can't decode byte 0xff")


def test_frames_that_cannot_be_computed() -> None:
    lazy = pl.LazyFrame({"time": TIMES, "up": 1.0})
    assert "polars LazyFrame: " in message(lazy.select("nope"))
    assert "polars LazyFrame 0: " in message([lazy.select("nope")])
    broken = duckdb.sql("SELECT 1 AS time, error('it broke')::DOUBLE AS up")
    assert message(broken) == "duckdb DuckDBPyRelation: Invalid Input Error: it broke"
    with pytest.raises(InputError) as caught:
        query("up", lazy.select("nope"))
    assert isinstance(caught.value.__cause__, pl.exceptions.ColumnNotFoundError)


@pytest.mark.parametrize("address", ["http://", "https:///metrics", "http://:9090"])
def test_an_address_without_a_host(address: str) -> None:
    with pytest.raises(InputError, match="names no host, as in http://localhost:9090"):
        query("up", address)
