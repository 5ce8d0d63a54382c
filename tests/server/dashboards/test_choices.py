"""The options of variables."""

from __future__ import annotations

import numpy as np

from novaql import Result, tsdb
from novaql.server.dashboards.choices import LookupContext, resolved
from novaql.server.dashboards.schema import VariableIn


def test_long_values_are_cut_to_a_million_characters() -> None:
    sets = [{"__name__": "up", "job": str(i) + "x" * 300_000} for i in range(5)]
    given = {"name": "job", "type": "query", "query": "label_values(up, job)"}
    variable = VariableIn.model_validate(given)
    rows = np.arange(len(sets))
    with tsdb.memory() as store:
        series = tsdb.SeriesTable.from_dicts(sets)
        store.append(tsdb.Batch(series, rows, np.zeros(len(sets), np.int64), np.ones(len(sets))))
        lookup = LookupContext(store, 0, 1, lambda _: _never())
        (choice,) = resolved([variable], {}, {}, lookup)

    assert [text[0] for text in choice.options] == ["0", "1", "2"]
    assert choice.more


def _never() -> Result:
    raise AssertionError("no query is made")
