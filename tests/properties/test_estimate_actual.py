"""Estimates against what queries read: samples are counted as they are decoded."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from novaql import QueryOptions, evaluate, tsdb
from novaql.engine import estimate
from novaql.errors import EvaluationError
from novaql.evaluator.kernels.dispatch import KERNELS
from novaql.tsdb.model.batch_views import BatchViews
from novaql.tsdb.model.labels import Ints, SeriesTable
from novaql.tsdb.model.matchers import Matcher
from novaql.tsdb.model.samples import HistogramBatch
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import NO_HINTS, Hints, HistogramBatchRef, Metadata, Selection
from novaql.tsdb.runtime.compiled import Mode
from tests.support.generators.random_queries import QueryMaker
from tests.support.generators.random_samples import START_MS, Fleet, batch_of, random_fleet

FLEET = Fleet(instances=6, minutes=90, interval_s=15)

PEER_QUERIES = (
    'requests_total{instance="i1",code="200"}',
    '{instance="i1"}',
    'requests_total{job="api"}',
    "sum(rate(requests_total[5m]))",
    "sum by (job, code) (rate(requests_total[5m]))",
    '1 - avg by (instance) (rate(requests_total{code="200"}[5m]))',
    "avg_over_time(load[10m])",
    "max by (instance) (max_over_time(load[20m]))",
    "quantile_over_time(0.95, load[20m])",
    "predict_linear(load[20m], 4 * 3600)",
    "histogram_quantile(0.99, sum by (le) (rate(seconds_bucket[5m])))",
    "sum by (job) (rate(seconds_sum[5m])) / sum by (job) (rate(seconds_count[5m]))",
    "topk(2, sum by (instance) (rate(requests_total[5m])))",
    'sum by (job) (rate(requests_total{code=~"5.."}[5m]))'
    " / sum by (job) (rate(requests_total[5m]))",
    "1 - load / on (instance) limit",
    'rate(requests_total{code=~"2..|5.."}[5m]) * on (instance) group_left (zone) limit',
    "load / on (instance) count by (instance) (requests_total) > 0.5",
    'sum by (code) (rate(requests_total{instance=~"i[1-3]",code!~"2.."}[5m]))',
    'count by (__name__) ({__name__=~"l.*"})',
    'count(count by (zone) (last_over_time({job="api"}[1h])))',
    "max_over_time(sum by (job) (rate(requests_total[5m]))[20m:1m])",
    "quantile_over_time(0.9, rate(requests_total[5m])[20m:1m])",
)
"""The shapes of the benchmark's queries, over the random fleet."""


class Counting:
    """A source that counts series and samples of what is decoded; each selection once."""

    def __init__(self, source: tsdb.Database) -> None:
        self._source = source
        self.found_series = self.found_samples = 0
        self._seen: set[tuple[object, ...]] = set()

    def has_histograms(self) -> bool:
        return self._source.has_histograms()

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, hints: Hints = NO_HINTS
    ) -> Selection:
        found = self._source.select(matchers, start_ms, end_ms, replace(hints, windows=None))
        what = tuple(matchers), start_ms, end_ms
        rows: set[int] = set()

        def counted(place: int, held: Ints, samples: int) -> None:
            new = set(held.tolist()) - rows
            rows.update(new)
            if (*what, place) not in self._seen:
                self._seen.add((*what, place))
                self.found_series += len(new)
                self.found_samples += samples

        def floats(place: int, ref: SeriesBatchRef) -> SeriesBatchRef:
            def load() -> SeriesBatch:
                batch = ref.load()
                views = BatchViews(batch, start_ms, end_ms)
                counted(place, batch.rows, sum(view.sample_count for view in views))
                return batch

            return SeriesBatchRef(load, ref.samples)

        def native(place: int, ref: HistogramBatchRef) -> HistogramBatchRef:
            def load() -> HistogramBatch:
                batch = ref.load()
                counted(-1 - place, batch.rows, len(batch.timestamps))
                return batch

            return HistogramBatchRef(load, ref.samples)

        return replace(
            found,
            batches=[floats(*each) for each in enumerate(found.batches)],
            histograms=[native(*each) for each in enumerate(found.histograms)],
        )

    def series(self, *_: object) -> SeriesTable:
        raise AssertionError("queries select")

    def label_names(self, *_: object) -> list[str]:
        raise AssertionError("queries select")

    def label_values(self, *_: object) -> list[str]:
        raise AssertionError("queries select")

    def metadata(self) -> dict[str, Metadata]:
        return {}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tsdb.Database]:
    """A fleet whose samples lie in two blocks and in memory."""
    samples = random_fleet(random.Random(7), FLEET)
    with tsdb.open(tmp_path_factory.mktemp("store")) as made:
        for third in range(3):
            first = START_MS + third * 30 * 60_000
            last = first + 30 * 60_000 if third < 2 else START_MS * 2
            part = [(labels, [s for s in of if first <= s[0] < last]) for labels, of in samples]
            made.append(batch_of([(labels, of) for labels, of in part if of]))
            if third < 2:
                made.flush()
        yield made


def misses(query: str, database: tsdb.Database, options: QueryOptions, *, least: int = 0) -> str:
    """What is wrong with the estimate by more than a tenth. least: samples that are read at all."""
    source = Counting(database)
    with KERNELS.forced(Mode.OFF):  # compiled kernels read batches
        evaluate(query, source, options)
    found = estimate(query, database, options)
    told, read = (found.series, found.samples), (source.found_series, source.found_samples)
    good = read[1] >= least and all(abs(t - r) <= 0.1 * r for t, r in zip(told, read, strict=True))
    return "" if good else f"{query}: told {told}, read {read}"


@pytest.mark.parametrize("step", [0, 60_000])
@pytest.mark.parametrize("query", PEER_QUERIES)
def test_estimates_of_the_benchmarks_queries(
    query: str, step: int, database: tsdb.Database
) -> None:
    start = START_MS + 50 * 60_000
    options = QueryOptions(start, start + 35 * 60_000 if step else start, step)

    assert misses(query, database, options, least=4) == ""


@pytest.mark.slow
def test_estimates_of_random_queries(database: tsdb.Database) -> None:
    rng = random.Random(11)
    maker = QueryMaker(rng, [START_MS // 1000 + 900], modern=True)
    asked, wrong = 0, []
    while asked < 250:
        query = maker.query()
        step = rng.choice((0, 60_000))
        start = START_MS + rng.randrange(20, 50) * 60_000
        options = QueryOptions(start, start + 35 * 60_000 if step else start, step)
        try:
            problem = misses(query, database, options)
        except EvaluationError:
            continue
        asked += 1
        wrong += [problem] if problem else []

    assert len(wrong) <= 0.05 * asked, wrong
