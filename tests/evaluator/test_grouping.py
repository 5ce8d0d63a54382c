"""Groups of tables: what the cache of them holds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from novaql.evaluator.grouping import group_rows
from novaql.tsdb.model.labels import SeriesTable

SERIES, TABLES = 2_000, 40


@pytest.mark.slow
def test_cached_groups_hold_no_texts_of_tables_that_are_gone() -> None:
    def table(number: int) -> SeriesTable:
        labels = [{"job": str(i % 40), "i": f"{number}-{i}"} for i in range(SERIES)]
        return SeriesTable.from_dicts(labels)

    group_rows(table(0), ("job",), without=False)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(TABLES):
            few = table(number).take(np.arange(100))
            assert len(group_rows(few, ("i",), without=False)) == 100
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert grown < TABLES * 100 * 200 + 500_000, grown  # with all texts more than 4 MB


def test_groups_have_the_labels_of_their_first_series() -> None:
    labels = [{"job": f"j{i % 3}", "i": f"x{i}"} for i in range(300)]
    found = group_rows(SeriesTable.from_dicts(labels), ("job",), without=False)

    assert found.labels.dicts() == [{"job": "j0"}, {"job": "j1"}, {"job": "j2"}]
    assert found.of_row.tolist() == [i % 3 for i in range(300)]
