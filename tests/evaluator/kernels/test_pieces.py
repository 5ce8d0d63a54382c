"""Windows put together from pieces of blocks, against sums and lines over their samples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given

from novaql.evaluator.kernels import over_time, regression
from novaql.evaluator.kernels.pieces import lines, pieces, sums
from novaql.evaluator.kernels.windows import ragged_windows, regular_windows
from tests.support.kernels.windows import Case, Sample, cases, finite_values

large_values = st.one_of(finite_values, st.sampled_from([1e100, -1e100, 1e16, -1e16]))


def _contents(case: Case) -> list[list[Sample]]:
    """Samples of each window, in the order in which kernels give them."""
    flat = [samples for series in case.contents for samples in series]
    cells = case.windows.cells
    return flat if cells is None else [flat[cell] for cell in cells]


@given(case=cases(large_values), size=st.integers(1, 9))
def test_sums_in_blocks_of_any_size(case: Case, size: int) -> None:
    cut = pieces(case.windows, size=size)
    if cut is None:
        assert case.windows.size == 0 or case.windows.values.size == 0
        return
    total, lost = sums(cut)
    for number, samples in enumerate(_contents(case)):
        if number in cut.alone or not samples:
            continue
        values = [value for _, value in samples]
        # As exact as a compensated sum: what is lost is in the last bit of what was lost before.
        far = 2.0**-100 * max(abs(value) for value in values)
        assert math.isclose(
            total[number] + lost[number], math.fsum(values), rel_tol=1e-15, abs_tol=far
        )


@given(case=cases(finite_values), size=st.integers(1, 9))
@example(
    case=Case(
        ragged_windows(
            np.array([0.0, 2.2250738585e-313]),
            np.array([18, 22]),
            np.array([0, 2]),
            np.array([0, 8, 16, 24]),
            7,
        ),
        [[[], [], [], [(18, 0.0), (22, 2.2250738585e-313)]]],
        [0, 8, 16, 24],
        7,
    ),
    size=1,
)
def test_lines_in_blocks_of_any_size(case: Case, size: int) -> None:
    cut = pieces(case.windows, size=size)
    if cut is None:
        return
    with np.errstate(all="ignore"):
        found = lines(cut)
    for number, samples in enumerate(_contents(case)):
        if number in cut.alone or len(samples) < 2:
            continue
        times = [Fraction(t, 1000) for t, _ in samples]
        values = [Fraction(v) for _, v in samples]
        n = len(samples)
        time, value = sum(times) / n, sum(values) / n
        spread = sum((t - time) ** 2 for t in times)
        rise = sum((t - time) * (v - value) for t, v in zip(times, values, strict=True))
        # Each operation on a value rounds to the last bit of the largest one; a subnormal
        # value has a last bit of 5e-324, whatever its size.
        near = 1e-14 * float(max(abs(v) for v in values)) + n * 5e-324
        assert found.size[number] == n
        assert math.isclose(found.time_time[number], spread, rel_tol=1e-12)
        assert math.isclose(found.time_value[number], rise, rel_tol=1e-12, abs_tol=near)
        mean = found.value[number] + found.value_ref[number]
        assert math.isclose(mean, value, rel_tol=1e-13, abs_tol=near)


@given(cases(), st.integers(1, 9))
def test_windows_that_no_border_of_a_block_cuts_are_alone(case: Case, size: int) -> None:
    cut = pieces(case.windows, size=size)
    if cut is None:
        return
    lo, hi = cut.windows.lo, cut.windows.hi
    for number in range(len(lo)):
        borders = [p for p in range(int(lo[number]), int(hi[number])) if p % size == 0]
        assert (number in cut.alone) == (not borders)


def _long(series: int = 3, samples: int = 400, *, jitter: int = 3) -> Case:
    random = np.random.default_rng(5)
    times = np.arange(samples, dtype=np.int64) * 15_000
    if jitter:
        times = times + random.integers(0, jitter, samples)
    values = np.cumsum(random.normal(size=(series, samples)), axis=1) * 100 + 1e9
    ends = np.arange(0, samples * 15_000, 60_000, dtype=np.int64)
    windows = regular_windows(values, times, ends, 1_200_000)
    return Case(windows, [], ends.tolist(), 1_200_000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.7e308])
def test_only_windows_that_hold_a_value_know_of_it(bad: float) -> None:
    case = _long()
    windows = case.windows
    windows.values[1, 200] = bad
    held = (windows.lo <= 200) & (windows.hi > 200)
    assert pieces(windows) is not None
    clean = _long()
    with np.errstate(all="ignore"):
        means, _ = over_time.avg_over_time(windows)
        slopes, _ = regression.deriv(windows)
        expected, _ = over_time.avg_over_time(clean.windows)
        slopes_expected, _ = regression.deriv(clean.windows)

    for row in range(3):
        same = ~held if row == 1 else np.ones(len(held), np.bool_)
        same &= windows.counts > 1
        np.testing.assert_array_equal(means[row, same], expected[row, same])
        np.testing.assert_array_equal(slopes[row, same], slopes_expected[row, same])
    assert not np.isclose(means[1, held], expected[1, held]).any()


def test_a_constant_has_no_slope_at_all() -> None:
    case = _long()
    case.windows.values[:] = 0.1
    with np.errstate(all="ignore"):
        slopes, valid = regression.deriv(case.windows)
    assert pieces(case.windows) is not None
    assert (slopes[:, valid] == 0).all()


def test_long_windows_equal_sample_by_sample() -> None:
    """The layouts agree, and pieces are as good as looking at every sample."""
    case = _long()
    regular = case.windows
    series, width = regular.values.shape
    flat = ragged_windows(
        regular.values.reshape(-1),
        np.tile(regular.times, series),
        np.arange(series + 1, dtype=np.int64) * width,
        np.array(case.ends_ms, np.int64),
        case.range_ms,
    )
    at = np.array(case.ends_ms, np.int64)
    seconds = np.full(at.shape, 14400.0)
    with np.errstate(all="ignore"):
        line, _ = regression.predict_linear(regular, at, seconds)
        again, _ = regression.predict_linear(flat, flat.per_step(at), flat.per_step(seconds))
    mean, _ = over_time.avg_over_time(regular)
    mean_again, _ = over_time.avg_over_time(flat)

    for row in range(series):
        for step in np.flatnonzero(regular.counts > 1).tolist():
            part = slice(int(regular.lo[step]), int(regular.hi[step]))
            x = (regular.times[part] - at[step]) / 1000.0
            y = regular.values[row, part]
            want = math.fsum(y) / len(y)
            assert math.isclose(mean[row, step], want, rel_tol=1e-15)
            slope = math.fsum((x - x.mean()) * (y - want)) / math.fsum((x - x.mean()) ** 2)
            assert math.isclose(line[row, step], want + slope * (14400 - x.mean()), rel_tol=1e-12)
    assert flat.cells is not None
    np.testing.assert_allclose(again, line.reshape(-1)[flat.cells], rtol=1e-13)
    np.testing.assert_allclose(mean_again, mean.reshape(-1)[flat.cells], rtol=1e-15)


overflowing_values = st.sampled_from([0.0, 1.0, 9e307, 1.5e308, -1.5e308, math.inf, -math.inf])


@given(cases(overflowing_values))
def test_sums_that_overflow_are_taken_in_the_order_of_time(case: Case) -> None:
    with np.errstate(all="ignore"):
        found = over_time.sum_over_time(case.windows)[0].reshape(-1)
    for number, samples in enumerate(_contents(case)):
        if not samples:
            continue
        total = compensated_sum(value for _, value in samples)
        if math.isfinite(total):
            size = max(abs(value) for _, value in samples)
            assert abs(found[number] - total) <= size * 1e-15
        else:
            np.testing.assert_equal(found[number], total)


def compensated_sum(values: Iterable[float]) -> float:
    """Neumaier's sum in the given order; a sum that became infinite has no correction."""
    total, rest = 0.0, 0.0
    for value in values:
        new = total + value
        if math.isinf(new):
            rest = 0.0
        elif abs(total) >= abs(value):
            rest += (total - new) + value
        else:
            rest += (value - new) + total
        total = new
    return total if math.isinf(total) else total + rest


@given(cases(overflowing_values))
def test_means_go_on_where_sums_overflow(case: Case) -> None:
    with np.errstate(all="ignore"):
        found = over_time.avg_over_time(case.windows)[0].reshape(-1)
    for number, samples in enumerate(_contents(case)):
        if not samples:
            continue
        values = [value for _, value in samples]
        if all(math.isfinite(value) for value in values):
            mean = float(sum(map(Fraction, values)) / len(values))
            assert math.isclose(found[number], mean, rel_tol=1e-14, abs_tol=1e293)
        else:
            odd = {value for value in values if math.isinf(value)}
            assert math.isnan(found[number]) if len(odd) > 1 else found[number] == odd.pop()


@pytest.mark.parametrize("samples", [40, 500])
def test_long_windows_that_overflow(samples: int) -> None:
    """Long enough for pieces: an overflow in one of them shows in the windows that hold it."""
    values = np.ones(samples)
    values[samples // 2 : samples // 2 + 3] = 1.5e308, 1.5e308, -1.5e308
    times = np.arange(samples, dtype=np.int64)
    windows = regular_windows(values[None, :], times, times, 20)
    with np.errstate(all="ignore"):
        found = over_time.sum_over_time(windows)[0][0]
    for end in range(samples):
        total = 0.0
        for value in values[max(end - 19, 0) : end + 1].tolist():
            total += value
        assert found[end] == pytest.approx(total)
