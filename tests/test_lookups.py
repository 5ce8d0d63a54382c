"""What data of any kind has: metrics, labels, series, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import novaql
from novaql import q

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


def test_the_range_of_a_remote_read_is_refused_without_a_request() -> None:
    nowhere = "http://user:secret@127.0.0.1:9/api/v1/read"
    with pytest.raises(novaql.InputError, match="all of its samples would have to be") as caught:
        novaql.time_range(nowhere)
    assert "secret" not in str(caught.value)
