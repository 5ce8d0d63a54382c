"""How time passes in a story: as it does, or in steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from novaql.server.clock import Clock, SteppedClock, SystemClock

Found = TypeVar("Found")


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


class SteppedPace:
    """Time passes in steps, after each of which `work` does what is due."""

    def __init__(
        self, clock: SteppedClock, work: Callable[[], object], *, step_s: float = 5.0
    ) -> None:
        self._clock = clock
        self._work = work
        self._step = timedelta(seconds=step_s)

    def now(self) -> datetime:
        return self._clock.now()

    def pass_time(self) -> None:
        self._clock.step(self._step)
        self._work()
