"""/v1/services over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from novaql.server.auth.bootstrap import add_tenant
from novaql.server.auth.roles import Role
from novaql.server.clock import SteppedClock
from tests.support.servers.http_server import LocalServer, local_server, token_of

NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
END = int(NOW.timestamp() * 1000)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server(clock=SteppedClock(NOW)) as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalServer]:
    """A server for questions that change nothing."""
    with local_server(clock=SteppedClock(NOW)) as made:
        _register(made, "api")
        yield made


def _register(server: LocalServer, name: str, **more: Any) -> httpx.Response:
    body = {"name": name, "owner": "team", "tier": "tier1", **more}
    return server.client.post("/v1/services", json=body, headers=server.bearer(Role.OPERATOR))


def _get(server: LocalServer, path: str) -> Any:
    answer = server.client.get(f"/v1/services{path}", headers=server.bearer(Role.READ_ONLY))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _counter(name: str, per_minute: float, **labels: str) -> Any:
    points = [(END - 60_000 * i, per_minute * (30 - i)) for i in reversed(range(30))]
    return ({"__name__": name, **labels}, points)


def test_registering_and_reading(server: LocalServer) -> None:
    made = _register(server, "api", depends_on=["db", "db"], description="the front")
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/services/api"
    assert made.json()["id"].startswith("svc_")
    found = _get(server, "/api")
    assert (found["depends_on"], found["version"]) == (["db"], 1)
    assert 'service="api"' in found["signals"]["latency"]["expr"]
    assert _register(server, "api").json()["error"]["code"] == "service_exists"


@pytest.mark.parametrize("name", ["A/b c", "..", "-x", "", "x" * 64, "ü"])
def test_what_is_no_name(shared: LocalServer, name: str) -> None:
    assert _register(shared, name).status_code == 400


@pytest.mark.parametrize(
    "url", ["http://[", "https://[::1/x", "http:///x", "http://:80", "ftp://a"]
)
def test_links_are_urls(shared: LocalServer, url: str) -> None:
    answer = _register(shared, "linked", links=[{"title": "docs", "url": url}])
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["pointer"] == "/links/0/url"


def test_a_name_is_one_of_its_tenant_and_case_counts(server: LocalServer) -> None:
    _register(server, "api")
    assert _register(server, "API").status_code == 201
    assert _register(server, "api").status_code == 409
    database = server.context.database
    other = add_tenant(database, server.context.clock, "other").id
    headers = {
        "Authorization": f"Bearer {token_of(database, other, Role.ADMIN, 'eve@example.com')}"
    }
    body = {"name": "api", "owner": "them", "tier": "tier1"}
    theirs = server.client.post("/v1/services", json=body, headers=headers)
    assert (theirs.status_code, _get(server, "/api")["owner"]) == (201, "team")


@pytest.mark.parametrize("path", ["/a%2Fb", "/nope", "/%2e%2e", "/nope/health"])
def test_paths_of_nobody(shared: LocalServer, path: str) -> None:
    answer = shared.client.get(f"/v1/services{path}", headers=shared.bearer())
    assert answer.status_code == 404


def test_changing_needs_the_version(server: LocalServer) -> None:
    _register(server, "api")
    path, headers = "/v1/services/api", server.bearer()
    changed = server.client.patch(path, json={"version": 1, "owner": "others"}, headers=headers)
    assert (changed.status_code, changed.json()["owner"]) == (200, "others")
    stale = server.client.patch(path, json={"version": 1, "tier": "tier2"}, headers=headers)
    assert stale.json()["error"]["code"] == "version_conflict"
    assert stale.json()["error"]["message"].endswith("has version 2, not 1: read it again")
    without = server.client.patch(path, json={"tier": "tier2"}, headers=headers)
    assert without.json()["error"]["code"] == "version_conflict"
    assert "`version` or If-Match" in without.json()["error"]["message"]
    fresh = server.client.patch(path, json={"tier": "tier2"}, headers=headers | {"If-Match": '"2"'})
    assert fresh.json()["tier"] == "tier2"


def test_deleting_twice(server: LocalServer) -> None:
    _register(server, "api")
    codes = [
        server.client.delete("/v1/services/api", headers=server.bearer()).status_code
        for _ in range(2)
    ]
    assert codes == [204, 404]


def test_filters_and_pages(server: LocalServer) -> None:
    for name, owner in (("b", "x"), ("a", "y"), ("c", "x")):
        _register(server, name, owner=owner)
    assert [s["name"] for s in _get(server, "")["data"]] == ["a", "b", "c"]
    assert [s["name"] for s in _get(server, "?owner=x")["data"]] == ["b", "c"]
    page = _get(server, "?limit=2")
    rest = _get(server, f"?limit=2&cursor={page['next_cursor']}")
    assert [s["name"] for s in rest["data"]] == ["c"]
    assert "next_cursor" not in rest


def test_a_broken_signal_tells_where(shared: LocalServer) -> None:
    answer = _register(shared, "other", signals={"traffic": "sum(rat(x[5m]))"})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["column"]) == ("unknown_name", 5)
    assert [d["pointer"] for d in error["details"]] == ["/signals/traffic"]
    wrong = _register(shared, "other", signals={"traffic": {"expr": "x[5m]"}})
    error = wrong.json()["error"]
    assert error["code"] == "wrong_expression_type"
    assert [d["pointer"] for d in error["details"]] == ["/signals/traffic/expr"]


def test_without_data_nobody_is_called_healthy(server: LocalServer) -> None:
    _register(server, "api")
    found = _get(server, "/api/health")
    assert found["status"] == "unknown"
    assert {s["status"] for s in found["signals"].values()} == {"no_data"}
    assert {s["value"] for s in found["signals"].values()} == {None}


def test_golden_signals(server: LocalServer) -> None:
    _register(server, "api")
    server.write(
        [
            _counter("http_requests_total", 54.0, service="api", code="200"),
            _counter("http_requests_total", 6.0, service="api", code="500"),
            _counter("http_request_duration_seconds_bucket", 30, service="api", i="1", le="0.1"),
            _counter("http_request_duration_seconds_bucket", 30, service="api", i="1", le="1"),
            _counter("http_request_duration_seconds_bucket", 30, service="api", i="1", le="+Inf"),
            _counter("http_request_duration_seconds_bucket", 0, service="api", i="2", le="0.1"),
            _counter("http_request_duration_seconds_bucket", 30, service="api", i="2", le="1"),
            _counter("http_request_duration_seconds_bucket", 30, service="api", i="2", le="+Inf"),
            (
                {"__name__": "service_saturation_ratio", "service": "api", "resource": "cpu"},
                [(END, 0.5)],
            ),
            (
                {"__name__": "service_saturation_ratio", "service": "api", "resource": "disk"},
                [(END, 0.9)],
            ),
        ]
    )
    found = _get(server, "/api/health")
    signals = found["signals"]
    assert signals["errors"]["value"] == pytest.approx(0.1)
    assert signals["errors"]["status"] == found["status"] == "unhealthy"
    assert signals["traffic"]["value"] == pytest.approx(1.0)
    # Of the summed buckets half are below 0.1; the mean of both instances' quantiles is another.
    assert signals["latency"]["value"] == pytest.approx(0.1 + 0.9 * 0.98)
    assert (signals["saturation"]["value"], signals["saturation"]["status"]) == (0.9, "degraded")
    assert signals["saturation"]["reason"].startswith("disk is at 0.9")


def test_no_errors_is_a_ratio_of_nothing(server: LocalServer) -> None:
    _register(server, "api")
    server.write([_counter("http_requests_total", 60.0, service="api", code="200")])
    errors = _get(server, "/api/health")["signals"]["errors"]
    assert (errors["value"], errors["status"]) == (0.0, "healthy")


def test_signals_beside_what_is_usual(server: LocalServer) -> None:
    _register(server, "api", signals={"latency": {"expr": "took", "unit": "s"}, "traffic": "hits"})
    quarter = 900_000
    took = [(END - quarter * i, 1.0) for i in reversed(range(1, 97))] + [(END, 5.0)]
    hits = [(END - quarter * i, 100.0) for i in reversed(range(1, 97))] + [(END, 10.0)]
    server.write([({"__name__": "took"}, took), ({"__name__": "hits"}, hits)])
    signals = _get(server, "/api/health")["signals"]
    assert (signals["latency"]["status"], signals["latency"]["baseline"]) == ("unhealthy", 1.0)
    assert "5.0 times the usual" in signals["latency"]["reason"]
    assert signals["traffic"]["status"] == "degraded"


def test_declared_and_discovered_edges(server: LocalServer) -> None:
    _register(server, "web", depends_on=["api", "mail"])
    _register(server, "api", depends_on=["db", "web"])
    _register(server, "lone")
    server.write(
        [
            _counter("traces_service_graph_request_total", 60, client="web", server="api"),
            _counter("traces_service_graph_request_total", 60, client="api", server="cache"),
        ]
    )
    found = _get(server, "/web/dependencies?direction=upstream")
    assert {n["name"]: n["kind"] for n in found["nodes"]} == {
        "web": "service",
        "api": "service",
        "mail": "external",
        "cache": "external",
        "db": "external",
    }
    edges = {(e["from"], e["to"]): e for e in found["edges"]}
    assert edges["web", "api"]["source"] == "declared+discovered"
    assert edges["web", "api"]["last_seen"] == "2026-04-01T12:00:00Z"
    assert edges["api", "cache"]["source"] == "discovered"
    assert found["cycles"] == [["api", "web"]]
    near = _get(server, "/web/dependencies?direction=upstream&depth=1")
    assert {n["name"] for n in near["nodes"]} == {"web", "api", "mail"}
    assert near["truncated"]
    assert [n["name"] for n in _get(server, "/lone/dependencies")["nodes"]] == ["lone"]


def test_edges_with_names_that_are_too_long_are_left_out(server: LocalServer) -> None:
    _register(server, "web")
    calls = {"good": "n" * 255, "long": "n" * 256}
    server.write(
        [
            _counter("traces_service_graph_request_total", 60, client="web", server=name)
            for name in calls.values()
        ]
    )
    found = _get(server, "/web/dependencies")

    assert [node["name"] for node in found["nodes"]] == ["web", calls["good"]]
    assert found["warnings"] == [
        "1 edge is left out: names of services have at most 255 characters"
    ]


def test_circles_and_chains_over_http(server: LocalServer) -> None:
    """A service that depends on itself, and a chain of 1 000 that metrics show."""
    _register(server, "a", depends_on=["a", "b"])
    _register(server, "b", depends_on=["a"])
    found = _get(server, "/a/dependencies")
    assert [n["name"] for n in found["nodes"]] == ["a", "b"]
    assert found["cycles"] == [["a", "b"]]
    assert {(e["from"], e["to"]) for e in found["edges"]} == {("a", "a"), ("a", "b"), ("b", "a")}
    chain = [
        _counter("traces_service_graph_request_total", 60, client=f"n{i:04}", server=f"n{i + 1:04}")
        for i in range(1000)
    ]
    server.write(chain)
    _register(server, "n0000")
    long = _get(server, "/n0000/dependencies")
    assert (len(long["nodes"]), long["truncated"], long["cycles"]) == (500, True, [])
    assert _get(server, "/n0000/dependencies?depth=3")["truncated"] is True
    assert _get(server, "/b/dependencies")["truncated"] is False


@pytest.mark.parametrize("query", ["direction=up", "depth=-1", "depth=x", "deep=1"])
def test_wrong_questions_about_the_graph(shared: LocalServer, query: str) -> None:
    answer = shared.client.get(f"/v1/services/api/dependencies?{query}", headers=shared.bearer())
    assert answer.status_code == 400
