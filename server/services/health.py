"""The health of a service: its golden signals now, compared with their baselines."""

from __future__ import annotations

import math

from novaql import EvaluationError, LimitExceeded, QueryError
from novaql.server.catalog.tables import Service
from novaql.server.query.measure import Measured, Meter
from novaql.server.services.signals import BASELINE, Reading, Signal, configured, read
from novaql.tsdb import METRIC_NAME


def readings(service: Service, meter: Meter) -> dict[str, Reading]:
    """Measure every signal of a service.

    A signal whose expression cannot be evaluated has no value, and a warning of the meter states
    the error. Raises `QueryTimeout`, `QueryCancelled` and `StorageUnavailable`.
    """
    found = {}
    for name, signal in configured(service.signals).items():
        try:
            found[name] = _reading(name, signal, service.name, meter)
        except (EvaluationError, LimitExceeded, QueryError) as error:
            meter.warnings.append(f"{name} cannot be evaluated: {error.message}")
            found[name] = read(name, signal, None, None)
    return found


def _reading(name: str, signal: Signal, service: str, meter: Meter) -> Reading:
    expr = signal.expression_for(service)
    found = [m for m in meter.vector(expr) if not math.isnan(m.value)]
    worst = max(found, key=lambda m: m.value, default=None)
    if worst is None:
        return read(name, signal, None, None)
    usual = [
        m.value
        for m in meter.vector(BASELINE.format(expr=expr))
        if _what(m) == _what(worst) and math.isfinite(m.value)
    ]
    return read(name, signal, worst.value, usual[0] if usual else None, _what(worst))


def _what(measured: Measured) -> str:
    """The label values that identify an element, without the metric name: `cpu`, or `pool a`."""
    return " ".join(measured.labels[n] for n in sorted(measured.labels) if n != METRIC_NAME)
