"""Blocks or entries ordered by time, to find those that overlap a range without checking all of
them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from sortedcontainers import SortedKeyList


class Spanning(Protocol):
    """An item with samples between two times in milliseconds, both included."""

    @property
    def first_ms(self) -> int: ...
    @property
    def last_ms(self) -> int: ...


Item = TypeVar("Item", bound=Spanning)
FEW = 8
"""Up to this many items are checked one by one, which is faster than a search."""


class TimeOrdered(Generic[Item]):
    """Immutable. Iteration has the order in which the items were given; look-ups use their times.

    An item that overlaps [start, end] ends at or after `start`. Since it begins at or before `end`,
    it ends at most the duration of the longest item later. So one range of the items, ordered by
    their last time, has all that overlap, and few others unless durations differ widely.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = tuple(items)
        spans = [(item.first_ms, item.last_ms) for item in self._items]
        self._by_last = SortedKeyList(range(len(spans)), key=lambda number: spans[number][1])
        self._spans = spans
        self._first_ms = min((first for first, _ in spans), default=0)
        self._last_ms = max((last for _, last in spans), default=0)
        self._longest_ms = max((last - first for first, last in spans), default=0)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def overlapping(self, start_ms: int, end_ms: int) -> list[Item]:
        """Return the items with a time in [start_ms, end_ms], in the order in which they were
        given."""
        if start_ms <= self._first_ms and end_ms >= self._last_ms:
            return list(self._items)
        items, spans = self._items, self._spans
        if len(items) <= FEW:
            found = zip(items, spans, strict=True)
            return [item for item, (a, b) in found if a <= end_ms and b >= start_ms]
        near = self._by_last.irange_key(start_ms, end_ms + self._longest_ms)
        return [items[number] for number in sorted(near) if spans[number][0] <= end_ms]
