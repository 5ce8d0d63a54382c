"""Compiled kernels against their NumPy twins: the same bits, or close where sums are reordered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.group_reduce import ACCUMULATORS
from novaql.evaluator.kernels.metricsql_functions import METRICSQL_FUNCTIONS
from novaql.evaluator.kernels.registry import RANGE_FUNCTIONS
from novaql.evaluator.kernels.strips import WindowSpec, strips_of
from novaql.evaluator.kernels.windows import Bools, Floats, Ints, Windows, ragged_windows
from novaql.evaluator.operators.extended import extended_windows
from novaql.tsdb.model.batch_views import SeriesView
from novaql.tsdb.runtime.compiled import Mode
from tests.support.kernels.strips import batch_of, rolled
from tests.support.kernels.windows import Case, cases, finite_values, plain_values

pytest.importorskip("numba", reason="compiled kernels need numba: pip install 'novaql[fast]'")

MAGNITUDES = (
    st.one_of(plain_values, st.sampled_from([1e100, -1e100])),
    st.one_of(finite_values, st.sampled_from([1.5e308, 1.6e308, float("nan")])),
    st.sampled_from([1.0, 9e307, 1.5e308, -1.5e308, float("inf"), float("-inf"), float("nan")]),
)
"""Sums that need compensation, sums that overflow, and sums that infinities meet on their way."""

SUMS = ("sum_over_time", "avg_over_time")
LINES = ("deriv", "predict_linear")
COMPILED = [name for name, function in RANGE_FUNCTIONS.items() if function.strips is not None]
ANCHORED = [name for name, function in RANGE_FUNCTIONS.items() if function.anchored is not None]
TALLIES = [
    f"{what}_{test}_over_time"
    for what, tests in (("count", "eq ne gt le"), ("share", "eq gt le"), ("sum", "eq gt le"))
    for test in tests.split()
]
SMOOTHING = "double_exponential_smoothing"
SCALARS = (
    *LINES,
    SMOOTHING,
    "quantile_over_time",
    "quantiles_over_time:",
    "duration_over_time",
    *TALLIES,
)
REORDERED = [
    name
    for name in METRICSQL_FUNCTIONS
    if name in COMPILED and name not in (*TALLIES, "duration_over_time", "outlier_iqr_over_time")
]
"""Functions that are put together from others, whose sums and products may be added in another
order."""
EXACT = [name for name in COMPILED if name not in (*SUMS, *SCALARS, *REORDERED, "rollup:avg")]


@pytest.fixture(autouse=True)
def compiled() -> Iterator[None]:
    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        yield


def plain(
    name: str, case: Case, scalars: Sequence[Floats] = (), eval_ms: Ints | None = None
) -> tuple[Floats, Bools]:
    """NumPy's answer, [S, J]; 0 where there is none."""
    windows = case.windows
    at = np.array(case.ends_ms, np.int64) if eval_ms is None else eval_ms
    with np.errstate(all="ignore"):
        out, valid = RANGE_FUNCTIONS[name].windows(
            windows, [windows.per_step(s) for s in scalars], windows.per_step(at)
        )
        values, there = case.on_grid(out, valid)
    return np.where(there, values, 0.0), there.astype(np.bool_)


def twin(
    name: str, case: Case, scalars: Sequence[Floats] = (), eval_ms: Ints | None = None
) -> tuple[Floats, Bools]:
    ends = np.array(case.ends_ms, np.int64)
    return rolled(name, case.windows, ends, scalars=scalars, eval_ms=eval_ms)


@pytest.mark.parametrize("name", EXACT)
@given(case=cases())
def test_the_same_bits(name: str, case: Case) -> None:
    expected, actual = plain(name, case), twin(name, case)

    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_array_equal(expected[0], actual[0])


@pytest.mark.parametrize("name", ["rate", "increase", "delta"])
@given(case=cases())
def test_each_step_alone_of_a_batch_that_was_looked_at(name: str, case: Case) -> None:
    """As a refreshed panel asks: what was found out about the samples shortens the work."""
    expected = plain(name, case)
    ends, batch = np.array(case.ends_ms, np.int64), batch_of(case.windows)
    rolled(name, case.windows, ends, batch=batch)

    for step in range(len(ends)):
        actual = rolled(name, case.windows, ends[step : step + 1], batch=batch)

        np.testing.assert_array_equal(expected[1][:, step : step + 1], actual[1])
        np.testing.assert_array_equal(expected[0][:, step : step + 1], actual[0])


@pytest.mark.parametrize("name", SUMS)
@given(case=st.one_of([cases(values) for values in MAGNITUDES]))
def test_sums_are_as_exact(name: str, case: Case) -> None:
    expected, actual = plain(name, case), twin(name, case)

    # What the two may lose differs in the last bits of a compensated sum of 1e100.
    largest = np.abs(case.windows.values[np.isfinite(case.windows.values)]).max(initial=0.0)
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-12, atol=float(largest) * 2.0**-100)


@pytest.mark.parametrize("name", REORDERED)
@given(case=cases(finite_values), scalar=st.sampled_from([0.0, 0.3, 0.95, 1.0]))
def test_functions_put_together_from_others(name: str, case: Case, scalar: float) -> None:
    scalars = [np.full(len(case.ends_ms), scalar)] if name.startswith("hoeffding") else []

    expected, actual = plain(name, case, scalars), twin(name, case, scalars)

    size = np.abs(case.windows.values).max(initial=1.0)
    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-9, atol=float(size) * 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ANCHORED)
@given(case=cases(), lookback_ms=st.integers(1, 20))
@settings(max_examples=200)
def test_windows_that_begin_with_the_sample_before_them(
    name: str, case: Case, lookback_ms: int
) -> None:
    windows, ends = case.windows, np.array(case.ends_ms, np.int64)
    rows = np.arange(windows.grid[0])
    view = SeriesView(rows, windows.times, windows.values, windows.offsets)
    function = RANGE_FUNCTIONS[name]
    assert function.exact_ends is not None
    with np.errstate(all="ignore"):
        found = extended_windows(
            view, ends, case.range_ms, lookback_ms, smoothed=False, counter=function.counter_only
        )
        expected = found.inner.on_grid(*function.exact_ends(found))
    there = np.broadcast_to(expected[1], windows.grid)

    actual = rolled(name, windows, ends, before_ms=lookback_ms)

    np.testing.assert_array_equal(there, actual[1])
    size = np.abs(windows.values[np.isfinite(windows.values)]).max(initial=1.0)
    values = np.where(there, expected[0], 0.0)
    np.testing.assert_allclose(actual[0], values, rtol=1e-12, atol=float(size) * 1e-15)


@pytest.mark.parametrize("name", [*TALLIES, "duration_over_time"])
@given(case=cases(), limit=st.sampled_from([-1.0, 0.0, 0.005, 0.02, 2.0, float("inf")]))
def test_comparisons_with_one_number(name: str, case: Case, limit: float) -> None:
    scalars = [np.full(len(case.ends_ms), limit)]

    expected, actual = plain(name, case, scalars), twin(name, case, scalars)

    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-12)


@pytest.mark.parametrize("name", [*TALLIES, "duration_over_time"])
@given(case=cases(), limit=st.sampled_from([-1.0, 0.0, 0.005, 0.02, 2.0, float("inf")]))
def test_a_number_that_changes_at_the_last_step(name: str, case: Case, limit: float) -> None:
    """Each step is answered as if its number were that of all steps."""
    steps = len(case.ends_ms)
    changing = np.append(np.full(steps - 1, 1.0), limit)

    found = plain(name, case, [changing])

    for number in (1.0, limit):
        expected = plain(name, case, [np.full(steps, number)])
        same = changing == number
        np.testing.assert_allclose(found[0][:, same], expected[0][:, same], rtol=1e-12)
        np.testing.assert_array_equal(found[1][:, same], expected[1][:, same])


@pytest.mark.parametrize("name", LINES)
@given(case=cases(finite_values), zero=st.integers(-100, 100))
def test_lines(name: str, case: Case, zero: int) -> None:
    at = np.full(len(case.ends_ms), zero, np.int64)
    seconds = [np.full(at.shape, 0.01)] if name == "predict_linear" else []

    expected, actual = plain(name, case, seconds, at), twin(name, case, seconds, at)

    # The slope of values of this size over these times has no more digits.
    size = np.abs(case.windows.values).max(initial=1.0) * 1000.0
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-12, atol=float(size) * 1e-13)


@given(case=cases(), factors=st.tuples(*2 * [st.sampled_from([0.01, 0.3, 0.99, float("nan")])]))
def test_smoothing(case: Case, factors: tuple[float, float]) -> None:
    scalars = [np.full(len(case.ends_ms), factor) for factor in factors]
    scalars[0][1:] = 0.5

    expected, actual = plain(SMOOTHING, case, scalars), twin(SMOOTHING, case, scalars)

    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_array_equal(expected[0], actual[0])


@given(case=cases(), data=st.data())
def test_quantiles_of_windows(case: Case, data: st.DataObject) -> None:
    steps = len(case.ends_ms)
    q = data.draw(
        st.lists(
            st.one_of(st.floats(-0.5, 1.5), st.sampled_from([0.0, 0.5, 1.0, float("nan")])),
            min_size=steps,
            max_size=steps,
        ).map(lambda found: np.array(found, np.float64))
    )

    expected = plain("quantile_over_time", case, [q])
    actual = twin("quantile_over_time", case, [q])

    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_array_equal(expected[0], actual[0])


@pytest.mark.parametrize(
    ("window", "step"),
    [(1, 1), (7, 3), (60, 5), (60, 15), (60, 16), (300, 10), (300, 16), (300, 200)],
)
def test_quantiles_of_long_rows(window: int, step: int) -> None:
    """Windows that grow, slide by little and by much, over rows with ties and NaN."""
    random = np.random.default_rng(window)
    values = np.round(random.normal(size=(3, 900)), 1)
    values[random.random(values.shape) < 0.02] = np.nan
    times = np.arange(900, dtype=np.int64) * 1000
    ends = np.arange(0, 950, step, dtype=np.int64) * 1000
    lo = np.searchsorted(times, ends - window * 1000, side="right")
    hi = np.searchsorted(times, ends, side="right")
    windows = Windows(values, times, lo, hi, ends, window * 1000, (3, len(ends)))
    q = random.random(len(ends))
    case = Case(windows, [], ends.tolist(), window * 1000)

    expected = plain("quantile_over_time", case, [q])
    actual = twin("quantile_over_time", case, [q])

    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_array_equal(expected[0], actual[0])


@given(st.data())
def test_bounds_of_windows(data: st.DataObject) -> None:
    times = st.lists(st.integers(-60, 60), max_size=40, unique=True).map(sorted)
    rows = data.draw(st.lists(times, max_size=4))
    flat = np.array([t for row in rows for t in row], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    step, range_ms = data.draw(st.integers(0, 30)), data.draw(st.integers(1, 50))
    ends = np.int64(data.draw(st.integers(-80, 80))) + step * np.arange(
        data.draw(st.integers(1, 7)), dtype=np.int64
    )
    windows = ragged_windows(flat.astype(np.float64), flat, offsets, ends, range_ms)
    assert windows.cells is not None

    strips = strips_of(batch_of(windows), WindowSpec(ends, range_ms, range_ms, ends))

    found = []
    for row in range(len(rows)):
        for cell in range(int(strips.strip[row]), int(strips.strip[row + 1])):
            if strips.hi[cell] > strips.lo[cell]:
                step_of = int(strips.first[row]) + cell - int(strips.strip[row])
                base = int(offsets[row])
                lo, hi = base + int(strips.lo[cell]), base + int(strips.hi[cell])
                found.append((row * len(ends) + step_of, lo, hi))
    expected = zip(windows.cells.tolist(), windows.lo.tolist(), windows.hi.tolist(), strict=True)
    assert found == list(expected)


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
        folded = ACCUMULATORS[op](groups, steps)
        folded.add(group, values, present)
        folded.add(group[:1], values[:1], None)
        return folded.finish()

    with np.errstate(all="ignore"):
        with KERNELS.forced(Mode.OFF):
            plain = fold()
        compiled = fold()

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
    """Rows with and without resets, of very different lengths."""
    random = np.random.default_rng(7)
    rows = [np.sort(random.choice(4000, size, replace=False)) for size in (900, 0, 1, 2000)]
    values = [np.cumsum(random.integers(0, 5, len(row))).astype(np.float64) for row in rows]
    values[3][700:] -= values[3][700]
    values[3][1500::3] = 0.0
    ends = np.arange(0, 4200, 5, dtype=np.int64)
    windows = ragged_windows(
        np.concatenate(values),
        np.concatenate(rows),
        np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        ends,
        60,
    )
    case = Case(windows, [], ends.tolist(), 60)

    expected, actual = plain(name, case), twin(name, case)

    np.testing.assert_array_equal(expected[1], actual[1])
    np.testing.assert_array_equal(expected[0], actual[0])
