"""A cache of values that expressions have over a tenant's samples at one time.

One read of an objective evaluates about twenty queries, and pages poll objectives and health more
often than they change. All values of a tenant are of one time. They are valid for `seconds`.
A client's write of samples invalidates them: values that are read after the acknowledgement include
the write. After other writes, such as those of scrapes, they are valid for five seconds at most.

Values that have expired are still returned for as long again. Meanwhile a background task evaluates
the expressions that were read, one after another, for a new time, and then replaces all values at
once. Requests therefore do not wait when values expire, and the load of their evaluation is even.
Values that no request has read for twice the time are evaluated by the request itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import NamedTuple

from novaql import NovaqlError
from novaql.fast_dataclass import dataclass
from novaql.server.errors import ServerError

_MOST = 10_000
"""The largest number of cached expressions of a tenant; further ones are evaluated each time."""

_AFTER_WRITES = timedelta(seconds=5)
"""The longest validity after a write that no client waits for. Scrapes write each second and more
often, so requests would evaluate each time if such a write invalidated at once."""

_REST = 9
"""The pause of a background task after an evaluation, in durations of the evaluation: the task uses
a tenth of a core. With many expressions the pauses are shorter, in total half of the validity."""


class Measured(NamedTuple):
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


Found = tuple[list[Measured], tuple[str, ...]]
Measure = Callable[[str, datetime], Found]
Run = Callable[[Callable[[], object]], Awaitable[object]]
"""Runs a function in a thread."""


@dataclass(slots=True)
class Measurements:
    """The values of a tenant at one time.

    writes  the number of acknowledged writes of the tenant before it
    stored  the version of the tenant's samples before it
    read    the expressions that requests have read, each with the function that evaluates it
    """

    at: datetime
    writes: int = 0
    stored: int = 0
    read: dict[str, Measure] = field(default_factory=dict)
    _values: dict[str, Found] = field(default_factory=dict)
    _turns: dict[str, threading.Lock] = field(default_factory=dict)

    def of(self, expr: str, measure: Measure) -> Found:
        """Return the value of an expression at this time. Only one thread evaluates an expression;
        others wait for its result. Raises what `measure` raises."""
        if len(self.read) < _MOST:
            self.read[expr] = measure
        return self.evaluated(expr, measure)

    def evaluated(self, expr: str, measure: Measure) -> Found:
        """Like `of`, in advance: the expression does not count as read."""
        found = self._values.get(expr)
        if found is None:
            with self._turns.setdefault(expr, threading.Lock()):
                found = self._values.get(expr)
                if found is None:
                    found = measure(expr, self.at)
                    if len(self._values) < _MOST:
                        self._values[expr] = found
        return found


class MeasurementCache:
    """Caches the last measurements of each tenant.

    seconds  how long they are valid while nothing is written; 0: caches none

    `stored` is the present version of the tenant's samples, which grows with each write.
    """

    def __init__(self, seconds: float) -> None:
        self._lasts = timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._last: dict[str, Measurements] = {}
        self._next: dict[str, Measurements] = {}
        self._writes: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def note_write(self, tenant_id: str) -> None:
        """Invalidate after a client's samples were stored or deleted. Call it before the
        acknowledgement."""
        with self._lock:
            self._writes[tenant_id] += 1

    def at(self, tenant_id: str, now: datetime, *, stored: int = 0) -> Measurements:
        """Return the cached measurements, or new ones without values. They are expired if the
        background task has not yet replaced them."""
        with self._lock:
            return self._current(tenant_id, now, stored)

    def version(
        self, tenant_id: str, now: datetime, *, stored: int = 0
    ) -> tuple[datetime, int] | None:
        """Return what identifies the cached measurements, as a version of samples; None: caches
        none."""
        if not self._lasts:
            return None
        found = self.at(tenant_id, now, stored=stored)
        return found.at, found.writes

    def refresh(self, tenant_id: str, now: datetime, run: Run, *, stored: int = 0) -> None:
        """Begin to replace the measurements of a tenant if they have expired and no task replaces
        them yet. Call it on the event loop, after `version`."""
        with self._lock:
            last = self._last.get(tenant_id)
            if last is None or tenant_id in self._next:
                return
            valid = self._valid(last, stored)
            if now < last.at + valid:
                return
            coming = self._next[tenant_id] = Measurements(now, last.writes, stored)
        longest_s = valid.total_seconds() / 2 / max(1, len(last.read))
        work = self._replace(tenant_id, last, coming, run, longest_s)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """End the background tasks. Call it on the event loop."""
        for task in self._tasks:
            task.cancel()

    def _valid(self, found: Measurements, stored: int) -> timedelta:
        """Return how long measurements are valid if the samples have this version now."""
        return self._lasts if found.stored == stored else min(self._lasts, _AFTER_WRITES)

    def _current(self, tenant_id: str, now: datetime, stored: int) -> Measurements:
        """Return the measurements that requests read now. The caller holds the lock."""
        writes = self._writes[tenant_id]
        last, coming = self._last.get(tenant_id), self._next.get(tenant_id)
        for found in (last, coming):
            if found is None or found.writes != writes:
                continue
            lasts = self._valid(found, stored) * (2 if found.read or found is coming else 1)
            if found.at <= now < found.at + lasts:
                break
        else:
            found = Measurements(now, writes, stored)
        self._last[tenant_id] = found
        return found

    async def _replace(
        self,
        tenant_id: str,
        last: Measurements,
        coming: Measurements,
        run: Run,
        longest_s: float,
    ) -> None:
        """Evaluate what requests have read of the last measurements, then replace them. Ends early
        if a write has invalidated both. longest_s: the longest pause after an evaluation"""
        try:
            for expr, measure in list(last.read.items()):
                began = monotonic()
                with suppress(NovaqlError, ServerError):  # the request that reads it raises it
                    await run(partial(coming.evaluated, expr, measure))
                if coming.writes != self._writes[tenant_id]:
                    return
                await asyncio.sleep(min(_REST * (monotonic() - began), longest_s))
            with self._lock:
                present = self._last.get(tenant_id)  # of a request, if the task took too long
                newest = present is None or present.at <= coming.at
                if newest and coming.writes == self._writes[tenant_id]:
                    self._last[tenant_id] = coming
        finally:
            with self._lock:
                del self._next[tenant_id]
