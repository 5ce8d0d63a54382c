"""Whole queries over a store on disk: from text to result, in this process."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.datasets import BUCKETS, COUNTERS, JOBS, Fleet, rate_at
from novaql import Result, query, tsdb
from novaql.tsdb.model.samples import Floats

RANGE_MS = 300_000
STEP_MS = 60_000

Check = Callable[[Result, Fleet], None]


def rates(fleet: Fleet) -> list[Floats]:
    """[counters] rates of each target at the last step."""
    return [rate_at(t.counters, t.times, fleet.end_ms, RANGE_MS) for t in fleet.targets]


def last_values(result: Result) -> Floats:
    assert result.valid is None or result.valid[:, -1].all()
    return result.values[:, -1]


def raw(result: Result, fleet: Fleet) -> None:
    of_job = [t for number, t in enumerate(fleet.targets) if number % JOBS == 0]
    assert len(result) == len(of_job) * COUNTERS
    expected = sum(t.counters[:, -1].sum() for t in of_job)
    assert last_values(result).sum() == pytest.approx(expected)


def sum_by_rate(result: Result, fleet: Fleet) -> None:
    expected = np.zeros(JOBS)
    for number, of_target in enumerate(rates(fleet)):
        expected[number % JOBS] += of_target.sum()
    np.testing.assert_allclose(last_values(result), expected[expected > 0], rtol=1e-9)


def max_over_time(result: Result, fleet: Fleet) -> None:
    highest = max(t.counters[:, -1].max() for t in fleet.targets)  # counters only grow
    assert last_values(result).max() == highest


def histogram_quantile(result: Result, fleet: Fleet) -> None:
    buckets = np.zeros(len(BUCKETS))
    for t in fleet.targets:
        both = t.values[COUNTERS : COUNTERS + 2 * len(BUCKETS)].reshape(2, len(BUCKETS), -1)
        for handler in both:
            buckets += rate_at(handler, t.times, fleet.end_ms, RANGE_MS)
    at = int(np.searchsorted(buckets, 0.9 * buckets[-1]))
    bounds = np.array([float(le) for le in BUCKETS])
    assert bounds[at - 1] <= last_values(result)[0] <= bounds[min(at, len(bounds) - 2)]


def topk(result: Result, fleet: Fleet) -> None:
    expected = np.sort(np.concatenate(rates(fleet)))[::-1][:10]
    at_end = (
        result.values[:, -1] if result.valid is None else result.values[result.valid[:, -1], -1]
    )
    np.testing.assert_allclose(np.sort(at_end)[::-1], expected, rtol=1e-9)


def join(result: Result, fleet: Fleet) -> None:
    expected = [
        of_target.sum() / t.values[-1, -1]
        for of_target, t in zip(rates(fleet), fleet.targets, strict=True)
    ]
    np.testing.assert_allclose(last_values(result), expected, rtol=1e-9)


QUERIES: dict[str, tuple[str, Check]] = {
    "raw": ('http_requests_total{job="job-0"}', raw),
    "sum-by-rate": ("sum by (job) (rate(http_requests_total[5m]))", sum_by_rate),
    "max-over-time": ("max by (job) (max_over_time(http_requests_total[30m]))", max_over_time),
    "histogram-quantile": (
        "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))",
        histogram_quantile,
    ),
    "topk": ("topk(10, rate(http_requests_total[5m]))", topk),
    "join": (
        "sum by (instance) (rate(http_requests_total[5m])) / on (instance) capacity_requests",
        join,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUERIES)
def bench_query(
    benchmark: BenchmarkFixture, filled: tsdb.Database, sized_fleet: Fleet, name: str
) -> None:
    """Decides where work on the engine pays. Pages are decoded already (cold: bench_open).

    Steps of one minute from half an hour after the start to the end.
    """
    text, check = QUERIES[name]
    start = sized_fleet.end_ms - round(sized_fleet.hours * 3_600_000) + 1_800_000

    result = benchmark(
        lambda: query(
            text, filled, start=start / 1000, end=sized_fleet.end_ms / 1000, step=STEP_MS / 1000
        )
    )

    assert result.warnings == ()
    check(result, sized_fleet)
