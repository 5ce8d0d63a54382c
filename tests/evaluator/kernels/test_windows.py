"""Every window kernel against a plain loop over the samples of each window."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels import over_time, quantiles, rate, regression
from novaql.evaluator.kernels.windows import Bools, Floats, Windows, regular_windows
from tests.support.kernels.windows import Case, Sample, cases, finite_values

Kernel = Callable[[Windows], tuple[Floats, Bools]]
Plain = Callable[[list[Sample]], float | None]


def same(got: float, want: float, *, relative: float = 1e-9) -> bool:
    if math.isnan(want) or math.isnan(got):
        return math.isnan(want) and math.isnan(got)
    if math.isinf(want) or math.isinf(got):
        return want == got
    return math.isclose(got, want, rel_tol=relative, abs_tol=1e-9)


def check(case: Case, kernel: Kernel, plain: Plain) -> None:
    with np.errstate(all="ignore"):
        values, there = case.on_grid(*kernel(case.windows))
    for s, steps in enumerate(case.contents):
        for j, samples in enumerate(steps):
            want = plain(samples)
            assert there[s, j] == (want is not None), (samples, want)
            if want is not None:
                assert same(float(values[s, j]), want), (samples, values[s, j], want)


def _values(samples: list[Sample]) -> list[float]:
    return [value for _, value in samples]


def _some(of: Callable[[list[float]], float]) -> Plain:
    return lambda samples: of(_values(samples)) if samples else None


def _numbers(values: list[float]) -> list[float]:
    return [v for v in values if not math.isnan(v)] or [math.nan]


def _changes(values: list[float]) -> float:
    return sum(a != b and not (math.isnan(a) and math.isnan(b)) for a, b in pairwise(values))


def _resets(values: list[float]) -> float:
    return sum(b < a for a, b in pairwise(values))


ANY_VALUES: dict[str, tuple[Kernel, Plain]] = {
    "count": (over_time.count_over_time, _some(lambda v: float(len(v)))),
    "present": (over_time.present_over_time, _some(lambda _: 1.0)),
    "first": (over_time.first_over_time, _some(lambda v: v[0])),
    "last": (over_time.last_over_time, _some(lambda v: v[-1])),
    "min": (over_time.min_over_time, _some(lambda v: min(_numbers(v)))),
    "max": (over_time.max_over_time, _some(lambda v: max(_numbers(v)))),
    "changes": (rate.changes, _some(_changes)),
    "resets": (rate.resets, _some(_resets)),
}


@pytest.mark.parametrize("name", ANY_VALUES)
@given(case=cases())
def test_kernels_that_take_any_value(name: str, case: Case) -> None:
    check(case, *ANY_VALUES[name])


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: list[float]) -> float:
    mean = _mean(values)
    return math.fsum((v - mean) ** 2 for v in values) / len(values)


def _quantile(values: list[float], q: float = 0.3) -> float:
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    low = int(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] * (1 - (rank - low)) + ordered[high] * (rank - low)


def _deviation(values: list[float]) -> float:
    middle = _quantile(values, 0.5)
    return _quantile([abs(v - middle) for v in values], 0.5)


FINITE: dict[str, tuple[Kernel, Plain]] = {
    "sum": (over_time.sum_over_time, _some(math.fsum)),
    "avg": (over_time.avg_over_time, _some(_mean)),
    "mad": (quantiles.mad_over_time, _some(_deviation)),
    "quantile": (
        lambda w: quantiles.quantile_over_time(w, np.full(w.lo.shape, 0.3)),
        _some(_quantile),
    ),
}


@pytest.mark.parametrize("name", FINITE)
@given(case=cases(finite_values))
def test_kernels_over_finite_values(name: str, case: Case) -> None:
    check(case, *FINITE[name])


@given(case=cases(finite_values))
def test_variance(case: Case) -> None:
    with np.errstate(all="ignore"):
        values, _ = case.on_grid(*over_time.stdvar_over_time(case.windows))
    for s, steps in enumerate(case.contents):
        for j, samples in enumerate(steps):
            if samples:
                biggest = max(abs(v) for v in _values(samples))
                want = _variance(_values(samples))
                assert abs(float(values[s, j]) - want) <= 1e-9 * max(biggest * biggest, 1.0)


def _extrapolated(case: Case, *, counter: bool, per_second: bool) -> Callable[..., float | None]:
    """Prometheus's extrapolation, a sample at a time."""

    def plain(samples: list[Sample], end: int) -> float | None:
        if len(samples) < 2:
            return None
        result = samples[-1][1] - samples[0][1]
        if counter:
            for (_, a), (_, b) in pairwise(samples):
                if b < a:
                    result += a
        sampled = (samples[-1][0] - samples[0][0]) / 1000
        gap = sampled / (len(samples) - 1)
        left = (samples[0][0] - (end - case.range_ms)) / 1000
        right = (end - samples[-1][0]) / 1000
        if left >= gap * 1.1:
            left = gap / 2
        if right >= gap * 1.1:
            right = gap / 2
        if counter and result > 0 and samples[0][1] >= 0:
            left = min(left, sampled * (samples[0][1] / result))
        result *= (sampled + left + right) / sampled
        return result / (case.range_ms / 1000) if per_second else result

    return plain


@pytest.mark.parametrize(("counter", "per_second"), [(True, True), (True, False), (False, False)])
@given(case=cases(finite_values))
def test_rate_increase_delta(counter: bool, per_second: bool, case: Case) -> None:
    plain = _extrapolated(case, counter=counter, per_second=per_second)
    with np.errstate(all="ignore"):
        found = rate.extrapolated(case.windows, is_counter=counter, is_rate=per_second)
        values, there = case.on_grid(*found)
    for s, steps in enumerate(case.contents):
        for j, samples in enumerate(steps):
            want = plain(samples, case.ends_ms[j])
            assert there[s, j] == (want is not None)
            if want is not None:
                assert same(float(values[s, j]), want, relative=1e-8), (samples, values[s, j], want)


@given(case=cases(finite_values))
def test_irate(case: Case) -> None:
    def plain(samples: list[Sample]) -> float | None:
        if len(samples) < 2:
            return None
        (t0, a), (t1, b) = samples[-2:]
        return (b if b < a else b - a) / ((t1 - t0) / 1000)

    check(case, lambda w: rate.instant_change(w, is_rate=True), plain)


@given(case=cases(finite_values))
def test_deriv_is_the_least_squares_slope(case: Case) -> None:
    def plain(samples: list[Sample]) -> float | None:
        if len(samples) < 2:
            return None
        if len(set(_values(samples))) == 1:
            return 0.0
        x = np.array([t for t, _ in samples]) / 1000
        y = np.array(_values(samples))
        away = x - x.mean()
        return float((away * (y - y.mean())).sum() / (away * away).sum())

    with np.errstate(all="ignore"):
        values, there = case.on_grid(*regression.deriv(case.windows))
    for s, steps in enumerate(case.contents):
        for j, samples in enumerate(steps):
            want = plain(samples)
            assert there[s, j] == (want is not None)
            if want is not None:
                biggest = max(abs(v) for v in _values(samples)) * 1000
                assert abs(float(values[s, j]) - want) <= 1e-9 * max(biggest, 1.0)


def test_sums_keep_small_values_beside_large_ones() -> None:
    windows = regular_windows(
        np.array([[1.0, 1e100, 1.0, -1e100]]), np.arange(4), np.array([10]), 100
    )
    values, _ = over_time.sum_over_time(windows)
    assert values.item() == 2.0


def test_mean_of_values_whose_sum_overflows() -> None:
    windows = regular_windows(np.array([[1.7e308, 1.6e308]]), np.arange(2), np.array([10]), 100)
    with np.errstate(all="ignore"):
        values, _ = over_time.avg_over_time(windows)
    assert math.isclose(values.item(), 1.65e308)
