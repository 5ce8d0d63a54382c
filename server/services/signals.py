"""The golden signals of a service: their expressions, thresholds and baselines.

The four signals are latency, traffic, errors and saturation. Source: Google, "Site Reliability
Engineering", chapter "Monitoring Distributed Systems".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from novaql.fast_dataclass import dataclass

PLACEHOLDER = "$service"


class Status(StrEnum):
    """The status of a signal, in order from good to bad. NO_DATA is neither."""

    NO_DATA = "no_data"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Signal:
    """The definition of a signal.

    expr       a NovaQL expression; `$service` is a placeholder for the service's name
    unit       unit of its value
    degraded, unhealthy  thresholds; a value above one has that status. None: only the baseline
                         decides
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
"""The default signals. Quantiles come from summed buckets, and ratios from sums. Saturation is
that of the worst resource."""

SLOWER = 2.0
MUCH_SLOWER = 4.0
QUIETER = 0.2
BASELINE = "quantile_over_time(0.5, ({expr}\n)[1d:15m] offset 15m)"
"""The baseline of a signal: its median over the previous day. The line ends since the expression
may end in a comment."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The current reading of a signal.

    value     None without data
    baseline  its usual value; None if it is unknown
    reason    one sentence, or empty
    """

    value: float | None
    unit: str
    status: Status
    baseline: float | None
    reason: str


def configured(overrides: Mapping[str, Mapping[str, object]]) -> dict[str, Signal]:
    """The signals of a service: the defaults, overridden by its own settings."""
    return {
        name: replace(default, **overrides.get(name, {}))  # type: ignore[arg-type]
        for name, default in DEFAULTS.items()
    }


def read(
    name: str, signal: Signal, value: float | None, baseline: float | None, what: str = ""
) -> Reading:
    """Compare a value with its thresholds and its baseline.

    what  the resource of the value, for the sentence
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
    """The worst status of the readings with data; "unknown" if no reading has data."""
    known = [r.status for r in readings.values() if r.status is not Status.NO_DATA]
    return str(max(known, key=list(Status).index)) if known else "unknown"
