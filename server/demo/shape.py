"""The model of the fleet: its services, the daily rhythm, and the incident.

Pure functions of time. Times are seconds since 1970 in arrays [T]; values of instances have the
shape [T, I]. `server/demo/fleet.py` adds random variation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from novaql.fast_dataclass import dataclass
from novaql.tsdb import Floats

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the fleet.

    rate     requests of all instances per second at a busy hour
    median   median duration of requests in seconds
    errors   share of failed requests on a usual day
    cpu      processor time per request in seconds
    memory   memory of one instance in bytes
    """

    name: str
    instances: int
    rate: float
    median: float
    errors: float
    cpu: float
    memory: float
    version: str
    error_status: str = "500"


SERVICES = (
    Service("gateway", 3, 96.0, 0.031, 0.0011, 0.0026, 310e6, "5.2.0", "502"),
    Service("catalog", 2, 52.0, 0.012, 0.0004, 0.0031, 480e6, "3.9.4"),
    Service("search", 2, 31.0, 0.058, 0.0019, 0.0140, 890e6, "1.18.2", "503"),
    Service("auth", 2, 22.0, 0.009, 0.0006, 0.0042, 150e6, "4.0.1"),
    Service("checkout", 3, 12.0, 0.074, 0.0024, 0.0090, 260e6, "2.14.3"),
    Service("payments", 2, 6.5, 0.140, 0.0031, 0.0065, 210e6, "7.1.0", "503"),
)
BROKEN = "checkout"
BAD_VERSION = "2.15.0"
RESTARTED = "checkout-2"

# At the peak of the incident: share of failed requests, and factor of durations.
EXTRA_ERRORS = {"checkout": 0.24, "gateway": 0.031, "payments": 0.008}
SLOWDOWN = {"checkout": 11.0, "gateway": 2.4, "payments": 1.3}


@dataclass(frozen=True, slots=True)
class Incident:
    """A faulty release. Times are seconds since 1970.

    From `start` to `rollback`, the broken service runs `BAD_VERSION`. One instance is down from
    `down` to `back`. At `end`, the service has recovered.
    """

    start: float
    down: float
    back: float
    rollback: float
    end: float

    @classmethod
    def before(cls, now: float) -> Incident:
        """The incident of the day before `now`: three and a half hours before it."""
        start = now - 3.5 * 3600
        return cls(start, start + 660, start + 810, start + 1380, start + 1500)

    def severity(self, times: Floats) -> Floats:
        """The severity, from 0 to 1: it rises for three minutes, and falls for two."""
        rise = (times - self.start) / 180
        fall = (self.end - times) / (self.end - self.rollback)
        return np.clip(np.minimum(rise, fall), 0, 1)

    def is_down(self, times: Floats) -> Flags:
        return (times >= self.down) & (times < self.back)

    def runs_bad_version(self, times: Floats) -> Flags:
        return (times >= self.start) & (times < self.rollback)


def daily(times: Floats) -> Floats:
    """The load over a day in UTC: about 0.35 before dawn, 1 in the afternoon, less at noon."""
    hour = (times / 3600) % 24
    main = 0.5 - 0.5 * np.cos((hour - 3.5) / 24 * 2 * np.pi)
    noon = 0.09 * np.exp(-(((hour - 12.4) / 0.8) ** 2))
    rhythm: Floats = 0.35 + 0.65 * main**1.3 - noon
    return rhythm


def wobble(times: Floats, phases: Floats) -> Floats:
    """Slow variation within ±1, different for each of `phases` [I]: [T, I]."""
    total = np.zeros((len(times), len(phases)))
    for period, weight in ((420.0, 0.2), (1130.0, 0.25), (2970.0, 0.3), (8123.0, 0.25)):
        angle = times[:, None] * (2 * np.pi / period) + phases * (1 + period % 7)
        total += weight * np.sin(angle)
    return total
