"""The union of the label sets that several parts have.

Each part numbers its series separately, but most parts have the same ones: if a part has the label
sets of the part before, nothing is sorted, and both share one array.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from novaql.tsdb.index.match import LivingRows, label_table, match_rows
from novaql.tsdb.model.labels import Ints, Numbers, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.parts.part import Part
from novaql.tsdb.runtime.lru_cache import ByteCache

UNION_CACHE_BYTES = 64 << 20
MOST_WAITING = 1 << 17
"""Rows that are merged at once. Sorting the rows of all blocks at once would need memory for all.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """Series of several parts, each once in `table`.

    found  for each part its index rows, and the table row of each; neighbouring parts share equal
           arrays
    parts  identities of the parts, if it is cached
    """

    table: SeriesTable
    found: tuple[tuple[Ints, Numbers], ...]
    parts: tuple[Hashable, ...] = ()


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
    """Return the label sets that satisfy every matcher, cached by parts and matchers. Those of a
    head replace those that it had before.

    living: for each part the series to consider; None: all.
    """
    each = [None] * len(parts) if living is None else living
    slices = tuple(None if some is None else some.slices for some in each)
    identities = tuple(part.identity for part in parts)
    key = (tuple(part.origin for part in parts), tuple(matchers), slices)
    union = cache.get(key)
    if union is None or union.parts != identities:
        pairs = zip(parts, each, strict=True)
        found = unite((part, match_rows(part.index(), matchers, some)) for part, some in pairs)
        union = replace(found, parts=identities)
        cache.put(key, union)
    return union


def unite(found: Iterable[tuple[Part, Ints]]) -> Union:
    """Return the union of the label sets of index rows of several parts, numbered by first
    appearance."""
    union = SeriesTable.unlabelled(0)
    waiting: list[SeriesTable] = []  # tables that are not in the union yet
    numbers: list[Numbers] = []  # for each table in the union: the union's row of each of its rows
    of_part: list[tuple[Ints, int]] = []  # for each part: index rows, and the index of their table
    last = None
    for part, rows in found:
        table = label_table(part.index(), rows)
        if last is None or not table.surely_equals(last):
            last = table
            waiting.append(table)
            if sum(len(one) for one in waiting) > MOST_WAITING:
                union = _merge_waiting(union, waiting, numbers)
        if of_part and np.array_equal(rows, of_part[-1][0]):
            rows = of_part[-1][0]
        of_part.append((rows, len(numbers) + len(waiting) - 1))
    union = _merge_waiting(union, waiting, numbers)
    return Union(union, tuple((rows, numbers[at]) for rows, at in of_part))


def _merge_waiting(
    union: SeriesTable, waiting: list[SeriesTable], numbers: list[Numbers]
) -> SeriesTable:
    """Merge the waiting tables into the union; afterwards none waits."""
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
    """Return the distinct label sets of all tables, in the order of first appearance, and for each
    table the number of each of its rows."""
    stacked = concat_tables(tables)
    keys = stacked.keys()
    first = np.empty(int(keys.max(initial=-1)) + 1, np.int64)
    # later assignments win, so the reversed order stores the first position
    first[keys[::-1]] = np.arange(len(keys))[::-1]
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order))
    ends = np.cumsum([table.rows for table in tables]).tolist()
    # Separate arrays: a slice would keep the whole array alive.
    numbers: list[Numbers] = [
        rank[keys[begin:end]] for begin, end in itertools.pairwise([0, *ends])
    ]
    return (tables[0] if len(order) == tables[0].rows else stacked.take(first[order])), numbers
