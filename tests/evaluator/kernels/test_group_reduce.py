"""Accumulators against plain Python, whatever the order and the size of the blocks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels.group_reduce import ACCUMULATORS
from novaql.evaluator.kernels.runs import as_slice

PLAIN: dict[str, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "avg": lambda v: math.fsum(v) / len(v),
    "count": lambda v: float(len(v)),
    "group": lambda _: 1.0,
    "min": min,
    "max": max,
    "stdvar": statistics.pvariance,
    "stddev": statistics.pstdev,
}


@pytest.mark.parametrize("op", PLAIN)
@given(st.data())
def test_accumulator(op: str, data: st.DataObject) -> None:
    groups, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    cell = st.one_of(st.none(), st.floats(-1e3, 1e3), st.integers(0, 5).map(float))
    rows = data.draw(
        st.lists(
            st.tuples(st.integers(0, groups - 1), st.lists(cell, min_size=steps, max_size=steps)),
            max_size=20,
        )
    )
    fold = ACCUMULATORS[op](groups, steps)
    at = 0
    while at < len(rows):
        size = data.draw(st.integers(1, len(rows) - at))
        block = rows[at : at + size]
        at += size
        values = np.array([[0.0 if v is None else v for v in row] for _, row in block])
        present = np.array([[v is not None for v in row] for _, row in block])
        whole = None if present.all() else present
        with np.errstate(all="ignore"):
            fold.add(np.array([g for g, _ in block], np.int64), values, whole)
    got, valid = fold.finish()
    for g in range(groups):
        for j in range(steps):
            members = [row[j] for group, row in rows if group == g]
            there = [v for v in members if v is not None]
            assert valid[g, j] == bool(there)
            if there:
                assert math.isclose(got[g, j], PLAIN[op](there), rel_tol=1e-9, abs_tol=1e-6)


def test_sum_is_compensated_inside_and_between_blocks() -> None:
    fold = ACCUMULATORS["sum"](1, 1)
    fold.add(np.zeros(3, np.int64), np.array([[1.0], [1e100], [1.0]]), None)
    fold.add(np.zeros(1, np.int64), np.array([[-1e100]]), None)
    assert fold.finish()[0].item() == 2.0


def test_mean_survives_an_overflowing_sum() -> None:
    fold = ACCUMULATORS["avg"](1, 1)
    with np.errstate(all="ignore"):
        for value in (1.7e308, 1.6e308, 1.5e308):
            fold.add(np.zeros(1, np.int64), np.array([[value]]), None)
        assert math.isclose(fold.finish()[0].item(), 1.6e308)


def test_mean_survives_an_overflowing_sum_beside_nan() -> None:
    fold = ACCUMULATORS["avg"](1, 2)
    with np.errstate(all="ignore"):
        fold.add(np.zeros(2, np.int64), np.array([[1.7e308, math.nan], [1.5e308, 1.0]]), None)
        assert math.isclose(fold.finish()[0][0, 0].item(), 1.6e308)


def test_extremes_ignore_nan_unless_all_are() -> None:
    fold = ACCUMULATORS["max"](2, 1)
    fold.add(np.array([0, 0, 1]), np.array([[math.nan], [3.0], [math.nan]]), None)
    values, valid = fold.finish()
    assert values[0, 0] == 3.0
    assert math.isnan(values[1, 0])
    assert valid.all()


@given(st.lists(st.integers(0, 6), max_size=5, unique=True))
def test_numbers_as_a_slice_are_the_same_numbers(numbers: list[int]) -> None:
    """Compiled kernels name groups in the order in which they meet them: [0, 3, 2] is no range."""
    rows = np.arange(7) * 10
    np.testing.assert_array_equal(rows[as_slice(np.array(numbers, np.int64))], rows[numbers])
