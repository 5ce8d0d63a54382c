"""Label sets that several parts of the store found, each once.

Parts number their series each in its own way, yet most of them hold the same ones: where a part
has what the one before it has, nothing is sorted, and one array stands for both.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from novaql.tsdb.index.match import LivingRows, label_table, match_rows
from novaql.tsdb.model.labels import Ints, Numbers, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.parts.part import Part
from novaql.tsdb.runtime.lru_cache import ByteCache

UNION_CACHE_BYTES = 64 << 20
MOST_WAITING = 1 << 17
"""Rows that are brought together in one go: to sort those of all blocks takes memory for all."""


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """Series that several parts found: each once in `table`.

    found  for each part its index rows and the table row of each; equal arrays of neighbouring
           parts are one
    """

    table: SeriesTable
    found: tuple[tuple[Ints, Numbers], ...]


UnionCache = ByteCache[Union]


def union_bytes(union: Union) -> int:
    columns = len(union.table.columns)
    texts = sum(len(column.values) for column in union.table.columns.values())
    arrays = {id(array): array.nbytes for pair in union.found for array in pair}
    return 4 * columns * union.table.rows + 100 * texts + sum(arrays.values()) + 500


def united(
    parts: Sequence[Part],
    matchers: Sequence[Matcher],
    cache: UnionCache,
    living: Sequence[LivingRows | None] | None = None,
) -> Union:
    """Label sets that satisfy every matcher, remembered for the same parts and matchers.

    living: of each part the series that matter, None for all of them.
    """
    each = [None] * len(parts) if living is None else living
    slices = tuple(None if some is None else some.slices for some in each)
    key = (tuple(part.identity for part in parts), tuple(matchers), slices)
    union = cache.get(key)
    if union is None:
        pairs = zip(parts, each, strict=True)
        union = unite((part, match_rows(part.index(), matchers, some)) for part, some in pairs)
        cache.put(key, union)
    return union


def unite(found: Iterable[tuple[Part, Ints]]) -> Union:
    """Label sets of index rows of several parts, equal ones once, numbered by first appearance."""
    union = SeriesTable.unlabelled(0)
    waiting: list[SeriesTable] = []  # those that are not in the union yet
    numbers: list[Numbers] = []  # of the rows of each table, for those that are
    of_part: list[tuple[Ints, int]] = []  # index rows of each part, and which table is theirs
    last = None
    for part, rows in found:
        table = label_table(part.index(), rows)
        if last is None or not table.surely_equals(last):
            last = table
            waiting.append(table)
            if sum(len(one) for one in waiting) > MOST_WAITING:
                union = _taken_in(union, waiting, numbers)
        if of_part and np.array_equal(rows, of_part[-1][0]):
            rows = of_part[-1][0]
        of_part.append((rows, len(numbers) + len(waiting) - 1))
    union = _taken_in(union, waiting, numbers)
    return Union(union, tuple((rows, numbers[at]) for rows, at in of_part))


def _taken_in(
    union: SeriesTable, waiting: list[SeriesTable], numbers: list[Numbers]
) -> SeriesTable:
    """The union with the tables that wait, and afterwards none does."""
    tables = [union, *waiting] if union.rows else waiting
    if len(tables) > 1:
        union, found = _numbered(tables)
        numbers += found[len(tables) - len(waiting) :]
    elif waiting:
        union = waiting[0]
        numbers.append(np.arange(union.rows, dtype=np.int32))
    waiting.clear()
    return union


def _numbered(tables: Sequence[SeriesTable]) -> tuple[SeriesTable, list[Numbers]]:
    """The label sets of all tables, numbered by first appearance: the order of the first table is
    kept; and for each table the number of each of its rows."""
    stacked = concat_tables(tables)
    keys = stacked.keys()
    first = np.empty(int(keys.max(initial=-1)) + 1, np.int64)
    first[keys[::-1]] = np.arange(len(keys))[::-1]  # of repeated ones the last stays: the first
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    ends = np.cumsum([table.rows for table in tables]).tolist()
    # Each its own array: a slice of one would keep all of it.
    numbers: list[Numbers] = [
        rank[keys[begin:end]] for begin, end in itertools.pairwise([0, *ends])
    ]
    return (tables[0] if len(order) == tables[0].rows else stacked.take(first[order])), numbers
