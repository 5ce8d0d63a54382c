"""The union of the label sets that several parts have.

Each part numbers its series separately. Label sets are compared by their keys, so that only the
labels that a query needs are read. Most parts have the same series: if a part has the label sets
of the part before, nothing is sorted, and both share one array.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.index.match import RowFilter, label_table, match_rows
from novaql.tsdb.model.key_table import KeyTable, Tokens, distinct_keys
from novaql.tsdb.model.labels import Ints, Numbers, SeriesTable, concat_tables
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.parts.part import Part
from novaql.tsdb.parts.series_keys import SeriesKeys
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
    known  keys of the rows of `table`, if a head follows these parts
    """

    table: SeriesTable
    found: tuple[tuple[Ints, Numbers], ...]
    parts: tuple[Hashable, ...] = ()
    known: KeyTable | None = None

    def extended(
        self, part: Part, rows: Ints, keys: SeriesKeys, labels: frozenset[str] | None
    ) -> Union:
        """Return the union with one more part. The union has `known`; see `unite` for `labels`."""
        assert self.known is not None
        numbers = self.known.find(keys.of(part, rows))
        fresh = np.flatnonzero(numbers < 0)
        numbers[fresh] = self.table.rows + np.arange(len(fresh))
        table = self.table
        if len(fresh):
            table = concat_tables([table, label_table(part.index(), rows[fresh], labels)])
        return Union(table, (*self.found, (rows, numbers.astype(np.int32))))


UnionCache = ByteCache[Union]


def union_bytes(union: Union) -> int:
    columns = len(union.table.columns)
    texts = sum(len(column.values) for column in union.table.columns.values())
    arrays = {id(array): array.nbytes for pair in union.found for array in pair}
    known = 0 if union.known is None else union.known.nbytes
    return 4 * columns * union.table.rows + 100 * texts + sum(arrays.values()) + known + 500


def united(
    parts: Sequence[Part],
    matchers: Sequence[Matcher],
    cache: UnionCache,
    keys: SeriesKeys,
    active: Sequence[RowFilter | None] | None = None,
    labels: frozenset[str] | None = None,
    *,
    with_keys: bool = False,
) -> Union:
    """Return the label sets that satisfy every matcher, cached by parts, matchers and labels. An
    entry of a head replaces the earlier entry of the head.

    active     for each part a filter of its series; None: all series
    labels     see `unite`
    with_keys  the union has `known`
    """
    each = [None] * len(parts) if active is None else active
    slices = tuple(None if some is None else some.slices for some in each)
    identities = tuple(part.identity for part in parts)
    key = (tuple(part.origin for part in parts), tuple(matchers), slices, labels)
    union = cache.get(key)
    if union is None or union.parts != identities or (with_keys and union.known is None):
        if len(parts) > 1 and _grows(parts[-1]):  # the other parts are the same for longer
            before = united(parts[:-1], matchers, cache, keys, each[:-1], labels, with_keys=True)
            rows = match_rows(parts[-1].index(), matchers, each[-1])
            union = before.extended(parts[-1], rows, keys, labels)
        else:
            pairs = zip(parts, each, strict=True)
            found = ((part, match_rows(part.index(), matchers, some)) for part, some in pairs)
            union = unite(found, keys, labels)
        known = _known(parts, union, keys) if with_keys else None
        union = replace(union, parts=identities, known=known)
        cache.put(key, union)
    return union


def _grows(part: Part) -> bool:
    """Return whether the part is that of a head, to which series are added."""
    return part.identity != part.origin


def _known(parts: Sequence[Part], union: Union, keys: SeriesKeys) -> KeyTable:
    """Return the keys of the rows of a union of these parts."""
    every: Tokens = np.zeros((union.table.rows, 2), np.uint64)
    for part, (rows, numbers) in zip(parts, union.found, strict=True):
        every[numbers] = keys.of(part, rows)
    known = KeyTable()
    known.add(every)
    return known


def unite(
    found: Iterable[tuple[Part, Ints]], keys: SeriesKeys, labels: frozenset[str] | None = None
) -> Union:
    """Return the union of the label sets of index rows of several parts, numbered by first
    appearance.

    labels  the labels that the table has; None: all. With fewer, rows may have equal labels
    """
    waiting = iter(found)  # one after another: most have the same rows, and share one array
    two = list(itertools.islice(waiting, 2))
    if len(two) == 1:
        ((part, rows),) = two
        table = label_table(part.index(), rows, labels)
        return Union(table, ((rows, np.arange(len(rows), dtype=np.int32)),))
    merging = _Merging(keys, labels)
    while two:
        merging.add(*two.pop(0))
    for part, rows in waiting:
        merging.add(part, rows)
    return merging.union()


class _Merging:
    """A union in the making. Parts wait until they have many rows, and are merged together."""

    def __init__(self, keys: SeriesKeys, labels: frozenset[str] | None) -> None:
        self._keys, self._labels = keys, labels
        self._known: Tokens = np.zeros((0, 2), np.uint64)
        self._tables: list[SeriesTable] = []
        self._waiting: list[tuple[Part, Ints, Tokens]] = []
        self._numbers: list[Numbers] = []  # for each merged list of rows: their rows in the union
        self._of_part: list[tuple[Ints, int]] = []  # for each part: its rows, and their numbers
        self._last: Tokens | None = None

    def add(self, part: Part, rows: Ints) -> None:
        keys = self._keys.of(part, rows)
        if self._last is None or not np.array_equal(keys, self._last):
            self._last = keys
            self._waiting.append((part, rows, keys))
            if sum(len(waiting) for _, waiting, _ in self._waiting) > MOST_WAITING:
                self._merge()
        if self._of_part and np.array_equal(rows, self._of_part[-1][0]):
            rows = self._of_part[-1][0]
        self._of_part.append((rows, len(self._numbers) + len(self._waiting) - 1))

    def union(self) -> Union:
        if self._waiting:
            self._merge()
        table = concat_tables(self._tables) if self._tables else SeriesTable.unlabelled(0)
        return Union(table, tuple((rows, self._numbers[at]) for rows, at in self._of_part))

    def _merge(self) -> None:
        """Number the rows of the waiting parts. Those with unknown keys are added to the union."""
        known = len(self._known)
        stacked = np.concatenate([self._known, *(keys for _, _, keys in self._waiting)])
        first, which = distinct_keys(stacked)
        end = known
        for part, rows, keys in self._waiting:
            begin, end = end, end + len(keys)
            fresh = first[(first >= begin) & (first < end)] - begin
            if len(fresh):
                self._tables.append(label_table(part.index(), rows[fresh], self._labels))
            # A new array: a slice would hold all of them in memory.
            self._numbers.append(which[begin:end].astype(np.int32))
        self._known = stacked[first]
        self._waiting.clear()
