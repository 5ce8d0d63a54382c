"""Kernels over one matrix of 64 series × 1440 samples: 720 KiB, which fits a core's cache.

Each by NumPy and by its compiled twin: decides whether a twin is worth having.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.datasets import INTERVAL_MS, START_MS, rate_at, target
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.kernels.group_reduce import Sum
from novaql.evaluator.kernels.over_time import max_over_time, sum_over_time
from novaql.evaluator.kernels.rate import extrapolated
from novaql.evaluator.kernels.windows import Windows, ragged_windows, regular_windows
from novaql.tsdb.model.labels import Bools, Ints
from novaql.tsdb.model.samples import Floats
from novaql.tsdb.runtime.compiled import Mode, available

SERIES, SAMPLES = 64, 1440
RANGE_MS = 300_000
ENDS = START_MS + RANGE_MS + np.arange(355, dtype=np.int64) * 60_000
MIDDLE = 177


@pytest.fixture(autouse=True, params=["numpy", "numba"])
def twin(request: pytest.FixtureRequest) -> Iterator[None]:
    """Which kernel of a pair runs."""
    if request.param == "numba" and not available():
        pytest.skip("compiled kernels need numba: pip install 'novaql[fast]'")
    with KERNELS.forced(Mode.ON if request.param == "numba" else Mode.OFF):
        KERNELS.prepare()
        yield


def matrix() -> tuple[Ints, Floats]:
    made = target(0, SAMPLES * INTERVAL_MS / 3_600_000)
    return made.times, np.ascontiguousarray(np.vstack([made.counters] * 2)[:SERIES])


def regular() -> Windows:
    times, values = matrix()
    return regular_windows(values, times, ENDS, RANGE_MS)


def ragged() -> Windows:
    times, values = matrix()
    offsets = np.arange(SERIES + 1, dtype=np.int64) * SAMPLES
    return ragged_windows(values.ravel(), np.tile(times, SERIES), offsets, ENDS, RANGE_MS)


@pytest.mark.parametrize("layout", [regular, ragged], ids=lambda layout: layout.__name__)
def bench_rate(benchmark: BenchmarkFixture, layout: Callable[[], Windows]) -> None:
    """The gain of shared timestamps: the same samples as a matrix and as flat rows."""
    windows = layout()

    values, valid = windows.on_grid(
        *benchmark(extrapolated, windows, is_counter=True, is_rate=True)
    )

    times, counters = matrix()
    expected = rate_at(counters, times, int(ENDS[MIDDLE]), RANGE_MS)
    assert valid.all()
    np.testing.assert_allclose(values[:, MIDDLE], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "plain"), [(sum_over_time, np.sum), (max_over_time, np.max)], ids=["sum", "max"]
)
def bench_over_time(
    benchmark: BenchmarkFixture,
    kernel: Callable[[Windows], tuple[Floats, Bools]],
    plain: Callable[..., Floats],
) -> None:
    """Windows of 20 samples: one pass for each place of the window, compared with work for each
    sample."""
    windows = regular()

    values, _ = benchmark(kernel, windows)

    part = windows.values[:, windows.lo[MIDDLE] : windows.hi[MIDDLE]]
    np.testing.assert_allclose(values[:, MIDDLE], plain(part, axis=1), rtol=1e-12)


def bench_group_sum(benchmark: BenchmarkFixture) -> None:
    """Folding a matrix's rows into eight groups: the cost that an aggregation adds to a
    pipeline."""
    _, values = matrix()
    values = values[:, : len(ENDS)]
    group = np.arange(SERIES, dtype=np.int64) % 8

    def fold() -> tuple[Floats, Bools]:
        accumulator = Sum(8, len(ENDS))
        accumulator.add(group, values, None)
        return accumulator.finish()

    sums, _ = benchmark(fold)

    np.testing.assert_allclose(sums[3], values[3::8].sum(axis=0), rtol=1e-12)
