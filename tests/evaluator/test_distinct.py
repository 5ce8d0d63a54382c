"""Distinct numbers are those of NumPy, however many stretches there are, by sorting or a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from novaql.evaluator import distinct as module
from novaql.evaluator.context import Context
from novaql.evaluator.distinct import distinct, distinct_bits
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

_NONE = np.zeros(0, np.int64)
_SOURCE = TableSource(Batch(SeriesTable.unlabelled(0), _NONE, _NONE, np.zeros(0)))
_RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("at_once", [7, 1 << 19])
@pytest.mark.parametrize(
    "numbers",
    [
        np.zeros(0),
        np.zeros(0, np.int64),
        np.array([5, 5, 5]),
        _RANDOM.integers(-20, 20, 100),
        _RANDOM.integers(0, 1000, 100),
        np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max, 0] * 9),
        _RANDOM.choice([np.nan, 1.0, -np.inf, 2.5], 100),
    ],
)
def test_numbers_and_places_are_those_of_numpy(
    numbers: NDArray[Any], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CELLS_AT_ONCE", at_once)

    context = Context(_SOURCE, QueryOptions(0, 0))  # its time to answer begins now
    found, which = distinct(context, numbers)

    expected, places = np.unique(numbers, return_inverse=True)
    assert found.dtype == numbers.dtype
    np.testing.assert_array_equal(found, expected)
    assert which.tolist() == places.tolist()


@pytest.mark.parametrize(
    "values",
    [
        [],
        [3.0],
        [2.0, -1.0, -2.0, 2.0, 0.0],
        [0.0, -0.0, 1.0, -0.0],
        [1.0, 1.5, 2.0, 1.5],
        [1e21, 1e21],
        [2.0**53, 2.0**53 + 2, 2.0**53],
        [7.0, 1e9, 7.0],
        [np.nan, 1.0, np.nan],
        [np.inf, np.inf],
        [-np.inf, np.inf, 0.0],
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_bits_of_values_are_those_before(values: list[float]) -> None:
    numbers = np.array(values, np.float64)

    found, which = distinct_bits(Context(_SOURCE, QueryOptions(0, 0)), numbers)

    np.testing.assert_array_equal(found[which].view(np.int64), numbers.view(np.int64))
    assert len(np.unique(found.view(np.int64))) == len(found) == len(np.unique(which))
