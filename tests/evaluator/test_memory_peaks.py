"""What is admitted to a query's memory budget is not less than what it takes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from novaql import evaluate, query
from novaql.errors import LimitExceeded
from novaql.evaluator.context import CELL_BYTES
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.inputs.tables.table_source import TableSource
from novaql.options import Limits, QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime.compiled import Mode

SERIES, SAMPLES, STEP_MS = 1200, 30, 15_000
STEPS = 600
"""Many more steps than samples, so that results are large beside what is read."""


@pytest.fixture(scope="module")
def data() -> TableSource:
    labels = [
        {"__name__": "m", "i": str(i), "g": str(i // 20), "le": str(i % 20)} for i in range(SERIES)
    ]
    times = np.arange(SAMPLES) * (STEPS * STEP_MS // SAMPLES)
    return TableSource(
        Batch(
            SeriesTable.from_dicts(labels),
            np.repeat(np.arange(SERIES), SAMPLES),
            np.tile(times, SERIES),
            np.random.default_rng(1).normal(size=SERIES * SAMPLES),
        )
    )


def options(limit: int) -> QueryOptions:
    end = STEPS * STEP_MS
    return QueryOptions(0, end, STEP_MS, 600_000, timeout_s=None, limits=Limits(bytes=limit))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "topk(50, m)",
        "bottomk by (g) (10, m)",
        "limitk(50, m)",
        "quantile by (g) (0.5, m)",
        "quantile(0.5, m)",
        'count_values("v", round(m))',
        "m + on (i) group_left m",
        "m == bool m",
        "m or rate(m[20m])",
        "m and m",
        "abs(topk(5000, m))",
        "histogram_quantile(0.9, m)",
        'histogram_quantiles(m, "q", 0.1, 0.5, 0.9)',
        'label_replace(m, "x", "$1", "i", "(.*)")',
        "max_over_time((m * 2)[10m:15s])",
        "stddev by (i) (m + m)",
        "sum without (i) (m)",
    ],
)
def test_a_limit_below_the_true_peak_refuses_the_query(data: TableSource, text: str) -> None:
    evaluate(text, data, options(0))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        found = evaluate(text, data, options(0))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert len(found) > 0
    with pytest.raises(LimitExceeded, match="the limit is"):
        evaluate(text, data, options(int(0.8 * peak)))
    assert len(evaluate(text, data, options(15 * peak))) == len(found)  # the next one is answered


def test_staleness_markers_are_counted_a_few_series_at_a_time(data: TableSource) -> None:
    evaluate("stale_samples_over_time(m[20m])", data, options(0))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        evaluate("stale_samples_over_time(m[20m])", data, options(0))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()

    assert peak < 2.2 * CELL_BYTES * SERIES * STEPS


@pytest.mark.parametrize("text", ["topk(3, m)", "bottomk(3, m * 2)", "limitk(3, m)"])
def test_a_few_chosen_rows_take_less_memory_than_all_rows(data: TableSource, text: str) -> None:
    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        found = evaluate(text, data, options(0))
        tracemalloc.start()
        try:
            again = evaluate(text, data, options(0))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert again == found
    assert peak < 8 * SERIES * STEPS


def test_values_that_are_no_longer_needed_do_not_count() -> None:
    """A chain of operators takes as much as its largest one, however long it is."""
    rows = 2000
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(rows)])
    numbers = np.arange(rows)
    data = TableSource(Batch(table, numbers, numbers * 0, np.arange(rows, dtype=np.float64)))
    chain = " + on (i) ".join(["m"] * 40)

    steps = QueryOptions(0, 299_000, 1000, limits=Limits(bytes=64 << 20))
    assert len(evaluate(chain, data, steps)) == rows
    with pytest.raises(LimitExceeded, match="beside"):
        evaluate(chain, data, QueryOptions(0, 299_000, 1000, limits=Limits(bytes=30 << 20)))


@pytest.mark.parametrize(
    "text",
    [
        "count_over_time(vector(1)[10y:1ms])",
        "sum_over_time((vector(1) + time())[5d:1ms])",
        "max_over_time(max_over_time(vector(1)[1y:1ms])[1y:1ms])",
        "quantile_over_time(0.5, vector(time())[2y:1ms] @ 0)",
    ],
)
def test_tiny_steps_are_refused_before_their_times_are_made(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(LimitExceeded, match=r"evaluation at \d+ steps needs .* MiB"):
            query(text, time=0)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
