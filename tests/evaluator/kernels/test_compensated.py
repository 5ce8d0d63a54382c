"""Sums of runs against exact sums."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels.compensated import split, splittable, sum_runs

numbers = st.one_of(
    st.floats(-1e6, 1e6),
    st.sampled_from([1e16, -1e16, 1e100, -1e100, 0.1, -0.1, 0.0, 5e-324, 2.5e-310]),
)


def test_small_values_beside_huge_ones_of_another_sum() -> None:
    values = np.array([[1.0, 0.0], [1e16, 1e100], [-1e16, 0.0], [3.0, 1e-100], [1e-300, -1e100]])

    total, lost = sum_runs(values, np.array([0, 3]))

    assert (total + lost).tolist() == [[1.0, 1e100], [3.0, -1e100]]
    total, lost = sum_runs(values[:, 1:], np.array([0]))
    assert (total + lost).tolist() == [[1e-100]]


@given(st.lists(st.lists(numbers, min_size=2, max_size=2), min_size=1, max_size=40), st.data())
def test_sums_are_those_of_a_longer_number(rows: list[list[float]], data: st.DataObject) -> None:
    values = np.array(rows)
    inner = data.draw(st.sets(st.integers(1, max(1, len(rows) - 1))))
    starts = [0, *sorted(at for at in inner if at < len(rows))]

    total, lost = sum_runs(values, np.array(starts))

    for group, (begin, end) in enumerate(zip(starts, [*starts[1:], len(rows)], strict=True)):
        for column in range(2):
            members = [row[column] for row in rows[begin:end]]
            far = 2.0**-100 * max(abs(member) for member in members)
            found = float(total[group, column]) + float(lost[group, column])
            assert math.isclose(found, math.fsum(members), rel_tol=1e-15, abs_tol=far)


def test_what_a_later_block_brings_out_is_kept() -> None:
    """1e100 swallows 1, until something takes the 1e100 away."""
    total, lost = sum_runs(np.array([[1e100], [1.0], [2.5]]), np.array([0]))
    assert (total[0, 0], lost[0, 0]) == (1e100, 3.5)


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_values_that_are_no_numbers(bad: float) -> None:
    values = np.array([[1.0, 2.0], [bad, 3.0]])
    assert splittable(values) is None
    with np.errstate(all="ignore"):
        total, lost = sum_runs(values, np.array([0]))
    np.testing.assert_array_equal(total + lost, [[bad, 5.0]])


def test_the_largest_values_are_summed() -> None:
    values = np.array([[1.7e308], [1.7e308], [-1.7e308]])
    assert splittable(values) is None
    total, lost = sum_runs(np.array([[1.7e308], [-1.7e308], [1.0]]), np.array([0]))
    assert total + lost == 1.0


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_parts_are_the_value(values: list[float]) -> None:
    array = np.array(values)
    largest = splittable(array)
    if largest is None:
        return
    # Copies: each part is overwritten by the next one.
    upper, middle, lower = (part.copy() for part in split(array, largest, len(values)))
    np.testing.assert_array_equal(upper + (middle + lower), array)
    assert math.fsum(upper) == float(np.add.reduce(upper))
    assert math.fsum(middle) == float(np.add.reduce(middle))
