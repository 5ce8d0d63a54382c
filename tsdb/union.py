"""Label sets that several parts of the store found, each once.

Parts number their series each in its own way, yet most of them hold the same ones: where a part
has what the one before it has, nothing is sorted, and one array stands for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tsdb.cache import ByteCache
from tsdb.index.match import LivingRows, label_table, match_rows
from tsdb.labels import Ints, SeriesTable, concat_tables
from tsdb.matchers import Matcher
from tsdb.part import Part

UNION_CACHE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """Series that several parts found: each once in `table`.

    found  for each part its index rows and the table row of each; equal arrays of neighbouring
           parts are one
    """

    table: SeriesTable
    found: tuple[tuple[Ints, Ints], ...]


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
    """Label sets of index rows of several parts, equal ones once."""
    tables: list[SeriesTable] = []
    of_part: list[int] = []  # which of these tables
    rows_of: list[Ints] = []
    for part, rows in found:
        table = label_table(part.index(), rows)
        if not tables or not table.surely_equals(tables[-1]):
            tables.append(table)
        of_part.append(len(tables) - 1)
        known = bool(rows_of) and np.array_equal(rows, rows_of[-1])
        rows_of.append(rows_of[-1] if known else rows)
    if not tables:
        return Union(SeriesTable.unlabelled(0), ())
    table, numbers = _numbered(tables)
    return Union(
        table, tuple((rows, numbers[at]) for rows, at in zip(rows_of, of_part, strict=True))
    )


def _numbered(tables: Sequence[SeriesTable]) -> tuple[SeriesTable, list[Ints]]:
    """The label sets of all tables, numbered by first appearance: the order of the first table is
    kept; and for each table the number of each of its rows."""
    if len(tables) == 1:
        return tables[0], [np.arange(tables[0].rows)]
    stacked = concat_tables(tables)
    keys = stacked.keys()
    first = np.empty(int(keys.max(initial=-1)) + 1, np.int64)
    first[keys[::-1]] = np.arange(len(keys))[::-1]  # of repeated ones the last stays: the first
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ends = np.cumsum([table.rows for table in tables])
    return stacked.take(first[order]), np.split(rank[keys], ends[:-1])
