"""How many parts a batch is divided into: a part costs time of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from novaql import evaluate, query_options
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.evaluator.pipeline import batch_run
from novaql.inputs.tables.table_source import TableSource
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import Selection
from novaql.tsdb.runtime.compiled import Mode, available
from novaql.tsdb.runtime.parallel import ordered_parallel

pytestmark = pytest.mark.skipif(not available(), reason="numba is an extra")

SERIES, SAMPLES = 400, 400


@pytest.fixture(scope="module")
def source() -> TableSource:
    rows = np.arange(SERIES)
    times = np.arange(SAMPLES, dtype=np.int64) * 15_000
    values = np.random.default_rng(5).random((SERIES, SAMPLES))
    table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(SERIES)])
    return TableSource.from_batches(table, [SeriesBatch.regular(rows, times, values)])


@pytest.mark.parametrize(
    ("expr", "parts"),
    [
        ("sum(m)", 1),
        ("count(m)", 1),
        ("sum(abs(m))", 1),
        ("sum(rate(m[5m]))", 1),
        ("sum(stddev_over_time(m[5m]))", 2),
    ],
)
def test_parts_are_worth_their_cost(
    expr: str, parts: int, source: TableSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def counted(count: int, *given: Any, **named: Any) -> None:
        seen.append(count)
        ordered_parallel(count, *given, **named)

    monkeypatch.setattr(batch_run, "ordered_parallel", counted)
    with KERNELS.forced(Mode.ON):
        evaluate(expr, source, query_options(start=600, end=6000, step=60))

    assert seen == [parts]


class TimesOnly(TableSource):
    """Its batches have other values where only times are wanted."""

    def select(self, *arguments: Any, **options: Any) -> Selection:
        found = super().select(*arguments, **options)
        assert found.batches is not None
        return replace(found, batches=[_with_times_only(ref) for ref in found.batches])


def _with_times_only(ref: SeriesBatchRef) -> SeriesBatchRef:
    def load() -> SeriesBatch:
        batch = ref.load()
        return replace(batch, values=np.zeros_like(batch.values))

    return replace(ref, times_only=load)


@pytest.mark.parametrize("expr", ["outlier_iqr_over_time", "tlast_change_over_time"])
def test_counted_values_whose_presence_depends_on_values(expr: str) -> None:
    values = np.ones((1, 20))
    values[0, -1] = 100.0
    batch = SeriesBatch.regular(np.zeros(1, np.int64), np.arange(20) * 15_000, values)
    source = TimesOnly.from_batches(SeriesTable.from_dicts([{"__name__": "m"}]), [batch])
    with KERNELS.forced(Mode.ON):
        KERNELS.prepare()
        found = evaluate(f"count({expr}(m[10m]))", source, query_options(time=285))
    assert found.values.tolist() == [[1.0]]
