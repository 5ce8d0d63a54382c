"""Queries whose last run was tiny run on the event loop, as long as the bound holds."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from novaql import Result, evaluate
from novaql.server.pools import query_sizes
from novaql.server.query import run
from novaql.server.tuning import Tuning
from novaql.tsdb.read import batches
from tests.support.servers.http_server import LocalServer, local_server

AT = 1_700_000_000


def _write(server: LocalServer, first: int, last: int) -> None:
    series = [
        ({"__name__": "load", "i": str(i)}, [(AT * 1000, float(i))]) for i in range(first, last)
    ]
    assert server.write(series).is_success


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of the thread of each evaluation."""
    seen: list[str] = []

    def noting(*arguments: Any, **options: Any) -> Result:
        seen.append(threading.current_thread().name.partition("_")[0])
        return evaluate(*arguments, **options)

    monkeypatch.setattr(run, "evaluate", noting)
    return seen


PATIENT = Tuning(tiny_s=60.0, tiny_overrun_s=60.0)
"""For a busy machine."""


def _overruns(server: LocalServer) -> float:
    text = server.client.get("/metrics").text
    line = next(x for x in text.splitlines() if x.startswith("novaql_query_overruns_total"))
    return float(line.rpartition(" ")[2])


def test_a_run_on_the_loop_that_goes_on_continues_in_a_thread(threads: list[str]) -> None:
    """What an estimate leaves out, such as matching very many label values, stops the loop."""
    with local_server(tuning=Tuning(tiny_s=60.0, tiny_overrun_s=0.0)) as server:
        _write(server, 0, 3)
        found = [server.novaql(query="sum(load)", time=AT).json()["result"] for _ in range(2)]
        assert found[0] == found[1]
        assert threads[0] == "query"
        assert threads[1] != "query"
        assert threads[2:] == ["query"]
        assert _overruns(server) == 1


def test_the_second_run_needs_no_thread(threads: list[str]) -> None:
    with local_server(tuning=PATIENT) as server:
        _write(server, 0, 3)
        found = [server.novaql(query="sum(load)", time=AT).json()["result"] for _ in range(3)]
        assert found[0] == found[1] == found[2]
        first, second, third = threads
        assert first == "query"
        assert second == third != "query"
        assert server.prometheus("query", query="sum(load)", time=AT).is_success
        assert threads[3] == second
        assert _overruns(server) == 0


def test_a_query_that_has_grown_goes_to_a_thread_and_is_counted(threads: list[str]) -> None:
    with local_server(tuning=PATIENT) as server:
        _write(server, 0, 3)
        for _ in range(2):
            assert server.novaql(query="load", time=AT).is_success
        _write(server, 3, query_sizes.TINY_SERIES + 1)
        for _ in range(2):
            grown = server.novaql(query="load", time=AT).json()["result"]
            assert len(grown) == query_sizes.TINY_SERIES + 1
        # The third began on the loop and ended in a thread, the fourth began there.
        assert threads == ["query", threads[1], threads[1], "query", "query"]
        assert threads[1] != "query"
        assert _overruns(server) == 1


def test_a_query_that_reads_a_disk_runs_in_a_thread(
    threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches._Portion, "ready", lambda *_: False)
    with local_server(tuning=PATIENT) as server:
        _write(server, 0, 3)
        for _ in range(3):
            assert server.novaql(query="load", time=AT).is_success
        assert threads == ["query"] * 3
        assert _overruns(server) == 0


def test_a_query_that_takes_long_runs_in_a_thread(threads: list[str]) -> None:
    with local_server(tuning=replace(PATIENT, tiny_s=0.0)) as server:
        for _ in range(2):
            assert server.novaql(query="1", time=AT).is_success
        assert threads == ["query"] * 2


def test_a_run_on_the_event_loop_that_takes_long_is_the_last(threads: list[str]) -> None:
    with local_server(tuning=replace(PATIENT, tiny_overrun_s=0.0)) as server:
        for _ in range(3):
            assert server.novaql(query="1", time=AT).is_success
        assert threads == ["query", threads[1], "query"]
        assert threads[1] != "query"
        assert _overruns(server) == 1


def test_a_wrong_query_is_refused_on_the_event_loop_too(threads: list[str]) -> None:
    with local_server(tuning=PATIENT) as server:
        _write(server, 0, 3)
        twice = "load + on() group_left load"
        for _ in range(3):
            assert server.novaql(query=twice, time=AT).status_code == 422
        assert len(threads) == 3


def test_a_query_that_was_large_begins_as_a_large_one(threads: list[str]) -> None:
    with local_server(tuning=PATIENT) as server:
        _write(server, 0, query_sizes.SMALL_SERIES + 1)
        for _ in range(2):
            assert server.novaql(query="count(load)", time=AT).is_success
        assert threads == ["query", "large-query", "large-query"]
        for _ in range(2):
            assert server.novaql(query="count(load)", time=AT + 86_400).is_success
        assert threads[3] == "large-query"
        assert threads[4] not in ("query", "large-query")  # the event loop: it reads nothing


def test_a_large_query_with_a_cached_answer_begins_as_a_small_one(threads: list[str]) -> None:
    with local_server(tuning=PATIENT) as server:
        _write(server, 0, query_sizes.SMALL_SERIES + 1)
        for _ in range(3):
            answer = server.novaql(query="count(load)", start=AT, end=AT + 60, step=60)
            assert answer.is_success
        assert threads == ["query", "large-query", "large-query", "query"]
