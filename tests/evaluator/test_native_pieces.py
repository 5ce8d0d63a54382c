"""Operators of native histograms are worked on in pieces: the same answer, and an early end."""

from __future__ import annotations

import numpy as np
import pytest

from novaql import Cancellation, evaluate, tsdb
from novaql.errors import QueryCancelled
from novaql.export.json_values import ValueStyle
from novaql.export.prometheus_json import result_json
from novaql.options import QueryOptions
from novaql.result import Result
from novaql.tsdb.model.histograms import CUSTOM_SCHEMA, Buckets, Histograms
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.samples import Batch, HistogramSamples
from novaql.tsdb.model.source import Source
from tests.support.execution.switches import stretches

SERIES, SAMPLES, STEP_MS = 12, 9, 15_000
OPTIONS = QueryOptions(0, SAMPLES * STEP_MS, STEP_MS)
QUERIES = [
    "h + h", "h - h", "h == h", "h * 2", "2 * h", "h / 2", "h </ 3", "h >/ 3", "h == bool h",
    "h + on (i) m", "h * on (i) m", "sum(h)", "avg by (g) (h)", "sum by (i) (h)",
    "rate(h[1m])", "increase(h[1m])", "delta(h[1m])", "irate(h[1m])", "idelta(h[1m])",
    "sum_over_time(h[1m])", "avg_over_time(h[1m])", "resets(h[1m])", "changes(h[1m])",
    "resets(h[1m] anchored)", "rate(h[2m:15s])",
    "histogram_quantile(0.9, h)", "histogram_quantile(2, h)", "histogram_fraction(0, 3, h)",
    "histogram_stddev(h)", "histogram_avg(h)",
]  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Source:
    """Histograms with buckets of both kinds, hints, resets and NaN, and floats of their series."""
    random = np.random.default_rng(7)
    rows = SERIES * SAMPLES
    labels = [{"__name__": "h", "i": str(i), "g": str(i % 3)} for i in range(SERIES)]
    sizes = random.integers(1, 6, rows)
    row = np.repeat(np.arange(rows), sizes)
    index = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    positive = Buckets.of_flat(row, index, random.integers(1, 9, len(row)).astype(float), rows)
    custom = np.arange(rows) // SAMPLES % 4 == 3
    count = np.add.reduceat(positive.population, positive.offsets[:-1])
    held = Histograms(
        np.where(custom, CUSTOM_SCHEMA, random.integers(0, 3, rows)).astype(np.int8),
        random.integers(0, 4, rows).astype(np.int8),
        count,
        np.where(np.arange(rows) == 5, np.nan, 2 * count),
        np.zeros(rows),
        np.where(custom, 0.0, random.choice([0.0, 0.001], rows)),
        positive,
        Buckets.none(rows),
        np.where(custom, np.arange(rows) % 2, -1).astype(np.int32),
        ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (1.0, 2.0, 4.0, 5.0, 6.0, 7.0)),
    )
    times = np.tile(np.arange(SAMPLES) * STEP_MS, SERIES)
    which, none = np.repeat(np.arange(SERIES), SAMPLES), np.zeros(0, np.int64)
    made = tsdb.memory()
    table = SeriesTable.from_dicts(labels)
    made.append(Batch(table, none, none, np.zeros(0), HistogramSamples(which, times, held)))
    made.append(
        Batch(
            SeriesTable.from_dicts([{**one, "__name__": "m"} for one in labels]),
            which,
            times,
            np.arange(rows, dtype=np.float64),
        )
    )
    return made


def shown(result: Result) -> tuple[bytes, list[str], list[str]]:
    return result_json(result, ValueStyle.NUMBER), sorted(result.warnings), sorted(result.infos)


@pytest.mark.parametrize("query", QUERIES)
def test_pieces_give_the_same_answer(store: Source, query: str) -> None:
    whole = evaluate(query, store, OPTIONS)
    with stretches("buckets", 1):
        pieces = evaluate(query, store, OPTIONS)
    assert shown(pieces) == shown(whole)


class AfterAWhile(Cancellation):
    """Set when it was looked at so many times."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def cancelled(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("query", QUERIES)
def test_work_ends_between_pieces(store: Source, query: str) -> None:
    with stretches("buckets", 1), pytest.raises(QueryCancelled):
        evaluate(query, store, OPTIONS, cancellation=AfterAWhile(12))
