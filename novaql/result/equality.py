"""Whether two results have the same series and the same samples."""

from __future__ import annotations

import numpy as np

from novaql.result.cells import NativeCells, Points
from novaql.tsdb.model.histograms import equal_histograms
from novaql.tsdb.model.labels import SeriesTable, concat_tables


def equal_series(a: SeriesTable, b: SeriesTable) -> bool:
    """Whether two tables of as many rows have the same series, in the same order."""
    if a.surely_equals(b):
        return True
    both = concat_tables([a, b])  # gives both the same codes
    return all(
        np.array_equal(column.codes[: len(a)], column.codes[len(a) :])
        for column in both.columns.values()
    )


def equal_points(a: Points, b: Points) -> bool:
    """Whether rows have the same samples. NaN equals NaN."""
    return (
        np.array_equal(a.offsets, b.offsets)
        and np.array_equal(a.times_ms, b.times_ms)
        and np.array_equal(a.floats(), b.floats(), equal_nan=True)
        and _equal_native(a.native, b.native)
    )


def _equal_native(a: NativeCells | None, b: NativeCells | None) -> bool:
    if a is None or b is None:
        return a is b
    if not np.array_equal(a.which >= 0, b.which >= 0):
        return False
    ours, theirs = (
        one.histograms.take(one.which[one.which >= 0].astype(np.int64)) for one in (a, b)
    )
    return bool(equal_histograms(ours, theirs).all())
