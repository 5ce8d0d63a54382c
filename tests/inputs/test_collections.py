"""Datasets, scanners, readers, lists of tables, dicts of columns, open files: the same answers as
of one table with the same rows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import novaql
from novaql import tsdb
from novaql.errors import InputError
from novaql.inputs.parquet.source import ParquetSource
from novaql.inputs.resolve import as_source
from novaql.inputs.tables.table_source import TableSource
from tests.support.store.model import batch_of
from tests.support.store.stored_histograms import simple

TABLE = pa.table(
    {
        "time": pa.array([0, 60, 60, 120], pa.timestamp("s")),
        "host": ["a", "a", "b", "b"],
        "load": [1.0, 2.0, 3.0, 4.0],
    }
)
ANSWER = novaql.query("sum by (host) (sum_over_time(load[5m]))", TABLE)


def parquet() -> io.BytesIO:
    made = io.BytesIO()
    pq.write_table(TABLE, made)
    return made


def arrow_file() -> pa.Buffer:
    made = pa.BufferOutputStream()
    with pa.ipc.new_file(made, TABLE.schema) as writer:
        for batch in (TABLE.slice(0, 3), TABLE.slice(3)):
            writer.write_table(batch)
    return made.getvalue()


def hive(folder: Path) -> Path:
    pq.write_to_dataset(TABLE, folder / "hive", partition_cols=["host"])
    return folder / "hive"


MADE: dict[str, Callable[[Path], Any]] = {
    "record batch": lambda _: TABLE.to_batches()[0],
    "list of record batches": lambda _: [*TABLE.slice(0, 2).to_batches(), *TABLE[2:].to_batches()],
    "list of frames": lambda _: [TABLE.slice(0, 1).to_pandas(), pl.from_arrow(TABLE.slice(1))],
    "tuple of tables": lambda _: (TABLE.slice(0, 3), TABLE.slice(3)),
    "dict": lambda _: {
        "time": np.array([0, 60, 60, 120], "M8[s]"),
        "host": ["a", "a", "b", "b"],
        "load": pd.Series([1.0, 2.0, 3.0, 4.0]),
    },
    "dict of datetimes": lambda _: {
        "time": [datetime.fromtimestamp(s, UTC) for s in (0, 60, 60, 120)],
        "host": pl.Series(["a", "a", "b", "b"]),
        "load": (1, 2, 3, 4),
    },
    "dataset in memory": lambda _: ds.dataset(TABLE),
    "dataset of Parquet": lambda folder: ds.dataset(hive(folder), partitioning="hive"),
    "filtered dataset": lambda folder: ds.dataset(hive(folder), partitioning="hive").filter(
        ds.field("load") > 0
    ),
    "scanner": lambda folder: ds.dataset(hive(folder), partitioning="hive").scanner(),
    "folder": hive,
    "pattern": lambda folder: f"{hive(folder)}/host=*/*.parquet",
    "BytesIO of Parquet": lambda _: parquet(),
    "file of Parquet": lambda folder: _opened(folder / "a.bin", parquet().getvalue()),
    "native file": lambda _: pa.BufferReader(parquet().getvalue()),
    "opened Parquet file": lambda _: pq.ParquetFile(parquet()),
    "dataset of Parquet of its own": lambda folder: pq.ParquetDataset(hive(folder)),
    "opened Arrow file": lambda _: pa.ipc.open_file(arrow_file()),
    "BytesIO of CSV": lambda _: io.BytesIO(csv().encode()),
    "StringIO of CSV": lambda _: io.StringIO(csv()),
    "file of CSV": lambda folder: _opened(folder / "a.csv", csv().encode()),
    "packed file of CSV": lambda folder: _opened(
        folder / "a.csv.gz", gzip.compress(csv().encode())
    ),
    "file without positions": lambda _: Unseekable(csv().encode()),
}


def csv() -> str:
    rows = ["0,a,1", "60,a,2", "60,b,3", "120,b,4"]
    return "\n".join(["time_s,host,load", *rows]) + "\n"


def _opened(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    return path.open("rb")


class Unseekable(io.RawIOBase):
    """As a socket or a pipe."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._rest.read(size)


@pytest.mark.parametrize("kind", MADE)
def test_data_is_queried_and_imported(kind: str, tmp_path: Path) -> None:
    data = MADE[kind](tmp_path)
    again = ANSWER if kind == "file without positions" else None
    try:
        text = "sum by (host) (sum_over_time(load[5m]))"
        assert novaql.query(text, data).values.tolist() == ANSWER.values.tolist()
        if again is None:  # the position of an open file stays
            assert novaql.query(text, data) == novaql.query(text, data)
            with novaql.memory() as database:
                assert database.load(data).samples == 4
                assert database.label_values("host") == ["a", "b"]
    finally:
        if isinstance(data, io.IOBase):
            data.close()


def test_a_scalar_in_a_dict_is_that_of_each_row() -> None:
    data = {"time": [0, 60], "host": "a", "load": 2.0}
    result = novaql.query("sum_over_time(load[5m])", data)
    assert (result[0].labels, result.item()) == ({"host": "a"}, 4)


def test_native_histograms_of_an_open_file(tmp_path: Path) -> None:
    with tsdb.memory() as database:
        database.append(batch_of([({"__name__": "h"}, 60_000, simple(2, b0=1, b1=1))]))
        novaql.save(database, tmp_path / "h.parquet")
    with (tmp_path / "h.parquet").open("rb") as file:
        assert novaql.query("histogram_count(h)", file).item() == 2
        assert novaql.query("histogram_count(h)", file).item() == 2


def test_a_reader_is_read_once() -> None:
    reader = TABLE.to_reader()
    assert novaql.query("sum(load)", reader).item() == 6
    assert len(novaql.query("sum(load)", reader, time=60)) == 0


def test_parquet_of_datasets_and_files_is_read_selector_by_selector(tmp_path: Path) -> None:
    for kind in ("dataset of Parquet", "BytesIO of Parquet"):
        assert isinstance(as_source(MADE[kind](tmp_path / kind)), ParquetSource)
    for kind in ("dataset in memory", "filtered dataset", "scanner", "BytesIO of CSV"):
        assert isinstance(as_source(MADE[kind](tmp_path / kind)), TableSource)


def test_partition_keys_of_a_dataset_prune(tmp_path: Path) -> None:
    folder = hive(tmp_path)
    data = ds.dataset(folder, partitioning="hive")
    for path in folder.glob("host=b/*"):
        path.write_bytes(b"broken")
    assert novaql.query('load{host="a"}', data, time=60).item() == 2
    with pytest.raises(InputError, match="host=b"):
        novaql.query("load", data, time=60)


def test_row_groups_of_a_fragment_count(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=1)
    (fragment,) = ds.dataset(tmp_path / "a.parquet").get_fragments()
    some = fragment.subset(row_group_ids=[0, 3])
    data = ds.FileSystemDataset([some], TABLE.schema, some.format, some.filesystem)
    assert novaql.query("sum(sum_over_time(load[5m]))", data).item() == 5


def test_partition_keys_that_are_no_texts(tmp_path: Path) -> None:
    table = TABLE.append_column("n", pa.array([7, 7, None, None], pa.int32()))
    pq.write_to_dataset(
        table.append_column("ok", pa.array([True] * 4)), tmp_path / "x", partition_cols=["n", "ok"]
    )
    data = ds.dataset(tmp_path / "x", partitioning="hive")
    assert novaql.label_values("n", data) == ["7"]
    assert novaql.labels(data) == ["__name__", "host", "n", "ok"]
    assert novaql.query('sum(load{n=""})', data).item() == 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"time": [1, 2], "load": [1.0]}, "dict: the values are no columns of one table"),
        ({"time": 1, "load": "x"}, "dict: no value is a column"),
        ({"load": TABLE.to_pandas()}, "dict: load is a table, and not a column"),
        ({"load": pl.from_arrow(TABLE), "time": [0]}, "dict: load is a table, and not a column"),
        ({"a": [1]}, "dict: no column is called time or timestamp"),
        ([TABLE, TABLE.drop(["load"])], "pyarrow Table 1: there is no column of numbers"),
        (
            [],
            "list cannot be read as metrics; pass .*, a dict of columns, an open file",
        ),
        ({}, "dict cannot be read as metrics"),
        ([TABLE, "path"], "list cannot be read as metrics"),
        (TABLE["load"], "pyarrow ChunkedArray: is one column; pass a table"),
        (pl.Series("load", [1.0]), "polars Series: is one column; pass a table"),
        (
            {"time": [1, 2], "port": ["80", 443], "load": [1.0, 2.0]},
            "dict: column port mixes the types int and str; .* a label to text",
        ),
        (
            {"time": [1, 2, 3, 4], "port": [pd.NaT, "80", 443, pd.NA], "load": [1.0] * 4},
            "dict: column port mixes the types int and str;",
        ),
        (
            {"time": [1, 2, 3], "port": [np.datetime64("NaT"), "80", 4], "load": [1.0] * 3},
            "dict: column port mixes the types int and str;",
        ),
        (
            {"time": [1, 2], "load": [1, 10**400]},
            "dict: column load has whole numbers of more than 64 bits; convert them to floats",
        ),
        (io.BytesIO(b""), "^BytesIO: is empty$"),
        (io.BytesIO(b"\x00\x01"), "^BytesIO: neither name nor content determines the format"),
        (io.StringIO('up{a="b" 1\n'), "^StringIO:1:"),
        (io.BytesIO(b"PAR1 broken"), "BytesIO: this is no readable Parquet file"),
    ],
)
def test_errors(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        novaql.query("load", data)


class Failing:
    """A stream that fails at once, or, with a schema, at its second batch."""

    def __init__(self, schema: pa.Schema | None = None) -> None:
        self._schema = schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self._schema is None:
            raise pa.ArrowInvalid("the warehouse is gone")
        stream: Any = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return stream.__arrow_c_stream__()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        yield from TABLE.slice(0, 1).to_batches()
        raise pa.ArrowInvalid("the warehouse is gone")


@pytest.mark.parametrize("data", [Failing(), Failing(TABLE.schema)])
def test_a_stream_that_fails(data: Any) -> None:
    with pytest.raises(InputError, match=r"Failing: .*the warehouse is gone"):
        novaql.query("load", data)


def closed(file: Any) -> Any:
    file.close()
    return file


def test_opened_files_that_are_damaged_or_closed(tmp_path: Path) -> None:
    parquet, arrow = tmp_path / "a.parquet", tmp_path / "a.arrow"
    pq.write_table(TABLE, parquet)
    with pa.ipc.new_file(str(arrow), TABLE.schema) as writer:
        writer.write_table(TABLE)
    cases = {"closed": closed(pq.ParquetFile(parquet))}
    whole = parquet.read_bytes()
    parquet.write_bytes(whole[:10] + b"\xff" * 50 + whole[60:])
    cases["damaged"] = pq.ParquetFile(parquet)
    cases["dataset"] = pq.ParquetDataset(parquet)
    whole = arrow.read_bytes()
    at = len(whole) // 3
    arrow.write_bytes(whole[:at] + b"\xff" * 60 + whole[at + 60 :])
    cases["arrow"] = pa.ipc.open_file(str(arrow))
    for name, data in cases.items():
        with pytest.raises(InputError, match=r"^pyarrow \w+: "):
            pytest.fail(f"{name}: {novaql.query('load', data)}")
    with pytest.raises(InputError, match="row group 0 is damaged"):
        novaql.query("load", parquet)
