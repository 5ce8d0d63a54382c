"""A table of series that only grows, so that rows stay valid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.key_table import KeyTable, TokenColumn, Tokens, random_source
from novaql.tsdb.model.labels import Codes, Ints, LabelColumn, SeriesTable

EMPTY, METRIC = 0, 1
"""Numbers of the texts "" and `__name__`."""


class GrowingTable:
    """Series from labels as numbers of texts. Rows never change; all tables are of one family."""

    def __init__(self) -> None:
        self._family = object()
        self._columns: dict[int, _Column] = {}
        self._codes = _TextCodes()
        self._keys = KeyTable()
        self._random = random_source()
        self._table = SeriesTable(0, {}, self._family)

    @property
    def rows(self) -> int:
        """Number of series."""
        return len(self._keys)

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
        return self._add(pairs[full], series, texts)

    def _add(self, pairs: Ints, series: int, texts: Sequence[str]) -> Ints:
        """[series] the rows of series whose labels are valid, and none empty."""
        by_name = pairs[np.argsort(pairs[:, 1], kind="stable")]
        cuts = np.flatnonzero(np.diff(by_name[:, 1], prepend=-1, append=-1))
        keys: Tokens = np.zeros((series, 2), np.uint64)
        coded: list[tuple[_Column, Ints, Codes]] = []
        for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            number = int(by_name[first, 1])
            column = self._columns.get(number)
            if column is None:
                column = _Column(texts[number], len(self._columns), self._codes, self._random)
                self._columns[number] = column
            owners = by_name[first:last, 0]  # each once
            codes = column.codes_of(by_name[first:last, 2], texts)
            keys[owners] += column.tokens.of(codes)
            coded.append((column, owners, codes))
        rows, fresh = self._keys.add(keys)
        if len(fresh):
            is_fresh = np.zeros(series, np.bool_)
            is_fresh[fresh] = True
            for column, owners, codes in coded:
                added = is_fresh[owners]
                column.put(rows[owners[added]], codes[added])
        return rows

    def table(self) -> SeriesTable:
        """All series; the same object until there are more."""
        if self._table.rows != self.rows:
            columns = {column.name: column.upto(self.rows) for column in self._columns.values()}
            ordered = {name: columns[name] for name in sorted(columns, key=str.encode)}
            self._table = SeriesTable(self.rows, ordered, self._family)
        return self._table


class _TextCodes:
    """The codes of texts in the columns that have them as values.

    Most texts are values of one label. Their codes are in arrays, which take a tenth of the memory
    of a dictionary; the codes of a text in further columns are in dictionaries.
    """

    def __init__(self) -> None:
        self._column: Codes = np.full(64, -1, np.int32)
        self._code: Codes = np.zeros(64, np.int32)
        self._further: dict[tuple[int, int], int] = {}

    def of(self, column: int, texts: Ints) -> Codes:
        """Return the codes of texts, by number, in a column; -1: not a value of it yet."""
        most = int(texts.max(initial=-1)) + 1
        self._column, self._code = grown(self._column, most, -1), grown(self._code, most, 0)
        owners = self._column[texts]
        codes = np.where(owners == column, self._code[texts], np.int32(-1))
        if self._further:
            for at in np.flatnonzero((owners != column) & (owners >= 0)).tolist():
                codes[at] = self._further.get((column, int(texts[at])), -1)
        return codes

    def add(self, column: int, texts: Ints, first: int) -> None:
        """Give new values of a column the codes from `first` on. `of` was called for them."""
        codes = np.arange(first, first + len(texts), dtype=np.int32)
        alone = self._column[texts] < 0
        self._column[texts[alone]] = column
        self._code[texts[alone]] = codes[alone]
        for text, code in zip(texts[~alone].tolist(), codes[~alone].tolist(), strict=True):
            self._further[column, text] = code


class _Column:
    def __init__(
        self, name: str, number: int, codes: _TextCodes, random: np.random.Generator
    ) -> None:
        self.name = name
        self.tokens = TokenColumn(random)
        self._number = number
        self._code_of = codes
        self._codes: Codes = np.zeros(64, np.int32)
        self._values: list[str] = [""]
        self._frozen: tuple[str, ...] = ("",)

    def codes_of(self, values: Ints, texts: Sequence[str]) -> Codes:
        """Return codes of texts by number, none of them empty; new texts get new codes."""
        distinct, which = np.unique(values, return_inverse=True)
        codes, known = self._code_of.of(self._number, distinct), self._values
        (fresh,) = np.nonzero(codes < 0)
        if len(fresh):
            first = len(known)
            self._code_of.add(self._number, distinct[fresh], first)
            known.extend([texts[text] for text in distinct[fresh].tolist()])
            codes[fresh] = np.arange(first, len(known))
            self.tokens.reserve(len(known))
        return codes[which]

    def put(self, rows: Ints, codes: Codes) -> None:
        """Enter the codes of new rows."""
        if len(rows):
            self._fit(int(rows.max()) + 1)
            self._codes[rows] = codes

    def upto(self, rows: int) -> LabelColumn:
        self._fit(rows)
        if len(self._frozen) != len(self._values):
            self._frozen = tuple(self._values)
        return LabelColumn(self._codes[:rows], self._frozen)

    def _fit(self, rows: int) -> None:
        if rows > len(self._codes):
            # A new array, because tables have views of the old one.
            grown = np.zeros(2 * rows, np.int32)
            grown[: len(self._codes)] = self._codes
            self._codes = grown
