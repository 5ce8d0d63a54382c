"""The demo's fleet: the same from the same seed, honest counters, an incident that shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novaql import Result, query, tsdb
from novaql.server.demo.fleet import BOUNDS, DAY_S, INTERVAL_S, METADATA, Fleet
from novaql.server.demo.shape import BAD_VERSION, BROKEN, RESTARTED, SERVICES, daily
from novaql.tsdb.model.labels import Bools
from novaql.tsdb.model.samples import Batch, Floats, is_stale

NOW_MS = 1_800_000_007_123


@pytest.fixture(scope="module")
def day() -> Batch:
    fleet = Fleet(NOW_MS)
    return fleet.take(fleet.history_steps)


@pytest.fixture(scope="module")
def store(day: Batch) -> tsdb.Database:
    database = tsdb.memory()
    database.append(day)
    return database


def samples_of(batch: Batch, row: int) -> tuple[Floats, Floats]:
    """Times in seconds and values of one series, with its staleness markers."""
    own = batch.series_index == row
    return batch.timestamps[own] / 1000, batch.values[own]


def rows_of(batch: Batch, **labels: str) -> list[int]:
    wanted = labels.items()
    return [row for row, found in enumerate(batch.series) if wanted <= found.items()]


@pytest.mark.slow
def test_a_day_is_there_up_to_now_on_the_grid_of_scrapes(day: Batch) -> None:
    times = np.unique(day.timestamps)
    assert len(times) == DAY_S // INTERVAL_S + 1
    assert set(np.diff(times).tolist()) == {INTERVAL_S * 1000}
    assert NOW_MS - INTERVAL_S * 1000 < times[-1] <= NOW_MS
    assert 1_000_000 < len(day) < 2_500_000


def test_label_sets_are_distinct_and_every_service_has_its_instances(day: Batch) -> None:
    assert len(np.unique(day.series.keys())) == len(day.series)
    for service in SERVICES:
        assert len(rows_of(day, __name__="up", service=service.name)) == service.instances


def test_every_metric_is_described(day: Batch) -> None:
    names = {labels["__name__"] for labels in day.series}
    described = {name.removesuffix("_bucket").removesuffix("_sum") for name in names}
    assert {name.removesuffix("_count") for name in described} == set(METADATA)


@given(
    seed=st.integers(0, 2**32),
    pieces=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_pieces_have_the_samples_of_the_whole(seed: int, pieces: list[int]) -> None:
    def sorted_samples(batches: list[Batch]) -> tuple[bytes, ...]:
        index = np.concatenate([b.series_index for b in batches])
        times = np.concatenate([b.timestamps for b in batches])
        values = np.concatenate([b.values for b in batches]).view(np.uint64)
        order = np.lexsort((times, index))
        return tuple(array[order].tobytes() for array in (index, times, values))

    cut, whole = (Fleet(NOW_MS, seed=seed, history_s=3600) for _ in range(2))
    parts = [cut.take(steps) for steps in pieces]
    assert sorted_samples(parts) == sorted_samples([whole.take(sum(pieces))])


@given(seeds=st.lists(st.integers(0, 2**32), min_size=2, max_size=2, unique=True))
@settings(max_examples=5)
def test_another_seed_is_another_fleet(seeds: list[int]) -> None:
    one, other = (Fleet(NOW_MS, seed=seed).take(50) for seed in seeds)
    assert len(one) != len(other) or not np.array_equal(one.values, other.values)


@pytest.mark.slow
def test_counters_fall_only_where_the_instance_restarts(day: Batch) -> None:
    for row, labels in enumerate(day.series):
        if not labels["__name__"].endswith(("_total", "_bucket", "_sum", "_count")):
            continue
        _, values = samples_of(day, row)
        alive = values[~is_stale(values)]
        falls = int(np.count_nonzero(np.diff(alive) < 0))
        assert falls <= (labels["instance"] == RESTARTED), labels
        assert (alive >= 0).all()


def test_the_restart_leaves_one_marker_and_a_gap(day: Batch) -> None:
    fleet = Fleet(NOW_MS)
    incident = fleet.incident
    for row in rows_of(day, __name__="http_requests_total", instance=RESTARTED):
        times, values = samples_of(day, row)
        stale = is_stale(values)
        assert times[stale].size == 1
        assert incident.down <= times[stale][0] < incident.down + INTERVAL_S
        inside: Bools = (times >= incident.down) & (times < incident.back)
        assert inside.sum() == 1
    (up,) = rows_of(day, __name__="up", instance=RESTARTED)
    times, values = samples_of(day, up)
    assert len(times) == fleet.history_steps
    assert (values == 0).sum() == (incident.back - incident.down) // INTERVAL_S


def test_histograms_count_every_request(day: Batch) -> None:
    for instance in ("gateway-1", RESTARTED):
        requests = [
            samples_of(day, row)[1]
            for row in rows_of(day, __name__="http_requests_total", instance=instance)
        ]
        (count,) = rows_of(day, __name__="http_request_duration_seconds_count", instance=instance)
        (last,) = rows_of(
            day, __name__="http_request_duration_seconds_bucket", instance=instance, le="+Inf"
        )
        counted = samples_of(day, count)[1]
        there = ~is_stale(counted)
        total = np.sum([values[there] for values in requests], axis=0)
        np.testing.assert_array_equal(total, counted[there])
        np.testing.assert_array_equal(samples_of(day, last)[1], counted)


def test_buckets_are_cumulative(day: Batch) -> None:
    bounds = [*(f"{bound:g}" for bound in BOUNDS), "+Inf"]
    name = "http_request_duration_seconds_bucket"
    rows = [rows_of(day, __name__=name, instance="search-1", le=bound)[0] for bound in bounds]
    counts = np.array([samples_of(day, row)[1] for row in rows])
    assert (np.diff(counts, axis=0) >= 0).all()


def value_at(store: tsdb.Database, expr: str, time_s: float) -> Result:
    return query(expr, store, time=time_s)


def test_a_query_shows_the_errors_of_the_incident_and_none_before(store: tsdb.Database) -> None:
    incident = Fleet(NOW_MS).incident
    expr = (
        f'sum(rate(http_requests_total{{service="{BROKEN}",status="500"}}[5m]))'
        f' / sum(rate(http_requests_total{{service="{BROKEN}"}}[5m]))'
    )
    during = value_at(store, expr, incident.rollback - 60).values[0, 0]
    before = value_at(store, expr, incident.start - 600).values[0, 0]
    assert during > 0.15
    assert before < 0.02


def test_a_query_shows_the_latency_of_the_incident(store: tsdb.Database) -> None:
    incident = Fleet(NOW_MS).incident
    expr = (
        "histogram_quantile(0.9, sum by (le) (rate("
        f'http_request_duration_seconds_bucket{{service="{BROKEN}"}}[5m])))'
    )
    during = value_at(store, expr, incident.rollback - 60).values[0, 0]
    before = value_at(store, expr, incident.start - 600).values[0, 0]
    assert during > 4 * before


def test_the_reset_is_one_and_where_it_was(store: tsdb.Database) -> None:
    expr = "resets(process_cpu_seconds_total[1d]) > 0"
    found = value_at(store, expr, NOW_MS / 1000)
    assert [labels["instance"] for labels in found.series] == [RESTARTED]
    assert found.values.tolist() == [[1.0]]


def test_the_bad_version_runs_during_the_incident_only(store: tsdb.Database) -> None:
    incident = Fleet(NOW_MS).incident
    expr = f'count by (version) (deploy_info{{service="{BROKEN}"}})'
    versions = [
        {labels["version"] for labels in value_at(store, expr, time).series}
        for time in (incident.start - 30, incident.start + 120, incident.rollback + 30)
    ]
    assert versions[1] == {BAD_VERSION}
    assert versions[0] == versions[2] != versions[1]


def test_time_brings_each_step_once() -> None:
    fleet = Fleet(NOW_MS, history_s=60)
    first = fleet.until(NOW_MS)
    assert first is not None
    assert len(np.unique(first.timestamps)) == fleet.history_steps
    assert fleet.until(NOW_MS) is None
    later = fleet.until(NOW_MS + 40_000)
    assert later is not None
    assert later.timestamps.min() == first.timestamps.max() + INTERVAL_S * 1000
    assert later.timestamps.max() <= NOW_MS + 40_000


@given(times=st.lists(st.floats(0, 4e9), min_size=1, max_size=20))
def test_traffic_never_stops_and_never_explodes(times: list[float]) -> None:
    rhythm = daily(np.array(times))
    assert ((rhythm > 0.2) & (rhythm <= 1.01)).all()
