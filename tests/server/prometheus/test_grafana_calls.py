"""The calls of Grafana's Prometheus data source, as it makes them, in Prometheus's shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from novaql.server.auth.roles import Role
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer, local_server

BASE = "/prometheus/api/v1"


class Grafana:
    """A data source: the base URL, and a token in a header of its own."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._headers = server.bearer(Role.READ_ONLY)

    def post(self, path: str, **form: Any) -> httpx.Response:
        """As its queries are sent: POST, a form, no Idempotency-Key on the wire."""
        return self._server.client.post(f"{BASE}/{path}", data=form, headers=self._headers)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        url = f"{BASE}/{path}"
        return self._server.client.get(url, params=parameters, headers=self._headers)


@pytest.fixture
def grafana(server: LocalServer) -> Grafana:
    return Grafana(server)


def data_of(answer: httpx.Response) -> Any:
    """What an answer holds, read by a parser that knows no NaN."""

    def refuse(word: str) -> Any:
        raise AssertionError(word)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(answer.text, parse_constant=refuse)
    assert told["status"] == "success"
    assert set(told) <= {"status", "data", "warnings", "infos"}
    return told["data"]


def test_the_health_check(grafana: Grafana) -> None:
    for answer in (
        grafana.post("query", query="1+1", time="4"),
        grafana.get("query", query="1+1", time="4"),
    ):
        assert data_of(answer) == {"resultType": "scalar", "result": [4, "2"]}


def test_buildinfo_is_that_of_a_prometheus_and_not_of_mimir(grafana: Grafana) -> None:
    told = data_of(grafana.get("status/buildinfo"))

    assert {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"} <= set(told)
    assert not told.get("features")


def test_queries_as_forms_and_in_the_url(grafana: Grafana) -> None:
    instant: dict[str, Any] = {"query": 'up{instance="a"}', "time": f"{NOW_S}.000"}
    ranged: dict[str, Any] = {
        "query": "sum(rate(requests_total[1m0s]))",
        "start": f"{NOW_S - 60}.123",
        "end": str(NOW_S),
        "step": "15",
        "timeout": "60s",
    }
    for ask in (grafana.post, grafana.get):
        assert data_of(ask("query", **instant)) == {
            "resultType": "vector",
            "result": [
                {
                    "metric": {"__name__": "up", "instance": "a", "job": "api"},
                    "value": [NOW_S, "1"],
                }
            ],
        }
        matrix = data_of(ask("query_range", **ranged))
        assert matrix["resultType"] == "matrix"
        (series,) = matrix["result"]
        assert series["metric"] == {}
        assert [time for time, _ in series["values"]][:2] == [NOW_S - 59.877, NOW_S - 44.877]
        assert all(isinstance(value, str) for _, value in series["values"])


def test_values_that_json_has_no_number_for(grafana: Grafana) -> None:
    for query, value in (("0/0", "NaN"), ("1/0", "+Inf"), ("-1/0", "-Inf")):
        assert data_of(grafana.post("query", query=query, time=4))["result"] == [4, value]


def test_exemplars_are_probed_and_asked_for(grafana: Grafana) -> None:
    probe: dict[str, Any] = {"query": "test", "start": NOW_S - 60, "end": NOW_S}
    assert data_of(grafana.get("query_exemplars", **probe)) == []
    assert data_of(grafana.post("query_exemplars", **probe)) == []


def test_labels_series_values_metadata_and_rules(grafana: Grafana) -> None:
    window: dict[str, Any] = {"start": NOW_S - 600, "end": NOW_S}
    match: dict[str, Any] = {"match[]": "up", **window}

    for ask in (grafana.post, grafana.get):
        assert data_of(ask("labels", **window, limit=40_000)) == [
            *("__name__", "code", "instance", "job")
        ]
        assert data_of(ask("labels", **match)) == ["__name__", "instance", "job"]
        found = data_of(ask("series", **match, limit=40_000))
        assert {series["instance"] for series in found} == {"a", "b"}
        missing = ask("series", **window)
        assert (missing.status_code, missing.json()["errorType"]) == (400, "bad_data")
    assert data_of(grafana.get("label/instance/values", **match)) == ["a", "b"]
    assert data_of(grafana.get("label/U__instance/values", **match)) == ["a", "b"]
    cut = grafana.get("label/instance/values", **match, limit=1)
    assert data_of(cut) == ["a"]
    assert cut.json()["warnings"]
    assert isinstance(data_of(grafana.get("metadata", limit=5)), dict)
    assert data_of(grafana.get("metadata", metric="nothing")) == {}
    assert set(data_of(grafana.get("rules"))) == {"groups"}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("query", {"query": "rat(up[5m])"}),
        ("query_range", {"query": "up", "start": 2, "end": 1, "step": 1}),
        ("query_range", {"query": "up", "start": 1, "end": 2, "step": 0}),
        ("query_range", {"query": "up", "start": 0, "end": 11_001, "step": 1}),
        ("query_range", {"query": "up", "start": "x", "end": 2, "step": 1}),
    ],
)
def test_bad_parameters_are_400_in_prometheus_words(
    grafana: Grafana, path: str, form: dict[str, Any]
) -> None:
    answer = grafana.post(path, **form)

    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["errorType"] == "bad_data"
    assert answer.json()["error"]


def test_a_json_body_is_refused_and_a_key_is_ignored(server: LocalServer) -> None:
    headers = server.bearer(Role.READ_ONLY)
    url = f"{BASE}/query"
    answer = server.client.post(url, json={"query": "1"}, headers=headers)
    assert answer.status_code in (400, 415)
    assert answer.json()["status"] == "error"
    for query, value in (("1", "1"), ("2", "2")):
        keyed = headers | {"Idempotency-Key": "same"}
        told = server.client.post(url, data={"query": query, "time": "4"}, headers=keyed)
        assert data_of(told)["result"] == [4, value]


@pytest.fixture(scope="module")
def with_quotas() -> Iterator[LocalServer]:
    """With the quotas that a server has unless it is told otherwise."""
    with local_server(rate_per_minute=100, rate_per_day=10_000) as made:
        yield made


@pytest.mark.slow
def test_a_dashboard_of_twelve_panels_is_not_too_much(with_quotas: LocalServer) -> None:
    """Five refreshes of twelve panels of three queries each, within a minute."""
    grafana = Grafana(with_quotas)
    window = {"start": NOW_S - 60, "end": NOW_S, "step": 15}
    statuses = {
        grafana.post("query_range", query="up", **window).status_code for _ in range(5 * 12 * 3)
    }
    assert statuses == {200}
