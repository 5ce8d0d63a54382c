"""Which series, label names and values there are: what is found in a part is remembered.

A part never changes, so what was found in it for some matchers and a range stays right. Ranges that
reach beyond the part on either side are the same to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.read_errors import ReadErrors
from novaql.tsdb.parts.merge_series import unite
from novaql.tsdb.parts.part import Part
from novaql.tsdb.parts.tombstones import Intervals
from novaql.tsdb.read.planner import around, matching_series, overlapping
from novaql.tsdb.runtime.lru_cache import ByteCache

CACHE_BYTES = 32 << 20
MatcherSets = Sequence[Sequence[Matcher]]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, eq=False)
class CachedLookup:
    """The result of a look-up. deleted: referenced here because keys contain its address."""

    found: object
    deleted: tuple[Intervals | None, ...]
    bytes: int


class Lookups:
    """The look-ups of one database. Safe to use from several threads."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._looked: ByteCache[CachedLookup] = ByteCache(limit_bytes, lambda looked: looked.bytes)

    def clear(self) -> None:
        self._looked.clear()

    def series(
        self,
        parts: Sequence[Part],
        matcher_sets: MatcherSets,
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None = None,
    ) -> SeriesTable:
        """`Source.series`."""
        sets = _key(matcher_sets)

        def find(parts: Sequence[Part]) -> SeriesTable:
            def look() -> SeriesTable:
                found = ((p, matching_series(p, matcher_sets, start_ms, end_ms)) for p in parts)
                table = unite(found).table
                return table.take(table.order())

            key = ("series", sets, *(_place(part, start_ms, end_ms) for part in parts))
            return self._cached(key, parts, look, _table_bytes)

        return around(overlapping(parts, start_ms, end_ms), read_errors, find)

    def label_names(
        self,
        parts: Sequence[Part],
        matcher_sets: MatcherSets,
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None = None,
    ) -> list[str]:
        """`Source.label_names`."""

        def names_of(part: Part) -> list[str]:
            rows = matching_series(part, matcher_sets, start_ms, end_ms)
            index = part.index()
            columns = ((name, index.column(name)) for name in index.label_names)
            return [
                n for n, column in columns if column is not None and column.codes_of(rows).any()
            ]

        look_up = ("names", _key(matcher_sets))
        return self._texts(parts, look_up, start_ms, end_ms, names_of, read_errors)

    def label_values(
        self,
        parts: Sequence[Part],
        name: str,
        matcher_sets: MatcherSets,
        start_ms: int,
        end_ms: int,
        read_errors: ReadErrors | None = None,
    ) -> list[str]:
        """`Source.label_values`."""

        def values_of(part: Part) -> Sequence[str]:
            column = part.index().column(name)
            if column is None:
                return ()
            rows = matching_series(part, matcher_sets, start_ms, end_ms)
            used = np.unique(column.codes_of(rows))
            return column.texts(used[used > 0].astype(np.int64))

        look_up = ("values", name, _key(matcher_sets))
        return self._texts(parts, look_up, start_ms, end_ms, values_of, read_errors)

    def _texts(
        self,
        parts: Sequence[Part],
        look_up: Hashable,
        start_ms: int,
        end_ms: int,
        look: Callable[[Part], Iterable[str]],
        read_errors: ReadErrors | None,
    ) -> list[str]:
        """The texts of all parts, each once, in order of bytes."""

        def find(parts: Sequence[Part]) -> list[str]:
            places = [_place(part, start_ms, end_ms) for part in parts]

            def of_all() -> list[str]:
                found: set[str] = set()
                for part, place in zip(parts, places, strict=True):
                    some = self._cached(
                        (look_up, place), [part], partial(_list, look, part), _text_bytes
                    )
                    found.update(some)
                return sorted(found, key=str.encode)

            return self._cached((look_up, *places), parts, of_all, _text_bytes)

        return [*around(overlapping(parts, start_ms, end_ms), read_errors, find)]

    def _cached(
        self,
        key: Hashable,
        parts: Sequence[Part],
        look: Callable[[], Found],
        size_of: Callable[[Found], int],
    ) -> Found:
        looked = self._looked.get(key)
        if looked is None:
            found = look()
            deleted = tuple(part.deleted() for part in parts)
            self._looked.put(key, CachedLookup(found, deleted, size_of(found) + 500))
            return found
        known: Found = looked.found  # type: ignore[assignment]  # keys begin with what was asked
        return known


def _key(matcher_sets: MatcherSets) -> Hashable:
    return tuple(tuple(matchers) for matchers in matcher_sets)


def _place(part: Part, start_ms: int, end_ms: int) -> Hashable:
    """A part, and as much of the range as it can have samples in."""
    runs = tuple(layer.run.identity for layer in part.layers())
    within = max(start_ms, part.first_ms), min(end_ms, part.last_ms)
    return part.identity, runs, id(part.deleted()), within


def _list(look: Callable[[Part], Iterable[str]], part: Part) -> list[str]:
    return [*look(part)]


def _text_bytes(texts: Sequence[str]) -> int:
    return sum(map(len, texts)) + 60 * len(texts)


def _table_bytes(table: SeriesTable) -> int:
    texts = sum(len(column.values) for column in table.columns.values())
    return 4 * len(table.columns) * table.rows + 80 * texts
