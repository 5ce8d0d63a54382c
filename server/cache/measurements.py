"""A cache of values that expressions have over a tenant's samples at one time.

One read of an objective evaluates about twenty queries, and pages poll objectives and health more
often than they change. A value is valid for `seconds`. A client's write of samples invalidates it:
values that are read after the acknowledgement include the write. Samples of scrapes and rules do
not invalidate it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

_MOST = 10_000
"""The largest number of cached expressions of a tenant; further ones are evaluated each time."""


class Measured(NamedTuple):
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


Found = tuple[list[Measured], tuple[str, ...]]
Measure = Callable[[str, datetime], Found]


@dataclass(slots=True)
class Measurements:
    """The values of a tenant at one time.

    writes  the number of acknowledged writes of the tenant before it
    """

    at: datetime
    writes: int = 0
    _values: dict[str, Found] = field(default_factory=dict)
    _turns: dict[str, threading.Lock] = field(default_factory=dict)

    def of(self, expr: str, measure: Measure) -> Found:
        """Return the value of an expression at this time. Only one thread evaluates an expression;
        others wait for its result. Raises what `measure` raises."""
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
    """Caches the last measurements of each tenant. seconds: how long they are valid; 0: caches
    none."""

    def __init__(self, seconds: float) -> None:
        self._lasts = timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._last: dict[str, Measurements] = {}
        self._writes: Counter[str] = Counter()

    def note_write(self, tenant_id: str) -> None:
        """Invalidate after a client's samples were stored or deleted. Call it before the
        acknowledgement."""
        with self._lock:
            self._writes[tenant_id] += 1

    def at(self, tenant_id: str, now: datetime) -> Measurements:
        """Return the valid measurements, or new ones without values."""
        with self._lock:
            writes = self._writes[tenant_id]
            last = self._last.get(tenant_id)
            if last is None or last.writes != writes or not last.at <= now < last.at + self._lasts:
                last = self._last[tenant_id] = Measurements(now, writes)
            return last

    def version(self, tenant_id: str, now: datetime) -> tuple[datetime, int] | None:
        """Return what identifies the valid measurements, as a version of samples; None: caches
        none."""
        if not self._lasts:
            return None
        found = self.at(tenant_id, now)
        return found.at, found.writes
