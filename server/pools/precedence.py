"""Precedence of small queries: large ones pause for them at their checkpoints.

A small query needs a core and the interpreter's lock for a millisecond, several times in a row. If
large queries compute on all cores, it waits each time some milliseconds until the system preempts
one of them. A large query loses almost no time if it pauses voluntarily.
"""

from __future__ import annotations

import threading
from time import monotonic

from novaql import Cancellation
from novaql.server.pools.pool import Place, place_here

MOST_WAIT_S = 0.005
"""The longest wait at one checkpoint; most small queries end sooner."""


class SmallQueryGauge:
    """Counts small queries that wait or run. The count changes on the event loop's thread only."""

    def __init__(self) -> None:
        self._count = 0
        self._none = threading.Event()
        self._none.set()

    def at_work(self) -> bool:
        """Whether any small query waits or runs."""
        return self._count > 0

    def enter(self) -> None:
        self._count += 1
        self._none.clear()

    def leave(self) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    def wait(self, seconds: float) -> None:
        """Wait until there are none, for at most that time. On any other thread."""
        self._none.wait(seconds)


class FairCancellation(Cancellation):
    """The cancellation of a query, which checks it at each checkpoint. The check also releases the
    place to other tenants in their turn."""

    def __init__(self) -> None:
        super().__init__()
        self._place: Place | None = None

    def begin(self) -> None:
        """Record that the calling thread has the query's place."""
        self._place = place_here()

    @property
    def cancelled(self) -> bool:
        if self._place is not None and not self._cancelled:
            self._place.yield_to_waiting(lambda: self._cancelled)
        return self._cancelled


class YieldingCancellation(FairCancellation):
    """The cancellation of a large query, which checks it at each checkpoint.

    The check waits while small queries wait or run, in total at most as long as the query computes:
    an endless stream of small queries doubles the time of a large one.
    """

    def __init__(self, small: SmallQueryGauge) -> None:
        super().__init__()
        self._small = small
        self._began: float | None = None
        self._waited = 0.0

    @property
    def cancelled(self) -> bool:
        if self._began is None:
            self._began = monotonic()
        if self._small.at_work():
            now = monotonic()
            if 2 * self._waited < now - self._began:
                self._small.wait(MOST_WAIT_S)
                self._waited += monotonic() - now  # of all its threads, approximately
        return super().cancelled
