"""The golden signals of a service: what each is measured by, and what is too much of it.

The four are of Google's book "Site Reliability Engineering", chapter "Monitoring Distributed
Systems": latency, traffic, errors, saturation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

PLACEHOLDER = "$service"


class Status(StrEnum):
    """In order from good to bad; NO_DATA says nothing either way."""

    NO_DATA = "no_data"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Signal:
    """How a signal is measured.

    expr       a NovaQL expression; `$service` stands for the service's name
    unit       of its value
    degraded, unhealthy  values above these are so; None: only the baseline decides
    """

    expr: str
    unit: str
    degraded: float | None = None
    unhealthy: float | None = None

    def expression_for(self, service: str) -> str:
        return self.expr.replace(PLACEHOLDER, service)


DEFAULTS: Mapping[str, Signal] = {
    "latency": Signal(
        "histogram_quantile(0.99, sum by (le) "
        '(rate(http_request_duration_seconds_bucket{service="$service"}[5m])))',
        "seconds",
    ),
    "traffic": Signal('sum(rate(http_requests_total{service="$service"}[5m]))', "per_second"),
    "errors": Signal(
        '(sum(rate(http_requests_total{service="$service",code=~"5.."}[5m])) '
        'or 0 * sum(rate(http_requests_total{service="$service"}[5m]))) '
        '/ sum(rate(http_requests_total{service="$service"}[5m]))',
        "ratio",
        degraded=0.01,
        unhealthy=0.05,
    ),
    "saturation": Signal(
        'max by (resource) (service_saturation_ratio{service="$service"})',
        "ratio",
        degraded=0.8,
        unhealthy=0.95,
    ),
}
"""What is measured unless a service says otherwise. Quantiles come from summed buckets, ratios
from sums; saturation is that of the worst resource."""

SLOWER = 2.0
MUCH_SLOWER = 4.0
QUIETER = 0.2
BASELINE = "quantile_over_time(0.5, ({expr})[1d:15m] offset 15m)"
"""The median of the day before: what the signal usually is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a signal says now.

    value     None: nothing was measured
    baseline  what it usually is; None: nobody knows
    reason    one sentence; empty when there is nothing to say
    """

    value: float | None
    unit: str
    status: Status
    baseline: float | None
    reason: str


def configured(overrides: Mapping[str, Mapping[str, object]]) -> dict[str, Signal]:
    """The signals of a service: the defaults with its own settings."""
    return {
        name: replace(default, **overrides.get(name, {}))  # type: ignore[arg-type]
        for name, default in DEFAULTS.items()
    }


def read(
    name: str, signal: Signal, value: float | None, baseline: float | None, what: str = ""
) -> Reading:
    """Judge a value by its thresholds and by what it usually is.

    what  which resource it is of, for the sentence
    """
    if value is None or math.isnan(value):
        return Reading(None, signal.unit, Status.NO_DATA, baseline, "nothing was measured")
    usual = None if baseline is None or math.isnan(baseline) else baseline
    status, reason = _by_threshold(signal, value, what)
    if status is Status.HEALTHY and signal.degraded is None and signal.unhealthy is None:
        status, reason = _by_baseline(name, value, usual)
    return Reading(value, signal.unit, status, usual, reason)


def _by_threshold(signal: Signal, value: float, what: str) -> tuple[Status, str]:
    subject = f"{what} is at" if what else "it is"
    for status, bound in ((Status.UNHEALTHY, signal.unhealthy), (Status.DEGRADED, signal.degraded)):
        if bound is not None and value > bound:
            return status, f"{subject} {value:.4g}, above {bound:g}"
    return Status.HEALTHY, f"{subject} {value:.4g}" if what else ""


def _by_baseline(name: str, value: float, usual: float | None) -> tuple[Status, str]:
    if usual is None or usual <= 0:
        return Status.HEALTHY, ""
    times = value / usual
    if name == "traffic":
        if value == 0:
            return Status.UNHEALTHY, f"no traffic, where {usual:.4g} is usual"
        if times < QUIETER:
            return Status.DEGRADED, f"{times:.0%} of the usual {usual:.4g}"
        return Status.HEALTHY, ""
    if times > MUCH_SLOWER:
        return Status.UNHEALTHY, f"{times:.1f} times the usual {usual:.4g}"
    if times > SLOWER:
        return Status.DEGRADED, f"{times:.1f} times the usual {usual:.4g}"
    return Status.HEALTHY, ""


def overall(readings: Mapping[str, Reading]) -> str:
    """The worst of what was measured; "unknown" if nothing was."""
    known = [r.status for r in readings.values() if r.status is not Status.NO_DATA]
    return str(max(known, key=list(Status).index)) if known else "unknown"
