"""A table of series that only grows, so that rows stay valid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.labels import Codes, Ints, LabelColumn, SeriesTable

EMPTY, METRIC = 0, 1
"""Numbers of the texts "" and `__name__`."""


class GrowingTable:
    """Series from labels as numbers of texts. Rows never change; all tables are of one family."""

    def __init__(self) -> None:
        self.rows = 0
        self._family = object()
        self._columns: dict[int, _Column] = {}
        self._row_of: dict[bytes, int] = {}
        self._table = SeriesTable(0, {}, self._family)

    @property
    def cells(self) -> int:
        """Rows times columns, which take its memory."""
        return self.rows * len(self._columns)

    def rows_of(self, pairs: Ints, series: int, texts: Sequence[str]) -> Ints | None:
        """[series] the rows of series; new series get new rows.

        pairs  [L, 3] number of the series, of the text that is the label's name, and of its value,
               in order of the series
        texts  [by number]

        None, and nothing is added, for a label without a name, a label that is given twice, or a
        series without a metric name.
        """
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        owner, name = pairs[:, 0], pairs[:, 1]
        twice = (owner[1:] == owner[:-1]) & (name[1:] == name[:-1])
        full = pairs[:, 2] != EMPTY
        named = np.zeros(series, np.bool_)
        named[owner[full & (name == METRIC)]] = True
        if not named.all() or twice.any() or (name == EMPTY).any():
            return None
        pairs = pairs[full]
        bounds = np.searchsorted(pairs[:, 0], np.arange(series + 1)) * 8
        keys = pairs[:, 1:].astype(np.int32).tobytes()
        numbers, fresh = [], []
        row_of, next_row = self._row_of, self.rows
        begin = 0
        for number, end in enumerate(bounds[1:].tolist()):
            row = row_of.setdefault(keys[begin:end], next_row)
            if row == next_row:
                fresh.append(number)
                next_row += 1
            numbers.append(row)
            begin = end
        if fresh:
            place = np.full(series, -1)
            place[fresh] = np.arange(self.rows, next_row)
            self._put(pairs[place[pairs[:, 0]] >= 0], place, next_row, texts)
        return np.array(numbers, np.int64)

    def _put(self, pairs: Ints, place: Ints, rows: int, texts: Sequence[str]) -> None:
        self.rows = rows
        by_name = pairs[np.argsort(pairs[:, 1], kind="stable")]
        cuts = np.flatnonzero(np.diff(by_name[:, 1], prepend=-1, append=-1))
        for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            number = int(by_name[first, 1])
            column = self._columns.get(number)
            if column is None:
                column = self._columns[number] = _Column(texts[number])
            column.put(place[by_name[first:last, 0]], by_name[first:last, 2], texts)

    def table(self) -> SeriesTable:
        """All series; the same object until there are more."""
        if self._table.rows != self.rows:
            columns = {column.name: column.upto(self.rows) for column in self._columns.values()}
            ordered = {name: columns[name] for name in sorted(columns, key=str.encode)}
            self._table = SeriesTable(self.rows, ordered, self._family)
        return self._table


class _Column:
    def __init__(self, name: str) -> None:
        self.name = name
        self._codes: Codes = np.zeros(64, np.int32)
        self._values: list[str] = [""]
        self._code_of: dict[int, int] = {EMPTY: 0}
        self._frozen: tuple[str, ...] = ("",)

    def put(self, rows: Ints, values: Ints, texts: Sequence[str]) -> None:
        self._fit(int(rows.max()) + 1)
        distinct, which = np.unique(values, return_inverse=True)
        codes = []
        code_of, known = self._code_of, self._values
        for text in distinct.tolist():
            code = code_of.setdefault(text, len(known))
            if code == len(known):
                known.append(texts[text])
            codes.append(code)
        self._codes[rows] = np.array(codes, np.int32)[which]

    def upto(self, rows: int) -> LabelColumn:
        self._fit(rows)
        if len(self._frozen) != len(self._values):
            self._frozen = tuple(self._values)
        return LabelColumn(self._codes[:rows], self._frozen)

    def _fit(self, rows: int) -> None:
        if rows > len(self._codes):
            # A fresh array: tables hold views of the old one.
            grown = np.zeros(2 * rows, np.int32)
            grown[: len(self._codes)] = self._codes
            self._codes = grown
