"""JSON of a result against a formatter that writes one point at a time."""

from __future__ import annotations

import json
import math
import re
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.export.json_values import ValueStyle
from novaql.export.labels_json import LONG
from novaql.export.prometheus_json import prometheus_data, result_json
from novaql.export.series_limit import first_series
from novaql.result import Points, Result, ResultKind
from novaql.text.floats import float_token, float_tokens
from novaql.tsdb.model.labels import SeriesTable
from tests.support.execution.switches import few_points

any_float = st.integers(0, 2**64 - 1).map(lambda b: struct.unpack("<d", struct.pack("<Q", b))[0])
usual_float = st.one_of(
    any_float,
    st.integers(-(10**6), 10**6).map(float),
    st.floats(1e-7, 1e-4),
    st.floats(1e15, 1e22),
    st.sampled_from([0.0, -0.0, 1e-6, 1e-5, 1e16, 1e21, math.inf, -math.inf, math.nan]),
)
label_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
label_sets = st.dictionaries(st.sampled_from(["__name__", "job", "Z", "é"]), label_text, max_size=3)


def naive_points(result: Result, style: ValueStyle) -> list[tuple[dict[str, str], list[Any]]]:
    """Series by series, point by point."""
    points = result.points()
    out = []
    for row, labels in enumerate(result.series):
        some = []
        for at in range(int(points.offsets[row]), int(points.offsets[row + 1])):
            value = float(points.values[at])
            token = float_token(value).decode()
            shown: Any = token
            if style is ValueStyle.NUMBER and math.isfinite(value):
                shown = float(token)
            some.append([int(points.times_ms[at]) / 1000, shown])
        if some:
            out.append((labels, some))
    return out


@st.composite
def matrices(draw: st.DrawFn) -> Result:
    rows = draw(st.integers(0, 4))
    steps = draw(st.integers(1, 5))
    table = SeriesTable.from_dicts([draw(label_sets) for _ in range(rows)])
    values = np.array(
        [[draw(usual_float) for _ in range(steps)] for _ in range(rows)], np.float64
    ).reshape(rows, steps)
    valid = None
    if draw(st.booleans()):
        valid = np.array(
            [[draw(st.booleans()) for _ in range(steps)] for _ in range(rows)], np.bool_
        ).reshape(rows, steps)
    start = draw(st.integers(-(10**12), 4 * 10**12))
    times = start + np.arange(steps, dtype=np.int64) * draw(st.integers(1, 10**6))
    if draw(st.booleans()):
        points = Result(ResultKind.MATRIX, table, times, values, valid).points()
        nothing = np.zeros((rows, 0))
        return Result(ResultKind.MATRIX, table, times[:0], nothing, raw=points)
    return Result(ResultKind.MATRIX, table, times, values, valid)


@given(usual_float)
def test_a_token_reads_back_and_has_the_form_of_go(value: float) -> None:
    token = float_token(value).decode()
    if not math.isfinite(value):
        assert token in {"NaN", "+Inf", "-Inf"}
        return
    assert struct.pack("<d", float(token)) == struct.pack("<d", value)
    assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d*[1-9])?(e[+-]\d{2,3})?", token)
    assert ("e" in token) == (value != 0 and not 1e-6 <= abs(value) < 1e21)


@given(st.lists(usual_float))
def test_tokens_all_at_once_equal_tokens_one_by_one(values: list[float]) -> None:
    assert [float_token(v) for v in values] == float_tokens(np.array(values, np.float64))


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (1e-7, "1e-07"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (5e-324, "5e-324"),
        (-0.0, "-0"),
        (100.0, "100"),
        (2.5, "2.5"),
    ],
)
def test_numbers_as_prometheus_writes_them(value: float, token: str) -> None:
    assert [token.encode()] == float_tokens(np.array([value]))


few = st.sampled_from([0, 16])
"""The most points that are written value by value."""


@given(matrices(), st.sampled_from(ValueStyle), few)
def test_a_matrix_equals_what_a_loop_would_write(
    result: Result, style: ValueStyle, most: int
) -> None:
    expected = [{"metric": m, "values": points} for m, points in naive_points(result, style)]
    with few_points(most):
        assert expected == json.loads(result_json(result, style), parse_int=float)


@given(matrices(), st.sampled_from(ValueStyle), few)
def test_a_vector_equals_what_a_loop_would_write(
    matrix: Result, style: ValueStyle, most: int
) -> None:
    if matrix.raw is not None:
        return
    valid = None if matrix.valid is None else matrix.valid[:, :1]
    result = Result(
        ResultKind.VECTOR, matrix.series, matrix.times_ms[:1], matrix.values[:, :1], valid
    )
    expected = [{"metric": m, "value": points[0]} for m, points in naive_points(result, style)]
    with few_points(most):
        assert expected == json.loads(result_json(result, style), parse_int=float)


@given(matrices(), st.sampled_from(ValueStyle))
def test_few_series_are_written_as_many_are(result: Result, style: ValueStyle) -> None:
    with few_points(0):
        expected = result_json(result, style)
    with few_points(1000):
        assert result_json(result, style) == expected


@pytest.mark.parametrize("size", [LONG, LONG + 1])
def test_long_labels_of_few_series(size: int) -> None:
    """Above `LONG`, another encoder writes them."""
    text = ('"\\\x01é' * size)[: size - len("job")]
    result = Result(
        ResultKind.VECTOR,
        SeriesTable.from_dicts([{"job": text}]),
        np.zeros(1, np.int64),
        np.ones((1, 1)),
    )

    assert json.loads(result_json(result, ValueStyle.TEXT)) == [
        {"metric": {"job": text}, "value": [0, "1"]}
    ]


def test_scalars_and_strings() -> None:
    time = np.array([1_500], np.int64)
    scalar = Result(ResultKind.SCALAR, SeriesTable.unlabelled(), time, np.array([[math.nan]]))
    text = Result(
        ResultKind.STRING, SeriesTable.unlabelled(0), time, np.zeros((0, 1)), text='say "hi"\n'
    )

    assert prometheus_data(scalar) == b'{"resultType":"scalar","result":[1.5,"NaN"]}'
    assert json.loads(prometheus_data(text)) == {
        "resultType": "string",
        "result": [1.5, 'say "hi"\n'],
    }
    assert result_json(scalar, ValueStyle.NUMBER) == b'[1.5,"NaN"]'


@pytest.mark.parametrize(
    ("value", "text"), [(1e-7, "0.0000001"), (1e21, "1000000000000000000000"), (2.5, "2.5")]
)
def test_prometheus_writes_scalars_without_exponent(value: float, text: str) -> None:
    time = np.array([1_000], np.int64)
    scalar = Result(ResultKind.SCALAR, SeriesTable.unlabelled(), time, np.array([[value]]))

    assert json.loads(prometheus_data(scalar))["result"] == [1, text]
    assert json.loads(result_json(scalar, ValueStyle.NUMBER), parse_int=float) == [1, value]


def test_limit_keeps_the_first_series_that_have_points() -> None:
    table = SeriesTable.from_dicts([{"i": "0"}, {"i": "1"}, {"i": "2"}])
    points = Points(
        np.array([0, 0, 1, 2]), np.array([1_000, 2_000], np.int64), np.array([1.0, 2.0])
    )
    result = Result(ResultKind.MATRIX, table, np.zeros(0, np.int64), np.zeros((3, 0)), raw=points)

    assert json.loads(result_json(first_series(result, 1), ValueStyle.NUMBER)) == [
        {"metric": {"i": "1"}, "values": [[1, 1]]}
    ]
