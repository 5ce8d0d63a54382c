"""Long and wide form, through Arrow, pandas, polars, DuckDB, Parquet and CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from novaql.errors import InputError
from novaql.inputs.open_any import open_stream
from novaql.inputs.tables.arrow_table import read_arrow
from novaql.inputs.tables.column_roles import BY_NAME
from novaql.inputs.tables.frame import frame
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from tests.support.store.batches import Plain, batches, bits, floats, plain, read_plain

finite = st.floats(allow_nan=False, allow_infinity=False)
ms_times = st.integers(0, 10**13)
tame = st.text("abcXYZ09 ,;é\"'{}=", min_size=1, max_size=5)
on_disk = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def long_table(batch: Batch) -> pa.Table:
    """One row a sample, in the order of the batch."""
    columns: dict[str, Any] = {
        "time": pa.array(batch.timestamps).cast(pa.timestamp("ms", "UTC")),
        "value": pa.array(batch.values),
    }
    for name, column in batch.series.columns.items():
        texts = [text or None for text in column.texts()]
        columns[name] = pa.array(texts, pa.string()).take(batch.series_index)
    return pa.table(columns)


def mapped_table(batch: Batch) -> pa.Table:
    sets = [list(labels.items()) for labels in batch.series]
    labels = pa.array(sets, pa.map_(pa.string(), pa.string()))
    return pa.table(
        {
            "timestamp_ms": pa.array(batch.timestamps),
            "labels": labels.take(batch.series_index),
            "value": pa.array(batch.values),
        }
    )


def read(data: Any) -> Plain:
    return read_plain(open_stream(data).collect())


@given(batches(at=ms_times))
def test_long_form_round_trip_keeps_every_bit(batch: Batch) -> None:
    assert read(long_table(batch)) == plain(batch)


@given(batches(at=ms_times))
def test_labels_in_one_map(batch: Batch) -> None:
    assert read(mapped_table(batch)) == plain(batch)
    assert read(mapped_table(batch).slice(1)) == plain(
        Batch(batch.series, batch.series_index[1:], batch.timestamps[1:], batch.values[1:])
    )


@given(batches(at=ms_times), st.integers(1, 5))
def test_batches_may_be_cut_anywhere(batch: Batch, rows: int) -> None:
    table = long_table(batch)
    parts = table.to_batches(max_chunksize=rows)
    found = list(read_arrow(parts, table.schema, BY_NAME, "a table"))
    assert sum(len(part) for part in found) == len(batch)
    assert read(pa.RecordBatchReader.from_batches(table.schema, parts)) == plain(batch)


@pytest.mark.slow
@settings(max_examples=40)
@given(batches(values=finite, at=ms_times))
def test_frames_of_others(batch: Batch) -> None:
    table = long_table(batch)
    assert read(table.to_pandas()) == plain(batch)
    assert read(pl.DataFrame(table)) == plain(batch)
    assert read(pl.DataFrame(table).lazy()) == plain(batch)


@pytest.mark.slow
@settings(max_examples=25)
@given(batches(values=floats, at=ms_times))
def test_duckdb_relations(batch: Batch) -> None:
    table = long_table(batch)
    with duckdb.connect() as connection:
        assert read(connection.from_arrow(table)) == plain(batch)


@pytest.mark.slow
@on_disk
@given(batch=batches(at=ms_times))
def test_parquet_round_trip(batch: Batch, tmp_path: Path) -> None:
    pq.write_table(long_table(batch), tmp_path / "long.parquet", row_group_size=7)
    pq.write_table(mapped_table(batch), tmp_path / "map.parquet", row_group_size=7)
    assert read(tmp_path / "long.parquet") == plain(batch)
    assert read(str(tmp_path / "map.parquet")) == plain(batch)


@pytest.mark.slow
@on_disk
@given(batch=batches(values=finite, at=ms_times, text=tame))
def test_csv_round_trip(batch: Batch, tmp_path: Path) -> None:
    pacsv.write_csv(long_table(batch), tmp_path / "long.csv")
    assert read(tmp_path / "long.csv") == plain(batch)


@given(batches(at=ms_times))
def test_wide_form_round_trip(batch: Batch) -> None:
    said = plain(batch)
    times = sorted({time for samples in said.values() for time in samples})
    columns: dict[str, Any] = {"time": pa.array(times, pa.int64()).cast(pa.timestamp("ms"))}
    for key, samples in said.items():
        labels = dict(key)
        name = labels.pop("__name__")
        inside = ",".join(f"{label}={quoted(text)}" for label, text in labels.items())
        values = [np.frombuffer(samples[t])[0] if t in samples else None for t in times]
        columns[f"{name}{{{inside}}}"] = pa.array(values, pa.float64())
    assert len(columns) == 1 or read(pa.table(columns)) == said


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_wide_form_with_label_columns() -> None:
    table = pa.table(
        {
            "ts": [10, 20, 20],
            "host": ["a", "a", "b"],
            "cpu": [0.5, None, 0.75],
            'requests{code="200"}': [1, 2, 3],
        }
    )
    assert read(table) == {
        (("__name__", "cpu"), ("host", "a")): {10_000: bits(0.5)},
        (("__name__", "cpu"), ("host", "b")): {20_000: bits(0.75)},
        (("__name__", "requests"), ("code", "200"), ("host", "a")): {
            10_000: bits(1.0),
            20_000: bits(2.0),
        },
        (("__name__", "requests"), ("code", "200"), ("host", "b")): {20_000: bits(3.0)},
    }


def test_pandas_index_and_absent_numbers() -> None:
    index = pd.to_datetime([1, 2], unit="s", utc=True)
    wide = pd.DataFrame({"up": [1.0, np.nan], "load": [2.0, 3.0]}, index=index)
    assert read(wide) == {
        (("__name__", "load"),): {1000: bits(2.0), 2000: bits(3.0)},
        (("__name__", "up"),): {1000: bits(1.0)},
    }
    assert read(wide["load"]) == {(("__name__", "load"),): {1000: bits(2.0), 2000: bits(3.0)}}
    two_levels = wide.set_index(pd.Index(["x", "y"], name="job"), append=True)
    two_levels.index.names = ["time", "job"]
    assert read(two_levels[["load"]]) == {
        (("__name__", "load"), ("job", "x")): {1000: bits(2.0)},
        (("__name__", "load"), ("job", "y")): {2000: bits(3.0)},
    }


def test_row_numbers_of_pandas_are_no_label() -> None:
    rows = pd.DataFrame({"timestamp": [1, 2, 3], "up": [1.0, 0.0, 1.0]})
    expected = {(("__name__", "up"),): {1000: bits(1.0), 3000: bits(1.0)}}

    assert read(rows[rows["up"] > 0]) == expected
    assert read(pd.concat([rows[:1], rows[2:]])) == expected


def test_pandas_columns_that_cannot_be_read() -> None:
    rows = pd.DataFrame({"time": [1, 2], "job": ["a", "b"], "value": [1.0, 2.0]})
    indexed = rows.set_index("job", drop=False)

    for wrong, message in [
        (pd.concat([rows, rows[["job"]]], axis=1), "several columns called 'job'$"),
        (indexed, r"several columns called 'job' \(the index counts as one\)$"),
        (rows.assign(value=1j), "DataFrame: column value: "),
        (rows.assign(value=[1, "x"]), "DataFrame: column value mixes the types int and str; "),
        (rows.assign(port=["80", 443]), r"column port mixes .* \.astype\(str\)"),
        (rows.assign(port=[443.5, "80"]).set_index("port"), "column port mixes .* float and str"),
        (rows.assign(value=[1, 10**400]), "column value has whole numbers of more than 64 bits"),
    ]:
        with pytest.raises(InputError, match=message):
            read(wrong)


def test_pandas_columns_under_a_heading_are_labels() -> None:
    rows = pd.DataFrame({"time": [1, 1], "host": ["a", 'b"\n'], "cpu": [0.5, 0.75]})
    assert read(rows.pivot(index="time", columns="host", values="cpu")) == {
        (("host", "a"),): {1000: bits(0.5)},
        (("host", 'b"\n'),): {1000: bits(0.75)},
    }


def result(rows: int) -> Result:
    sets = [{"mode": f"m{row}", "time": "x"} if row else {"mode": "m0"} for row in range(rows)]
    values = np.arange(3.0 * rows).reshape(rows, 3) + 0.25
    valid = np.ones((rows, 3), np.bool_)
    valid[0, 1] = False
    times = np.arange(3, dtype=np.int64) * 60_000 + 1_700_000_000_000
    return Result(ResultKind.MATRIX, SeriesTable.from_dicts(sets), times, values, valid)


@pytest.mark.parametrize("rows", [1, 3])
def test_results_are_read_back(rows: int) -> None:
    made = result(rows)
    points = made.points()
    index = np.repeat(np.arange(rows), np.diff(points.offsets))
    expected = plain(Batch(made.series, index, points.times_ms, points.values))
    assert read(made.arrow()) == expected
    assert read(made.arrow(layout="wide")) == expected
    assert read(made.pandas(wide=True)) == expected
    # Frames lose Arrow's metadata, so there a label called time keeps its column's name.
    renamed = {
        tuple(sorted(("label_time" if n == "time" else n, v) for n, v in key)): samples
        for key, samples in expected.items()
    }
    assert read(made.polars()) == read(made.pandas()) == renamed


@pytest.mark.parametrize(
    ("column", "numbers", "expected"),
    [
        ("time", pa.array([1_700_000_000]), 1_700_000_000_000),
        ("time", pa.array([1_700_000_000.25]), 1_700_000_000_250),
        ("time", pa.array([1_700_000_000_000]), 1_700_000_000_000),
        ("time", pa.array([1_700_000_000_000_000]), 1_700_000_000_000),
        ("time", pa.array([1_700_000_000_000_000_000]), 1_700_000_000_000),
        ("timestamp_ms", pa.array([5]), 5),
        ("ts_s", pa.array([5]), 5000),
        ("time_us", pa.array([5999]), 5),
        ("time", pa.array([-1], pa.timestamp("us")), -1),
        ("date", pa.array([1], pa.date32()), 86_400_000),
        ("when", pa.array([7], pa.timestamp("s")), 7000),
        ("Timestamp", pa.array(["2025-06-01T12:00:00Z"]), 1_748_779_200_000),
        ("time", pa.array(["2025-06-01 12:00"]), 1_748_779_200_000),
        ("time", pa.array(["2025-06-01T14:00:00.5+02:00"]), 1_748_779_200_500),
        ("time", pa.array(["1748779200"]), 1_748_779_200_000),
        ("time", pa.array([3], pa.uint64()), 3000),
    ],
)
def test_times_in_every_unit(column: str, numbers: pa.Array[Any], expected: int) -> None:
    assert read(pa.table({column: numbers, "up": [1.0]})) == {
        (("__name__", "up"),): {expected: bits(1.0)}
    }


def test_times_that_are_texts_in_frames_and_files(tmp_path: Path) -> None:
    texts = ["2025-06-01T12:00:00Z", "2025-06-01T12:00:01Z"]
    wanted = {1_748_779_200_000: bits(1.0), 1_748_779_201_000: bits(2.0)}
    pq.write_table(pa.table({"time": texts, "up": [1.0, 2.0]}), tmp_path / "a.parquet")
    for times in (pd.Series(texts, dtype=object), pd.Categorical(texts)):
        found = read(pd.DataFrame({"time": times, "up": [1.0, 2.0]}))
        assert found == {(("__name__", "up"),): wanted}
    assert read(tmp_path / "a.parquet") == {(("__name__", "up"),): wanted}
    with pytest.raises(InputError, match="row 1 has no time"):
        read(pd.DataFrame({"time": pd.Series([texts[0], None], dtype=object), "up": [1.0, 2.0]}))


@pytest.mark.parametrize(
    "labels",
    [
        pa.array(["a", None]).dictionary_encode(),
        pa.array(["a", ""]),
        pa.array(["a", None], pa.string_view()),
        pa.array(["a", None], pa.large_string()),
    ],
)
def test_label_types_and_absence(labels: pa.Array[Any]) -> None:
    table = pa.table({"time": [1, 2], "name": ["up", "up"], "job": labels, "value": [1.0, 2.0]})
    assert read(table) == {
        (("__name__", "up"), ("job", "a")): {1000: bits(1.0)},
        (("__name__", "up"),): {2000: bits(2.0)},
    }


def test_integer_and_boolean_labels_are_written_out() -> None:
    table = pa.table({"time": [1], "status": [200], "ok": [True], "value": [1]})
    assert read(table) == {(("ok", "true"), ("status", "200")): {1000: bits(1.0)}}


def test_structs_and_lists_of_pairs() -> None:
    struct = pa.array([{"__name__": "up", "job": "a"}, {"__name__": "up", "job": None}])
    pairs = pa.array([[{"key": "__name__", "value": "up"}, {"key": "job", "value": "a"}], None])
    expected = {(("__name__", "up"), ("job", "a")): {1000: bits(1.0)}}
    for labels in (struct, pairs):
        found = read(pa.table({"time": [1, 2], "labels": labels, "value": [1.0, 2.0]}))
        assert {k: v for k, v in found.items() if ("job", "a") in k} == expected
        assert len(found) == 2


def test_frame_names_columns() -> None:
    df = pd.DataFrame({"when": [1, 2], "room": ["x", "y"], "celsius": [20.0, 21.0], "note": "z"})
    source = frame(df, time="when", time_unit="ms", value="celsius", labels=["room"], name="temp")
    assert read_plain(source) == {
        (("__name__", "temp"), ("room", "x")): {1: bits(20.0)},
        (("__name__", "temp"), ("room", "y")): {2: bits(21.0)},
    }
    several = frame(df.assign(humidity=[0.5, 0.6]), time="when", value=["celsius", "humidity"])
    assert [labels["__name__"] for labels in several.series([], 0, 10**6)] == [
        "celsius",
        "celsius",
        "humidity",
        "humidity",
    ]


def two_columns_of_one_name() -> pa.Table:
    numbers = pa.array([1])
    return pa.Table.from_arrays([numbers, numbers, numbers], names=["time", "a", "a"])


Table = Callable[[], Any]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (
            lambda: pa.table({"a": [1.0], "b": [2.0]}),
            r"is called time.* --time-column …`.* a, b$",
        ),
        (lambda: pa.table({"time": [1], "job": ["x"]}), "no column of numbers"),
        (
            lambda: pa.table({"time": [1], "__name__": ["up"], "reading": [1.0], "kilo": [2]}),
            r"frame\(data, value=…\), or .* --value-column …`. Columns of numbers: reading, kilo$",
        ),
        (lambda: pa.table({"time": [1, None], "up": [1, 2]}), "column time: row 1 has no time"),
        (lambda: pa.table({"time": [1.0, float("nan")], "up": [1, 2]}), "row 1 has the time nan"),
        (
            lambda: pa.table({"time": ["2025-01-01", "soon"], "up": [1, 2]}),
            "row 1: 'soon'",
        ),
        (
            lambda: pa.table({"time_ms": [1, 2**62 + 1], "up": [1, 2]}),
            "time_ms: the time in row 1 is",
        ),
        (lambda: pa.table({"time_s": [1, -(2**61)], "up": [1, 2]}), "time_s: the time in row 1 is"),
        (lambda: pa.table({"time": [b"x"], "up": [1]}), "binary cannot be read as a time"),
        (lambda: pa.table({"time": [1], "value": [1.0], "x": [0.5]}), "column x: double cannot be"),
        (lambda: pa.table({"time": [1], "up{job=x}": [1.0]}), "is no series"),
        (two_columns_of_one_name, "several columns called"),
        (
            lambda: pd.DataFrame(
                [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])
            ),
            "several levels without names",
        ),
        (lambda: 17, "int cannot be read as metrics"),
        (list, "list cannot be read as metrics"),
    ],
)
def test_tables_that_are_no_metrics(table: Table, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        open_stream(table()).collect()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"time": "tiem"}, "no column 'tiem'; did you mean 'time'"),
        ({"value": "job"}, "column job is string, a value must be a number"),
        ({"labels": ["jop"]}, "did you mean 'job'"),
        ({"value": []}, "names no column"),
    ],
)
def test_frame_says_which_argument_is_wrong(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        frame(pa.table({"time": [1], "job": ["x"], "value": [1.0]}), **wrong)
