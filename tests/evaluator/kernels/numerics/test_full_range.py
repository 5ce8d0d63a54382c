"""Sums over the full range of float64 against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.numerics import terms
from novaql.evaluator.kernels.numerics.full_range import FullRange
from novaql.evaluator.kernels.numerics.terms import Terms
from novaql.tsdb.runtime.compiled import Mode
from tests.support.kernels.numbers import cancelling, nearest

rows = st.lists(st.lists(cancelling, max_size=8), min_size=1, max_size=4)


def full_range(values: list[list[float]]) -> FullRange:
    exact = FullRange(len(values))
    for cell, row in enumerate(values):
        exact.add(np.full(len(row), cell), np.array(row, np.float64))
    return exact


@given(rows)
def test_each_part_is_what_is_left_rounded(values: list[list[float]]) -> None:
    left = [sum(map(Fraction, row), Fraction(0)) for row in values]
    for numbers, exponents in full_range(values).expansion(3):
        for cell in range(len(values)):
            found = Fraction(float(numbers[cell])) * Fraction(2) ** int(exponents[cell])
            if math.isfinite(nearest(left[cell])):
                assert found == Fraction(nearest(left[cell]))
            left[cell] -= found


def is_in_range(number: tuple[float, int]) -> bool:
    """Below 2^1056: no sum of 2^30 floats is larger."""
    value, power = number
    return math.frexp(value)[1] + power <= 1056


scaled = st.tuples(cancelling, st.integers(-60, 60)).filter(is_in_range)


@given(st.lists(scaled, max_size=40), st.integers(0, 99))
def test_compiled_additions_equal_those_in_numpy(
    numbers: list[tuple[float, int]], seed: int
) -> None:
    values = np.array([value for value, _ in numbers], np.float64)
    exponents = np.array([power for _, power in numbers], np.int64)
    cells = np.random.default_rng(seed).integers(0, 3, len(values))
    compiled, plain = FullRange(3), FullRange(3)

    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        compiled.add(cells, values, exponents)
    with KERNELS.forced(Mode.OFF):
        plain.add(cells, values, exponents)

    parts = zip(compiled.expansion(3), plain.expansion(3), strict=True)
    for (found, power), (expected, expected_power) in parts:
        assert found.tolist() == expected.tolist()
        assert power.tolist() == expected_power.tolist()


@given(rows)
def test_digits_have_the_same_sum(values: list[list[float]]) -> None:
    small = [[value for value in row if abs(value) < 1e200] for row in values]

    cell, digits = full_range(small).digits()

    for number, row in enumerate(small):
        found = sum(map(Fraction, digits[cell == number].tolist()), Fraction(0))
        assert found == sum(map(Fraction, row), Fraction(0))


@given(st.lists(st.tuples(st.integers(0, 3), cancelling), max_size=40), st.booleans())
def test_fewer_terms_have_the_same_sums(pairs: list[tuple[int, float]], odd: bool) -> None:
    if odd:
        pairs = [*pairs, (1, math.inf), (1, math.inf), (2, math.nan), (2, math.nan)]
    made = Terms()
    for cell, value in pairs:
        made.add(np.array([cell]), np.array([value]))
    before = terms.MANY_TERMS
    terms.MANY_TERMS = 1
    try:
        made.shrink()
    finally:
        terms.MANY_TERMS = before

    cells, values = made.all()
    for cell in range(4):
        found = values[cells == cell].tolist()
        expected = [value for number, value in pairs if number == cell]
        finite = [value for value in found if math.isfinite(value)]
        assert sum(map(Fraction, finite), Fraction(0)) == sum(
            (Fraction(value) for value in expected if math.isfinite(value)), Fraction(0)
        )
        assert len(found) - len(finite) == len(
            {repr(value) for value in expected if not math.isfinite(value)}
        )
