"""The best rows of groups: what is compiled against sorting, and both against a plain loop."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels import selection
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.selection import Order, Selected, best_rows
from novaql.tsdb.runtime.compiled import Mode

numbers = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.0, 3.0])
cells = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.tuples(numbers, st.booleans()), min_size=3)),
    max_size=30,
).map(lambda rows: [(group, row[:3]) for group, row in rows])


def expected(
    rows: list[tuple[int, list[tuple[float, bool]]]], wanted: list[int], order: Order
) -> list[list[int]]:
    """The rows of each step, group by group, best first."""

    def rank(value: float) -> float:
        return math.inf if math.isnan(value) else -order * value

    found = []
    for step, most in enumerate(wanted):
        chosen: list[int] = []
        for group in range(3):
            there = [r for r, (g, row) in enumerate(rows) if g == group and row[step][1]]
            values = {r: rows[r][1][step][0] for r in there}
            if order is not Order.FIRST:
                there.sort(key=lambda r: (math.isnan(values[r]), rank(values[r])))
            chosen += there[:most]
        found.append(chosen)
    return found


@pytest.mark.parametrize("mode", [Mode.ON, Mode.OFF])
@given(cells, st.lists(st.integers(0, 5), min_size=3, max_size=3), st.sampled_from(Order))
def test_rows_are_the_best(
    mode: Mode,
    rows: list[tuple[int, list[tuple[float, bool]]]],
    wanted: list[int],
    order: Order,
) -> None:
    values = np.array([[v for v, _ in row] for _, row in rows], np.float64).reshape(-1, 3)
    present = np.array([[p for _, p in row] for _, row in rows], np.bool_).reshape(-1, 3)
    group = np.array([g for g, _ in rows], np.int64)

    with KERNELS.forced(mode):
        KERNELS.prepare()
        chosen, first = best_rows(values, present, group, 3, np.array(wanted), order)

    ranked = expected(rows, wanted, order)
    assert first.tolist() == ranked[0]
    assert [np.flatnonzero(chosen[:, j]).tolist() for j in range(3)] == [sorted(r) for r in ranked]


def test_many_wanted_rows_are_sorted_without_large_arrays() -> None:
    """Where the best rows of all groups take more memory than the rows, all rows are sorted."""
    values = np.random.default_rng(5).random((selection.MOST * 40, 2))
    group = np.arange(len(values)) // 2  # pairs
    group[:100] = 0
    wanted = np.array([selection.MOST, 1])

    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        chosen, _ = best_rows(
            values, np.ones(values.shape, np.bool_), group, len(values) // 2, wanted, Order.LARGEST
        )

    assert chosen[:100].sum(axis=0).tolist() == [selection.MOST, 1]


@pytest.mark.parametrize("order", Order)
def test_cells_that_are_added_in_any_order_and_merged_are_the_same(order: Order) -> None:
    """As blocks of a pipeline come, on several threads."""
    rng = np.random.default_rng(7)
    values = rng.choice([math.nan, -1.0, 0.0, -0.0, 1.0, 2.0], (200, 4))
    present, group = rng.random(values.shape) < 0.8, rng.integers(0, 5, len(values))
    wanted = np.array([3, 0, 1, 9])

    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        chosen, _ = best_rows(values, present, group, 5, wanted, order)
        parts = [Selected.empty(5, wanted, order) for _ in range(3)]
        for number, some in enumerate(np.array_split(rng.permutation(len(values)), 10)):
            parts[number % 3].add(values[some], present[some], group[some], some)
        parts[1].merge(parts[0])
        parts[1].merge(parts[2])
        rows, steps, found = parts[1].cells()

    assert sorted(zip(rows, steps, strict=True)) == list(zip(*np.nonzero(chosen), strict=True))
    np.testing.assert_array_equal(found, values[rows, steps])
