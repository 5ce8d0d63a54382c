"""Finds series, label names and label values, and caches the answers of each part.

A part never changes, so its answer for matchers and a range remains valid. The key has only the
range inside the part, so ranges that extend beyond it share an answer. A newer answer of a head
replaces the older one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np

from novaql.fast_dataclass import dataclass
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.parts.merge_series import unite
from novaql.tsdb.parts.part import Part
from novaql.tsdb.parts.part_list import PartList
from novaql.tsdb.parts.series_keys import SeriesKeys
from novaql.tsdb.parts.tombstones import Intervals
from novaql.tsdb.read.planner import matching_series, read_undamaged
from novaql.tsdb.runtime.lru_cache import ByteCache

LOOKUP_CACHE_BYTES = 32 << 20
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class CachedLookup:
    """The result of a look-up.

    places   the parts that it was found in, and the range in each
    deleted  deleted time of each part. `places` has its address, which no other object may get
             while this result is cached
    """

    found: object
    places: Sequence[Hashable]
    deleted: tuple[Intervals | None, ...]
    nbytes: int


LookupCache = ByteCache[CachedLookup]


@dataclass(slots=True, eq=False)
class Lookup:
    """Finds the series with samples in a range, and their labels. Safe to use from several threads.

    matcher_sets  a series satisfies any of these sets; no sets: all series
    read_errors   receives damage, which is skipped; None: damage raises
    """

    cache: LookupCache
    keys: SeriesKeys
    parts: PartList[Part]
    matcher_sets: Sequence[Sequence[Matcher]]
    start_ms: int
    end_ms: int
    read_errors: ReadErrors | None = None

    def series(self) -> SeriesTable:
        """`Source.series`."""

        def find(parts: Sequence[Part]) -> SeriesTable:
            def look() -> SeriesTable:
                table = unite(((part, self._rows(part)) for part in parts), self.keys).table
                return table.take(table.order())

            return self._cached(("series",), parts, look, _table_bytes)

        return self._undamaged_parts(find)

    def label_names(self) -> list[str]:
        """`Source.label_names`."""

        def names_of(part: Part) -> list[str]:
            rows, index = self._rows(part), part.index()
            columns = ((name, index.column(name)) for name in index.label_names)
            return [
                n for n, column in columns if column is not None and column.codes_of(rows).any()
            ]

        return self._texts(("names",), names_of)

    def label_values(self, name: str) -> list[str]:
        """`Source.label_values`."""

        def values_of(part: Part) -> list[str]:
            column = part.index().column(name)
            if column is None:
                return []
            used = np.zeros(column.distinct, np.bool_)
            used[column.codes_of(self._rows(part))] = True
            return column.texts(np.flatnonzero(used[1:]) + 1)

        return self._texts(("values", name), values_of)

    def _texts(self, what: tuple[str, ...], look: Callable[[Part], list[str]]) -> list[str]:
        """Return the texts of all parts, each once, in byte order."""

        def find(parts: Sequence[Part]) -> list[str]:
            def of_all() -> list[str]:
                of_part = ("of a part", *what)
                texts = [
                    self._cached(of_part, [part], partial(look, part), _text_bytes)
                    for part in parts
                ]
                # The order of code points is that of UTF-8. The texts of the largest part are
                # already sorted, so the sort only inserts those of the others.
                texts.sort(key=len, reverse=True)
                return sorted(dict.fromkeys(chain.from_iterable(texts)))

            return self._cached(what, parts, of_all, _text_bytes)

        return [*self._undamaged_parts(find)]

    def _undamaged_parts(self, find: Callable[[Sequence[Part]], Found]) -> Found:
        parts = self.parts.overlapping(self.start_ms, self.end_ms)
        return read_undamaged(parts, self.read_errors, find)

    def _rows(self, part: Part) -> Ints:
        return matching_series(part, self.matcher_sets, self.start_ms, self.end_ms)

    def _cached(
        self,
        what: tuple[str, ...],
        parts: Sequence[Part],
        look: Callable[[], Found],
        size_of: Callable[[Found], int],
    ) -> Found:
        places = [_place(part, self.start_ms, self.end_ms) for part in parts]
        lasting = [
            place if part.origin == part.identity else part.origin
            for part, place in zip(parts, places, strict=True)
        ]
        key = (what, tuple(map(tuple, self.matcher_sets)), *lasting)
        looked = self.cache.get(key)
        if looked is None or looked.places != places:
            found = look()
            deleted = tuple(part.deleted() for part in parts)
            self.cache.put(key, CachedLookup(found, places, deleted, size_of(found) + 500))
            return found
        known: Found = looked.found  # type: ignore[assignment]  # the key determines the type
        return known


def _place(part: Part, start_ms: int, end_ms: int) -> Hashable:
    """A key of a part and the range inside it."""
    runs = tuple([layer.run.identity for layer in part.layers()])
    within = max(start_ms, part.first_ms), min(end_ms, part.last_ms)
    return part.identity, runs, id(part.deleted()), within


def _text_bytes(texts: Sequence[str]) -> int:
    return sum(map(len, texts)) + 60 * len(texts)


def _table_bytes(table: SeriesTable) -> int:
    texts = sum(len(column.values) for column in table.columns.values())
    return 4 * len(table.columns) * table.rows + 80 * texts
