"""Values that expressions have over a tenant's samples at one time, shared by what asks for them.

One look at an objective is a score of queries, and pages poll objectives and health more often than
they change. Values are used again for `seconds` unless a client writes samples: its write counts
in every value that is asked for after the answer to it. Samples of scrapes and rules do not end
the time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

_MOST = 10_000
"""Expressions whose values are shared; those of a tenant with more are evaluated each time."""


class Measured(NamedTuple):
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


Found = tuple[list[Measured], tuple[str, ...]]
Measure = Callable[[str, datetime], Found]


@dataclass(slots=True)
class Measurements:
    """The values of a tenant at one time.

    writes  acknowledged writes of the tenant before it
    """

    at: datetime
    writes: int = 0
    _values: dict[str, Found] = field(default_factory=dict)
    _turns: dict[str, threading.Lock] = field(default_factory=dict)

    def of(self, expr: str, measure: Measure) -> Found:
        """The value of an expression at this time. Threads that ask for the same wait for the
        first of them. Raises what `measure` raises."""
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
    """The last measurements of each tenant. seconds: how long they are used; 0: not again."""

    def __init__(self, seconds: float) -> None:
        self._lasts = timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._last: dict[str, Measurements] = {}
        self._writes: Counter[str] = Counter()

    def note_write(self, tenant_id: str) -> None:
        """A client's samples were stored or deleted; to be called before it is answered."""
        with self._lock:
            self._writes[tenant_id] += 1

    def at(self, tenant_id: str, now: datetime) -> Measurements:
        """The measurements that count now, perhaps without values yet."""
        with self._lock:
            writes = self._writes[tenant_id]
            last = self._last.get(tenant_id)
            if last is None or last.writes != writes or not last.at <= now < last.at + self._lasts:
                last = self._last[tenant_id] = Measurements(now, writes)
            return last

    def version(self, tenant_id: str, now: datetime) -> tuple[datetime, int] | None:
        """The same as a version of samples; None: they are not to be used again."""
        if not self._lasts:
            return None
        found = self.at(tenant_id, now)
        return found.at, found.writes
