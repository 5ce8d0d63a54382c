"""Functions of time zones: timezone_offset, start_of, and the zone of date functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from novaql.errors import EvaluationError
from novaql.evaluator.kernels.windows import Floats
from novaql.evaluator.kernels.zones import UNITS, UnknownZone, Zone, start_of, zone_of
from novaql.evaluator.operator import Operator
from novaql.evaluator.protocol import Runner
from novaql.text.go_text import quote


def checked_zone(run: Runner, operator: Operator, function: str) -> Zone:
    """The zone that an argument names. Raises `EvaluationError`."""
    name = run.text(operator)
    try:
        return zone_of(name)
    except UnknownZone:
        message = f"unknown time zone {quote(name)} in {function}(), names are like Europe/Berlin"
        raise EvaluationError(message, operator.plan.span) from None


def _offset(run: Runner, operator: Operator) -> Floats:
    zone = checked_zone(run, operator.operands[0], "timezone_offset")
    return zone.offset(operator.steps.times_ms // 1000).astype(np.float64)


def _start_of(run: Runner, operator: Operator) -> Floats:
    unit_of, *zone_at = operator.operands
    unit = run.text(unit_of)
    if unit not in UNITS:
        message = f"unknown unit {quote(unit)} in start_of(), the units are {' '.join(UNITS)}"
        raise EvaluationError(message, unit_of.plan.span)
    zone = checked_zone(run, zone_at[0], "start_of") if zone_at else zone_of("UTC")
    return start_of(unit, operator.steps.times_ms // 1000, zone).astype(np.float64)


ZONE_SCALARS: Mapping[str, Callable[[Runner, Operator], Floats]] = {
    "timezone_offset": _offset,
    "start_of": _start_of,
}
