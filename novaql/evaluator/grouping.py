"""Label sets → group numbers."""

from __future__ import annotations

from weakref import ref

import numpy as np

from novaql.evaluator.kernels.windows import Ints
from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import METRIC_NAME, SeriesTable
from novaql.tsdb.runtime.lru_cache import ByteCache


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """of_row: [S] group number of each row; labels: one row per group, in order of first row."""

    of_row: Ints
    labels: SeriesTable

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Approximate size in the cache."""
        columns = self.labels.columns.values()
        texts = sum(len(column.values) for column in columns)
        codes = 4 * (len(columns) + 8) * len(self.labels)
        return 8 * len(self.of_row) + codes + 100 * texts + 500


CACHED_FROM = 32
"""Tables of fewer rows are grouped each time: that is faster than a look-up."""


_CACHE: ByteCache[tuple[ref[SeriesTable], Groups]] = ByteCache(
    16 << 20, lambda entry: entry[1].nbytes
)
"""Groups of tables that a source returns repeatedly, by the address of the table. The cache holds
neither the tables nor texts that no group has: most tables are those of one query, and their texts
are large."""


def group_rows(series: SeriesTable, names: tuple[str, ...], *, without: bool) -> Groups:
    """Group by the named labels, or by all labels except the named ones and the metric name."""
    if len(series) < CACHED_FROM:
        return _grouped(series, names, without=without)
    key = (id(series), names, without)
    cached = _CACHE.get(key)
    if cached is None or cached[0]() is not series:
        cached = ref(series), _grouped(series, names, without=without)
        _CACHE.put(key, cached)
    return cached[1]


def _grouped(series: SeriesTable, names: tuple[str, ...], *, without: bool) -> Groups:
    grouping = series.drop({*names, METRIC_NAME}) if without else series.keep(names)
    keys = grouping.keys()
    # Groups are numbered in the order of their first series, so that results are in that order.
    first = np.empty(int(keys.max(initial=-1)) + 1, np.int64)
    first[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)  # of equal keys the first row remains
    rank = np.empty(len(first), np.int64)
    order = np.argsort(first, kind="stable")
    rank[order] = np.arange(len(first))
    return Groups(rank[keys], _without_other_texts(grouping.take(first[order])))


def _without_other_texts(labels: SeriesTable) -> SeriesTable:
    """The same labels, without the texts of the table that they are from, if these are many."""
    most = 4 * len(labels) + CACHED_FROM
    columns = {
        name: column.compacted() if len(column.values) > most else column
        for name, column in labels.columns.items()
    }
    return SeriesTable(labels.rows, columns, labels.family)
