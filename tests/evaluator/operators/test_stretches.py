"""`quantile` and `topk` over many series that come and go: some steps at a time, same answer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from unittest import mock

import numpy as np
import pytest

from novaql import LimitExceeded, Limits, evaluate
from novaql.engine import estimate
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime.compiled import Mode

SERIES, SAMPLES = 3000, 20
STEPS = 300
STRETCH = "novaql.evaluator.pipeline.stretches.STRETCH_CELLS"


@pytest.fixture(autouse=True)
def compiled() -> Iterator[None]:
    with KERNELS.forced(Mode.ON):
        yield


@pytest.fixture(scope="module")
def data() -> TableSource:
    """Each series has a short part of the time; the groups begin in another order than their
    numbers have."""
    rng = np.random.default_rng(6)
    labels = [{"__name__": "m_total", "i": str(i), "g": str(i * 7 % 13)} for i in range(SERIES)]
    begin = rng.integers(0, (STEPS - SAMPLES) * 15, SERIES) * 1000
    times = begin[:, None] + np.arange(SAMPLES) * 15_000
    values = np.where(rng.random(times.shape) < 0.02, np.nan, rng.normal(size=times.shape))
    table = SeriesTable.from_dicts(labels)
    rows = np.repeat(np.arange(SERIES), SAMPLES)
    return TableSource(Batch(table, rows, times.ravel(), values.ravel()))


@pytest.mark.parametrize(
    "text",
    [
        "quantile(0.9, m_total)",
        "quantile by (g) (0.5, rate(m_total[1m]))",
        "quantile without (i) (0.1, sum_over_time(m_total[2m]))",
        "quantile by (g) (scalar(count(m_total)) / 600, max_over_time(m_total[1m] offset 5m))",
        "quantile by (g) (2, stddev_over_time(m_total[3m]))",
        "topk(3, m_total)",
        "topk by (g) (2, rate(m_total[1m]))",
        "bottomk without (i) (1, m_total offset 1m)",
        "topk(2 + time() % 4, max_over_time(m_total[1m]))",
    ],
)
def test_stretches_give_the_same_bits(data: TableSource, text: str) -> None:
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    whole = evaluate(text, data, options)
    with mock.patch(STRETCH, 7 * SERIES):
        parts = evaluate(text, data, options)

    assert len(whole) > 0
    assert [dict(row) for row in parts.series] == [dict(row) for row in whole.series]
    assert parts.valid is not None
    assert whole.valid is not None
    assert np.array_equal(parts.valid, whole.valid)
    assert parts.values[parts.valid].tobytes() == whole.values[whole.valid].tobytes()
    assert parts.warnings == whole.warnings


def test_memory_is_that_of_a_stretch(data: TableSource) -> None:
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    matrix = 9 * SERIES * STEPS
    evaluate("quantile by (g) (0.5, m_total)", data, options)  # what is computed once
    with mock.patch(STRETCH, 10 * SERIES):
        tracemalloc.start()
        try:
            evaluate("quantile by (g) (0.5, m_total)", data, options)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < matrix / 2


def test_the_samples_are_counted(data: TableSource) -> None:
    options = QueryOptions(0, STEPS * 15_000, 15_000, limits=Limits(bytes=400_000))
    assert 16 * SERIES * SAMPLES > 400_000
    with (
        mock.patch(STRETCH, 10 * SERIES),
        pytest.raises(LimitExceeded, match="samples of quantile"),
    ):
        evaluate("quantile by (g) (0.5, m_total)", data, options)


def test_the_estimate_is_of_stretches(data: TableSource) -> None:
    """Of a matrix it would be many times the memory that the query takes."""
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    matrix = 9 * SERIES * STEPS
    with mock.patch(STRETCH, 10 * SERIES):
        of_rollup = estimate("quantile by (g) (0.5, m_total)", data, options)
        of_stages = estimate("quantile by (g) (0.5, m_total + 1)", data, options)
    assert of_rollup.bytes < matrix < of_stages.bytes
