"""Log of changed time ranges, by which caches of answers are invalidated."""

from __future__ import annotations

import operator
from functools import reduce

from novaql.fast_dataclass import dataclass

MAX_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class Change:
    """A range of time, both ends included, in which samples may have been added or removed.

    version  of the database after the change
    count    number of changes that were merged into this entry
    """

    version: int
    first_ms: int
    last_ms: int
    count: int = 1

    def __add__(self, later: Change) -> Change:
        return Change(
            later.version,
            min(self.first_ms, later.first_ms),
            max(self.last_ms, later.last_ms),
            self.count + later.count,
        )


class ChangeLog:
    """The changes of a database: the newest as separate entries, older ones merged.

    Merging bounds the log to `MAX_ENTRIES`. A merged entry covers more time than its changes, so a
    reader may recompute more than necessary, but never misses a change. One thread adds at a time;
    readers need no lock, since `_entries` is replaced as a whole.
    """

    def __init__(self) -> None:
        self._entries: tuple[Change, ...] = ()  # by version

    def add(self, version: int, first_ms: int, last_ms: int) -> None:
        """Add a change, before `version` becomes visible."""
        entries = [*self._entries, Change(version, first_ms, last_ms)]
        if len(entries) > MAX_ENTRIES:
            entries = _with_old_merged(entries)
        self._entries = tuple(entries)

    def since(self, version: int) -> list[tuple[int, int]]:
        """Return the ranges outside of which nothing has changed after `version`, newest first."""
        found = []
        for entry in reversed(self._entries):
            if entry.version <= version:
                break
            found.append((entry.first_ms, entry.last_ms))
        return found


def _with_old_merged(entries: list[Change]) -> list[Change]:
    """Merge neighbours in the older half; the newer half is unchanged."""
    half = len(entries) // 2
    old, new = entries[:half], entries[half:]
    pairs = (old[at : at + 2] for at in range(0, len(old), 2))
    return [*(reduce(operator.add, pair) for pair in pairs), *new]
