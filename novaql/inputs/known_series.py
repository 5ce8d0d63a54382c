"""Series met by a reader that meets the same ones again and again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tsdb.labels import Ints, SeriesTable

_MOST_TABLES_KEPT = 16


class KnownSeries:
    """Numbers label sets in order of appearance, and makes tables of them.

    While the same series come again, the table is the same object.
    """

    def __init__(self) -> None:
        self._label_sets: list[Mapping[str, str]] = []
        self._number_of: dict[frozenset[tuple[str, str]], int] = {}
        self._tables: dict[bytes, SeriesTable] = {}

    def __len__(self) -> int:
        return len(self._label_sets)

    def number(self, labels: Mapping[str, str]) -> int:
        """The number of a label set, a new one if it was never met."""
        number = self._number_of.setdefault(frozenset(labels.items()), len(self._label_sets))
        if number == len(self._label_sets):
            self._label_sets.append(labels)
        return number

    def table(self, numbers: Ints) -> tuple[SeriesTable, Ints]:
        """A table of the series that occur, and the row of each item of `numbers` in it."""
        distinct, index = np.unique(numbers, return_inverse=True)
        key = distinct.tobytes()
        table = self._tables.pop(key, None)
        if table is None:
            sets = self._label_sets
            table = SeriesTable.from_dicts([sets[number] for number in distinct.tolist()])
            if len(self._tables) >= _MOST_TABLES_KEPT:
                del self._tables[next(iter(self._tables))]
        self._tables[key] = table  # the youngest stands last
        return table, index.astype(np.int64, copy=False)

    def forget(self) -> None:
        """Begin anew; numbers given before mean nothing any more."""
        self._label_sets.clear()
        self._number_of.clear()
        self._tables.clear()
