"""When something changed in which stretch of time: what caches of answers go by."""

from __future__ import annotations

from dataclasses import dataclass

MOST = 256


@dataclass(frozen=True, slots=True)
class Change:
    """Samples between two times, both included, may have come or gone in the versions up to
    `version`; `count` changes are told of by this one.
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


class Changes:
    """The changes of a database, new ones one by one, old ones together.

    Older changes are told of by fewer entries, each for as many as come after it or fewer, so that
    there are never many. What an entry tells of too much costs a reader work, never the truth.
    One thread adds at a time; readers need no lock.
    """

    def __init__(self) -> None:
        self._entries: tuple[Change, ...] = ()  # by version; replaced as a whole

    def add(self, version: int, first_ms: int, last_ms: int) -> None:
        """To be called before `version` can be seen."""
        entries = [*self._entries, Change(version, first_ms, last_ms)]
        if len(entries) > MOST:
            entries = _thinned(entries)
        self._entries = tuple(entries)

    def since(self, version: int) -> list[tuple[int, int]]:
        """Stretches of time outside of which nothing has changed after `version`."""
        found = []
        for entry in reversed(self._entries):
            if entry.version <= version:
                break
            found.append((entry.first_ms, entry.last_ms))
        return found


def _thinned(entries: list[Change]) -> list[Change]:
    """The newest half as it is; of the others, neighbours become one."""
    half = len(entries) // 2
    old, new = entries[:half], entries[half:]
    pairs = [sum_of(old[at : at + 2]) for at in range(0, len(old), 2)]
    return pairs + new


def sum_of(entries: list[Change]) -> Change:
    """Several in a row as one."""
    total = entries[0]
    for entry in entries[1:]:
        total = total + entry
    return total
