"""Queries that are so small that they run on the event loop: the way to a thread and back would
take longer, and the thread would compete with the loop for the interpreter's lock.

Which ones is known beforehand, from the last run in a thread: what it was going to read and its CPU
time. A run on the event loop is estimated again before it reads anything, and goes to a thread
if the bound does not hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import TypeVar

from novaql import Cancellation
from novaql.evaluator import Estimate
from novaql.server.pools.query_workers import TooLargeHere
from novaql.server.telemetry import Telemetry
from novaql.server.tuning import Tuning
from novaql.tsdb import interruptible

Answer = TypeVar("Answer")
Admit = Callable[[Estimate], None]

MOST_SAMPLES, MOST_SERIES, MOST_WORK, MOST_BYTES = 20_000, 100, 5_000, 1 << 20
_KNOWN = 4096
_OVERRUNS = 4
"""Matching label values is not part of the estimate: the loop stops it after 20 ms."""


class TinyQueries:
    """The keys whose last run was tiny. Thread-safe."""

    def __init__(self, telemetry: Telemetry, tuning: Tuning) -> None:
        self._known: dict[Hashable, bool] = {}
        self._tuning = tuning
        self._overruns = telemetry.query_overruns

    def knows(self, key: Hashable) -> bool:
        """Return whether `run` may be called for a key."""
        return self._known.get(key, False)

    def run(self, key: Hashable, work: Callable[[Cancellation, Admit], Answer]) -> Answer:
        """Run a tiny query. Raises `TooLargeHere` if it is no longer tiny: before it reads
        anything, or at a checkpoint after `_OVERRUNS` times the bound."""
        began = time.thread_time()
        brief = _Brief(began + _OVERRUNS * self._tuning.tiny_overrun_s)
        try:
            with interruptible(lambda: brief.cancelled):
                answer = work(brief, _only_tiny)
        except TooLargeHere:
            self._forget(key)
            raise
        if time.thread_time() - began > self._tuning.tiny_overrun_s:
            self._forget(key)
        return answer

    def observe(self, key: Hashable, work: Callable[[Admit], Answer], admit: Admit) -> Answer:
        """Run a query in a thread, and note whether it is tiny. A cached answer does not count."""
        estimates: list[Estimate] = []

        def both(estimate: Estimate) -> None:
            admit(estimate)
            estimates.append(estimate)

        began = time.thread_time()
        answer = work(both)
        if estimates:
            brief = time.thread_time() - began < self._tuning.tiny_s
            self._note(key, tiny=brief and all(map(_is_tiny, estimates)))
        return answer

    def _forget(self, key: Hashable) -> None:
        self._overruns.inc()
        self._note(key, tiny=False)

    def _note(self, key: Hashable, *, tiny: bool) -> None:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[key] = tiny


class _Brief(Cancellation):
    """The cancellation of a query on the event loop. Its check raises `TooLargeHere` after a CPU
    time of the thread."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self._until = until

    @property
    def cancelled(self) -> bool:
        if time.thread_time() > self._until:
            raise TooLargeHere
        return False


def _only_tiny(estimate: Estimate) -> None:
    if not _is_tiny(estimate):
        raise TooLargeHere


def _is_tiny(estimate: Estimate) -> bool:
    return (
        estimate.samples <= MOST_SAMPLES
        and estimate.series <= MOST_SERIES
        and estimate.work <= MOST_WORK
        and estimate.bytes <= MOST_BYTES
        and estimate.in_memory
    )
