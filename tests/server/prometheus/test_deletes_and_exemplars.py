"""admin/tsdb/delete_series, clean_tombstones and query_exemplars, beside a real Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from novaql import tsdb
from novaql.server.auth.roles import Role
from tests.support.messages.remote_write_messages import message_of, packed
from tests.support.programs.prometheus_server import PrometheusServer, running_prometheus
from tests.support.servers.http_server import WRITE_HEADERS, LocalServer, local_server

NOW_MS = int(time.time()) * 1000
Parameters = Mapping[str, str | Sequence[str]]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as found:
        found.send(message())
        yield found


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with local_server(tsdb.open(tmp_path_factory.mktemp("data") / "store")) as found:
        headers = WRITE_HEADERS | found.bearer(Role.OPERATOR)
        body = packed(message())
        found.client.post("/prometheus/api/v1/write", content=body, headers=headers)
        yield found


def post(server: LocalServer, path: str, parameters: Parameters) -> httpx.Response:
    url = f"/prometheus/api/v1/{path}"
    return server.client.post(url, data=dict(parameters), headers=server.bearer(Role.ADMIN))


def message() -> Any:
    made = message_of(
        [
            ({"__name__": "m", "job": "a"}, [(NOW_MS - 3000, 1.0), (NOW_MS - 2000, 2.0)]),
            ({"__name__": "m", "job": "b"}, [(NOW_MS - 3000, 3.0)]),
            ({"__name__": "n"}, [(NOW_MS - 3000, 4.0)]),
        ]
    )
    first, second, third = made.timeseries
    for series, at, value, labels in (
        (second, 2500, 0.1, {"trace_id": "z", "span": "ü"}),
        (first, 3000, 1e21, {"trace_id": "x"}),
        (first, 2999, -0.0, {}),
        (first, 1001, 12345678.0, {"trace_id": "y"}),
        (first, 1001, 12345678.0, {"trace_id": "y"}),
        (third, 1001, float("inf"), {"a": "b"}),
    ):
        made_one = series.exemplars.add(value=value, timestamp=NOW_MS - at)
        for name, text in labels.items():
            made_one.labels.add(name=name, value=text)
    return made


EXEMPLARS = [
    {"query": "m"},
    {"query": 'sum(rate(m{job="a"}[5m])) / n'},
    {"query": "m", "start": str((NOW_MS - 2999) / 1000), "end": str((NOW_MS - 2500) / 1000)},
    {"query": "nobody"},
    {"query": "1"},
    {"query": "m", "start": "10", "end": "5"},
    {"query": "m", "start": "x"},
    {"query": "sum("},
]


@pytest.mark.parametrize("parameters", EXEMPLARS, ids=map(str, range(len(EXEMPLARS))))
def test_exemplars_are_answered_as_prometheus_does(
    beside: LocalServer, prometheus: PrometheusServer, parameters: Mapping[str, str]
) -> None:
    status, expected = prometheus.post("query_exemplars", **parameters)
    found = post(beside, "query_exemplars", parameters)

    assert found.status_code == status
    if status == 204:
        assert found.content == expected == b""
        return
    theirs = json.loads(expected)
    if status == 200:
        assert found.json() == theirs
        assert found.text.count('"timestamp":') == expected.decode().count('"timestamp":')
        for token in ("1000000000000000000000", "1e+21", '"-0"', "+Inf"):
            assert (token in found.text) == (token in expected.decode()), token
    else:
        assert found.json()["errorType"] == theirs["errorType"]
        if "sum(" not in parameters["query"]:  # the parser has sentences of its own
            assert found.json()["error"] == theirs["error"]


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ('m{job="a" or job="c"}', 'm{job="a"}'),
        ('let jobs = {job="a"} in sum(m{jobs})', 'm{job="a"}'),
        ("let m = n in m", "n"),
        ('m{job="b" or job="a"} |> sum', "m"),
    ],
)
def test_exemplars_of_a_query_with_extensions(beside: LocalServer, query: str, plain: str) -> None:
    found, expected = (post(beside, "query_exemplars", {"query": q}) for q in (query, plain))

    assert found.status_code == 200
    assert expected.json()["data"]
    assert found.json() == expected.json()


DELETIONS: list[Parameters] = [
    {},
    {"start": "x"},
    {"match[]": "m[5m]"},
    {"match[]": "m[5m]", "start": "x"},
    {"match[]": "rate(m[5m])"},
    {"match[]": ["m", "m[1m]"]},
    {"match[]": "m", "end": "never"},
    {"match[]": "m", "start": "10", "end": "5"},
    {"match[]": "nobody"},
    {"match[]": '{job=""}', "start": "0", "end": "1"},
    {"match[]": '{__name__=~".*"}', "start": "0", "end": "1"},
    {"match[]": "{}", "start": "0", "end": "1"},
]


@pytest.mark.parametrize("parameters", DELETIONS, ids=map(str, range(len(DELETIONS))))
def test_deletions_are_answered_as_prometheus_does(
    beside: LocalServer, prometheus: PrometheusServer, parameters: Parameters
) -> None:
    status, expected = prometheus.post("admin/tsdb/delete_series", **parameters)
    found = post(beside, "admin/tsdb/delete_series", parameters)

    assert found.status_code == status
    if status == 204:
        assert found.content == expected == b""
    else:
        ours, theirs = found.json(), json.loads(expected)
        assert {k: ours[k] for k in ("status", "errorType", "error")} == theirs


def test_what_was_deleted_is_gone(tmp_path: Path) -> None:
    with local_server(tsdb.open(tmp_path)) as server:
        nine = [(t * 1000, 1.0) for t in range(9)]
        server.write([({"__name__": "m", "job": job}, nine) for job in "ab"])
        server.store.flush()

        def jobs(start: int, end: int) -> list[str]:
            found = server.prometheus("label/job/values", start=start, end=end).json()["data"]
            assert isinstance(found, list)
            return found

        def count() -> list[str]:
            data = server.prometheus("query", query="count_over_time(m[1m])", time=8).json()["data"]
            return sorted(series["value"][1] for series in data["result"])

        assert count() == ["9", "9"]
        one = {"match[]": 'm{job="a"}', "start": "2", "end": "3.5"}
        assert post(server, "admin/tsdb/delete_series", one).status_code == 204
        assert count() == ["7", "9"]
        assert jobs(2, 3) == ["b"]
        assert post(server, "admin/tsdb/clean_tombstones", {}).status_code == 204
        assert count() == ["7", "9"]
        assert post(server, "admin/tsdb/delete_series", {"match[]": "{}"}).status_code == 204
        assert count() == []
        assert jobs(0, 99) == []


def test_operators_may_not_delete(beside: LocalServer) -> None:
    url = "/prometheus/api/v1/admin/tsdb/delete_series"
    headers = beside.bearer(Role.OPERATOR)
    assert beside.client.post(url, data={"match[]": "m"}, headers=headers).status_code == 403


@pytest.mark.slow
def test_a_deletion_that_is_too_long_or_one_too_many_is_refused(tmp_path: Path) -> None:
    """Too many: while the earlier ones cannot be applied."""
    store = tsdb.open(tmp_path / "store")
    with local_server(store, max_body_bytes=4 << 20) as server:
        server.write([({"__name__": "m", "i": str(i)}, [(1000, 1.0)]) for i in range(10)])

        def delete(number: int, selectors: int = 1) -> httpx.Response:
            text = f'm{{i="{number}",other!="{"x" * 900_000}"}}'
            return post(server, "admin/tsdb/delete_series", {"match[]": [text] * selectors})

        found = delete(0, selectors=2)
        assert (found.status_code, found.json()["errorType"]) == (400, "bad_data")
        assert "use several deletions" in found.json()["error"]
        with store._state.compact_lock:
            assert [delete(i).status_code for i in range(9)] == [204] * 9
            found = delete(9)
        assert (found.status_code, found.json()["errorType"]) == (503, "unavailable")
        assert found.headers["retry-after"] == "5"
        assert "9 deletions wait until their blocks are rewritten" in found.json()["error"]
        assert delete(9).status_code == 204
        assert server.prometheus("query", query="count(m)", time=2).json()["data"]["result"] == []
