"""`quantile` over many series that come and go: some steps at a time, and the same answer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from novaql import Cancellation, LimitExceeded, Limits, evaluate
from novaql.engine import estimate
from novaql.errors import QueryCancelled
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.inputs.tables.table_source import TableSource
from novaql.options import QueryOptions
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import Batch
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import NO_HINTS, Hints, Selection
from novaql.tsdb.runtime.compiled import Mode
from tests.support.execution.switches import rollup_stretches

SERIES, SAMPLES = 3000, 20
STEPS = 300


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
        "quantile without (i) (time() % 2, m_total offset 1m)",
    ],
)
def test_stretches_give_the_same_bits(data: TableSource, text: str) -> None:
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    whole = evaluate(text, data, options)
    with rollup_stretches(7 * SERIES):
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
    with rollup_stretches(10 * SERIES):
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
        rollup_stretches(10 * SERIES),
        pytest.raises(LimitExceeded, match="samples of quantile"),
    ):
        evaluate("quantile by (g) (0.5, m_total)", data, options)


def test_samples_are_counted_while_they_are_held(data: TableSource) -> None:
    """One aggregation after the other takes no more than one of them."""
    options = QueryOptions(0, STEPS * 15_000, 15_000, limits=Limits(bytes=2_800_000))
    text = "quantile by (g) (0.5, m_total)"
    with rollup_stretches(10 * SERIES):
        assert (
            len(
                evaluate(f"count({text}) + count({text} offset 15s) / count({text})", data, options)
            )
            == 1
        )


def test_infos_have_the_order_of_series() -> None:
    """Not that of the stretch that noticed them."""
    names = [f"m{(7 * i) % 10}" for i in range(10)]
    table = SeriesTable.from_dicts([{"__name__": name} for name in names])
    times = np.array([[(10 - i) * 60_000, (10 - i) * 60_000 + 15_000] for i in range(10)])
    source = TableSource(Batch(table, np.repeat(np.arange(10), 2), times.ravel(), np.ones(20)))
    options, text = QueryOptions(0, 900_000, 15_000), 'quantile(1, rate({__name__=~"m."}[1m]))'
    whole = evaluate(text, source, options)
    with rollup_stretches(1):
        parts = evaluate(text, source, options)
    assert len(whole.infos) == 10
    assert parts.infos == whole.infos


def test_batches_are_not_loaded_after_a_cancellation(data: TableSource) -> None:
    loaded: list[int] = []
    cancellation = Cancellation()

    def noted(batch: SeriesBatch) -> SeriesBatchRef:
        def load() -> SeriesBatch:
            loaded.append(batch.sample_count)
            cancellation.cancel()
            return batch

        return SeriesBatchRef(load, batch.sample_count)

    class Cancelling(TableSource):
        """Has twenty batches, the first of which cancels the query."""

        def select(
            self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = NO_HINTS
        ) -> Selection:
            found = data.select(matchers, start_ms, end_ms, hints)
            batches = [batch for ref in found.batches for batch in ref.load().parts(20)]
            return replace(found, batches=[noted(batch) for batch in batches])

    nothing = np.zeros(0, np.int64)
    source = Cancelling(Batch(SeriesTable.unlabelled(0), nothing, nothing, np.zeros(0)))
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    with rollup_stretches(10 * SERIES), pytest.raises(QueryCancelled):
        evaluate("quantile(1, m_total)", source, options, cancellation=cancellation)
    assert 0 < len(loaded) < 10


def test_the_estimate_is_of_stretches(data: TableSource) -> None:
    """Of a matrix it would be many times the memory that the query takes."""
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    matrix = 9 * SERIES * STEPS
    with rollup_stretches(10 * SERIES):
        of_rollup = estimate("quantile by (g) (0.5, m_total)", data, options)
        of_stages = estimate("quantile by (g) (0.5, m_total + 1)", data, options)
    assert of_rollup.bytes < matrix < of_stages.bytes


def test_without_compiled_kernels_the_estimate_is_of_the_matrix(data: TableSource) -> None:
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    with rollup_stretches(10 * SERIES), KERNELS.forced(Mode.OFF):
        assert estimate("quantile by (g) (1, m_total)", data, options).bytes > 9 * SERIES * STEPS


def test_the_estimate_of_few_best_rows_is_of_those(data: TableSource) -> None:
    options = QueryOptions(0, STEPS * 15_000, 15_000)
    few, many = (estimate(f"topk({k}, m_total)", data, options) for k in (2, 40))
    assert few.bytes < 9 * SERIES * STEPS < many.bytes
