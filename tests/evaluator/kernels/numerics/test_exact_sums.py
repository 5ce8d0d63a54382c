"""Accumulators of sums against fractions: the same bits, however the values are ordered and cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.group_reduce import ACCUMULATORS
from novaql.evaluator.kernels.numerics.rounding import expansion
from novaql.evaluator.kernels.packed_folds import reduce_packed, takes_packed
from novaql.evaluator.kernels.windows import Floats, Ints
from novaql.tsdb.runtime.compiled import Mode, available
from tests.support.kernels.numbers import cancelling, exact_sum, nearest, odd

OPS = ("sum", "avg", "stddev", "stdvar")
SAME_SIZE = st.floats(1e9, 1e9 + 1) | st.sampled_from([1e9, 1e9 + 0.1])


@pytest.fixture(autouse=True, params=[Mode.OFF, Mode.ON])
def mode(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param is Mode.ON and not available():
        pytest.skip("compiled kernels need numba: pip install 'novaql[fast]'")
    with KERNELS.forced(request.param), np.errstate(all="ignore"):
        KERNELS.prepare()
        yield


def folded(op: str, group: Ints, values: Floats, parts: list[Ints], packed: list[bool]) -> Floats:
    """Rows of each part folded and merged. packed: by part, as cells instead of as rows, where the
    accumulator takes cells; rows have an absent one after them."""
    groups, steps = int(group.max()) + 1, values.shape[1]
    whole: Any = ACCUMULATORS[op](groups, steps)
    for rows, as_cells in zip(parts, packed, strict=True):
        if not len(rows):
            continue
        part, numbers = np.vstack([values[rows], values[rows[:1]] - 7e9]), group[[*rows, 0]]
        present = np.arange(len(part))[:, None] < np.full(steps, len(rows))
        partial = None
        if as_cells and takes_packed(whole):
            cells = np.arange(len(rows) * steps)
            partial = reduce_packed(whole, numbers, cells, part[:-1].reshape(-1), None, steps)
        if partial is None:
            partial = whole.reduce(numbers, part, present)
        whole.merge(partial)
    found: Floats
    found, valid = whole.finish()
    assert valid.all()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS)
@given(st.data())
def test_no_order_and_no_split_changes_a_bit(op: str, data: st.DataObject) -> None:
    of = data.draw(st.sampled_from([cancelling, SAME_SIZE, cancelling | odd]))
    rows, steps = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 3))
    values = np.array(
        data.draw(st.lists(of, min_size=rows * steps, max_size=rows * steps)), np.float64
    ).reshape(rows, steps)
    group = np.array(data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows)))
    group[:3] = np.arange(3)[:rows]
    flags = st.lists(st.booleans(), min_size=8, max_size=8)

    first = folded(op, group, values, [np.arange(rows)], [False])
    order = np.array(data.draw(st.permutations(range(rows))))
    parts = np.array_split(order, data.draw(st.integers(1, 8)))
    second = folded(op, group, values, parts, data.draw(flags)[: len(parts)])

    np.testing.assert_array_equal(first.view(np.int64), second.view(np.int64))
    if op == "sum":
        for number in range(int(group.max()) + 1):
            for step in range(steps):
                expected = exact_sum(values[group == number, step].tolist())
                np.testing.assert_equal(float(first[number, step]), expected)


@pytest.mark.slow
@given(st.lists(st.lists(cancelling, min_size=1, max_size=6), min_size=1, max_size=3))
def test_compiled_folds_equal_numpy(columns: list[list[float]]) -> None:
    rows = np.array([column[0] for column in columns], np.float64)[:, None]
    group = np.zeros(len(rows), np.int64)
    for op in OPS:
        here = folded(op, group, rows, [np.arange(len(rows))], [False])
        with KERNELS.forced(Mode.OFF):
            plain = folded(op, group, rows, [np.arange(len(rows))], [False])
        np.testing.assert_array_equal(here.view(np.int64), plain.view(np.int64))


@pytest.mark.parametrize("rows", [5000, 40_000])
def test_more_values_than_integers_have_spare_bits_for(rows: int) -> None:
    random = np.random.default_rng(rows)
    columns: list[Floats] = [
        random.random((rows, 1)) * 1e9,
        np.full((rows, 1), 2.0**47 - 2.0**-5),
        np.where(random.random((rows, 1)) < 0.5, 1e250, -1e250),
        np.power(10.0, random.integers(-20, 20, (rows, 1))).astype(np.float64),
    ]
    for values in columns:
        group = np.zeros(rows, np.int64)
        expected = math.fsum(values[:, 0].tolist())
        for parts in ([np.arange(rows)], np.array_split(random.permutation(rows), 7)):
            for packed in (False, True):
                found = folded("sum", group, values, list(parts), [packed] * len(parts))
                assert found.item() == expected


def test_a_sum_overflows_only_if_the_exact_sum_does() -> None:
    group = np.zeros(4, np.int64)
    large = np.array([[1.7e308], [1.7e308], [-1.7e308], [1.0]])
    assert folded("sum", group, large, [np.arange(4)], [False]).item() == 1.7e308
    assert folded("sum", group, large[[0, 1]], [np.arange(2)], [False]).item() == math.inf
    assert folded("avg", group, large[[0, 1]], [np.arange(2)], [False]).item() == 1.7e308


def test_a_sum_of_zeros_is_positive() -> None:
    """Series have no order, so there is none in which a negative zero comes first."""
    zeros = np.array([[-0.0], [-0.0]])
    found = folded("sum", np.zeros(2, np.int64), zeros, [np.arange(2)], [False])
    assert math.copysign(1.0, found.item()) == 1.0


def test_no_rows() -> None:
    for op in OPS:
        fold = ACCUMULATORS[op](2, 3)
        fold.add(np.zeros(0, np.int64), np.zeros((0, 3)), None)
        assert not fold.finish()[1].any()


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.sampled_from([0.0, 1e9, 1e13]))
def test_variance_beside_a_large_offset(noise: list[float], offset: float) -> None:
    values = [offset + value / 1e3 for value in noise]
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    expected = sum(((value - mean) ** 2 for value in exact), Fraction(0)) / len(exact)
    column = np.array(values)[:, None]
    found = folded(
        "stdvar", np.zeros(len(values), np.int64), column, [np.arange(len(values))], [False]
    )
    assert math.isclose(found.item(), float(expected), rel_tol=1e-15, abs_tol=1e-300)


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1, 1e200, -1e308, 1e-200, 5e-324, 3e-310])
def test_variance_of_equal_values_is_zero(value: float) -> None:
    column = np.full((37, 1), value)
    assert folded("stdvar", np.zeros(37, np.int64), column, [np.arange(37)], [False]).item() == 0.0


@pytest.mark.slow
@given(
    st.lists(
        st.builds(
            math.ldexp, st.floats(1.0, 2.0), st.sampled_from([-402, -400, -399, 398, 401, 500])
        ),
        min_size=2,
        max_size=12,
    )
)
def test_variance_of_very_large_and_very_small_values(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact, Fraction(0)) / len(exact)
    expected = sum(((value - mean) ** 2 for value in exact), Fraction(0)) / len(exact)
    column = np.array(values)[:, None]
    found = folded(
        "stdvar", np.zeros(len(values), np.int64), column, [np.arange(len(values))], [False]
    )
    assert math.isclose(found.item(), float(expected), rel_tol=2e-15)


ROW = st.lists(
    st.tuples(
        st.integers(-(2**61) + 1, 2**61 - 1) | st.integers(-(2**53) + 1, 2**53 - 1),
        st.integers(-(2**51), 2**51) | st.sampled_from([0, 1, -1]),
    ),
    min_size=2,
    max_size=2,
)


@given(st.lists(ROW, min_size=1, max_size=3), st.data(), st.integers(1, 3))
def test_parts_are_what_is_left_rounded_to_nearest(
    rows: list[list[tuple[int, int]]], data: st.DataObject, parts: int
) -> None:
    exponents = data.draw(st.lists(st.integers(-1074, 800), min_size=len(rows), max_size=len(rows)))
    high, low = (np.array([[pair[k] for pair in row] for row in rows]) for k in (0, 1))

    found = expansion(high, low, np.array(exponents)[:, None], parts)

    assert len(found) == parts
    for g, row in enumerate(rows):
        for j, (upper, lower) in enumerate(row):
            left = (Fraction(upper) * 2**52 + lower) * Fraction(2) ** exponents[g]
            for part in found:
                assert float(part[g, j]) == nearest(left)
                left -= Fraction(float(part[g, j]))
