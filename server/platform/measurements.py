"""What was measured of the tenants' samples a moment ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

_MOST = 10_000


class Measured(NamedTuple):
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class Measurements:
    """What was measured of a tenant's samples at one time."""

    at: datetime
    known: dict[str, tuple[list[Measured], tuple[str, ...]]] = field(default_factory=dict)


class MeasurementsKept:
    """The last measurements of each tenant, told again for `seconds`.

    One look at an objective is a score of queries, and what polls objectives and health does so
    more often than they change. Within the time everything is as it was at its beginning, so that
    counts which belong together stay together. 0: everything is measured anew each time.
    """

    def __init__(self, seconds: float) -> None:
        self._for = timedelta(seconds=seconds)
        self._last: dict[str, Measurements] = {}

    def at(self, tenant_id: str, now: datetime) -> Measurements:
        """Those that count now; perhaps none yet."""
        last = self._last.get(tenant_id)
        if last is not None and last.at <= now < last.at + self._for and len(last.known) < _MOST:
            return last
        fresh = Measurements(now)
        if self._for:
            self._last[tenant_id] = fresh
        return fresh
