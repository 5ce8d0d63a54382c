"""The best of many names for what was typed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

Rank = tuple[int, str]
"""0: the name itself, 1: it begins with what was typed, 2: it contains it; and the lower-case name.
"""
_LAST = "\U0010ffff"
_BETWEEN = "\0"


def best(names: Sequence[str], typed: str, limit: int) -> list[tuple[Rank, str]]:
    """Return the best names, at most `limit`, the best first. names: in order.

    Names that begin with exactly what was typed are found by bisection. Only if they are few, all
    names are searched, in any case of letters.
    """
    if not typed:
        return [((1, name.lower()), name) for name in names[:limit]]
    first, end = bisect_left(names, typed), bisect_left(names, typed + _LAST)
    if end - first >= limit:
        return sorted((_rank(name, typed), name) for name in names[first : first + limit])
    wanted = typed.lower()
    found = sorted((_rank(name, typed), name) for name in _containing(names, wanted))
    return found[:limit]


def _rank(name: str, typed: str) -> Rank:
    lower = name.lower()
    if name == typed:
        return 0, lower
    return (1 if lower.startswith(typed.lower()) else 2), lower


def _containing(names: Sequence[str], wanted: str) -> list[str]:
    """The names that contain a lower-case text. They are searched as one text, which is several
    times as fast as one by one."""
    together = _BETWEEN.join(names).lower()
    if together.count(_BETWEEN) != len(names) - 1 or _BETWEEN in wanted:
        return [name for name in names if wanted in name.lower()]
    found = []
    number = begin = 0
    at = together.find(wanted)
    while at >= 0:
        number += together.count(_BETWEEN, begin, at)
        found.append(names[number])
        begin = together.find(_BETWEEN, at)
        at = -1 if begin < 0 else together.find(wanted, begin)
    return found
