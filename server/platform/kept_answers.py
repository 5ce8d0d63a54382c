"""Answers to reads of the database, told again while nobody has changed what they say.

An answer to a GET says what some tables held, and is right until somebody changes one of them:
`StateDatabase.changes` tells, whoever does. Some say beside that what time makes of it (a silence
that is over, a secret that has lapsed); those are told again within the same second only. So a list
that many look at is read once, and nobody sees it later than it changed; what jobs change is seen
within a second (`state/changes.py`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Hashable, Set
from dataclasses import dataclass
from typing import Any

from novaql.server.platform.state.changes import Changes

_LARGEST = 8
"""The largest answer that is kept has one in so many bytes of all."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """What was read.

    since   the state of the database before it was read
    tables  … and what was read of it
    time    what it has in common with what is read at the same time
    """

    value: Any
    size: int
    since: int
    tables: Set[str]
    time: object


@dataclass(frozen=True, slots=True)
class Flight:
    """A measuring answer on its way.

    number  greater than those of the requests that had come when it began
    done    the answer, or what it failed with; cancelled with its request
    """

    number: int
    done: asyncio.Future[Any]


class KeptAnswers:
    """Answers of up to `most_bytes`; 0: none are kept. The oldest go when there are more.

    running  done when what is being read of a state, by its key, has been read
    flights  what is being measured, by its key
    numbers  of requests and flights, in the order in which they come

    Used on the event loop only.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._known: dict[Hashable, _Entry] = {}
        self.running: dict[Hashable, asyncio.Future[None]] = {}
        self.flights: dict[Hashable, Flight] = {}
        self.numbers = itertools.count()

    def find(self, key: Hashable, changes: Changes, time: object = None) -> Any:
        """What was read at that time, if it would be the same now; None if nothing is kept."""
        entry = self._known.get(key)
        if entry is None:
            return None
        if entry.time == time and changes.unchanged_since(entry.since, entry.tables):
            return entry.value
        self._forget(key)
        return None

    def keep(
        self,
        key: Hashable,
        value: Any,
        size: int,
        *,
        since: int,
        tables: Set[str],
        time: object = None,
    ) -> None:
        """Keep something of about `size` bytes, that was read of `tables` after a moment.

        It is shared from then on, and must not be changed.
        """
        if size * _LARGEST > self._most:
            return
        self._forget(key)
        while self._bytes + size > self._most:
            self._forget(next(iter(self._known)))
        self._known[key] = _Entry(value, size, since, tables, time)
        self._bytes += size

    def _forget(self, key: Hashable) -> None:
        entry = self._known.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
