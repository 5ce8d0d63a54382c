"""Quantiles of groups: selected in compiled code, they are those of sorted values."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.context import Context
from novaql.evaluator.grouping import Groups
from novaql.evaluator.kernels.windows import Bools, Floats
from novaql.evaluator.matrix import matrix
from novaql.evaluator.operators.quantile import quantile
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from tests.support.execution.switches import kernels, stretches, threads

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

_NONE = np.zeros(0, np.int64)
_SOURCE = TableSource(Batch(SeriesTable.unlabelled(0), _NONE, _NONE, np.zeros(0)))
_NUMBERS = (0.0, 1.0, 1.5, -2.0, 7.0, 1e300, -1e300, float("inf"), float("-inf"), float("nan"))
_PARAMETERS = (0.0, 0.1, 0.5, 0.9, 1.0, -1.0, 2.0, float("nan"), float("inf"))


def answer(values: Floats, valid: Bools | None, of_row: np.ndarray, q: Floats) -> list[object]:
    """Series, and values as text: all NaN are equal, and so are both zeros."""
    many = int(of_row.max(initial=-1)) + 1
    groups = Groups(of_row, SeriesTable.from_dicts([{"g": str(g)} for g in range(many)]))
    operand = matrix(SeriesTable.unlabelled(len(values)), values, valid)
    found = quantile(Context(_SOURCE, QueryOptions(0, 0)), operand, groups, q)
    there = found.presence()
    return [
        found.series.dicts(),
        there.tolist(),
        [repr(one + 0.0) for one in found.values[there].tolist()],
    ]


@given(st.data())
def test_selected_and_sorted_values_are_equal(data: st.DataObject) -> None:
    rows, steps = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 20))
    chosen = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    numbers = data.draw(st.lists(st.sampled_from(_NUMBERS), min_size=1, unique_by=str))
    values = chosen.choice(numbers, (rows, steps)) * chosen.choice([1.0, 0.5], (rows, steps))
    share = data.draw(st.sampled_from([None, 0.0, 0.2, 0.9]))
    valid = None if share is None else chosen.random((rows, steps)) < share
    of_row = np.sort(chosen.integers(0, data.draw(st.integers(1, 5)), rows))
    of_row = np.unique(of_row, return_inverse=True)[1].reshape(-1)
    q = chosen.choice(_PARAMETERS, steps)

    with kernels(compiled=False):
        expected = answer(values, valid, of_row, q)
    with kernels(compiled=True), threads(2), stretches("cells", data.draw(st.integers(1, 200))):
        assert answer(values, valid, of_row, q) == expected


def test_groups_whose_rows_are_mixed_and_a_mask_that_all_rows_share() -> None:
    chosen = np.random.default_rng(5)
    values = chosen.normal(size=(3000, 37))
    of_row = chosen.permutation(np.arange(3000) % 7)
    valid = np.broadcast_to(np.arange(37) % 5 > 0, values.shape)
    of_row[np.argsort(of_row, kind="stable")[:7]] = np.arange(7)
    q = np.full(37, 0.9)

    with kernels(compiled=False):
        expected = answer(values, valid, of_row, q)
    with kernels(compiled=True):
        assert answer(values, valid, of_row, q) == expected


@pytest.mark.slow
def test_values_whose_order_makes_every_pivot_a_bad_one() -> None:
    """Selection alone would take quadratic time, and reach the limit of a test that hangs."""
    half = np.arange(500_000.0)
    values = np.repeat(np.concatenate([half, half[::-1]])[:, None], 8, axis=1)
    of_row, q = np.zeros(len(values), int), np.full(8, 0.5)

    with kernels(compiled=False):
        expected = answer(values, None, of_row, q)
    with kernels(compiled=True):
        assert answer(values, None, of_row, q) == expected
