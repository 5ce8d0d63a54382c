"""Rows with equal labels that have values at different steps become one row."""

from __future__ import annotations

import numpy as np
import pytest

from novaql.errors import EvaluationError
from novaql.evaluator.matrix import join_equal_rows, matrix
from novaql.tsdb.model.labels import SeriesTable

ROWS = [{"a": "y"}, {"a": "x"}, {"a": "y"}, {"b": "z"}, {"a": "x"}]
ABSENT = 9.0


def test_values_stay_as_they_are_and_rows_in_order_of_their_first() -> None:
    values = np.array(
        [[-0.0, ABSENT], [ABSENT, 2.0], [ABSENT, np.nan], [3.0, 4.0], [ABSENT, ABSENT]]
    )
    found = join_equal_rows(matrix(SeriesTable.from_dicts(ROWS), values, values != ABSENT))

    assert found.series.dicts() == [{"a": "y"}, {"a": "x"}, {"b": "z"}]
    assert found.valid is not None
    assert found.valid.tolist() == [[True, True], [False, True], [True, True]]
    assert np.signbit(found.values[0, 0]), "-0 stays"
    assert np.isnan(found.values[0, 1])
    assert found.values[1:, 1].tolist() == [2.0, 4.0]


def test_the_first_two_rows_that_overlap_are_named() -> None:
    values = np.array([[1.0, ABSENT], [1.0, 1.0], [ABSENT, 1.0], [1.0, 1.0], [ABSENT, 1.0]])
    seen: list[tuple[int, int]] = []

    def overlap(row: int, other: int) -> Exception:
        seen.append((row, other))
        return EvaluationError("two")

    with pytest.raises(EvaluationError, match="two"):
        join_equal_rows(matrix(SeriesTable.from_dicts(ROWS), values, values != ABSENT), overlap)
    assert seen == [(1, 4)]
