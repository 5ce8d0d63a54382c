"""Label sets of many series as dictionary-encoded columns.

A label that is absent and a label whose value is "" are the same, as in Prometheus. Each label name
is one column: `codes[row]` is an index in `values`, and `values[0]` is always "". So grouping,
matching and sorting work on small integer arrays, never in a Python loop over series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass

Ints = NDArray[np.int64]
"""Rows, times in ms, counts."""

Floats = NDArray[np.float64]
"""Values of samples."""

Codes = NDArray[np.int32]
Bools = NDArray[np.bool_]
"""Masks."""

Numbers = NDArray[np.integer[Any]]
"""Whole numbers of any width, to save memory."""

METRIC_NAME = "__name__"
"""The label with the name of the metric."""

_FEW_ROWS = 64
"""Up to this many rows, Python sorts the codes in less time than NumPy needs for its calls."""

FEW_NUMBERS = 2
"""Numbers below this multiple of the rows are made dense by a table, others by sorting."""

MOST_REMEMBERED = 1 << 16
"""A table with at most this many rows caches derived values, such as its order."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelColumn:
    """The values of one label: `values[codes[row]]`; `values[0]` is "" and means absent.

    `values` has each text once, and may have texts that no row uses.
    """

    codes: Codes
    values: tuple[str, ...]

    @classmethod
    def encode(cls, texts: Iterable[str]) -> LabelColumn:
        """Dictionary-encode one text for each row."""
        ids: dict[str, int] = {"": 0}
        codes = np.fromiter((ids.setdefault(text, len(ids)) for text in texts), np.int32)
        return cls(codes, tuple(ids))

    @classmethod
    def constant(cls, text: str, rows: int) -> LabelColumn:
        if text == "":
            return cls(np.zeros(rows, np.int32), ("",))
        return cls(np.ones(rows, np.int32), ("", text))

    def take(self, rows: Ints | Bools) -> LabelColumn:
        return LabelColumn(self.codes[rows], self.values)

    def compacted(self) -> LabelColumn:
        """Return the column without unused values, with `values[1:]` in byte order."""
        codes, values = self.codes, self.values
        is_short = len(codes) <= _FEW_ROWS
        used = set(codes.tolist()) if is_short else np.unique(codes).tolist()
        texts = sorted((values[code] for code in used if code), key=str.encode)
        position = {text: number for number, text in enumerate(["", *texts])}
        if is_short:
            found = [position[values[code]] for code in codes.tolist()]
            return LabelColumn(np.array(found, np.int32), ("", *texts))
        translate = np.zeros(len(values), np.int32)
        for code in used:
            translate[code] = position[values[code]]
        return LabelColumn(translate[codes], ("", *texts))

    def texts(self) -> list[str]:
        values = self.values
        return [values[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class SeriesTable:
    """Label sets of `rows` series. Immutable; every method returns a new table.

    columns: label name → column, in increasing order of name (by bytes). A column in which all rows
    are absent is allowed and has no effect. family: tables of the same family agree on the rows
    that both have, so caches of one apply to the other. None: of no family
    """

    rows: int
    columns: Mapping[str, LabelColumn]
    family: object | None = None
    _ordered: list[tuple[Ints, SeriesTable]] = field(default_factory=list, init=False, repr=False)
    _distinct: list[bool] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def from_dicts(cls, label_sets: Sequence[Mapping[str, str]]) -> SeriesTable:
        names = sorted({name for labels in label_sets for name in labels}, key=str.encode)
        return cls(
            len(label_sets),
            {n: LabelColumn.encode(labels.get(n, "") for labels in label_sets) for n in names},
        )

    @classmethod
    def from_columns(cls, rows: int, columns: Mapping[str, LabelColumn]) -> SeriesTable:
        """Put the columns in order of name."""
        return cls(rows, {n: columns[n] for n in sorted(columns, key=str.encode)})

    @classmethod
    def unlabelled(cls, rows: int = 1) -> SeriesTable:
        return cls(rows, {})

    def __len__(self) -> int:
        return self.rows

    def labels(self, row: int) -> dict[str, str]:
        """Return the label set of one row, without absent labels, in order of name."""
        out = {}
        for name, column in self.columns.items():
            if code := int(column.codes[row]):
                out[name] = column.values[code]
        return out

    def dicts(self) -> list[dict[str, str]]:
        """Return the label set of every row, for output."""
        out: list[dict[str, str]] = [{} for _ in range(self.rows)]
        for name, column in self.columns.items():
            values = column.values
            for row, code in zip(
                np.flatnonzero(column.codes).tolist(),
                column.codes[column.codes != 0].tolist(),
                strict=True,
            ):
                out[row][name] = values[code]
        return out

    def __iter__(self) -> Iterator[dict[str, str]]:
        return iter(self.dicts())

    def names(self) -> list[str]:
        """Return the label names that at least one row has."""
        return [name for name, column in self.columns.items() if column.codes.any()]

    def column(self, name: str) -> LabelColumn:
        """Return the column of a label, all absent if no row has it."""
        found = self.columns.get(name)
        return LabelColumn.constant("", self.rows) if found is None else found

    def take(self, rows: Ints | Bools) -> SeriesTable:
        """Return rows by number, or by a mask."""
        count = int(np.count_nonzero(rows)) if rows.dtype == np.bool_ else len(rows)
        return SeriesTable(count, {n: c.take(rows) for n, c in self.columns.items()})

    def keep(self, names: Iterable[str]) -> SeriesTable:
        wanted = set(names)
        return SeriesTable(self.rows, {n: c for n, c in self.columns.items() if n in wanted})

    def drop(self, names: Iterable[str]) -> SeriesTable:
        unwanted = set(names)
        return SeriesTable(self.rows, {n: c for n, c in self.columns.items() if n not in unwanted})

    def with_column(self, name: str, column: LabelColumn) -> SeriesTable:
        return SeriesTable.from_columns(self.rows, {**self.columns, name: column})

    def keys(self) -> Ints:
        """Return one integer for each row, equal exactly where the label sets are equal.

        Comparable only inside this table. Numbers are dense: 0 … distinct - 1.
        """
        if self.rows < 2:
            return np.zeros(self.rows, np.int64)
        return combine_codes([column.codes for column in self.columns.values()], self.rows)

    def surely_equals(self, other: SeriesTable) -> bool:
        """Whether both have the same rows. May return False for equal tables whose texts have other
        codes."""
        if self is other:
            return True
        return (
            self.rows == other.rows
            and self.columns.keys() == other.columns.keys()
            and all(
                column.values == other.columns[name].values
                and np.array_equal(column.codes, other.columns[name].codes)
                for name, column in self.columns.items()
            )
        )

    def is_distinct(self) -> bool:
        """Whether all label sets are different."""
        if self._distinct:
            return self._distinct[0]
        found = self.rows < 2 or int(self.keys().max()) + 1 == self.rows
        self._distinct.append(found)
        return found

    def in_order(self) -> tuple[Ints, SeriesTable]:
        """Return `order`, and the table in that order. The result of a small table is cached."""
        if self._ordered:
            return self._ordered[0]
        order = self.order()
        found = order, self.take(order)
        if self.rows <= MOST_REMEMBERED:
            self._ordered.append(found)  # two threads may both compute it; the results are equal
        return found

    def order(self) -> Ints:
        """Return the rows in Prometheus's order of label sets.

        Label by label in order of name, name first, then value by bytes; if one set is the
        beginning of another, the shorter comes first.
        """
        if self.rows < 2:
            return np.arange(self.rows)
        sort_keys: list[NDArray[np.int64]] = []
        ends_here = np.ones(self.rows, np.bool_)  # the row has no label from this column on
        for column in reversed([c.compacted() for c in self.columns.values()]):
            present = column.codes != 0
            rank = column.codes.astype(np.int64)
            rank[~present] = len(column.values)  # a later name sorts after this one …
            ends_here = ends_here & ~present
            rank[ends_here] = 0  # … but the end of the set sorts first
            sort_keys.append(rank)
        if not sort_keys:
            return np.arange(self.rows)
        return np.lexsort(sort_keys)  # lexsort's last key is the first column


def combine_codes(columns: Iterable[NDArray[np.integer]], rows: int) -> Ints:
    """Return dense group numbers for rows by several integer columns; equal rows, equal numbers."""
    key = np.zeros(rows, np.int64)
    distinct = 1
    if rows == 0:
        return key
    for codes in columns:
        width = int(codes.max()) + 1
        if width == 1:
            continue
        if distinct * width >= 2**62:
            key, distinct = _dense(key)
        key = key * width + codes
        distinct *= width
        if distinct <= FEW_NUMBERS * rows:
            key, distinct = _renumbered(key, distinct)
    return key if distinct <= FEW_NUMBERS * rows else _dense(key)[0]


def _renumbered(key: Ints, distinct: int) -> tuple[Ints, int]:
    """Return `_dense` of numbers below `distinct`, by a table of them."""
    number = np.zeros(distinct, np.int64)
    number[key] = 1
    np.cumsum(number, out=number)
    return number[key] - 1, int(number[-1])


def _dense(key: Ints) -> tuple[Ints, int]:
    """Return the inverse of `np.unique`, in half of its memory, since there may be millions of
    rows."""
    order = np.argsort(key)
    ordered = key[order]
    number = np.zeros(len(key), np.int64)
    np.cumsum(ordered[1:] != ordered[:-1], out=number[1:])
    dense = ordered  # its memory is no longer needed
    dense[order] = number
    return dense, int(number[-1]) + 1


def concat_tables(tables: Sequence[SeriesTable]) -> SeriesTable:
    """Concatenate the rows of tables."""
    if len(tables) == 1:
        return tables[0]
    rows = sum(table.rows for table in tables)
    names = sorted({name for table in tables for name in table.columns}, key=str.encode)
    columns = {}
    for name in names:
        known = tables[0].columns.get(name, LabelColumn.constant("", tables[0].rows))
        ids = dict(zip(known.values, range(len(known.values)), strict=True))
        parts = [known.codes]
        for table in tables[1:]:
            column = table.columns.get(name)
            if column is None:
                parts.append(np.zeros(table.rows, np.int32))
                continue
            if column.values is known.values:  # tables are often parts of one
                parts.append(column.codes)
                continue
            translate = np.fromiter(
                (ids.setdefault(text, len(ids)) for text in column.values), np.int32
            )
            parts.append(translate[column.codes])
        columns[name] = LabelColumn(np.concatenate(parts), tuple(ids))
    return SeriesTable(rows, columns)
