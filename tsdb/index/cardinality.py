"""Counts of series by metric, label and value, over whole columns of the index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import nsmallest

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import METRIC_NAME, Ints, SeriesTable

Count = dict[str, str | int]
_OF_CHARACTER = 12
"""Bytes of a character as JSON, at most six, in two copies."""


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


def _unlimited(_: int) -> None:
    """Reserve nothing."""


def cardinality(
    table: SeriesTable, limit: int, reserve: Callable[[int], None] = _unlimited
) -> Cardinality:
    """Count over all rows of a table.

    reserve  called with about the bytes of pairs before they are made, and of the result as JSON;
             may raise
    """
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
        most = _most(series, used, column.values, limit)
        reserve(sum(len(name) + len(column.values[code]) for code in most.tolist()))
        pairs += [(f"{name}={column.values[code]}", int(series[code])) for code in most.tolist()]
        if name == METRIC_NAME:
            metrics = [(column.values[code], int(series[code])) for code in most.tolist()]
    shown = [_shown(counts, limit) for counts in (metrics, values, memory, pairs)]
    reserve(_OF_CHARACTER * sum(len(str(one["name"])) for counts in shown for one in counts))
    return Cardinality(table.rows, sum(count for _, count in values), *shown)


def _most(series: Ints, used: Ints, values: Sequence[str], limit: int) -> Ints:
    """Return codes of the `limit` largest counts; of equal ones, the first by their values."""
    if len(used) <= limit:
        return used
    least = np.partition(series[used], len(used) - limit)[len(used) - limit]
    larger, equal = used[series[used] > least], used[series[used] == least]
    first = nsmallest(limit - len(larger), equal.tolist(), key=values.__getitem__)
    return np.concatenate([larger, np.array(first, np.int64)])


def _shown(counts: list[tuple[str, int]], limit: int) -> list[Count]:
    largest = sorted(counts, key=lambda one: (-one[1], one[0]))[:limit]
    return [{"name": name, "value": count} for name, count in largest]
