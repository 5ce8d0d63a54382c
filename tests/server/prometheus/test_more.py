"""Endpoints that a Prometheus 2.53 lacks, or has with nothing to compare: trees, targets, state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from novaql import tsdb
from novaql.rules.yaml_bounds import LOADER
from novaql.server.app import create_app
from novaql.server.auth.roles import Role
from novaql.server.auth.tokens import revoke
from novaql.server.db.tables import Token
from novaql.server.settings import Settings
from novaql.server.tenants.scrapes import PoolView, ScrapeReport, TargetView
from novaql.tsdb.model.source import Metadata
from tests.server.conftest import NOW_S
from tests.support.servers.http_server import LocalServer, local_server, serving


def tree(server: LocalServer, query: str) -> Any:
    return server.prometheus("parse_query", query=query).json()["data"]


def duration(seconds: str, *, unit: bool) -> dict[str, Any]:
    return {"type": "numberLiteral", "val": seconds, "duration": unit}


def computed(op: str, left: Any, right: Any, *, wrapped: bool = False) -> dict[str, Any]:
    return {"type": "durationExpr", "op": op, "lhs": left, "rhs": right, "wrapped": wrapped}


def test_a_tree_of_every_kind_of_node(server: LocalServer) -> None:
    found = tree(server, 'sum by (a) (rate(m{a=~"x.*"}[5m] offset 1m)) / on (a) group_left (b) (n)')

    assert found["type"] == "binaryExpr"
    assert found["bool"] is False
    assert found["matching"] == {
        "card": "many-to-one",
        "labels": ["a"],
        "on": True,
        "include": ["b"],
        "fillValues": {"lhs": None, "rhs": None},
    }
    left, right = found["lhs"], found["rhs"]
    assert {k: left[k] for k in ("type", "op", "grouping", "without", "param")} == {
        "type": "aggregation",
        "op": "sum",
        "grouping": ["a"],
        "without": False,
        "param": None,
    }
    assert left["expr"]["func"] == {
        "name": "rate",
        "argTypes": ["matrix"],
        "variadic": 0,
        "returnType": "vector",
    }
    assert left["expr"]["args"] == [
        {
            "type": "matrixSelector",
            "name": "m",
            "range": 300_000,
            "rangeExpr": None,
            "offset": 60_000,
            "offsetExpr": None,
            "matchers": [
                {"name": "a", "value": "x.*", "type": "=~"},
                {"name": "__name__", "value": "m", "type": "="},
            ],
            "timestamp": None,
            "startOrEnd": None,
            "anchored": False,
            "smoothed": False,
        }
    ]
    assert right["type"] == "parenExpr"
    assert right["expr"]["type"] == "vectorSelector"
    assert tree(server, "1e21") == {"type": "numberLiteral", "val": "1" + 21 * "0"}
    assert tree(server, '"a\\n"') == {"type": "stringLiteral", "val": "a\n"}
    assert tree(server, "-m")["type"] == "unaryExpr"
    assert tree(server, "m + 1")["matching"] is None
    assert tree(server, "m @ end()")["startOrEnd"] == "end"
    assert tree(server, "m @ 1.5")["timestamp"] == 1500
    assert tree(server, "label_join(m, 'a', 'b')")["func"]["variadic"] == -1
    assert tree(server, "round(m)")["func"]["variadic"] == 1


def test_computed_durations_are_trees(server: LocalServer) -> None:
    found = tree(server, "m[4s+4s:1s*2] offset (5s-8)")

    assert (found["range"], found["step"], found["offset"]) == (0, 0, 0)
    assert found["rangeExpr"] == computed("+", duration("4", unit=True), duration("4", unit=True))
    assert found["stepExpr"] == computed("*", duration("1", unit=True), duration("2", unit=False))
    assert found["offsetExpr"] == computed(
        "-", duration("5", unit=True), duration("8", unit=False), wrapped=True
    )
    assert tree(server, "m[range()]")["rangeExpr"] == computed("range", None, None)


def test_keys_of_a_tree_are_sorted_and_errors_placed(server: LocalServer) -> None:
    assert server.prometheus("parse_query", query="1").text == (
        '{"status":"success","data":{"type":"numberLiteral","val":"1"}}'
    )
    wrong = server.prometheus("parse_query", query="sum(")
    assert wrong.status_code == 400
    assert wrong.json()["error"].startswith('invalid parameter "query": 1:')


class Job:
    """A job with one target that was scraped, one that failed and one that was not yet."""

    tenant_id = None

    def scrape_report(self) -> ScrapeReport:
        good = {"health": "up", "last_ms": NOW_S * 1000, "duration_s": 0.25}
        bad = {"health": "down", "last_ms": NOW_S * 1000 + 5, "error": "gone"}
        metadata = {"metadata": {"m": Metadata("gauge", "M.", "")}}
        return ScrapeReport.joined(
            ScrapeReport((_view(port, job, **more),), pools=(PoolView(job, _config(port, job)),))
            for port, job, more in ((1, "b", good | metadata), (2, "a", bad), (3, "aa", {}))
        )

    def start(self) -> None: ...

    def stop(self) -> None: ...


def _config(port: int, job: str) -> str:
    static = f"[{{targets: ['h:{port}'], labels: {{instance: 'h:{port}'}}}}]"
    return f"job_name: {job}\nstatic_configs: {static}\n"


def _view(port: int, job: str, **more: Any) -> TargetView:
    discovered = {
        "__address__": f"h:{port}",
        "__metrics_path__": "/m",
        "__scheme__": "http",
        "__scrape_interval__": "30s",
        "__scrape_timeout__": "10s",
        "job": job,
    }
    labels = {"instance": f"h:{port}", "job": job}
    return TargetView(job, discovered, labels, f"http://h:{port}/m", 30.0, 10.0, **more)


@pytest.fixture(scope="module")
def scraping() -> Iterator[httpx.Client]:
    store = tsdb.memory()
    app = create_app(Settings(auth=False), store=store, jobs=[Job()])
    with serving(app) as url, httpx.Client(base_url=f"{url}/api/v1/") as client:
        yield client


def test_scrape_jobs_are_targets(scraping: httpx.Client) -> None:
    found = scraping.get("targets").json()["data"]

    assert [t["scrapeUrl"][-3:] for t in found["activeTargets"]] == ["2/m", "3/m", "1/m"]
    assert [t["health"] for t in found["activeTargets"]] == ["down", "unknown", "up"]
    assert found["activeTargets"][0]["lastError"] == "gone"
    assert found["activeTargets"][2] == {
        "discoveredLabels": {
            "__address__": "h:1",
            "__metrics_path__": "/m",
            "__scheme__": "http",
            "__scrape_interval__": "30s",
            "__scrape_timeout__": "10s",
            "job": "b",
        },
        "labels": {"instance": "h:1", "job": "b"},
        "scrapePool": "b",
        "scrapeUrl": "http://h:1/m",
        "globalUrl": "http://h:1/m",
        "lastError": "",
        "lastScrape": "2023-11-14T22:13:20.000Z",
        "lastScrapeDuration": 0.25,
        "health": "up",
        "scrapeInterval": "30s",
        "scrapeTimeout": "10s",
    }
    assert found["droppedTargets"] == []
    assert found["droppedTargetCounts"] == {"a": 0, "aa": 0, "b": 0}
    only = scraping.get("targets", params={"scrapePool": "b", "state": "active"}).json()["data"]
    assert len(only["activeTargets"]) == 1
    assert only["droppedTargetCounts"] is None
    dropped = scraping.get("targets", params={"state": "dropped"}).json()["data"]
    assert dropped["activeTargets"] == []


def test_metadata_of_targets(scraping: httpx.Client) -> None:
    def ask(**parameters: str) -> Any:
        return scraping.get("targets/metadata", params=parameters).json()["data"]

    of_target = {
        "target": {"instance": "h:1", "job": "b"},
        "type": "gauge",
        "help": "M.",
        "unit": "",
    }
    assert ask() == [of_target | {"metric": "m"}]
    assert ask(metric="m") == [of_target]
    assert ask(metric="x") == ask(limit="0") == ask(match_target='{job="a"}') == []
    wrong = scraping.get("targets/metadata", params={"match_target": "x["})
    assert wrong.json()["error"].startswith('invalid parameter "match_target": 1:')


def test_pools_and_their_configuration(scraping: httpx.Client) -> None:
    assert scraping.get("scrape_pools").json()["data"] == {"scrapePools": ["a", "aa", "b"]}
    config = yaml.safe_load(scraping.get("status/config").json()["data"]["yaml"])
    pool = scraping.get("scrape_pools/config", params={"scrapePool": "a"}).json()["data"]["yaml"]
    assert [c["job_name"] for c in config["scrape_configs"]] == ["a", "aa", "b"]
    assert yaml.safe_load(pool) == config["scrape_configs"][0]
    assert config["scrape_configs"][1]["static_configs"][0] == {
        "targets": ["h:3"],
        "labels": {"instance": "h:3"},
    }
    steps = {"scrapePool": "a", "labels": "{}"}
    assert scraping.get("targets/relabel_steps", params=steps).json()["data"] == {"steps": []}
    for path, parameters in (
        ("scrape_pools/config", {"scrapePool": "x"}),
        ("targets/relabel_steps", steps | {"scrapePool": "x"}),
    ):
        unknown = scraping.get(path, params=parameters)
        assert (unknown.status_code, unknown.json()["errorType"]) == (404, "not_found")
    bad = scraping.get("targets/relabel_steps", params=steps | {"labels": "["})
    assert bad.status_code == 400


def of_the_server(server: LocalServer, page: str, **parameters: Any) -> httpx.Response:
    """A page that only an administrator of the first tenant sees whole."""
    url = f"/prometheus/api/v1/status/{page}"
    return server.client.get(url, params=parameters, headers=server.bearer(Role.ADMIN))


def test_status_of_a_server_without_scrapes(server: LocalServer) -> None:
    assert server.prometheus("status/config").json()["data"] == {"yaml": "global: {}\n"}
    flags = of_the_server(server, "flags").json()["data"]
    assert flags["query.timeout"] == "120s"
    assert all(isinstance(value, str) for value in flags.values())
    assert flags["novaql.master-key"] == ""  # one that is set is hidden
    replay = server.prometheus("status/walreplay").json()["data"]
    assert replay["min"] == replay["max"] == replay["current"]
    assert server.prometheus("status/tsdb", limit=10_001).status_code == 400
    assert server.prometheus("status/tsdb/blocks").json()["data"] == {"blocks": []}
    features = server.prometheus("features").json()["data"]
    assert features["promql_functions"]["rate"] is True
    assert all(type(v) is bool for area in features.values() for v in area.values())


def test_own_metrics_by_pattern(server: LocalServer) -> None:
    found = of_the_server(server, "self_metrics", metric_name_pattern="novaql_build.*")
    wrong = of_the_server(server, "self_metrics", metric_name_pattern="(")

    assert [family["name"] for family in found.json()["data"]] == ["novaql_build_info"]
    assert found.json()["data"][0]["samples"][0]["value"] == "1"
    assert wrong.status_code == 400


@pytest.mark.slow
def test_the_contract_as_yaml(server: LocalServer) -> None:
    answer = server.prometheus("openapi.yaml")
    later = yaml.load(server.prometheus("openapi.yaml", openapi_version="3.2").text, LOADER)
    document = yaml.load(answer.text, LOADER)

    assert answer.headers["content-type"] == "application/yaml; charset=utf-8"
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {"/query", "/write", "/read", "/status/tsdb"} <= set(document["paths"])
    assert later["openapi"] == "3.2.0"
    assert set(later["paths"]) - set(document["paths"]) == {"/notifications/live"}
    assert server.prometheus("openapi.yaml", openapi_version="4").status_code == 400


def test_notifications_are_none_and_live_ones_keep_open(server: LocalServer) -> None:
    assert server.prometheus("notifications").json()["data"] == []
    url = "/prometheus/api/v1/notifications/live"
    with server.client.stream("GET", url, headers=server.bearer(), timeout=5) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert next(answer.iter_raw()) == b":\n\n"


def test_live_notifications_are_bounded_and_end_with_their_token() -> None:
    url = "/prometheus/api/v1/notifications/live"
    with local_server(max_streams=1, stream_heartbeat_s=0.1) as server:
        headers = server.bearer(Role.READ_ONLY)
        with server.client.stream("GET", url, headers=headers, timeout=30) as answer:
            pieces = answer.iter_raw()
            assert next(pieces) == b":\n\n"
            with server.client.stream("GET", url, headers=server.bearer()) as refused:
                assert refused.status_code == 429
                refused.read()
            assert refused.json()["error"].startswith("1 streams of events are open")
            assert next(pieces) == b":\n\n"
            with server.context.database.write(None) as session:
                for token in session.query(Token).where(Token.role == "read_only"):
                    revoke(token, datetime.now(UTC))
            assert set(pieces) <= {b":\n\n"}  # it ends
        with server.client.stream("GET", url, headers=server.bearer(), timeout=30) as answer:
            assert answer.status_code == 200


def admin(server: LocalServer, path: str, **parameters: str) -> httpx.Response:
    url = f"/prometheus/api/v1/admin/tsdb/{path}"
    return server.client.post(url, params=parameters, headers=server.bearer(Role.ADMIN))


@pytest.mark.slow
def test_a_snapshot_is_a_store_of_its_own(tmp_path: Path) -> None:
    with local_server(tsdb.open(tmp_path / "data")) as server:
        server.write([({"__name__": "m"}, [(1_000, 1.0)])])
        server.store.set_metadata({"m": Metadata("gauge")})
        without = admin(server, "snapshot", skip_head="true").json()["data"]["name"]
        whole = admin(server, "snapshot").json()["data"]["name"]
        server.write([({"__name__": "m"}, [(2_000, 2.0)])])
        server.store.flush()
        blocks = server.prometheus("status/tsdb/blocks").json()["data"]["blocks"]
        wrong = admin(server, "snapshot", skip_head="x")

    folder = tmp_path / "data" / "snapshots"
    with tsdb.open(folder / whole) as kept, tsdb.open(folder / without) as empty:
        assert kept.select([], 0, 9_999).samples == 1
        assert kept.metadata() == {"m": Metadata("gauge")}
        assert kept.check() == []
        assert empty.select([], 0, 9_999).samples == 0
        assert empty.metadata() == {"m": Metadata("gauge")}
    assert [b["stats"]["numSamples"] for b in blocks] == [2]
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{16}", whole)
    assert wrong.json()["error"] == (
        'invalid parameter "skip_head": unable to parse boolean: '
        'strconv.ParseBool: parsing "x": invalid syntax'
    )


def test_there_is_no_snapshot_of_memory(server: LocalServer) -> None:
    answer = admin(server, "snapshot")
    assert answer.status_code == 503
    assert answer.json()["errorType"] == "unavailable"


def test_parse_query_shows_long_chains(server: LocalServer) -> None:
    found = server.prometheus("parse_query", query="a" + " + 1 * a" * 2000).text

    assert found.count('"type":"binaryExpr"') == 4000
    assert found.count('"rhs":{"bool":false,"lhs":{"type":"numberLiteral"') == 2000
