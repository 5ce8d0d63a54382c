"""The order of series in a block: those that are read together, and those that are similar, are
adjacent."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import METRIC_NAME, Bools, Ints, SeriesTable
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.parts.sorted_run import SortedRun

BUCKET_LABEL = "le"
_LONG = 256
"""Shorter series are not compared: a page has many of them in any order."""
_SEEN = 128
_PORTION = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class SeriesOrder:
    """An order of series.

    order    [R] rows of the table, in the order of the block
    follows  [R] in that order: whether a series is the next larger bucket of the histogram before
             it
    """

    order: Ints
    follows: Bools


def order_series(table: SeriesTable, grids: Ints, likeness: Ints) -> SeriesOrder:
    """Order by metric, grid, likeness, label set; the buckets of one histogram by their upper
    bounds.

    grids     [R] grid of each series
    likeness  [R] numbers that are near for similar series; ignored for buckets
    """
    metric = table.column(METRIC_NAME).compacted().codes
    bounds, is_bucket = _bucket_bounds(table)
    plain = table.drop([BUCKET_LABEL]) if is_bucket.any() else table
    by_labels = plain.order()
    family = np.empty(table.rows, np.int64)
    if is_bucket.any():
        keys = plain.keys()[by_labels]
        family[by_labels] = np.cumsum(np.append(0, np.diff(keys) != 0))
    else:
        family[by_labels] = np.arange(table.rows)
    alike = np.where(is_bucket, 0, likeness)
    order = np.lexsort((bounds, ~is_bucket, family, alike, grids, metric))
    follows = np.zeros(table.rows, np.bool_)
    same = np.diff(family[order]) == 0
    same &= (np.diff(grids[order]) == 0) & (np.diff(metric[order]) == 0)
    follows[1:] = same & is_bucket[order[1:]] & is_bucket[order[:-1]]
    return SeriesOrder(order, follows)


def _bucket_bounds(table: SeriesTable) -> tuple[Floats, Bools]:
    """Return the upper bound of each series that is a bucket of a classic histogram, and which
    are."""
    column = table.column(BUCKET_LABEL)
    values = np.array([_bound(text) for text in column.values])
    bounds = values[column.codes]
    is_bucket = ~np.isnan(bounds)
    return np.where(is_bucket, bounds, 0.0), is_bucket


def _bound(text: str) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def likeness(run: SortedRun, starts: Ints, lengths: Ints) -> Ints:
    """Return about twice the binary logarithm of the change from sample to sample of each series.

    starts, lengths  [R] where the samples of each series begin, and their number; short series are
                     not read
    """
    alike = np.zeros(len(starts), np.int64)
    long = np.flatnonzero(lengths >= _LONG)
    for some in np.array_split(long, max(1, -(-len(long) * _SEEN // _PORTION))):
        if len(some) == 0:
            continue
        seen = run.values.floats(starts[some], np.full(len(some), _SEEN)).reshape(-1, _SEEN)
        with np.errstate(invalid="ignore", over="ignore"):
            change = np.abs(np.diff(seen, axis=1))
            change[~np.isfinite(change)] = 0.0
            mean = np.minimum(change.mean(axis=1), 2.0**200)
        alike[some] = np.rint(2 * np.log2(mean + 2.0**-40)).astype(np.int64)
    return alike
