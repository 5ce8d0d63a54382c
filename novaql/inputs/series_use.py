"""When the cached series of a reader were last sent.

A reader caches the series of its senders. Where series come and go, most cached series have no
sender after a while. The reader then clears its cache, and reads the series that are still sent
once more.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from novaql.tsdb.model.flat_arrays import grown
from novaql.tsdb.model.labels import Ints

FEW_SERIES = 1 << 16
"""The number of series that may be cached in any case: about 50 MiB."""

STOPPED_S = 900.0
"""A series that was not sent for this time has stopped. Few senders have longer intervals."""

PAUSE_S = 60.0
"""A longer time in which no series was sent counts as this much: after it, all are sent again."""


class SeriesUse:
    """The times at which series were last sent, by their numbers. Not thread-safe."""

    def __init__(self) -> None:
        self._noted_at = time.monotonic()
        self._now_s = 0.0
        """The time in which series were sent."""
        self._next_check_s = PAUSE_S
        self._sent_s: NDArray[np.float32] = np.zeros(64, np.float32)
        """By number of the series."""

    def note(self, numbers: Ints) -> None:
        """Record that series were sent now."""
        if len(numbers):
            at = time.monotonic()
            self._now_s += min(at - self._noted_at, PAUSE_S)
            self._noted_at = at
            self._sent_s = grown(self._sent_s, int(numbers.max()) + 1, 0)
            self._sent_s[numbers] = self._now_s

    def mostly_stopped(self, count: int) -> bool:
        """Return whether most of the first `count` series have stopped, and they are more than a
        few. Checks at most once a minute."""
        if count <= FEW_SERIES or self._now_s < self._next_check_s:
            return False
        self._next_check_s = self._now_s + PAUSE_S
        sending = self._sent_s[:count] >= self._now_s - STOPPED_S
        return 2 * int(np.count_nonzero(sending)) < count
