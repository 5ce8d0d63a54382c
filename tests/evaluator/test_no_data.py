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


@pytest.mark.parametrize("optimizer", [True, False])
@pytest.mark.parametrize("options", [QueryOptions(0, 0), QueryOptions(0, 120_000, 60_000)])
def test_every_example(options: QueryOptions, optimizer: bool) -> None:
    for example in EXAMPLES:
        evaluate(example, NOTHING, options, optimizer=optimizer)
