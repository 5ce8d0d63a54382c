"""The best rows of groups: what is compiled against sorting, and both against a plain loop."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels import selection
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.selection import best_rows
from novaql.tsdb.runtime.compiled import Mode

numbers = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 2.0, 3.0])
cells = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.tuples(numbers, st.booleans()), min_size=3)),
    max_size=30,
).map(lambda rows: [(group, row[:3]) for group, row in rows])


def expected(
    rows: list[tuple[int, list[tuple[float, bool]]]], wanted: list[int], *, largest: bool
) -> list[list[int]]:
    """The rows of each step, group by group, best first."""

    def rank(value: float) -> float:
        return math.inf if math.isnan(value) else -value if largest else value

    found = []
    for step, most in enumerate(wanted):
        chosen: list[int] = []
        for group in range(3):
            there = [r for r, (g, row) in enumerate(rows) if g == group and row[step][1]]
            values = {r: rows[r][1][step][0] for r in there}
            there.sort(key=lambda r: (math.isnan(values[r]), rank(values[r])))
            chosen += there[:most]
        found.append(chosen)
    return found


@pytest.mark.parametrize("mode", [Mode.ON, Mode.OFF])
@given(cells, st.lists(st.integers(0, 5), min_size=3, max_size=3), st.booleans())
def test_rows_are_the_best(
    mode: Mode,
    rows: list[tuple[int, list[tuple[float, bool]]]],
    wanted: list[int],
    largest: bool,
) -> None:
    values = np.array([[v for v, _ in row] for _, row in rows], np.float64).reshape(-1, 3)
    present = np.array([[p for _, p in row] for _, row in rows], np.bool_).reshape(-1, 3)
    group = np.array([g for g, _ in rows], np.int64)

    with KERNELS.forced(mode):
        KERNELS.prepare()
        chosen, first = best_rows(values, present, group, 3, np.array(wanted), largest=largest)

    ranked = expected(rows, wanted, largest=largest)
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
            values, np.ones(values.shape, np.bool_), group, len(values) // 2, wanted, largest=True
        )

    assert chosen[:100].sum(axis=0).tolist() == [selection.MOST, 1]
