"""What data of any kind has: metrics, labels, series, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import novaql
from novaql import q, tsdb
from novaql.tsdb import Batch, Matcher, Metadata, Selection, SeriesTable
from novaql.tsdb.model.samples import STALE, HistogramSamples
from tests.support.store.stored_histograms import histograms_of, simple

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
TEXT = """\
# TYPE up gauge
up{job="api",zone="eu"} 1 1772366400000
up{job="db"} 1 1772366460000
load{job="db"} 0.5 1772366400000
"""


@pytest.fixture(params=["file", "frame", "database", "source"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """The same samples in four forms."""
    path = tmp_path / "page.prom"
    path.write_text(TEXT)
    if request.param == "file":
        return path
    if request.param == "frame":
        novaql.save(path, tmp_path / "page.parquet")
        return pd.read_parquet(tmp_path / "page.parquet")
    database = novaql.memory()
    database.load(path)
    return database if request.param == "database" else database.store


def test_every_kind_of_data_says_what_it_has(data: object) -> None:
    assert novaql.metrics(data) == ["load", "up"]
    assert novaql.labels(data) == ["__name__", "job", "zone"]
    assert novaql.label_values("job", data) == ["api", "db"]
    assert novaql.series(data) == [
        {"__name__": "load", "job": "db"},
        {"__name__": "up", "job": "api", "zone": "eu"},
        {"__name__": "up", "job": "db"},
    ]
    assert novaql.time_range(data) == (NOON, LATER)
    assert novaql.cardinality(data, limit=1).series_by_metric == [{"name": "up", "value": 2}]


def test_selectors_and_times_narrow_it(data: object) -> None:
    assert novaql.metrics(data, match='{zone="eu"}') == ["up"]
    assert novaql.metrics(data, match=['{zone="eu"}', "load"]) == ["load", "up"]
    assert novaql.metrics(data, match=q.up(job="db")) == ["up"]
    assert novaql.metrics(data, start=LATER) == ["up"]
    assert novaql.labels(data, end=NOON, match="load") == ["__name__", "job"]
    assert novaql.label_values("zone", data, start=LATER) == []
    assert novaql.cardinality(data, match="up", end=NOON).series == 1


def test_the_range_is_one_for_a_query(data: object) -> None:
    span = novaql.time_range(data)
    assert span is not None
    found = novaql.query("count(up)", data, start=span[0], end=span[1], step="1m")
    assert found.values.tolist() == [[1, 2]]


def test_wrong_arguments_are_named(data: object) -> None:
    with pytest.raises(novaql.ArgumentError, match=r"^end: must not be before start"):
        novaql.metrics(data, start=LATER, end=NOON)
    with pytest.raises(novaql.QueryError, match="selector"):
        novaql.labels(data, match="sum(up)")
    with pytest.raises(novaql.ArgumentError, match=r"^expr: "):
        novaql.labels(data, match=[1])  # type: ignore[list-item]


class Plain:
    """A source with the methods of `Source` alone."""

    def __init__(self, store: tsdb.Database) -> None:
        self._store = store

    def has_histograms(self) -> bool:
        return True

    def select(
        self,
        matchers: Sequence[Matcher],
        start_ms: int,
        end_ms: int,
        hints: tsdb.Hints = tsdb.Hints(),  # noqa: B008 - frozen
    ) -> Selection:
        return self._store.select(matchers, start_ms, end_ms, hints)

    def series(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> SeriesTable:
        return self._store.series(matcher_sets, start_ms, end_ms)

    def label_names(
        self, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        return self._store.label_names(matcher_sets, start_ms, end_ms)

    def label_values(
        self, name: str, matcher_sets: Sequence[Sequence[Matcher]], start_ms: int, end_ms: int
    ) -> list[str]:
        return self._store.label_values(name, matcher_sets, start_ms, end_ms)

    def metadata(self) -> dict[str, Metadata]:
        return self._store.metadata()


def test_the_range_of_a_source_that_does_not_know_it_is_read() -> None:
    with tsdb.memory() as store:
        plain = Plain(store)
        assert novaql.time_range(plain) is None
        table = SeriesTable.from_dicts([{"__name__": "a"}, {"__name__": "b"}])
        index, times = np.array([0, 1, 0]), np.array([5_000, 3_000, 9_000])
        store.append(Batch(table, index, times, np.array([1, 2, STALE])))
        assert novaql.time_range(plain) == novaql.time_range(store)
        assert novaql.time_range(plain) == (
            datetime.fromtimestamp(3, UTC),
            datetime.fromtimestamp(9, UTC),
        )
        native = HistogramSamples(np.array([1]), np.array([12_345]), histograms_of([simple(3)]))
        none = np.zeros(0, np.int64)
        store.append(Batch(table, none, none, np.zeros(0), native))
        span = novaql.time_range(plain)
        assert span is not None
        assert span[1] == datetime.fromtimestamp(12, UTC) + timedelta(milliseconds=345)
