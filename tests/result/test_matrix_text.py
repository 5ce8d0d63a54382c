"""Compiled texts of matrices are those that are put together otherwise, byte for byte."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql.export.compiled_text import TEXTS
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import result_json, result_pieces
from novaql.export.series_limit import first_series
from novaql.result import Points, Result, ResultKind
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Mode
from tests.result.test_prometheus_json import matrices
from tests.support.execution.switches import few_points

pytest.importorskip("numba", reason="compiled texts need numba: pip install 'novaql[fast]'")


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    TEXTS.prepare()
    assert TEXTS.ready() is not None


VALUES = [
    *(0.0, -0.0, 1.0, -2.5, 0.1, 1 / 3, 1e300, np.nan, np.inf, -np.inf, 5e-324, 123456.75),
    *(1e-5, 9e-6, 1e-7, 1e15 / 7, 9e15, 1e21, -1.7976931348623157e308, -123456789.87654321),
    *(-1.2345678901234567e-6, 12345678901234567.0, -2.2250738585072014e-308),
]


def both(result: Result, style: ValueStyle, limit: int = 0) -> tuple[bytes, bytes]:
    shown = first_series(result, limit)
    with few_points(0):
        compiled = result_json(shown, style)
        with TEXTS.forced(Mode.OFF):
            return compiled, result_json(shown, style)


@given(matrices(), st.sampled_from(ValueStyle), st.integers(0, 3))
def test_any_matrix(result: Result, style: ValueStyle, limit: int) -> None:
    compiled, plain = both(result, style, limit)

    assert compiled == plain


@given(matrices(), st.sampled_from(ValueStyle))
def test_any_vector(matrix: Result, style: ValueStyle) -> None:
    if matrix.raw is None:
        valid = None if matrix.valid is None else matrix.valid[:, :1]
        vector = replace(matrix, kind=ResultKind.VECTOR, values=matrix.values[:, :1], valid=valid)
        vector = replace(vector, times_ms=matrix.times_ms[:1])
    else:
        counts = np.minimum(np.diff(matrix.raw.offsets), 1)
        first = matrix.raw.offsets[:-1][counts > 0]
        points = Points(
            np.concatenate([[0], np.cumsum(counts)]),
            matrix.raw.times_ms[first],
            matrix.raw.values[first],
        )
        vector = replace(matrix, kind=ResultKind.VECTOR, raw=points)

    compiled, plain = both(vector, style)

    assert compiled == plain


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(0, 12), st.sampled_from([1.0, 1e3, 1e6, 1e9, 1e12]))
def test_decimals(seed: int, places: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    values: Floats = np.round(rng.uniform(-size, size, (3, 50)), places)
    beside = np.nextafter(values, rng.choice([-np.inf, np.inf], values.shape))
    labels = SeriesTable.from_dicts([{"n": str(n)} for n in range(6)])
    result = Result(
        ResultKind.MATRIX, labels, np.arange(50) * 15_001, np.concatenate([values, beside])
    )

    compiled, plain = both(result, ValueStyle.TEXT)

    assert compiled == plain


@given(
    st.sampled_from([0, 9_000, 1_748_952_000_000, 10**13 - 3_000, -(10**13), -2_000]),
    st.sampled_from([1_000, 60_000, 500]),
    st.integers(1, 5),
)
def test_times(start: int, step: int, steps: int) -> None:
    """Whole seconds, whose digits may become more on the way, and others."""
    times = start + np.arange(steps, dtype=np.int64) * step
    labels = SeriesTable.from_dicts([{"n": "1"}, {"n": "2"}])
    result = Result(ResultKind.MATRIX, labels, times, np.ones((2, steps)))

    compiled, plain = both(result, ValueStyle.NUMBER)

    assert compiled == plain
    assert [at for at, _ in json.loads(compiled)[1]["values"]] == (times / 1000).tolist()


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([0.2, 0.9, 1.0]), st.sampled_from(ValueStyle))
def test_values_of_every_kind_side_by_side(seed: int, share: float, style: ValueStyle) -> None:
    rng = np.random.default_rng(seed)
    valid = rng.random((5, 30)) < share
    labels = SeriesTable.from_dicts([{"n": str(n)} for n in range(5)])
    times = np.arange(30) * 15_000
    result = Result(ResultKind.MATRIX, labels, times, rng.choice(VALUES, valid.shape), valid)

    compiled, plain = both(result, style)

    assert compiled == plain


@settings(max_examples=30)
@given(matrices(), st.sampled_from(ValueStyle), st.integers(1, 40), st.sampled_from(Mode))
def test_pieces_are_the_whole(result: Result, style: ValueStyle, points: int, mode: Mode) -> None:
    with pytest.MonkeyPatch.context() as patch, TEXTS.forced(mode), few_points(0):
        patch.setattr("novaql.export.prometheus_json.POINTS_AT_ONCE", points)
        pieces = [*result_pieces(result, style)]
    assert b"".join(pieces) == result_json(result, style)
