"""Label sets → group numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from novaql.evaluator.kernels.windows import Ints
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
        """About what keeping them costs, the table they are made from included."""
        columns = len(self.labels.columns) + 8
        return 8 * len(self.of_row) + 4 * columns * (len(self.of_row) + len(self.labels)) + 500


WORTH_KEEPING = 32
"""Rows below which grouping anew is quicker than remembering is worth."""


_KEPT: ByteCache[tuple[SeriesTable, Groups]] = ByteCache(16 << 20, lambda kept: kept[1].nbytes)
"""Groups of tables that a source hands out again and again, by the address of the table."""


def group_rows(series: SeriesTable, names: tuple[str, ...], *, without: bool) -> Groups:
    """By the named labels, or by all but the named ones and the metric name."""
    if len(series) < WORTH_KEEPING:
        return _grouped(series, names, without=without)
    key = (id(series), names, without)
    kept = _KEPT.get(key)
    if kept is None or kept[0] is not series:
        kept = series, _grouped(series, names, without=without)
        _KEPT.put(key, kept)
    return kept[1]


def _grouped(series: SeriesTable, names: tuple[str, ...], *, without: bool) -> Groups:
    kept = series.drop({*names, METRIC_NAME}) if without else series.keep(names)
    keys = kept.keys()
    # Number groups as they are met, so that results come in the order of their series.
    first = np.empty(int(keys.max(initial=-1)) + 1, np.int64)
    first[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)  # of several the last one stays
    rank = np.empty(len(first), np.int64)
    order = np.argsort(first, kind="stable")
    rank[order] = np.arange(len(first))
    return Groups(rank[keys], kept.take(first[order]))
