"""A result as Arrow table, frames, relation and arrays: nothing lost, nothing invented."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.errors import LimitExceeded
from novaql.export import arrow, arrow_arrays
from novaql.export.arrow import long_stream, wide_stream
from novaql.export.columns import column_names
from novaql.result import Result
from novaql.tsdb.model.labels import SeriesTable
from tests.support.generators.results import NOON_MS, matrix, raw, results, scalar, string, vector

Sample = tuple[tuple[tuple[str, str], ...], int, bytes]


def bits(value: float) -> bytes:
    return np.float64(value).tobytes()


def samples_of(result: Result) -> list[Sample]:
    """(labels, time, bits of the value) of every sample, by a plain loop."""
    points, out = result.points(), []
    for row, labels in enumerate(result.series.dicts()):
        for at in range(points.offsets[row], points.offsets[row + 1]):
            key = tuple(sorted(labels.items()))
            out.append((key, int(points.times_ms[at]), bits(points.values[at])))
    return out


def milliseconds(table: pa.Table) -> list[int]:
    return table["time"].cast(pa.int64()).to_numpy().tolist()  # type: ignore[no-any-return]


def samples_of_arrow(table: pa.Table) -> list[Sample]:
    label_of = {
        field.name: field.metadata[b"label"].decode() for field in table.schema if field.metadata
    }
    times = milliseconds(table)
    values = table["value"].to_numpy()
    rows = table.select(list(label_of)).to_pylist() if label_of else [{}] * len(times)
    return [
        (tuple(sorted((label_of[c], v) for c, v in row.items() if v is not None)), t, bits(x))
        for row, t, x in zip(rows, times, values, strict=True)
    ]


@settings(deadline=None)  # the first example loads libraries
@given(results())
def test_the_long_table_holds_exactly_the_points(result: Result) -> None:
    table = result.arrow()
    table.validate(full=True)
    if result.text is not None:
        assert table["value"].to_pylist() == [result.text]
    else:
        assert samples_of_arrow(table) == samples_of(result)
        assert table.schema.field("time").type == pa.timestamp("ms", tz="UTC")
        assert table.schema.field("value").type == pa.float64()


@settings(deadline=None)
@given(results(), st.integers(1, 8))
def test_a_stream_is_the_long_table_in_batches(result: Result, at_once: int) -> None:
    """And no batch takes label columns or looks at all rows: that would be rows times batches."""
    with (
        patch.object(arrow, "SAMPLES_AT_ONCE", at_once),
        patch.object(SeriesTable, "take", side_effect=AssertionError),
    ):
        stream = b"".join(long_stream(result))
    with pa.ipc.open_stream(stream) as reader:
        found = reader.read_all()
    found.validate(full=True)
    if result.text is not None:
        assert found.equals(result.arrow())
    else:
        assert samples_of_arrow(found) == samples_of(result)


@settings(deadline=None)
@given(results())
def test_the_wide_table_holds_exactly_the_points(result: Result) -> None:
    table = result.arrow(layout="wide")
    table.validate(full=True)
    if result.text is not None:
        return
    assert len(set(table.column_names)) == 1 + len(result)
    times = milliseconds(table)
    assert times == sorted(set(times))
    found = [
        (tuple(sorted(labels.items())), t, bits(x))
        for labels, column in zip(result.series.dicts(), table.columns[1:], strict=True)
        for t, x in zip(times, column.to_pylist(), strict=True)
        if x is not None
    ]
    assert [key[:2] for key in found] == [key[:2] for key in samples_of(result)]
    for (_, _, ours), (_, _, theirs) in zip(found, samples_of(result), strict=True):
        np.testing.assert_equal(np.frombuffer(ours), np.frombuffer(theirs))


@settings(deadline=None)
@given(results(), st.sampled_from([1, 6, arrow.WIDE_AT_ONCE]))
def test_the_wide_stream_is_the_wide_table_in_batches(result: Result, at_once: int) -> None:
    with patch.object(arrow, "WIDE_AT_ONCE", at_once), patch.object(arrow, "WIDE_ROWS", 2):
        stream = b"".join(wide_stream(result))
    with pa.ipc.open_stream(stream) as reader:
        batches = list(reader)
    expected = result.arrow(layout="wide")
    found = pa.Table.from_batches(batches, schema=expected.schema).combine_chunks()
    found.validate(full=True)
    assert found.schema == expected.schema
    assert _cells(found) == _cells(expected)
    if result.text is None:
        rows = max(2, at_once // expected.num_columns)
        assert len(batches) == -(-expected.num_rows // rows)


def _cells(table: pa.Table) -> list[tuple[str, list[str]]]:
    """Columns with their values as texts, in which NaN equals NaN."""
    columns = zip(table.column_names, table.columns, strict=True)
    return [(name, [repr(value) for value in column.to_pylist()]) for name, column in columns]


def test_a_part_of_a_matrix_has_a_wide_layout_of_its_own() -> None:
    whole = matrix([({"a": "1"}, [1, 2, 3]), ({"a": "2"}, [4, 5, 6])])
    part = replace(whole, values=whole.values[:, 1:], times_ms=whole.times_ms[1:])

    assert part.arrow(layout="wide")['{a="2"}'].to_pylist() == [5, 6]


def test_a_wide_table_is_pickled_without_repetition() -> None:
    table = matrix([({"a": str(row)}, [1.0] * 100) for row in range(100)]).arrow(layout="wide")

    assert len(pickle.dumps(table)) < 2 * table.nbytes


@settings(deadline=None)
@given(results())
def test_frames_and_relation_agree_with_the_table(result: Result) -> None:
    table = result.arrow()
    from_pandas = result.pandas()
    from_polars = result.polars()
    assert list(from_pandas.columns) == from_polars.columns == table.column_names
    assert len(from_pandas) == from_polars.height == table.num_rows
    assert str(from_pandas["time"].dtype) == "datetime64[ms, UTC]"
    assert from_polars["time"].dtype == pl.Datetime("ms", "UTC")
    if result.text is None:
        np.testing.assert_array_equal(from_pandas["value"], table["value"].to_numpy())
        np.testing.assert_array_equal(from_polars["value"].to_numpy(), table["value"].to_numpy())
    for name in table.column_names[2:]:
        texts = table[name].to_pylist()
        assert from_polars[name].to_list() == texts
        assert [None if pd.isna(v) else v for v in from_pandas[name]] == texts


@settings(deadline=None)
@given(results())
def test_iteration_gives_every_series_with_its_samples(result: Result) -> None:
    found = [
        (tuple(sorted(series.labels.items())), int(time.astype(np.int64)), bits(value))
        for series in result
        for time, value in zip(series.times, series.values, strict=True)
    ]
    assert found == samples_of(result)
    assert len(list(result)) == len(result)


def test_the_capsule_interface_feeds_other_libraries() -> None:
    result = vector([({"__name__": "up", "job": "a"}, 1), ({"__name__": "up", "job": "b"}, 0)])

    assert pa.table(result).equals(result.arrow())
    frame: Any = pl.DataFrame(result)
    assert frame["value"].to_list() == [1, 0]
    relation = duckdb.from_arrow(result.arrow())
    assert relation.filter("job = 'b'").select("value").fetchall() == [(0.0,)]
    assert result.duckdb().aggregate("sum(value)").fetchall() == [(1.0,)]


def test_labels_that_are_called_like_columns_move_aside() -> None:
    assert column_names(["a", "time", "value"]) == {
        "a": "a", "label_time": "time", "label_value": "value"
    }  # fmt: skip
    assert column_names(["label_time", "time"]) == {
        "label_time": "label_time", "label_label_time": "time"
    }  # fmt: skip


def test_wide_columns_of_pandas_are_the_labels() -> None:
    result = matrix([({"mode": "idle"}, [1, None]), ({"mode": "user"}, [3, 4])])

    frame = result.pandas(wide=True)

    assert frame.columns.name == "mode"
    assert frame["user"].tolist() == [3, 4]
    assert frame["idle"].isna().tolist() == [False, True]
    assert frame.index[0] == pd.Timestamp("2026-03-01T12:00Z")
    two = matrix([({"a": "1", "b": "2"}, [1]), ({"a": "1"}, [2])]).pandas(wide=True)
    assert two[("1", "2")].tolist() == [1]
    assert two[("1", "")].tolist() == [2]
    assert scalar(5).pandas(wide=True)["value"].tolist() == [5]


def test_a_series_called_time_does_not_hide_the_times() -> None:
    table = vector([({"__name__": "time"}, 7), ({}, 8)]).arrow(layout="wide")

    assert table.column_names == ["time", '{"time"}', "{}"]
    assert table['{"time"}'].to_pylist() == [7]


def test_arrays_of_samples_with_times_of_their_own() -> None:
    labels, times, values = raw(
        [({"a": "1"}, [(0, 1), (500, 2)]), ({"a": "2"}, [(250, 3)])]
    ).numpy()

    assert labels == [{"a": "1"}, {"a": "2"}]
    assert times.astype(np.int64).tolist() == [NOON_MS, NOON_MS + 250, NOON_MS + 500]
    np.testing.assert_array_equal(values, [[1, np.nan, 2], [np.nan, 3, np.nan]])


def test_a_string_is_one_row_of_text() -> None:
    result = string("hello")

    assert result.arrow().to_pylist() == result.arrow(layout="wide").to_pylist()
    assert result.pandas()["value"].tolist() == ["hello"]
    assert result.pandas(wide=True)["value"].tolist() == ["hello"]
    assert result.polars()["value"].to_list() == ["hello"]


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)

    with pytest.raises(ImportError, match=r"pip install 'novaql\[pandas\]'"):
        scalar(1).pandas()


@pytest.mark.slow
def test_arrow_and_csv_do_not_load_pandas() -> None:
    program = (
        "import sys, numpy as np\n"
        "from novaql.result import Result, ResultKind\n"
        "from novaql.tsdb.model.labels import SeriesTable\n"
        "series = SeriesTable.from_dicts([{'a': '1'}, {}])\n"
        "values = np.array([[1.0], [np.nan]])\n"
        "result = Result(ResultKind.VECTOR, series, np.array([0]), values, values == 1)\n"
        "result.arrow(), result.arrow(layout='wide'), result.csv()\n"
        "assert 'pyarrow' in sys.modules and 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("text", ["x" * 60, "é" * 30])
def test_more_text_than_the_offsets_of_arrow_count_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    found = vector([({"a": f"{text}{number}"}, 1.0) for number in range(3)])
    monkeypatch.setattr(arrow_arrays, "MOST_TEXT_BYTES", 3 * 61)
    assert len(found.arrow()) == 3
    monkeypatch.setattr(arrow_arrays, "MOST_TEXT_BYTES", 3 * 61 - 1)
    with pytest.raises(LimitExceeded, match=r"183 bytes of different texts, .* take 182 at most"):
        found.arrow()
    with pytest.raises(LimitExceeded):
        list(long_stream(found))
