"""Functions of the samples of one series in one range. Staleness markers are removed already."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from novaql.model.float_histogram import FloatHistogram
from tests.support.histograms.native_histograms import was_reset
from tests.support.reference import native, numbers
from tests.support.reference.values import Notes, Number, RefusedError, Sample, UnsureError

FloatSample = tuple[int, float]


@dataclass(frozen=True)
class Window:
    """Samples in (end_ms - range_ms, end_ms], and the time the query is evaluated at.

    name  of the metric, for what is said in `notes`
    """

    all_samples: list[Sample]
    end_ms: int
    range_ms: int
    now_ms: int
    name: str
    notes: Notes

    @property
    def samples(self) -> list[FloatSample]:
        return [(at, v) for at, v in self.all_samples if not isinstance(v, FloatHistogram)]

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.samples]

    @property
    def histograms(self) -> list[FloatHistogram]:
        return [v for _, v in self.all_samples if isinstance(v, FloatHistogram)]

    @property
    def mixed(self) -> bool:
        return bool(self.samples) and bool(self.histograms)

    def warn_of_mix(self) -> None:
        self.notes.warn(f"{native.MIXED} {native.quoted(self.name)}")

    def tell_ignored(self) -> None:
        """Add the note that a function of floats ignores histograms, if floats remain."""
        if self.mixed:
            self.notes.info(
                "ignored histograms in a range containing both floats and histograms "
                f"for metric name {native.quoted(self.name)}"
            )


def _extrapolated(window: Window, *, counter: bool, per_second: bool) -> Number | None:
    """The increase between the first and the last sample, extrapolated to the ends of the range."""
    samples = window.all_samples
    if window.mixed:
        window.warn_of_mix()
        return None
    if len(samples) < 2:
        return None
    (first_ms, first), (last_ms, last) = samples[0], samples[-1]
    difference: Number | None
    if isinstance(first, FloatHistogram) or isinstance(last, FloatHistogram):
        members = window.histograms
        difference = native.increase(members, window.name, window.notes, counter=counter)
        if difference is None:
            return None
        begun, risen = members[0].count, difference.count
    else:
        risen = last - first
        if counter:
            for before, after in pairwise(window.values):
                if after < before:
                    risen += before
        begun, difference = first, risen
    to_start = (first_ms - (window.end_ms - window.range_ms)) / 1000
    to_end = (window.end_ms - last_ms) / 1000
    sampled = (last_ms - first_ms) / 1000
    gap = sampled / (len(samples) - 1)
    if to_start >= 1.1 * gap:
        to_start = gap / 2
    if to_end >= 1.1 * gap:
        to_end = gap / 2
    if counter and risen > 0 and begun >= 0:
        to_start = min(to_start, sampled * (begun / risen))
    factor = (sampled + to_start + to_end) / sampled
    if per_second:
        factor /= window.range_ms / 1000
    if isinstance(difference, FloatHistogram):
        return difference.scaled(factor)
    return difference * factor


def _last_two(window: Window, *, per_second: bool) -> Number | None:
    if len(window.all_samples) < 2:
        return None
    (before_ms, before), (after_ms, after) = window.all_samples[-2:]
    rise: Number | None
    if isinstance(before, FloatHistogram) and isinstance(after, FloatHistogram):
        rise = native.last_difference(before, after, window.name, window.notes, counter=per_second)
    elif isinstance(before, FloatHistogram) or isinstance(after, FloatHistogram):
        window.warn_of_mix()
        return None
    else:
        rise = after if per_second and after < before else after - before
    if rise is None or not per_second:
        return rise
    seconds = (after_ms - before_ms) / 1000
    return rise.scaled(1 / seconds) if isinstance(rise, FloatHistogram) else rise / seconds


def _resets(window: Window) -> float | None:
    """The number of resets; between samples of different kinds there is always one."""
    return _steps(window, lambda a, b: b < a, was_reset)


def _changes(window: Window) -> float | None:
    def differs(a: float, b: float) -> bool:
        return a != b and not (math.isnan(a) and math.isnan(b))

    return _steps(window, differs, lambda a, b: not native.same(a, b))


def _steps(
    window: Window,
    of_floats: Callable[[float, float], bool],
    of_histograms: Callable[[FloatHistogram, FloatHistogram], bool],
) -> float | None:
    if not window.all_samples:
        return None
    count = 0
    for (_, a), (_, b) in pairwise(window.all_samples):
        if isinstance(a, FloatHistogram) and isinstance(b, FloatHistogram):
            count += of_histograms(a, b)
        elif isinstance(a, FloatHistogram) or isinstance(b, FloatHistogram):
            count += 1
        else:
            count += of_floats(a, b)
    return float(count)


def _line(window: Window, origin_ms: int) -> tuple[float, float]:
    """Slope per second and value at `origin_ms` of the least squares line."""
    ys = window.values
    if all(y == ys[0] for y in ys):
        return (math.nan, math.nan) if math.isinf(ys[0]) else (0.0, ys[0])
    if any(math.isfinite(y) and abs(y) > 1e150 for y in ys):
        raise UnsureError("products that overflow")
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
    window.tell_ignored()
    if len(window.samples) < 2:
        return None
    return _line(window, window.samples[0][0])[0]


def _extreme_time(window: Window, better: Callable[[float, float], bool]) -> float | None:
    if not window.samples:
        return None
    window.tell_ignored()
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
    """A function of ranges that applies `function` to the floats."""

    def of(window: Window) -> float | None:
        window.tell_ignored()
        return function(window.values) if window.samples else None

    return of


def _summed(window: Window, *, mean: bool) -> Number | None:
    if window.mixed:
        window.warn_of_mix()
        return None
    if window.histograms:
        of = native.mean if mean else native.total
        return of(window.histograms, window.name, window.notes)
    of_floats = numbers.mean_in_order if mean else numbers.total_in_order
    return of_floats(window.values) if window.samples else None


def _of_any(function: Callable[[list[Sample]], Number]) -> Callable[[Window], Number | None]:
    return lambda window: function(window.all_samples) if window.all_samples else None


PLAIN: dict[str, Callable[[Window], Number | None]] = {
    "rate": lambda w: _extrapolated(w, counter=True, per_second=True),
    "increase": lambda w: _extrapolated(w, counter=True, per_second=False),
    "delta": lambda w: _extrapolated(w, counter=False, per_second=False),
    "irate": lambda w: _last_two(w, per_second=True),
    "idelta": lambda w: _last_two(w, per_second=False),
    "resets": _resets,
    "changes": _changes,
    "deriv": _deriv,
    "avg_over_time": lambda w: _summed(w, mean=True),
    "sum_over_time": lambda w: _summed(w, mean=False),
    "count_over_time": _of_any(lambda samples: float(len(samples))),
    "min_over_time": _of_values(numbers.least),
    "max_over_time": _of_values(numbers.greatest),
    "stddev_over_time": _of_values(lambda values: math.sqrt(numbers.variance(values))),
    "stdvar_over_time": _of_values(numbers.variance),
    "last_over_time": _of_any(lambda samples: samples[-1][1]),
    "first_over_time": _of_any(lambda samples: samples[0][1]),
    "present_over_time": _of_any(lambda _: 1.0),
    "mad_over_time": _of_values(_mad),
    "ts_of_min_over_time": lambda w: _extreme_time(w, lambda a, b: a <= b),
    "ts_of_max_over_time": lambda w: _extreme_time(w, lambda a, b: a >= b),
    "ts_of_last_over_time": _of_any(lambda samples: samples[-1][0] / 1000),
    "ts_of_first_over_time": _of_any(lambda samples: samples[0][0] / 1000),
}
KEEP_NAME = ("last_over_time", "first_over_time")


def predict_linear(window: Window, seconds: float) -> float | None:
    window.tell_ignored()
    if len(window.samples) < 2:
        return None
    slope, now = _line(window, window.now_ms)
    return slope * seconds + now


def quantile_over_time(window: Window, q: float) -> float | None:
    window.tell_ignored()
    return numbers.quantile(q, window.values) if window.samples else None


def smoothed(window: Window, level: float, trend: float) -> float | None:
    """Double exponential smoothing: a level and a trend, both updated with each sample."""
    if any(factor <= 0 or factor >= 1 for factor in (level, trend)):  # NaN is neither
        raise RefusedError("invalid smoothing factor")
    window.tell_ignored()
    values = window.values
    if len(values) < 2:
        return None
    before, now, slope = 0.0, values[0], values[1] - values[0]
    for i, value in enumerate(values[1:]):
        if i > 0:
            slope = trend * (now - before) + (1 - trend) * slope
        before, now = now, level * value + (1 - level) * (now + slope)
    return now
