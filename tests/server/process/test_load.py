"""Queries off the event loop: bounded, timed out, cancelled when the client leaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import numpy as np
import pytest

from novaql import tsdb
from novaql.server.auth.roles import Role
from novaql.tsdb.model.labels import SeriesTable
from novaql.tsdb.model.series_batch import SeriesBatch, SeriesBatchRef
from novaql.tsdb.model.source import Selection
from tests.support.servers.http_server import LocalServer, local_server


class SlowStore:
    """A memory store whose label names take as long as the test wants."""

    def __init__(self) -> None:
        self._store = tsdb.memory()
        self.entered = threading.Semaphore(0)
        self.leave = threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def label_names(self, *_: object) -> list[str]:
        self.entered.release()
        self.leave.wait(20)
        return ["slow"]


@pytest.fixture
def slow() -> Iterator[tuple[LocalServer, SlowStore]]:
    store = SlowStore()
    with local_server(store, query_threads=1, query_queue=1) as made:  # type: ignore[arg-type]
        yield made, store
        store.leave.set()


@pytest.mark.slow
def test_too_many_queries_are_refused_and_health_still_answers(
    slow: tuple[LocalServer, SlowStore],
) -> None:
    server, store = slow
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(server.prometheus, "labels") for _ in range(2)]
        assert store.entered.acquire(timeout=10)
        _until(lambda: _running(server) == 2)

        refused = server.prometheus("labels")
        mine = server.novaql(query="1")
        health = server.client.get("/healthz")
        store.leave.set()
        answers = [f.result(timeout=20).json()["data"] for f in waiting]

    assert refused.status_code == 503
    assert refused.json()["errorType"] == "unavailable"
    assert refused.headers["retry-after"] == "1"
    assert mine.json()["error"]["code"] == "busy"
    assert health.status_code == 200
    assert answers == [["slow"], ["slow"]]


def test_a_query_that_waits_too_long_times_out(slow: tuple[LocalServer, SlowStore]) -> None:
    server, store = slow
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.prometheus, "labels")
        assert store.entered.acquire(timeout=10)
        late = server.prometheus("query", query="1", timeout="50ms")
        store.leave.set()
        waiting.result(timeout=20)

    assert late.status_code == 503
    assert late.json()["errorType"] == "timeout"


class SlowWrites:
    """A memory store whose appends take as long as the test wants."""

    def __init__(self) -> None:
        self._store = tsdb.memory()
        self.entered = threading.Semaphore(0)
        self.leave = threading.Event()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def append(self, batch: tsdb.Batch) -> object:
        self.entered.release()
        self.leave.wait(20)
        return self._store.append(batch)


def test_too_many_writes_are_told_to_come_again() -> None:
    store = SlowWrites()
    with (
        local_server(store, write_queue=1) as server,  # type: ignore[arg-type]
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(server.write, [({"__name__": "m"}, [(1000, 1.0)])])
        assert store.entered.acquire(timeout=10)
        refused = server.write([({"__name__": "m"}, [(2000, 2.0)])])
        store.leave.set()
        taken = first.result(timeout=20)
        later = server.write([({"__name__": "m"}, [(2000, 2.0)])])

    assert refused.status_code == 503  # a remote writer tries again after a 5xx
    assert taken.status_code == later.status_code == 204


class SlowBatches:
    """A memory store that selects 500 series, each in a batch of its own that loads slowly."""

    def __init__(self) -> None:
        self._store = tsdb.memory()
        self.loaded = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def select(self, *_: object) -> Selection:
        table = SeriesTable.from_dicts([{"__name__": "m", "i": str(i)} for i in range(500)])
        return Selection(table, [SeriesBatchRef(partial(self._load, i), 1) for i in range(500)])

    def _load(self, row: int) -> SeriesBatch:
        self.loaded += 1
        time.sleep(0.02)
        return SeriesBatch.regular(np.array([row]), np.array([1000]), np.array([[1.0]]))


@pytest.mark.slow
def test_the_panels_of_several_dashboards_wait_for_each_other() -> None:
    """96 queries of one tenant at once are all answered with the default settings."""
    store = SlowStore()
    with (
        local_server(store) as server,  # type: ignore[arg-type]
        ThreadPoolExecutor(96) as pool,
    ):
        waiting = [pool.submit(server.prometheus, "labels") for _ in range(96)]
        try:
            _until(lambda: _running(server) == 96)
        finally:
            store.leave.set()
        assert {one.result().status_code for one in waiting} == {200}


@pytest.mark.slow
def test_a_query_stops_when_its_client_leaves() -> None:
    store = SlowBatches()
    with local_server(store, query_threads=1, query_queue=0) as server:  # type: ignore[arg-type]
        body = {"query": "sum(m)", "time": 1}
        headers = server.bearer(Role.READ_ONLY)
        with pytest.raises(httpx.ReadTimeout):
            server.client.post("/v1/novaql", json=body, headers=headers, timeout=0.3)
        _until(lambda: server.novaql(query="1").status_code == 200)

    assert 0 < store.loaded < 400


def _running(server: LocalServer) -> int:
    text = server.client.get("/metrics").text
    line = next(row for row in text.splitlines() if row.startswith("novaql_queries_running "))
    return int(float(line.split()[1]))


def _until(true: object, seconds: float = 120) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_own_metrics_count_what_happened() -> None:
    with local_server() as server:
        server.write([({"__name__": "m"}, [(1000, 1.0), (2000, 2.0)])])
        server.novaql(query="m", time=2)
        server.client.get("/nothing/here")
        server.client.get("/nothing/there")
        server.client.request("PROPFIND", "/nothing")
        answer = server.client.get("/metrics")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "novaql_ingested_samples_total 2.0" in lines
    assert 'novaql_queries_total{outcome="ok"} 1.0' in lines
    assert 'novaql_http_requests_total{code="200",method="POST",route="/v1/novaql"} 1.0' in lines
    assert 'novaql_http_requests_total{code="404",method="GET",route="unmatched"} 2.0' in lines
    assert 'novaql_http_requests_total{code="404",method="other",route="unmatched"} 1.0' in lines
    names = {line.partition(" ")[0] for line in lines}
    assert {"novaql_tsdb_head_samples", "novaql_tsdb_cache_bytes"} <= names
    assert any(line.startswith("process_cpu_seconds_total ") for line in lines)
