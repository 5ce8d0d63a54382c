"""Classic histograms of which a bucket is absent at some steps."""

from __future__ import annotations

import numpy as np

from novaql import QueryOptions, evaluate
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Tile


def test_an_absent_bucket_is_no_decrease() -> None:
    bounds = ("1", "2", "+Inf")
    series = SeriesTable.from_dicts([{"__name__": "b_bucket", "le": le} for le in bounds])
    times = np.array([0, 600_000])
    whole = Tile(np.array([0, 2]), times, np.array([[2.0, 2.0], [4.0, 4.0]]))
    cut = Tile(np.array([1]), times[:1], np.array([[3.0]]))
    source = TableSource.from_tiles(series, [whole, cut])

    found = evaluate("histogram_quantile(0.5, b_bucket)", source, QueryOptions(0, 600_000, 600_000))

    assert found.infos == ()
    assert found.values.tolist() == [[1.0, 1.0]]
