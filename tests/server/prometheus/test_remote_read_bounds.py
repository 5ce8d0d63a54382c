"""A remote read ends with its deadline, and reserves its memory as queries do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import cramjam
import httpx
import numpy as np
import pytest

from novaql import tsdb
from novaql.server.auth.roles import Role
from tests.support.messages.remote_messages import ReadRequestMessage
from tests.support.servers.http_server import LocalServer, local_server

SAMPLES, STREAMED, QUERIES, SERIES = 0, 1, 200, 2000
MIB = 1 << 20
FORMS = pytest.mark.parametrize("form", [SAMPLES, STREAMED])


class Held:
    """A store whose second selection waits."""

    def __init__(self, store: tsdb.Database) -> None:
        self._store = store
        self.go, self.selections = threading.Event(), 0

    def select(self, *arguments: Any) -> tsdb.Selection:
        self.selections += 1
        if self.selections == 2:
            assert self.go.wait(60)
        return self._store.select(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.fixture
def store() -> Iterator[tsdb.Database]:
    names = [{"__name__": "m", "i": f"{i}" * 10} for i in range(SERIES)]
    table, values = tsdb.SeriesTable.from_dicts(names), np.random.default_rng(1).random(200_000)
    rows, times = np.repeat(np.arange(SERIES), 100), np.tile(np.arange(100) * 1000, SERIES)
    with tsdb.memory() as made:
        made.append(tsdb.Batch(table, rows, times, values))
        yield made


def ask(server: LocalServer, form: int, queries: int, *, function: str = "") -> httpx.Response:
    request = ReadRequestMessage(accepted_response_types=[form])
    for _ in range(queries):
        query = request.queries.add(end_timestamp_ms=10**6)
        query.matchers.add(name="__name__", value="m")
        query.hints.func = function
    return server.client.post(
        "/prometheus/api/v1/read",
        content=bytes(cramjam.snappy.compress_raw(request.SerializeToString())),
        headers={"Content-Encoding": "snappy", **server.bearer(Role.READ_ONLY)},
    )


@pytest.mark.slow
@FORMS
def test_nothing_is_read_after_the_deadline(store: tsdb.Database, form: int) -> None:
    held = Held(store)
    with local_server(held, query_timeout_s=3) as server:  # type: ignore[arg-type]
        answer = ask(server, form, QUERIES)
        held.go.set()
        while server.context.pools.queries.running:
            time.sleep(0.01)

    assert answer.status_code == 503
    assert "timed out" in answer.json()["error"]
    assert held.selections == 2


@pytest.mark.slow
@FORMS
@pytest.mark.parametrize("function", ["", "series"])
def test_many_queries_are_refused_before_they_take_all_memory(
    store: tsdb.Database, form: int, function: str
) -> None:
    with local_server(store, query_memory_bytes=128 * MIB, max_read_samples=10**9) as server:
        few = ask(server, form, 1, function=function)
        many = ask(server, form, 300, function=function)
        again = ask(server, form, 1, function=function)
        memory = server.context.pools.query_memory

    assert few.status_code == again.status_code == 200
    assert few.content == again.content
    assert many.status_code == 422
    assert "the limit is 96 MiB" in many.json()["error"]
    assert memory.used == 0


@FORMS
def test_the_message_names_the_limit_of_the_form(store: tsdb.Database, form: int) -> None:
    with local_server(store, max_read_samples=1000, max_query_samples=2000) as server:
        answer = ask(server, form, 1)

    assert answer.status_code == 400
    assert answer.json()["error"] == f"exceeded sample limit ({2000 if form else 1000})"
