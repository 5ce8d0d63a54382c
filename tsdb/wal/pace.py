"""When the log has to be synced, so that a power cut takes no more than the last interval."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """The age of the oldest record that the disk has not confirmed yet.

    A background thread syncs when half of the interval has passed. On a busy machine it may run
    late: then an append may not be acknowledged before the older records are safe, or the bound
    would not hold. The last sync's duration is taken off the interval, since records are not safe
    before the sync has ended.
    """

    def __init__(
        self, interval_s: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """interval_s: None for a log that has no such bound."""
        self._interval, self._clock = interval_s, clock
        self._since: float | None = None  # first record that no sync covers
        self._syncing: float | None = None  # first record that the sync under way covers
        self._began = 0.0
        self._took = 0.0

    def wrote(self) -> None:
        """A record was written. The caller holds the lock under which `covers` is called."""
        if self._since is None:
            self._since = self._clock()

    def begin(self) -> None:
        """A sync begins, of everything written so far. One at a time."""
        self._began = self._clock()
        self._syncing = self._since
        self._since = None

    def end(self, *, everything: bool) -> None:
        """The sync has ended; everything: nothing that was written before it stays unsynced."""
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
