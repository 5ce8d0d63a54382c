"""The times of a query that names none: those of files and frames end with their last sample."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from novaql import ArgumentError, QueryError, analyze, estimate, query, sql, tsdb, why_empty
from novaql.cli.main import run
from novaql.tsdb.model.labels import SeriesTable
from tests.support.peers.exposer import exposing

NOON_S = 1_772_366_400
SAID = "2026-03-01T12:00:00Z, that of the last sample of the data"


@pytest.fixture
def hour() -> pd.DataFrame:
    """A sample a minute, from 11:01 to 12:00."""
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-03-01T11:01Z", periods=60, freq="1min"),
            "value": np.arange(60.0),
            "__name__": "heat",
        }
    )


@pytest.fixture(params=["frame", "csv", "parquet", "list"])
def data(request: pytest.FixtureRequest, hour: pd.DataFrame, tmp_path: Path) -> Any:
    path = tmp_path / f"hour.{'parquet' if request.param == 'parquet' else 'csv'}"
    hour.to_parquet(path) if request.param == "parquet" else hour.to_csv(path, index=False)
    return {"frame": hour, "list": [path]}.get(request.param, path)


def test_time_is_that_of_the_last_sample(data: Any) -> None:
    result = query("heat", data)

    assert result.times_ms.tolist() == [NOON_S * 1000]
    assert result.values.tolist() == [[59.0]]
    assert result.infos == (f"NovaQL info: time is {SAID}",)


def test_end_is_that_of_the_last_sample_and_steps_are_about_240(hour: pd.DataFrame) -> None:
    result = query("heat", hour, start="2026-03-01T11:00Z")

    assert result.times_ms[[0, -1]].tolist() == [(NOON_S - 3600) * 1000, NOON_S * 1000]
    assert np.unique(np.diff(result.times_ms)).tolist() == [15_000]
    assert result.infos == (f"NovaQL info: end is {SAID}",)


def test_a_named_time_is_taken_and_nothing_said(hour: pd.DataFrame) -> None:
    named = query("heat", hour, time=NOON_S - 60)
    ranged = query("heat", hour, start=NOON_S - 60, end=NOON_S)

    assert named.values.tolist() == [[58.0]]
    assert len(ranged.times_ms) == 1 + 60_000 // 500
    assert named.infos == ranged.infos == ()


@pytest.mark.parametrize("start", ["-30m", "now-30m", "30m ago", " -30m"])
def test_a_relative_start_counts_from_the_last_sample(data: Any, start: str) -> None:
    result = query("heat", data, start=start, step="10m")

    first = (NOON_S - 1800) * 1000
    assert result.times_ms.tolist() == list(range(first, first + 1_800_001, 600_000))
    assert result.values.tolist() == [[29.0, 39.0, 49.0, 59.0]]
    assert result.infos == (f"NovaQL info: end is {SAID}; start {start} counts from it",)


def test_a_relative_start_counts_from_the_clock_beside_an_end(hour: pd.DataFrame) -> None:
    with pytest.raises(ArgumentError, match="end: must not be before start"):
        query("heat", hour, start="-30m", end=NOON_S)


def test_a_relative_start_in_the_shell_and_in_sql(
    data: Any, hour: pd.DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    counted = "promql('heat', start := '-20m', step := '10m')"
    with pytest.warns(UserWarning, match="start -20m counts from it"):
        found = sql(f"SELECT value FROM {counted} ORDER BY time", hour)
    assert found is not None
    assert found.fetchall() == [(39.0,), (49.0,), (59.0,)]
    if not isinstance(data, Path):
        return
    query_it = ["query", "heat", "--data", str(data), "--start", "now-20m", "--step", "10m"]
    assert run([*query_it, "--format", "csv"]) == 0
    out, err = capfd.readouterr()
    assert [line.split(",")[1] for line in out.splitlines()] == ["value", "39", "49", "59"]
    assert f"end is {SAID}; start now-20m counts from it" in err
    assert run([*query_it, "--end", "2026-03-01T12:00Z"]) == 2
    assert "--end is before --start" in capfd.readouterr().err


def _heat(times_ms: list[int], values: list[float]) -> tsdb.Batch:
    table = SeriesTable.from_dicts([{"__name__": "heat"}])
    return tsdb.Batch(table, np.zeros(len(values), np.int64), np.array(times_ms), np.array(values))


def test_a_marker_is_no_sample() -> None:
    result = query("heat", _heat([0, 60_000, 120_000], [1.0, 2.0, tsdb.STALE]))

    assert result.times_ms.tolist() == [60_000]
    assert result.values.tolist() == [[2.0]]


def test_databases_are_asked_now() -> None:
    store = tsdb.memory()
    now_ms = round(time.time() * 1000)
    store.append(_heat([now_ms - 600_000, now_ms - 1000], [1.0, 2.0]))

    instant, ranged = query("heat", store), query("heat", store, start="-5m")

    assert abs(int(instant.times_ms[0]) - now_ms) < 60_000
    assert abs(int(ranged.times_ms[-1]) - now_ms) < 60_000
    assert (instant.values.tolist(), instant.infos, ranged.infos) == ([[2.0]], (), ())


def test_other_functions_have_the_same_times(hour: pd.DataFrame) -> None:
    assert estimate("heat", hour).samples > 0
    assert "1 series" in analyze("heat", hour)
    assert not why_empty("heat", hour).empty


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"step": "1m"}, "start: a range query needs it"),
        ({"end": NOON_S}, "start: a range query needs it"),
        ({"start": "2027-01-01"}, "start: is after 2026-03-01T12:00:00Z, the default of end: give"),
        ({"start": NOON_S, "end": NOON_S - 1}, "end: must not be before start"),
        ({"start": NOON_S, "time": NOON_S}, "time: an instant query has no start"),
    ],
)
def test_times_that_make_no_sense(hour: pd.DataFrame, times: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        query("heat", hour, **times)


def test_errors_come_before_data_is_opened() -> None:
    with pytest.raises(ArgumentError, match="step"):
        query("heat", "no/such/file.csv", start="-1h", step="fast")
    with pytest.raises(QueryError):
        query("heat{", "no/such/file.csv")


def test_the_shell_says_the_time(data: Any, capfd: pytest.CaptureFixture[str]) -> None:
    if not isinstance(data, Path):
        pytest.skip("the shell reads files")

    assert run(["query", "heat", "--data", str(data), "--format", "csv"]) == 0

    out, err = capfd.readouterr()
    assert out.splitlines()[1].endswith(",59,heat")
    assert f"time is {SAID}" in err


@pytest.fixture
def dated_page() -> Iterator[str]:
    """The address of a target that takes a moment, and whose samples have the time after it."""
    with exposing() as target:
        target.delay = 0.05
        target.body = lambda: f"rooms 7 {round(time.time() * 1000)}\n".encode()
        yield target.url


@pytest.mark.parametrize("at", [None, "now"])
def test_a_page_is_read_before_now_is_taken(dated_page: str, at: str | None) -> None:
    result = query("rooms", dated_page, time=at)

    assert result.values.tolist() == [[7.0]]
    assert result.infos == ()
