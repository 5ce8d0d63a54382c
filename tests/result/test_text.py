"""A result as text: CSV, the table people see, sparklines."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from novaql import query
from novaql.errors import ArgumentError
from novaql.export.sparkline import BLOCKS, sparkline
from novaql.export.table import cell_width, render, table_of
from novaql.result import Result
from novaql.text.labels import printable, quoted, series_text, series_texts
from novaql.text.numbers import axis_number, number_text, short_number
from novaql.text.times import duration_text
from novaql.timeparse import duration_ms, to_ms
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Floats
from tests.support.generators.results import matrix, raw, results, scalar, string, vector


@settings(deadline=None)
@given(results())
def test_csv_reads_back_as_the_long_table(result: Result) -> None:
    header, *rows = csv.reader(io.StringIO(result.csv(), newline=""))
    table = result.arrow()

    assert header == table.column_names
    assert [to_ms(row[0]) for row in rows] == table["time"].cast(pa.int64()).to_pylist()
    for number, name in enumerate(header[2:], 2):
        assert [row[number] or None for row in rows] == table[name].to_pylist()
    if result.text is None:
        np.testing.assert_array_equal([float(row[1]) for row in rows], table["value"].to_numpy())
    else:
        assert [row[1] for row in rows] == [result.text]


def test_csv_as_an_example(tmp_path: Path) -> None:
    result = matrix(
        [({"__name__": "up", "job": 'a "b"'}, [1, None]), ({"job": "x,y"}, [0.1, math.inf])]
    )
    text = (
        "time,value,__name__,job\n"
        '2026-03-01T12:00:00Z,1,up,"a ""b"""\n'
        '2026-03-01T12:00:00Z,0.1,,"x,y"\n'
        '2026-03-01T12:01:00Z,+Inf,,"x,y"\n'
    )

    assert result.csv() == text
    result.csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == text.encode()
    assert pd.read_csv(tmp_path / "out.csv")["value"].tolist() == [1, 0.1, math.inf]


def test_csv_with_a_format_of_the_caller() -> None:
    result = matrix([({"a": "x,y"}, [1234.5, math.nan]), ({}, [-math.inf, None])])
    lines = result.csv(float_format="%.2f").split("\n")

    assert lines == [
        "time,value,a",
        '2026-03-01T12:00:00Z,1234.50,"x,y"',
        '2026-03-01T12:01:00Z,NaN,"x,y"',
        "2026-03-01T12:00:00Z,-Inf,",
        "",
    ]
    assert '"1,234.5","x,y"' in result.csv(float_format="{:,.1f}".format)
    for wrong in ("%d %d", "%q", "plain", "{:d}".format):
        with pytest.raises(ArgumentError, match=r"^float_format: does not write 1234.5"):
            result.csv(float_format=wrong)


def test_csv_shows_fractions_of_a_second_where_there_are_any() -> None:
    assert "2026-03-01T12:00:00.250Z,1" in raw([({}, [(250, 1)])]).csv()


def test_repr_of_a_vector() -> None:
    result = vector(
        [
            ({"__name__": "up", "job": "api", "zone": "a"}, 1),
            ({"__name__": "up", "job": "api", "zone": "bb"}, 12345.678912),
            ({"__name__": "up", "job": "api"}, math.nan),
        ],
        warnings=["metric might not be a counter"],
    )

    assert repr(result).splitlines() == [
        "vector: 3 series at 2026-03-01T12:00:00Z",
        'in every series: up{job="api"}',
        "zone    value",
        "────  ───────",
        "a           1",
        "bb    12345.7",
        "          NaN",
        "warning: metric might not be a counter",
    ]


def test_repr_of_a_matrix_has_last_min_max_and_a_sparkline() -> None:
    result = matrix([({"__name__": "m"}, [1, 2, None, 8])])

    assert repr(result).splitlines() == [
        "matrix: 1 series × 4 steps, 2026-03-01T12:00:00Z to 2026-03-01T12:03:00Z every 1m",
        "series: m",
        "last  min  max",
        "────  ───  ───  ────",
        "   8    1    8  ▁▂ █",
    ]


def test_repr_of_samples_with_times_of_their_own() -> None:
    assert repr(raw([({"a": "1"}, [(0, 1), (500, 3)])])).startswith(
        "matrix: 1 series, 2 samples, 2026-03-01T12:00:00Z to 2026-03-01T12:00:00.500Z\n"
    )


def test_repr_of_single_values_and_of_nothing() -> None:
    assert repr(scalar(0.5)) == "scalar 0.5 at 2026-03-01T12:00:00Z"
    assert repr(string('a"\n')) == r'string "a\"\n" at 2026-03-01T12:00:00Z'
    assert repr(vector([])) == "vector: 0 series at 2026-03-01T12:00:00Z"
    assert repr(matrix([])) == "matrix: 0 series"
    assert repr(raw([])) == "matrix: 0 series, 0 samples"


def test_what_is_left_out_is_said() -> None:
    lines = repr(vector([({"n": str(n)}, n) for n in range(1000)])).splitlines()

    assert len(lines) == 1 + 2 + 20 + 1
    assert lines[-1] == "… 980 more series"
    everything = render(table_of(vector([({"n": str(n)}, n) for n in range(1000)]), rows=None))
    assert "999" in everything
    assert "more series" not in everything


@settings(deadline=None)
@given(results())
def test_the_table_is_aligned_and_prints(result: Result) -> None:
    lines = repr(result).splitlines()

    assert all(line.isprintable() for line in lines)
    assert len(lines) <= 25
    rule = next((line for line in lines if line.startswith("─")), None)
    if rule is not None:
        rows = lines[lines.index(rule) - 1 :]
        assert max(cell_width(line) for line in rows if line[:1] != "…") <= cell_width(rule)


def test_long_labels_are_cut_in_the_middle_and_fit() -> None:
    many = {f"label_{n}": f"value-{n}-" + "x" * 50 for n in range(8)}
    result = vector([(many, 1), ({name: text + "y" for name, text in many.items()}, 2)])

    lines = render(table_of(result, width=80)).splitlines()

    assert max(map(len, lines)) <= 80
    assert "…" in lines[-1]


@pytest.mark.parametrize("width", [50, 60, 80, 100])
def test_sparklines_are_shorter_where_series_need_the_width(width: int) -> None:
    rows = [({"pod": f"{n}-" + "p" * 60}, [1e9 * step for step in range(40)]) for n in range(2)]

    lines = render(table_of(matrix(rows), width=width, spark=32)).splitlines()

    assert max(map(cell_width, lines[1:])) == width
    assert lines[-1].endswith("█")


def test_labels_that_differ_are_shown_in_a_narrow_terminal() -> None:
    rows = [
        ({"instance": f"api-{n}", "status": status}, [1000.5 + step for step in range(40)])
        for n in (1, 2)
        for status in ("200", "500")
    ]

    lines = render(table_of(matrix(rows), width=40, spark=32)).splitlines()

    assert lines[1:4] == [
        "instance  status    last",
        "────────  ──────  ──────  ────────",
        "api-1     200     1039.5  ▁▂▃▄▅▆▇█",
    ]
    assert max(map(cell_width, lines[1:])) <= 40


def test_metrics_with_different_labels_are_written_as_series_on_a_terminal() -> None:
    mixed = vector([({"__name__": "up", "job": "a"}, 1), ({"__name__": "load"}, 2)])
    alike = vector([({"__name__": "up", "job": "a"}, 1), ({"__name__": "load", "job": "b"}, 2)])

    lines = render(table_of(mixed, width=80)).splitlines()

    assert lines[1:] == [
        "series       value",
        "───────────  ─────",
        'up{job="a"}      1',
        "load             2",
    ]
    assert "__name__" in render(table_of(mixed))
    assert "__name__" in render(table_of(alike, width=80))


@given(hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats()), st.integers(1, 30))
def test_a_sparkline_has_a_block_a_step(values: Floats, width: int) -> None:
    line = sparkline(values, width=width)

    assert len(line) == min(width, len(values))
    assert set(line) <= {" ", *BLOCKS}
    if len(values) <= width:
        assert [c == " " for c in line] == np.isnan(values).tolist()
        finite = values[np.isfinite(values)]
        if len(finite) and finite.min() < finite.max():
            assert line[int(np.flatnonzero(values == finite.max())[0])] == "█"
            assert line[int(np.flatnonzero(values == finite.min())[0])] == "▁"


def test_sparklines_as_examples() -> None:
    assert sparkline(np.arange(8.0)) == "▁▂▃▄▅▆▇█"
    assert sparkline(np.zeros(3)) == "▁▁▁"
    assert sparkline(np.full(3, 7.0)) == "▄▄▄"
    assert sparkline(np.array([1.0, np.inf, 2.0, -np.inf])) == "▁██▁"
    assert sparkline(np.array([1.0, 5.0]), np.array([True, False])) == "▄ "
    assert sparkline(np.empty(0)) == ""
    assert sparkline(np.repeat([0.0, 1.0], 50), width=4) == "▁▁██"


@given(st.floats())
def test_the_shortest_decimal_reads_back(value: float) -> None:
    np.testing.assert_equal(float(number_text(value)), value)
    assert len(number_text(value)) <= len(repr(value)) + 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_number_text(value: float, text: str) -> None:
    assert number_text(value) == text


def test_short_numbers_keep_whole_numbers_whole() -> None:
    assert [short_number(v) for v in (1772366400.0, 1 / 3, 1e15, math.nan)] == [
        "1772366400", "0.333333", "1e+15", "NaN"
    ]  # fmt: skip
    assert [axis_number(v) for v in (0, 1500, 2e7, -3e9, 0.25)] == [
        "0",
        "1.5k",
        "20M",
        "-3G",
        "0.25",
    ]


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({}, "{}"),
        ({"__name__": "up"}, "up"),
        ({"__name__": "up", "job": "a", "x": ""}, 'up{job="a"}'),
        ({"job": "a", "zone": 'q"\n\\'}, r'{job="a", zone="q\"\n\\"}'),
        ({"__name__": "http.requests", "a.b": "c"}, '{"http.requests", "a.b"="c"}'),
        ({"a": "\x1b[31m\u202e"}, r'{a="\x1b[31m\u202e"}'),
        ({"a": "日本"}, '{a="日本"}'),
    ],
)
def test_series_text(labels: dict[str, str], text: str) -> None:
    assert series_text(labels) == text


@given(results())
def test_texts_of_a_table_are_those_of_its_rows(result: Result) -> None:
    assert series_texts(result.series) == [series_text(labels) for labels in result.series]


def test_texts_of_tables_without_labels_or_rows() -> None:
    assert series_texts(SeriesTable.unlabelled(2)) == ["{}", "{}"]
    assert series_texts(SeriesTable.from_dicts([{"__name__": "up"}, {}])) == ["up", "{}"]
    assert series_texts(SeriesTable.from_dicts([])) == []


@given(st.text(max_size=8))
def test_no_text_steers_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    assert quoted(text).isprintable()


@given(st.integers(0, 10**12))
def test_durations_read_back(ms: int) -> None:
    assert duration_ms(duration_text(ms)) == ms


def test_formulas_are_guarded_where_that_is_asked_for() -> None:
    data: dict[str, list[object]] = {
        "__name__": ["m"],
        "time": [0],
        "value": [-1.0],
        "cell": ["=1+1"],
        "host": ["-a,b"],
    }
    result = query("m", pa.table(data), time=0)
    assert result.csv().splitlines()[1] == '1970-01-01T00:00:00Z,-1,m,=1+1,"-a,b"'
    guarded = result.csv(guard_formulas=True).splitlines()[1]
    assert guarded == """1970-01-01T00:00:00Z,-1,m,'=1+1,"'-a,b\""""
