"""Answers to reads of the database, told again while nobody has changed it.

An answer to a GET says what the database held, and is right until somebody commits something:
whoever that is, of any process, `StateDatabase.change_stamp` tells. Some say beside that what time
makes of it (a silence that is over, a secret that has lapsed); those are told again within the same
second only. So a list that many look at is read once, and nobody sees it later than it changed;
what jobs change is seen within a second (`state/quiet_changes.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Any

Stamp = tuple[int, int]
_LARGEST = 8
"""The largest answer that is kept has one in so many bytes of all."""


class KeptAnswers:
    """Answers of one state of the database, up to `most_bytes`; 0: none are kept.

    running  done when what is being read of a state, by its key, has been read

    Used on the event loop only.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._stamp: Stamp | None = None
        self._known: dict[Hashable, Any] = {}
        self.running: dict[tuple[Stamp, Hashable], asyncio.Future[None]] = {}

    def find(self, stamp: Stamp, key: Hashable) -> Any:
        """What was read, if the database is as it was then; None if nothing is kept."""
        self._turn_to(stamp)
        return self._known.get(key)

    def keep(self, stamp: Stamp, key: Hashable, value: Any, size: int) -> None:
        """Keep something of about `size` bytes that was read after the database had that stamp.

        It is shared from then on, and must not be changed.
        """
        if stamp != self._stamp or size * _LARGEST > self._most or key in self._known:
            return
        if self._bytes + size > self._most:
            self._forget()
        self._known[key] = value
        self._bytes += size

    def _turn_to(self, stamp: Stamp) -> None:
        if stamp != self._stamp:
            self._forget()
            self._stamp = stamp

    def _forget(self) -> None:
        self._known.clear()
        self._bytes = 0
