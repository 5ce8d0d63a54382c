"""Functions of the samples of one series in one range. Staleness markers are gone already."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from tests.support.reference import numbers
from tests.support.reference.values import RefusedError, Sample


@dataclass(frozen=True)
class Window:
    """Samples in (end_ms - range_ms, end_ms], and the time the query is evaluated at."""

    samples: list[Sample]
    end_ms: int
    range_ms: int
    now_ms: int

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.samples]


def _extrapolated(window: Window, *, counter: bool, per_second: bool) -> float | None:
    """The increase between the first and the last sample, carried on to the ends of the range."""
    samples = window.samples
    if len(samples) < 2:
        return None
    (first_ms, first), (last_ms, last) = samples[0], samples[-1]
    difference = last - first
    if counter:
        for before, after in pairwise(window.values):
            if after < before:
                difference += before
    to_start = (first_ms - (window.end_ms - window.range_ms)) / 1000
    to_end = (window.end_ms - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (len(samples) - 1)
    if to_start >= 1.1 * gap:
        to_start = gap / 2
    if to_end >= 1.1 * gap:
        to_end = gap / 2
    if counter and difference > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / difference))
    result = difference * ((sampled + to_start + to_end) / sampled)
    return result / (window.range_ms / 1000) if per_second else result


def _last_two(window: Window, *, per_second: bool) -> float | None:
    if len(window.samples) < 2:
        return None
    (before_ms, before), (after_ms, after) = window.samples[-2:]
    if not per_second:
        return after - before
    rise = after if after < before else after - before
    return rise / ((after_ms - before_ms) / 1000)


def _resets(window: Window) -> float | None:
    if not window.samples:
        return None
    return float(sum(after < before for before, after in pairwise(window.values)))


def _changes(window: Window) -> float | None:
    if not window.samples:
        return None
    return float(
        sum(
            after != before and not (math.isnan(after) and math.isnan(before))
            for before, after in pairwise(window.values)
        )
    )


def _line(window: Window, origin_ms: int) -> tuple[float, float]:
    """Slope per second and value at `origin_ms` of the least squares line."""
    ys = window.values
    if all(y == ys[0] for y in ys):
        return (math.nan, math.nan) if math.isinf(ys[0]) else (0.0, ys[0])
    xs = [(moment - origin_ms) / 1000 for moment, _ in window.samples]
    if not all(math.isfinite(y) for y in ys):
        return math.nan, math.nan
    middle_x, middle_y = numbers.mean(xs), numbers.mean(ys)
    covariance = numbers.total(
        [(x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)]
    )
    slope = covariance / numbers.total([(x - middle_x) ** 2 for x in xs])
    return slope, middle_y - slope * middle_x


def _deriv(window: Window) -> float | None:
    if len(window.samples) < 2:
        return None
    return _line(window, window.samples[0][0])[0]


def _extreme_time(window: Window, better: Callable[[float, float], bool]) -> float | None:
    if not window.samples:
        return None
    best_ms, best = window.samples[0]
    for moment, value in window.samples:
        if better(value, best) or math.isnan(best):
            best_ms, best = moment, value
    return best_ms / 1000


def _mad(values: list[float]) -> float:
    if any(math.isnan(v) for v in values):
        return math.nan
    middle = numbers.quantile(0.5, values)
    return numbers.quantile(0.5, [abs(v - middle) for v in values])


def _of_values(function: Callable[[list[float]], float]) -> Callable[[Window], float | None]:
    return lambda window: function(window.values) if window.samples else None


PLAIN: dict[str, Callable[[Window], float | None]] = {
    "rate": lambda w: _extrapolated(w, counter=True, per_second=True),
    "increase": lambda w: _extrapolated(w, counter=True, per_second=False),
    "delta": lambda w: _extrapolated(w, counter=False, per_second=False),
    "irate": lambda w: _last_two(w, per_second=True),
    "idelta": lambda w: _last_two(w, per_second=False),
    "resets": _resets,
    "changes": _changes,
    "deriv": _deriv,
    "avg_over_time": _of_values(numbers.mean),
    "sum_over_time": _of_values(numbers.total),
    "count_over_time": _of_values(lambda values: float(len(values))),
    "min_over_time": _of_values(numbers.least),
    "max_over_time": _of_values(numbers.greatest),
    "stddev_over_time": _of_values(lambda values: math.sqrt(numbers.variance(values))),
    "stdvar_over_time": _of_values(numbers.variance),
    "last_over_time": _of_values(lambda values: values[-1]),
    "first_over_time": _of_values(lambda values: values[0]),
    "present_over_time": _of_values(lambda _: 1.0),
    "mad_over_time": _of_values(_mad),
    "ts_of_min_over_time": lambda w: _extreme_time(w, lambda a, b: a <= b),
    "ts_of_max_over_time": lambda w: _extreme_time(w, lambda a, b: a >= b),
    "ts_of_last_over_time": lambda w: w.samples[-1][0] / 1000 if w.samples else None,
    "ts_of_first_over_time": lambda w: w.samples[0][0] / 1000 if w.samples else None,
}
KEEP_NAME = ("last_over_time", "first_over_time")


def predict_linear(window: Window, seconds: float) -> float | None:
    if len(window.samples) < 2:
        return None
    slope, now = _line(window, window.now_ms)
    return slope * seconds + now


def quantile_over_time(window: Window, q: float) -> float | None:
    return numbers.quantile(q, window.values) if window.samples else None


def smoothed(window: Window, level: float, trend: float) -> float | None:
    """Double exponential smoothing: a level and a trend, both carried along."""
    if not (0 < level < 1 and 0 < trend < 1):
        raise RefusedError("invalid smoothing factor")
    values = window.values
    if len(values) < 2:
        return None
    before, now, slope = 0.0, values[0], values[1] - values[0]
    for i, value in enumerate(values[1:]):
        if i > 0:
            slope = trend * (now - before) + (1 - trend) * slope
        before, now = now, level * value + (1 - level) * (now + slope)
    return now
