"""Every function and aggregator answers where there is no data, or has none at a step."""

from __future__ import annotations

import numpy as np
import pytest

from novaql import evaluate
from novaql.inputs.tables.table_source import TableSource
from novaql.language import AGGREGATORS, FUNCTIONS
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch

EXAMPLES = [
    *(row.example for row in FUNCTIONS.values()),
    *(row.example for row in AGGREGATORS.values()),
]
NONE = np.zeros(0, np.int64)
NOTHING = TableSource(Batch(SeriesTable.unlabelled(0), NONE, NONE, np.zeros(0)))


@pytest.mark.parametrize("options", [QueryOptions(0, 0), QueryOptions(0, 120_000, 60_000)])
def test_every_example(options: QueryOptions) -> None:
    """An answer, and the same one with and without the optimiser."""
    for example in EXAMPLES:
        answers = [
            evaluate(example, NOTHING, options, optimizer=optimizer).json()
            for optimizer in (True, False)
        ]
        assert answers[0] == answers[1], example
