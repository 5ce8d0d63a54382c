"""Exemplars: single observations with additional labels, such as a trace id."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Bools, Ints, SeriesTable, concat_tables


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """N exemplars of series of a table.

    series_index  [N] row of the table
    timestamps    [N] milliseconds
    values        [N] float64
    labels        [N] rows, label sets of the exemplars; they may be empty
    """

    series_index: Ints
    timestamps: Ints
    values: NDArray[np.float64]
    labels: SeriesTable

    def __len__(self) -> int:
        return len(self.timestamps)

    def take(self, some: Ints | Bools) -> Exemplars:
        return Exemplars(
            self.series_index[some],
            self.timestamps[some],
            self.values[some],
            self.labels.take(some),
        )


@dataclass(frozen=True, slots=True, eq=False)
class SeriesExemplars:
    """Exemplars with the table of their series, each label set once."""

    series: SeriesTable
    exemplars: Exemplars

    @classmethod
    def none(cls) -> SeriesExemplars:
        empty = np.zeros(0, np.int64)
        nothing = SeriesTable.unlabelled(0)
        return cls(nothing, Exemplars(empty, empty, np.zeros(0), nothing))

    def __len__(self) -> int:
        return len(self.exemplars)

    def take(self, some: Ints | Bools) -> SeriesExemplars:
        """Return some exemplars, and the series that have any of them."""
        found = self.exemplars.take(some)
        used, index = np.unique(found.series_index, return_inverse=True)
        series = self.series.take(used)
        return SeriesExemplars(series, replace(found, series_index=index.ravel()))

    def compacted(self) -> SeriesExemplars:
        """Return the same without the texts that no row has, such as those of other series of a
        decoder."""
        labels = _tidy(self.exemplars.labels)
        return SeriesExemplars(_tidy(self.series), replace(self.exemplars, labels=labels))


def joined(older: SeriesExemplars, newer: SeriesExemplars) -> SeriesExemplars:
    """Concatenate; of exemplars that are equal in all columns, only the last is left. Unused texts
    are dropped."""
    series = concat_tables([older.series, newer.series])
    _, first, number = np.unique(series.keys(), return_index=True, return_inverse=True)
    parts = (older.exemplars, newer.exemplars)
    index = number.ravel()[
        np.concatenate([parts[0].series_index, parts[1].series_index + older.series.rows])
    ]
    labels = concat_tables([part.labels for part in parts])
    times = np.concatenate([part.timestamps for part in parts])
    values = np.concatenate([part.values for part in parts])
    columns = [index, times, values.view(np.int64), labels.keys()]
    order = np.lexsort(columns)  # stable: of equal ones, the newest comes last, and is left
    last = np.append(np.logical_or.reduce([np.diff(c[order]) != 0 for c in columns]), True)
    left = np.sort(order[last[: len(order)]])
    found = Exemplars(index, times, values, labels).take(left)
    return SeriesExemplars(series.take(first), found).compacted()


def _tidy(table: SeriesTable) -> SeriesTable:
    columns = {name: column.compacted() for name, column in table.columns.items()}
    return SeriesTable(table.rows, {n: c for n, c in columns.items() if len(c.values) > 1})
