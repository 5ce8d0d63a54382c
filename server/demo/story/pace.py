"""How time passes in a story."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

from novaql.server.clock import Clock, SystemClock


class Pace(Protocol):
    """The time of the story and of its server."""

    def now(self) -> datetime:
        """The time of the server."""

    def pass_time(self) -> None:
        """Wait a moment, in which the server runs what is due."""


class RealPace:
    """Time passes by itself; a server in this process does its work in its own threads."""

    def __init__(self, clock: Clock | None = None, *, moment_s: float = 0.25) -> None:
        self._clock = clock or SystemClock()
        self._moment_s = moment_s

    def now(self) -> datetime:
        return self._clock.now()

    def pass_time(self) -> None:
        time.sleep(self._moment_s)
