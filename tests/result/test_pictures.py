"""The HTML of notebooks, the chart inside it, and matplotlib."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql import ArgumentError
from novaql.export.chart_svg import line_chart
from novaql.export.scale import number_ticks, reduced, time_ticks
from novaql.result import Result, ResultKind
from novaql.tsdb.model.labels import SeriesTable
from tests.support.generators.results import (
    NOON_MS,
    matrix,
    raw,
    results,
    scalar,
    steps,
    string,
    vector,
)

SVG = "{http://www.w3.org/2000/svg}"


def parsed(html: str) -> ET.Element:
    return ET.fromstring(html)


def lines(html: str) -> list[str]:
    return [p.attrib["d"] for p in parsed(html).iter(f"{SVG}path") if p.get("class") == "nq-line"]


@settings(deadline=None)
@given(results())
def test_html_is_well_formed_and_needs_nothing_from_outside(result: Result) -> None:
    html = result._repr_html_()
    # XML forbids these characters altogether; HTML parsers take them as they are.
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", html)
    root = parsed(html)
    assert not list(root.iter("script"))
    assert not re.search(r"(src|href|url)\s*[=(]", re.sub(r"<t[dr].*", "", html))
    for path in lines(html):
        assert re.fullmatch(r"([ML]-?\d+\.\d -?\d+\.\d(h0)?)+", path)


def test_labels_cannot_inject_markup() -> None:
    evil = "<script>alert(1)</script>\"'&"
    result = matrix([({"a": evil, "b": "1"}, [1, 2]), ({"a": evil, "b": evil}, [2, 1])])

    html = result._repr_html_()

    assert "<script" not in html
    assert not list(parsed(html).iter("script"))
    assert evil in "".join(parsed(html).itertext())


def test_a_matrix_is_drawn_line_by_line() -> None:
    html = matrix([({"a": "1"}, [1, 2, 3]), ({"a": "2"}, [3, None, 1])])._repr_html_()

    first, second = lines(html)
    assert (first.count("M"), first.count("L")) == (1, 2)
    assert (second.count("M"), second.count("h0")) == (2, 2)  # two lonely points are dots
    assert [t.text for t in parsed(html).iter(f"{SVG}title")] == ['{a="1"}', '{a="2"}']


def test_a_vector_has_a_table_and_no_chart() -> None:
    html = vector([({"zone": "a"}, 1.5), ({"zone": "b"}, 2)])._repr_html_()

    assert "<svg" not in html
    assert [cell.text for cell in parsed(html).iter("td")] == ["a", "1.5", "b", "2"]


def test_many_series_are_counted_not_drawn() -> None:
    html = matrix([({"n": str(n)}, [n, n + 1]) for n in range(60)])._repr_html_()

    assert len(lines(html)) == 50
    assert "first 50 of 60 series drawn" in html
    assert "… 40 more series" in html


def test_single_values_and_samples_with_own_times() -> None:
    assert "scalar 5" in scalar(5)._repr_html_()
    assert "string &quot;x&quot;" in string("x")._repr_html_()
    assert len(lines(raw([({"a": "1"}, [(0, 1), (500, 3)])])._repr_html_())) == 1


def test_nothing_finite_is_no_chart() -> None:
    assert line_chart(steps(2), np.full((1, 2), np.nan), None, ["a"]) == ""


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_ticks_enclose_the_values(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)

    ticks = number_ticks(low, high)

    assert 2 <= len(ticks) <= 25
    assert ticks == sorted(ticks)
    slack = max(abs(low), abs(high)) * 1e-9
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack


def test_ticks_as_examples() -> None:
    assert number_ticks(0, 5e-324) == [0, 5e-324]
    assert number_ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    hour = time_ticks(NOON_MS, NOON_MS + 3_600_000)
    assert [label for _, label in hour] == [
        "12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"
    ]  # fmt: skip
    assert time_ticks(NOON_MS, NOON_MS + 86_400_000)[-1][1] == "12:00"
    assert "Mar 02" in [label for _, label in time_ticks(NOON_MS, NOON_MS + 86_400_000)]


@given(st.integers(-(10**14), 10**14), st.integers(0, 10**12))
def test_time_ticks_are_few_and_inside(start: int, length: int) -> None:
    ticks = time_ticks(start, start + length)

    assert len(ticks) <= 8
    assert all(start <= ms <= start + length for ms, _ in ticks)


def test_thinning_keeps_every_cells_extremes_and_gaps() -> None:
    values = np.zeros(10_000)
    values[5_003], values[7_001] = 99, -99
    valid = np.ones(10_000, np.bool_)
    valid[1000:2000] = False

    times, thin, present = reduced(np.arange(10_000), values, valid, 100)

    assert len(times) <= 200
    assert {99.0, -99.0} <= set(thin.tolist())
    assert not present[(times > 1000) & (times < 2000)].any()
    assert present.any()


@pytest.mark.slow
def test_matplotlib_draws_lines_and_bars() -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    axes = matrix([({"m": "x", "a": "1"}, [1, None]), ({"m": "x", "a": "2"}, [3, 4])]).plot()
    assert [line.get_label() for line in axes.get_lines()] == ['{a="1"}', '{a="2"}']
    assert np.isnan(np.asarray(axes.get_lines()[0].get_ydata(), float)).tolist() == [False, True]
    assert axes.get_title(loc="left") == '{m="x"}'
    bars = vector([({"a": "1"}, 5), ({"a": "2"}, 6)]).plot(plt.subplots()[1])
    assert [patch.get_width() for patch in bars.patches] == [5, 6]  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="result: is a text, which cannot be drawn"):
        string("x").plot()
    plt.close("all")


def test_a_large_result_is_shown_quickly_because_it_is_mostly_not_shown() -> None:
    series = SeriesTable.from_dicts([{"n": str(n)} for n in range(20_000)])
    result = Result(ResultKind.MATRIX, series, steps(500), np.ones((20_000, 500)))

    assert len(repr(result)) < 5_000
    assert len(result._repr_html_()) < 1_000_000
