"""When the log has to be synced, so that a power cut loses at most the last interval."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """The age of the oldest record that is not confirmed by a sync.

    A background thread syncs after half of the interval. On a busy machine it may run late: then an
    append waits for a sync before it is acknowledged, so that the bound holds. The duration of the
    last sync is subtracted from the interval, since records are safe only after the sync.
    """

    def __init__(
        self, interval_s: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """interval_s: None for a log without such a bound."""
        self._interval, self._clock = interval_s, clock
        self._since: float | None = None  # time of the first record that no sync covers
        self._syncing: float | None = None  # time of the first record that the running sync covers
        self._began = 0.0
        self._took = 0.0

    def wrote(self) -> None:
        """Note that a record was written. The caller holds the lock under which it calls
        `begin`."""
        if self._since is None:
            self._since = self._clock()

    def begin(self) -> None:
        """Note that a sync of everything written so far begins. One sync at a time."""
        self._began = self._clock()
        self._syncing = self._since
        self._since = None

    def end(self, *, everything: bool) -> None:
        """Note that the sync has ended; everything: it covers all records that were written before
        it."""
        if not everything and self._syncing is not None:
            self._since = self._syncing
        self._syncing = None
        self._took = self._clock() - self._began

    def _age(self) -> float:
        oldest = self._since if self._syncing is None else self._syncing
        return 0.0 if oldest is None else self._clock() - oldest

    @property
    def due(self) -> bool:
        """Whether the background thread should sync now."""
        return self._interval is not None and self._age() >= self._interval / 2

    @property
    def late(self) -> bool:
        """Whether an append has to wait for a sync before it is acknowledged."""
        if self._interval is None:
            return False
        return self._age() >= max(self._interval - self._took, self._interval / 2)
