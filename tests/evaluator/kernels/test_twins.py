"""Compiled kernels against their NumPy twins: the same bits, or close where sums are reordered."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from novaql.evaluator.kernels import over_time, quantiles, rate, regression
from novaql.evaluator.kernels.dispatch import Mode, forced
from novaql.evaluator.kernels.group_reduce import accumulator
from novaql.evaluator.kernels.windows import Bools, Floats, Windows, ragged_windows
from tests.support.windows import Case, cases, finite_values, plain_values

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

Kernel = Callable[[Windows], tuple[Floats, Bools]]

MAGNITUDES = (
    st.one_of(plain_values, st.sampled_from([1e100, -1e100])),
    st.one_of(finite_values, st.sampled_from([1.5e308, 1.6e308, float("nan")])),
)
"""Sums that need compensation and sums that overflow. Not infinities that meet overflowing sums:
whether those are infinite or NaN depends on what is added first."""

EXACT: dict[str, Kernel] = {
    "rate": lambda w: rate.extrapolated(w, is_counter=True, is_rate=True),
    "increase": lambda w: rate.extrapolated(w, is_counter=True, is_rate=False),
    "delta": lambda w: rate.extrapolated(w, is_counter=False, is_rate=False),
    "min": over_time.min_over_time,
    "max": over_time.max_over_time,
    "stdvar": over_time.stdvar_over_time,
    "stddev": over_time.stddev_over_time,
}


def both(compute: Callable[[], tuple[Floats, Bools]]) -> tuple[tuple[Floats, Bools], ...]:
    """The answers of NumPy and of the twin."""
    found = []
    for mode in (Mode.OFF, Mode.ON):
        with forced(mode), np.errstate(all="ignore"):
            found.append(compute())
    return tuple(found)


def shown(case: Case, answer: tuple[Floats, Bools]) -> Floats:
    """Values where there are any, 0 elsewhere."""
    values, there = case.on_grid(*answer)
    return np.where(there, values, 0.0)


@pytest.mark.parametrize("name", EXACT)
@given(case=cases())
def test_the_same_bits(name: str, case: Case) -> None:
    plain, compiled = both(lambda: EXACT[name](case.windows))

    np.testing.assert_array_equal(plain[1], compiled[1])
    np.testing.assert_array_equal(shown(case, plain), shown(case, compiled))


@pytest.mark.parametrize("kernel", [over_time.sum_over_time, over_time.avg_over_time])
@given(case=st.one_of([cases(values) for values in MAGNITUDES]))
def test_sums_are_as_exact(kernel: Kernel, case: Case) -> None:
    plain, compiled = both(lambda: kernel(case.windows))

    # What the two may lose differs in the last bits of a compensated sum of 1e100.
    largest = np.abs(case.windows.values[np.isfinite(case.windows.values)]).max(initial=0.0)
    np.testing.assert_allclose(
        shown(case, compiled), shown(case, plain), rtol=1e-12, atol=float(largest) * 2.0**-100
    )


@given(case=cases(finite_values), zero=st.integers(-100, 100))
def test_lines(case: Case, zero: int) -> None:
    at = np.full(case.windows.lo.shape, zero, np.int64)
    seconds = np.full(at.shape, 0.01)

    plain, compiled = both(lambda: regression.deriv(case.windows))
    size = np.abs(shown(case, plain)).max(initial=1.0)
    np.testing.assert_allclose(
        shown(case, compiled), shown(case, plain), rtol=1e-9, atol=float(size) * 1e-12
    )
    plain, compiled = both(lambda: regression.predict_linear(case.windows, at, seconds))
    size = max(size, np.abs(shown(case, plain)).max(initial=1.0))
    np.testing.assert_allclose(
        shown(case, compiled), shown(case, plain), rtol=1e-9, atol=float(size) * 1e-12
    )


@given(case=cases(), data=st.data())
def test_quantiles_of_windows(case: Case, data: st.DataObject) -> None:
    q = data.draw(
        st.lists(
            st.one_of(st.floats(-0.5, 1.5), st.sampled_from([0.0, 0.5, 1.0, float("nan")])),
            min_size=case.windows.lo.size,
            max_size=case.windows.lo.size,
        ).map(lambda found: np.array(found, np.float64))
    )

    plain, compiled = both(lambda: quantiles.quantile_over_time(case.windows, q))

    np.testing.assert_array_equal(shown(case, plain), shown(case, compiled))


@pytest.mark.parametrize("window", [1, 7, 60, 300])
def test_quantiles_of_long_rows(window: int) -> None:
    """Windows that grow, slide by little and by much, over rows with ties and NaN."""
    random = np.random.default_rng(window)
    values = np.round(random.normal(size=(3, 900)), 1)
    values[random.random(values.shape) < 0.02] = np.nan
    times = np.arange(900, dtype=np.int64) * 1000
    steps = np.sort(random.integers(0, 900, 200)) * 1000
    lo = np.searchsorted(times, steps - window * 1000, side="right")
    hi = np.searchsorted(times, steps, side="right")
    windows = Windows(values, times, lo, hi, steps, window * 1000, (3, 200))
    q = random.random(200)

    plain, compiled = both(lambda: quantiles.quantile_over_time(windows, q))

    np.testing.assert_array_equal(plain[0], compiled[0])


@given(st.data())
def test_bounds_of_ragged_windows(data: st.DataObject) -> None:
    times = st.lists(st.integers(-60, 60), max_size=12, unique=True).map(sorted)
    rows = data.draw(st.lists(times, max_size=4))
    flat = np.array([t for row in rows for t in row], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    step, range_ms = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 50))
    ends = np.int64(data.draw(st.integers(-80, 80))) + step * np.arange(
        data.draw(st.integers(1, 7)), dtype=np.int64
    )

    def bounds() -> Windows:
        return ragged_windows(flat.astype(np.float64), flat, offsets, ends, range_ms)

    with forced(Mode.OFF):
        plain = bounds()
    with forced(Mode.ON):
        compiled = bounds()

    for name in ("lo", "hi", "cells", "ends_ms", "offsets"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(compiled, name))
    assert plain.grid == compiled.grid


@pytest.mark.parametrize("op", ["sum", "avg", "count", "group", "min", "max"])
@given(st.data())
def test_groups(op: str, data: st.DataObject) -> None:
    groups, steps = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    rows = data.draw(st.integers(1, 9))
    cell = data.draw(st.sampled_from(MAGNITUDES))
    values = np.array(
        data.draw(st.lists(cell, min_size=rows * steps, max_size=rows * steps)), np.float64
    ).reshape(rows, steps)
    group = np.array(
        data.draw(st.lists(st.integers(0, groups - 1), min_size=rows, max_size=rows)), np.int64
    )
    flags = st.lists(st.booleans(), min_size=rows * steps, max_size=rows * steps)
    present = data.draw(
        st.one_of(
            st.none(),
            flags.map(lambda f: np.array(f).reshape(rows, steps)),
            flags.map(lambda f: np.broadcast_to(np.array(f[:steps]), (rows, steps))),
        )
    )

    def fold() -> tuple[Floats, Bools]:
        folded = accumulator(op, groups, steps)
        assert folded is not None
        folded.add(group, values, present)
        folded.add(group[:1], values[:1], None)
        return folded.finish()

    plain, compiled = both(fold)

    np.testing.assert_array_equal(plain[1], compiled[1])
    largest = np.abs(values[np.isfinite(values)]).max(initial=0.0)
    np.testing.assert_allclose(
        np.where(compiled[1], compiled[0], 0.0),
        np.where(plain[1], plain[0], 0.0),
        rtol=1e-12,
        atol=float(largest) * 2.0**-100,
    )


@pytest.mark.parametrize("name", EXACT)
def test_long_ragged_rows(name: str) -> None:
    """More windows than a kernel works off at once, over rows with and without resets."""
    random = np.random.default_rng(7)
    rows = [np.sort(random.choice(4000, size, replace=False)) for size in (900, 0, 1, 2000)]
    values = [np.cumsum(random.integers(0, 5, len(row))).astype(np.float64) for row in rows]
    values[3][700:] -= values[3][700]
    values[3][1500::3] = 0.0
    windows = ragged_windows(
        np.concatenate(values),
        np.concatenate(rows),
        np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        np.arange(0, 4200, 5, dtype=np.int64),
        60,
    )
    assert windows.size > 1024

    plain, compiled = both(lambda: EXACT[name](windows))

    np.testing.assert_array_equal(plain[1], compiled[1])
    np.testing.assert_array_equal(plain[0][plain[1]], compiled[0][plain[1]])
