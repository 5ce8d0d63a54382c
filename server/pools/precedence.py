"""Small queries first: large ones let them by at their checkpoints.

A small query needs a core and the interpreter's lock for a millisecond, several times one after the
other. Where large ones compute on all cores it waits for the system to take a core from one of
them, some milliseconds each time. A large query that stops by itself loses next to nothing.
"""

from __future__ import annotations

import threading
from time import monotonic

from novaql import Cancellation
from novaql.server.pools.pool import Place, place_here

MOST_WAIT_S = 0.005
"""At one checkpoint; most small queries have ended sooner."""


class SmallQueryGauge:
    """How many small queries wait or run. They come and go on the event loop's thread."""

    def __init__(self) -> None:
        self._count = 0
        self._none = threading.Event()
        self._none.set()

    def at_work(self) -> bool:
        """Whether there are any."""
        return self._count > 0

    def enter(self) -> None:
        self._count += 1
        self._none.clear()

    def leave(self) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    def wait(self, seconds: float) -> None:
        """Until there are none, but no longer than that. On any other thread."""
        self._none.wait(seconds)


class FairCancellation(Cancellation):
    """That of a query, which looks at it at each checkpoint: other tenants get its place there,
    when it is their turn."""

    def __init__(self) -> None:
        super().__init__()
        self._place: Place | None = None

    def begin(self) -> None:
        """The thread that calls this has the query's place."""
        self._place = place_here()

    @property
    def cancelled(self) -> bool:
        if self._place is not None and not self._cancelled:
            self._place.yield_to_waiting(lambda: self._cancelled)
        return self._cancelled


class YieldingCancellation(FairCancellation):
    """That of a large query, which looks at it at each checkpoint.

    Where small ones are at work it waits for them then, in all no longer than it computes itself:
    a stream of small ones that never ends makes it take twice as long.
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
                self._waited += monotonic() - now  # of all its threads, more or less
        return super().cancelled
