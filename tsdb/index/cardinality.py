"""Counts of series by metric, label and value, over whole columns of the index."""

from __future__ import annotations

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import METRIC_NAME, Ints, SeriesTable

Count = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Cardinality:
    """The largest counts of each kind, largest first; equal ones by name.

    series       number of label sets
    label_pairs  number of distinct pairs of name and value
    memory       bytes of the values of each label, once for each series
    """

    series: int
    label_pairs: int
    series_by_metric: list[Count]
    values_by_label: list[Count]
    memory_by_label: list[Count]
    series_by_pair: list[Count]


def cardinality(table: SeriesTable, limit: int) -> Cardinality:
    """Count over all rows of a table."""
    values: list[tuple[str, int]] = []
    memory: list[tuple[str, int]] = []
    metrics: list[tuple[str, int]] = []
    pairs: list[tuple[str, int]] = []
    for name, column in table.columns.items():
        series = np.bincount(column.codes, minlength=len(column.values))
        series[0] = 0
        used = np.flatnonzero(series)
        if len(used) == 0:
            continue
        sizes = np.array([len(column.values[code].encode()) for code in used.tolist()], np.int64)
        values.append((name, len(used)))
        memory.append((name, int(sizes @ series[used])))
        most = _most(series, used, limit)
        pairs += [(f"{name}={column.values[code]}", int(series[code])) for code in most.tolist()]
        if name == METRIC_NAME:
            metrics = [(column.values[code], int(series[code])) for code in most.tolist()]
    return Cardinality(
        table.rows,
        sum(count for _, count in values),
        _shown(metrics, limit),
        _shown(values, limit),
        _shown(memory, limit),
        _shown(pairs, limit),
    )


def _most(series: Ints, used: Ints, limit: int) -> Ints:
    """Return codes of the largest counts: at least `limit`, and all that equal the smallest of
    these."""
    if len(used) <= limit:
        return used
    least = np.partition(series[used], len(used) - limit)[len(used) - limit]
    left: Ints = used[series[used] >= least]
    return left


def _shown(counts: list[tuple[str, int]], limit: int) -> list[Count]:
    largest = sorted(counts, key=lambda one: (-one[1], one[0]))[:limit]
    return [{"name": name, "value": count} for name, count in largest]
