"""Whether two results have the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from novaql.tsdb.model.histograms import equal_histograms
from novaql.tsdb.model.labels import SeriesTable, concat_tables

if TYPE_CHECKING:  # `Result` has a method that calls this module
    from novaql.result.cells import NativeCells, Points
    from novaql.result.model import Result


def equal_results(a: Result, b: Result) -> bool:
    """Whether kind, series in their order, times and samples are equal. NaN equals NaN."""
    if a.kind is not b.kind or a.text != b.text or len(a) != len(b):
        return False
    return (
        np.array_equal(a.times_ms, b.times_ms)
        and _equal_points(a.points(), b.points())
        and _equal_series(a.series, b.series)
    )


def _equal_series(a: SeriesTable, b: SeriesTable) -> bool:
    if a.surely_equals(b):
        return True
    both = concat_tables([a, b])  # brings both to the same codes
    return all(
        np.array_equal(column.codes[: len(a)], column.codes[len(a) :])
        for column in both.columns.values()
    )


def _equal_points(a: Points, b: Points) -> bool:
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
