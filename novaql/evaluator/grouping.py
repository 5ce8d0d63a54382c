"""Label sets → group numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from novaql.evaluator.kernels.windows import Ints
from tsdb.labels import METRIC_NAME, SeriesTable


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """of_row: [S] group number of each row; labels: one row per group, in order of first row."""

    of_row: Ints
    labels: SeriesTable

    def __len__(self) -> int:
        return len(self.labels)


def group_rows(series: SeriesTable, names: tuple[str, ...], *, without: bool) -> Groups:
    """By the named labels, or by all but the named ones and the metric name."""
    kept = series.drop({*names, METRIC_NAME}) if without else series.keep(names)
    keys = kept.keys()
    _, first, dense = np.unique(keys, return_index=True, return_inverse=True)
    # Number groups as they are met, so that results come in the order of their series.
    rank = np.empty(len(first), np.int64)
    order = np.argsort(first, kind="stable")
    rank[order] = np.arange(len(first))
    return Groups(rank[dense], kept.take(first[order]))
