"""Results that hold native histograms, in every form."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.export import arrow
from novaql.export.csv_text import csv_pieces
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import prometheus_data, result_json
from novaql.export.series_limit import first_series
from novaql.model.float_histogram import FloatHistogram
from novaql.model.histogram_notation import parse_histogram
from novaql.options import QueryOptions
from novaql.result import NativeCells, Result, ResultKind
from novaql.server.query.formats import encode
from novaql.server.query.schema import NovaqlAnswer
from novaql.text.floats import float_token
from novaql.text.histograms import histogram_texts
from novaql.tsdb.model.labels import SeriesTable
from tests.support.histograms import plain_histograms as plain
from tests.support.histograms.native_histograms import any_histogram, columns

Cell = float | FloatHistogram | None

TWO_SIDED = parse_histogram(
    "{{schema:0 count:20 sum:10 z_bucket:2 z_bucket_w:0.001 buckets:[1 2] n_buckets:[1 2]}}"
)[0]
CUSTOM = parse_histogram("{{schema:-53 count:4 sum:5 custom_values:[5 10] buckets:[1 2 1]}}")[0]
EMPTY = FloatHistogram()


def result_of(
    rows: Sequence[tuple[dict[str, str], Sequence[Cell]]], *, raw: bool = False
) -> Result:
    """A matrix; None: no sample there."""
    cells = [list(row) for _, row in rows]
    shape = (len(cells), len(cells[0]) if cells else 0)
    flat = [cell for row in cells for cell in row]
    held = [cell for cell in flat if isinstance(cell, FloatHistogram)]
    which = np.full(len(flat), -1, np.int32)
    which[[i for i, cell in enumerate(flat) if isinstance(cell, FloatHistogram)]] = range(len(held))
    values = np.array([cell if isinstance(cell, float) else 0.0 for cell in flat])
    result = Result(
        ResultKind.MATRIX,
        SeriesTable.from_dicts([labels for labels, _ in rows]),
        np.arange(shape[1], dtype=np.int64) * 60_000,
        values.reshape(shape),
        np.array([cell is not None for cell in flat], np.bool_).reshape(shape),
        native=NativeCells(columns(held), which.reshape(shape)),
    )
    if not raw:
        return result
    nothing = np.zeros((shape[0], 0))
    return replace(
        result,
        times_ms=result.times_ms[:0],
        values=nothing,
        valid=None,
        native=None,
        raw=result.points(),
    )


def vector_of(rows: Sequence[tuple[dict[str, str], Cell]]) -> Result:
    matrix = result_of([(labels, [cell]) for labels, cell in rows])
    return replace(matrix, kind=ResultKind.VECTOR, valid=None)


@st.composite
def mixed_rows(draw: st.DrawFn) -> list[tuple[dict[str, str], list[Cell]]]:
    width = draw(st.integers(1, 4))
    cell = st.none() | st.floats() | any_histogram()
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=4))
    return [({"i": str(i)}, row) for i, row in enumerate(rows)]


def shown(value: float, style: ValueStyle) -> float | str:
    if style is ValueStyle.NUMBER and math.isfinite(value):
        return value
    return float_token(value).decode()


def shown_cell(cell: float | FloatHistogram, style: ValueStyle) -> Any:
    """One value as the JSON has it."""
    if isinstance(cell, float):
        return shown(cell, style)
    out: dict[str, Any] = {"count": shown(cell.count, style), "sum": shown(cell.sum, style)}
    some = [
        [rule(cell, low, high), *(shown(float(x), style) for x in (low, high, count))]
        for low, high, count in plain.buckets(cell)
    ]
    return {**out, "buckets": some} if some else out


def rule(one: FloatHistogram, low: float, high: float) -> int:
    """Which ends belong to a bucket: 0 the upper, 1 the lower, 3 both."""
    if one.custom:
        return 3 if low == -math.inf else 0
    return 3 if low == -high else 1 if low < 0 else 0


def close(found: Any, expected: Any) -> bool:
    """Equal but for the last digits of bucket bounds."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(close(found[k], expected[k]) for k in found)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(close, found, expected))
    if isinstance(expected, str) and isinstance(found, str):
        try:
            return found == expected or math.isclose(float(found), float(expected), rel_tol=1e-12)
        except ValueError:
            return False
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return math.isclose(found, expected, rel_tol=1e-12)
    return bool(found == expected)


@given(mixed_rows(), st.sampled_from(ValueStyle), st.booleans())
def test_json_equals_what_a_loop_would_write(
    rows: list[tuple[dict[str, str], list[Cell]]], style: ValueStyle, raw: bool
) -> None:
    expected = []
    for labels, cells in rows:
        there = [(60.0 * i, cell) for i, cell in enumerate(cells) if cell is not None]
        one: dict[str, Any] = {"metric": labels}
        for key, kind in (("values", float), ("histograms", FloatHistogram)):
            some = [[at, shown_cell(cell, style)] for at, cell in there if isinstance(cell, kind)]
            if some:
                one[key] = some
        if there:
            expected.append(one)

    found = json.loads(result_json(result_of(rows, raw=raw), style))
    assert close(found, expected), (found, expected)


def test_json_as_prometheus_writes_it() -> None:
    text = prometheus_data(vector_of([({"a": "f"}, 1.5), ({"a": "h"}, TWO_SIDED)]))

    assert text == (
        b'{"resultType":"vector","result":[{"metric":{"a":"f"},"value":[0,"1.5"]},'
        b'{"metric":{"a":"h"},"histogram":[0,{"count":"20","sum":"10","buckets":['
        b'[1,"-2","-1","2"],[1,"-1","-0.5","1"],[3,"-0.001","0.001","2"],'
        b'[0,"0.5","1","1"],[0,"1","2","2"]]}]}]}'
    )
    empty = prometheus_data(vector_of([({}, EMPTY)]))
    assert b'{"metric":{},"histogram":[0,{"count":"0","sum":"0"}]}' in empty


@pytest.mark.slow
@given(mixed_rows())
def test_a_result_without_histograms_is_written_as_ever(
    rows: list[tuple[dict[str, str], list[Cell]]],
) -> None:
    floats: list[tuple[dict[str, str], list[Cell]]] = [
        (labels, [None if isinstance(cell, FloatHistogram) else cell for cell in cells])
        for labels, cells in rows
    ]
    result = result_of(floats)
    without = replace(result, native=None)

    assert result.points().native is None
    assert result.json() == without.json()
    assert result.csv() == without.csv()
    assert result.arrow().schema.equals(without.arrow().schema, check_metadata=True)
    assert repr(result) == repr(without)


def test_points_and_iteration() -> None:
    result = result_of([({"i": "0"}, [1.0, None, TWO_SIDED]), ({"i": "1"}, [CUSTOM, 2.0, None])])

    points = result.points()
    assert points.offsets.tolist() == [0, 2, 4]
    assert points.native is not None
    assert points.native.which.tolist() == [-1, 0, 1, -1]
    np.testing.assert_array_equal(points.floats(), [1.0, math.nan, math.nan, 2.0])
    np.testing.assert_array_equal(next(iter(result)).values, [1.0, math.nan])
    np.testing.assert_array_equal(
        result.numpy().values, [[1.0, math.nan, math.nan], [math.nan, 2.0, math.nan]]
    )


def test_texts_as_prometheus_prints_them() -> None:
    strange = parse_histogram("{{count:1e7 sum:-1e-5 z_bucket:-3 z_bucket_w:0.7 buckets:[0.5]}}")[0]

    assert histogram_texts(columns([TWO_SIDED, CUSTOM, EMPTY, strange])) == [
        "{count:20, sum:10, [-2,-1):2, [-1,-0.5):1, [-0.001,0.001]:2, (0.5,1]:1, (1,2]:2}",
        "{count:4, sum:5, [-Inf,5]:1, (5,10]:2, (10,+Inf]:1}",
        "{count:0, sum:0}",
        "{count:1e+07, sum:-1e-05, [-0.7,0.7]:-3, (0.5,1]:0.5}",
    ]
    assert histogram_texts(columns([])) == []


@pytest.mark.slow
@given(mixed_rows(), st.booleans())
def test_csv_is_the_same_in_pieces_of_any_size(
    rows: list[tuple[dict[str, str], list[Cell]]], raw: bool
) -> None:
    result = result_of(rows, raw=raw)
    whole = b"".join(csv_pieces(result))
    with patch.object(arrow, "SAMPLES_AT_ONCE", 2):
        assert b"".join(csv_pieces(result)) == whole


@given(mixed_rows(), st.booleans())
def test_arrow_has_floats_and_structs(
    rows: list[tuple[dict[str, str], list[Cell]]], raw: bool
) -> None:
    result = result_of(rows, raw=raw)
    table = result.arrow()
    with patch.object(arrow, "SAMPLES_AT_ONCE", 2):
        stream = b"".join(arrow.long_stream(result))

    table.validate(full=True)
    assert str(pa.ipc.open_stream(stream).read_all().to_pylist()) == str(table.to_pylist())
    cells = [cell for _, row in rows for cell in row if cell is not None]
    some = any(isinstance(cell, FloatHistogram) for cell in cells)
    assert ("histogram" in table.column_names) == some
    structs = table["histogram"].to_pylist() if some else [None] * len(cells)
    for cell, value, struct in zip(cells, table["value"].to_pylist(), structs, strict=True):
        if isinstance(cell, float):
            assert struct is None
            np.testing.assert_array_equal(value, cell)
            continue
        assert value is None
        assert struct is not None
        assert (struct["count"], struct["sum"], struct["schema"]) == (
            *(cell.count, cell.sum, cell.schema),
        )
        assert (struct["zero_threshold"], struct["hint"]) == (cell.zero_threshold, cell.hint.value)
        buckets = [[b["lower"], b["upper"], b["population"]] for b in struct["buckets"]]
        np.testing.assert_allclose(buckets, [list(b) for b in plain.buckets(cell)], rtol=1e-12)


def test_frames_and_streams() -> None:
    duckdb = pytest.importorskip("duckdb", reason="pip install 'novaql[all]' brings duckdb")
    result = result_of([({"histogram": "label"}, [1.0, TWO_SIDED])])

    table = result.arrow()
    assert table.column_names == ["time", "value", "histogram", "label_histogram"]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert pa.ipc.open_stream(sink.getvalue()).read_all().equals(table)

    frame = result.pandas()
    assert frame["histogram"][0] is None
    assert frame["histogram"][1]["count"] == 20
    assert math.isnan(frame["value"][1])
    assert result.polars()["histogram"].struct.field("sum").to_list() == [None, 10.0]
    connection = duckdb.connect()
    relation = result.duckdb(connection)
    assert relation.project("histogram.buckets[1].lower").fetchall() == [(None,), (-2.0,)]
    wide = result.arrow(layout="wide")
    assert wide.column(1).to_pylist() == [1.0, None]
    assert pa.ipc.open_stream(b"".join(arrow.wide_stream(result))).read_all().equals(wide)


def test_csv_has_a_column_of_texts() -> None:
    result = result_of([({"a": "x"}, [1.0, TWO_SIDED]), ({"a": "y"}, [CUSTOM, None])])

    rows = list(csv.reader(io.StringIO(result.csv())))
    assert rows[0] == ["time", "value", "histogram", "a"]
    assert [row[1:] for row in rows[1:]] == [
        ["1", "", "x"],
        ["", histogram_texts(columns([TWO_SIDED]))[0], "x"],
        ["", histogram_texts(columns([CUSTOM]))[0], "y"],
    ]


def test_tables_show_histograms_in_short() -> None:
    rows: list[tuple[dict[str, str], list[Cell]]] = [
        ({"a": "x"}, [1.0, TWO_SIDED]),
        ({"a": "y"}, [CUSTOM, 3.0]),
    ]
    for raw in (False, True):
        lines = repr(result_of(rows, raw=raw)).splitlines()
        assert lines[3].split() == ["x", "{count:20,", "sum:10}", "1", "1", "▄"]
        assert lines[4].split() == ["y", "3", "3", "3", "▄"]
        assert "{count:20, sum:10}" in result_of(rows, raw=raw)._repr_html_()
    vector = repr(vector_of([({"a": "x"}, TWO_SIDED), ({"a": "y"}, 2.0)]))
    assert "x  {count:20, sum:10}" in vector


@pytest.mark.parametrize("raw", [False, True])
def test_answers_of_the_server(raw: bool) -> None:
    rows: list[tuple[dict[str, str], list[Cell]]] = [
        ({"a": "x"}, [None, 1.0]),
        ({"a": "y"}, [CUSTOM, 3.0]),
        ({"a": "z"}, [EMPTY, EMPTY]),
    ]
    result = result_of(rows, raw=raw)

    pieces = encode(result, "json", QueryOptions(0, 60_000, 60_000), limit=0, plan="")
    answer = json.loads(b"".join(pieces))
    NovaqlAnswer.model_validate(answer)
    assert answer["result"][1] == {
        "metric": {"a": "y"},
        "values": [[60, 3]],
        "histograms": [
            [
                0,
                {
                    "count": 4,
                    "sum": 5,
                    "buckets": [[3, "-Inf", 5, 1], [0, 5, 10, 2], [0, 10, "+Inf", 1]],
                },
            ]
        ],
    }
    for limit in (1, 2):
        kept = first_series(result, limit)
        assert json.loads(kept.json()) == json.loads(prometheus_data(result, limit=limit))
        assert json.loads(kept.json()) == json.loads(result_of(rows[:limit], raw=raw).json())
