"""Sizes of queries, which decide where the next run of each begins: on the event loop, or among the
small or the large queries (`query_workers.py`).

A tiny query runs on the event loop: the way to a thread and back would take longer, and the thread
would compete with the loop for the interpreter's lock. Every run is estimated again before it reads
anything, and begins again elsewhere if it is larger than the last one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from enum import IntEnum
from typing import TypeVar

from novaql import Cancellation
from novaql.evaluator import Estimate
from novaql.server.pools.query_workers import TooLargeHere
from novaql.server.telemetry import Telemetry
from novaql.server.tuning import Tuning
from novaql.tsdb import interruptible

Answer = TypeVar("Answer")
Admit = Callable[[Estimate], None]

TINY_SAMPLES, TINY_SERIES, TINY_WORK, TINY_BYTES = 20_000, 100, 5_000, 1 << 20

SMALL_SAMPLES, SMALL_SERIES = 1_000_000, 20_000
"""Limits of a small query: samples and series that it reads, in some milliseconds."""

SMALL_DECODED = 4 * SMALL_SAMPLES
"""The limit of samples if all of them are arrays in memory: to decode takes most of the time."""

SMALL_BYTES = 32 << 20
"""Limit of a small query: memory in bytes."""

SMALL_WORK = 4_000_000
"""Limit of a small query: values that its operators process."""

_KNOWN = 4096
_OVERRUNS = 4
"""Matching label values is not part of the estimate: the loop stops it after 20 ms."""


class Size(IntEnum):
    TINY = 0
    SMALL = 1
    LARGE = 2


def size_of(estimate: Estimate) -> Size:
    """Return the size of a query that reads and computes this much."""
    if (
        estimate.samples <= TINY_SAMPLES
        and estimate.series <= TINY_SERIES
        and estimate.work <= TINY_WORK
        and estimate.bytes <= TINY_BYTES
        and estimate.in_memory
    ):
        return Size.TINY
    if (
        estimate.samples <= (SMALL_DECODED if estimate.in_memory else SMALL_SAMPLES)
        and estimate.series <= SMALL_SERIES
        and estimate.work <= SMALL_WORK
        and estimate.bytes <= SMALL_BYTES
    ):
        return Size.SMALL
    return Size.LARGE


class QuerySizes:
    """The size of each key's last run. Thread-safe.

    It stores the hashes of keys, since the text in a key may have a megabyte. Two keys with one
    hash are harmless: the estimate of a run decides in the end.
    """

    def __init__(self, telemetry: Telemetry, tuning: Tuning) -> None:
        self._known: dict[int, Size] = {}
        self._tuning = tuning
        self._overruns = telemetry.query_overruns

    def of(self, key: Hashable) -> Size:
        """Return the size of the last run; small if there was none."""
        return self._known.get(hash(key), Size.SMALL)

    def run_tiny(self, key: Hashable, work: Callable[[Cancellation, Admit], Answer]) -> Answer:
        """Run a tiny query. Raises `TooLargeHere` if it is no longer tiny: before it reads
        anything, or at a checkpoint after `_OVERRUNS` times the bound."""
        began = time.thread_time()
        brief = _Brief(began + _OVERRUNS * self._tuning.tiny_overrun_s)
        try:
            with interruptible(lambda: brief.cancelled):
                answer = work(brief, _only_tiny)
        except TooLargeHere:
            self._overrun(key)
            raise
        if time.thread_time() - began > self._tuning.tiny_overrun_s:
            self._overrun(key)
        return answer

    def run_small(self, key: Hashable, work: Callable[[Admit], Answer]) -> Answer:
        """Run a query in a thread, and note its size. Raises `TooLargeHere` if it is large, before
        it reads anything."""
        try:
            return self._observe(key, work, only_small)
        except TooLargeHere:
            self._note(key, Size.LARGE)
            raise

    def run_large(self, key: Hashable, work: Callable[[Admit], Answer]) -> Answer:
        """Run a query of any size in a thread, and note its size."""
        return self._observe(key, work, lambda _: None)

    def _observe(self, key: Hashable, work: Callable[[Admit], Answer], admit: Admit) -> Answer:
        """A cached answer has no estimate. It is quick, so the next run begins as a small one; if
        that must be evaluated, its estimate decides."""
        estimates: list[Estimate] = []

        def both(estimate: Estimate) -> None:
            admit(estimate)
            estimates.append(estimate)

        began = time.thread_time()
        answer = work(both)
        if estimates:
            size = max(map(size_of, estimates))
            brief = time.thread_time() - began < self._tuning.tiny_s
            self._note(key, size if brief else max(size, Size.SMALL))
        elif self.of(key) is Size.LARGE:
            self._note(key, Size.SMALL)
        return answer

    def _overrun(self, key: Hashable) -> None:
        self._overruns.inc()
        self._note(key, Size.SMALL)

    def _note(self, key: Hashable, size: Size) -> None:
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[hash(key)] = size


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


def only_small(estimate: Estimate) -> None:
    """Raise `TooLargeHere` for a large query."""
    if size_of(estimate) > Size.SMALL:
        raise TooLargeHere


def _only_tiny(estimate: Estimate) -> None:
    if size_of(estimate) > Size.TINY:
        raise TooLargeHere
