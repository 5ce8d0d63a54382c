"""The best names for a typed text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

Rank = tuple[int, str]
"""0: the name itself, 1: it begins with what was typed, 2: it contains it; and the lower-case name.
"""
_LAST = "\U0010ffff"
_BETWEEN = "\0"


def best(names: Sequence[str], typed: str, limit: int) -> list[tuple[Rank, str]]:
    """Return the best names, at most `limit`, the best first. names: in order.

    Names that begin with exactly what was typed are found by bisection. If they are few, all names
    are searched, regardless of case.
    """
    if not typed:
        return [((1, name.lower()), name) for name in names[:limit]]
    first, end = bisect_left(names, typed), bisect_left(names, typed + _LAST)
    if end - first >= limit:
        return sorted((_rank(name, typed), name) for name in names[first : first + limit])
    found = {(_rank(name, typed), name) for name in islice(_hits(names, typed.lower()), 2 * limit)}
    return sorted(found)[:limit]


def _rank(name: str, typed: str) -> Rank:
    lower = name.lower()
    if name == typed:
        return 0, lower
    return (1 if lower.startswith(typed.lower()) else 2), lower


def _hits(names: Sequence[str], wanted: str) -> Iterator[str]:
    """The names that contain a lower-case text, those first that begin with it, which are found
    again among the others. All names are searched as one text, which is several times as fast as
    one by one."""
    together = _BETWEEN + _BETWEEN.join(names).lower()
    if together.count(_BETWEEN) != len(names) or _BETWEEN in wanted:
        lower = [(name.lower(), name) for name in names]
        yield from (name for text, name in lower if text.startswith(wanted))
        yield from (name for text, name in lower if wanted in text)
        return
    for pattern in (_BETWEEN + wanted, wanted):
        number, counted = -1, 0
        at = together.find(pattern)
        while at >= 0:
            number += together.count(_BETWEEN, counted, at + 1)
            counted = at + 1
            yield names[number]
            behind = together.find(_BETWEEN, at + 1)
            at = together.find(pattern, behind) if behind >= 0 else -1
