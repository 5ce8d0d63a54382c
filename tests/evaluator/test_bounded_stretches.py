"""Operators work off stretches of bounded size, with a checkpoint before each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from novaql import Cancellation, evaluate
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.runtime.compiled import Mode
from tests.support.execution.switches import stretches

SERIES, SAMPLES = 60, 200


class Looks(Cancellation):
    """Counts how often a query looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @property
    def cancelled(self) -> bool:
        self.count += 1
        return False


@pytest.fixture(scope="module")
def data() -> TableSource:
    labels = [
        {"__name__": "m", "i": str(i), "g": str(i % 3), "le": str(i // 3)} for i in range(SERIES)
    ]
    values = np.random.default_rng(3).integers(0, 50, SERIES * SAMPLES).astype(np.float64)
    values[::17] = np.nan
    return TableSource(
        Batch(
            SeriesTable.from_dicts(labels),
            np.repeat(np.arange(SERIES), SAMPLES),
            np.tile(np.arange(SAMPLES) * 1000, SERIES),
            values,
        )
    )


@pytest.fixture(scope="module")
def one() -> TableSource:
    """A single series with gaps."""
    times = np.concatenate([np.arange(400), np.arange(3000, 3500)]) * 10
    values = np.random.default_rng(4).normal(size=len(times))
    table = SeriesTable.from_dicts([{"__name__": "m"}])
    return TableSource(Batch(table, np.zeros(len(times), np.int64), times, values))


@pytest.mark.parametrize(
    "text",
    [
        "topk(40, m)",
        "bottomk by (g) (8, m)",
        "limitk by (g) (8, m)",
        "quantile(0.3, m)",
        "quantile by (g) (0.3, m)",
        "histogram_quantile(0.9, m)",
        'count_values by (g) ("v", m)',
        'count_values("v", m)',
    ],
)
def test_whole_matrices(data: TableSource, text: str) -> None:
    options = QueryOptions(0, 199_000, 1000)
    few, many = Looks(), Looks()
    whole = evaluate(text, data, options, cancellation=few)
    with stretches("cells", 300):
        parts = evaluate(text, data, options, cancellation=many)

    assert parts.json() == whole.json()
    assert many.count > few.count + 2


@pytest.fixture(params=[Mode.ON, Mode.OFF])
def kernels(request: pytest.FixtureRequest) -> Iterator[Mode]:
    with KERNELS.forced(request.param):
        yield request.param


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(
    "text",
    [
        "quantile_over_time(0.3, m[2s])",
        "quantile_over_time(scalar(m) > bool 0, m[2s])",
        "stddev_over_time(m[2s])",
        "mad_over_time(m[2s])",
        "deriv(m[2s])",
        "predict_linear(m[2s], time())",
        "double_exponential_smoothing(m[2s], 0.3, 0.3)",
        "quantile_over_time(0.3, (m * 2)[2s:10ms])",
        "ts_of_max_over_time(m[2s])",
    ],
)
def test_long_windows_of_one_series(one: TableSource, text: str) -> None:
    options = QueryOptions(0, 40_000, 250)
    few, many = Looks(), Looks()
    whole = evaluate(text, one, options, cancellation=few)
    with stretches("cost", 1000):
        parts = evaluate(text, one, options, cancellation=many)

    assert len(whole) == 1
    np.testing.assert_allclose(parts.points().values, whole.points().values, rtol=1e-9)
    np.testing.assert_array_equal(parts.points().times_ms, whole.points().times_ms)
    assert many.count > few.count + 5
