"""What the log says of a request, and what it must not say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import orjson
import pytest
from starlette.requests import Request

from novaql.server.auth.roles import Role
from novaql.server.process.logs import log_to_stderr
from novaql.server.routes import ROUTES
from tests.server.webhooks.conftest import REACHABLE, make_a_token, subscribe
from tests.support.peers.receiver import receiving
from tests.support.servers import patiently
from tests.support.servers.http_server import local_server, server_process
from tests.support.servers.raw_http import answer_to

SECRET = "sEcReT-0123456789"


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[StringIO]:
    """What a server with an access log writes to its log. A parameter is the level."""
    access = logging.getLogger("novaql.server.access")
    root, written = logging.getLogger(), StringIO()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    log_to_stderr(getattr(request, "param", "info"), access_log=True)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    access.disabled = False


def requests_in(lines: str) -> list[tuple[str, str, int]]:
    """Method, route and status of each line about a request."""
    parsed = [orjson.loads(line) for line in lines.splitlines()]
    return [
        (line["method"], line["path"], line["status"])
        for line in parsed
        if line["message"] == "request"
    ]


def test_requests_have_lines_but_scrapes_and_probes(log: StringIO) -> None:
    of_machines = [
        row.path for row in ROUTES if row.tag == "health" and row.path != "/v1/openapi.json"
    ]
    with local_server() as server:
        for path in of_machines:
            for method in ("GET", "HEAD"):
                assert server.client.request(method, path).status_code == 200
            server.client.get(path, headers={"Host": "elsewhere.example"})
        for path in ("/ping", "/influx/ping", "/health", "/influx/health"):
            assert server.client.get(path, headers=server.bearer()).is_success
        for path in ("/federate", "/prometheus/federate"):
            for method in ("GET", "HEAD"):
                answer = server.client.request(
                    method, path, params={"match[]": "m"}, headers=server.bearer()
                )
                assert answer.status_code == 200
            assert server.client.get(path, params={"match[]": "m"}).status_code == 401
        server.client.get("/v1/tokens", headers=server.bearer())
    assert len(of_machines) == 7
    assert requests_in(log.getvalue()) == [("GET", "/v1/tokens", 200)]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.slow
def test_the_access_log_is_a_setting(tmp_path: Path, workers: str) -> None:
    for name, settings in (("off", {}), ("on", {"access_log": "on"})):
        with server_process(
            tmp_path / name, "--no-auth", settings={"workers": workers, **settings}
        ) as ours:
            patiently.get(f"{ours.url}/v1/tokens")
            patiently.get(f"{ours.url}/metrics")
            answer_to(ours.url, b"GET / HTTP/1.1\r\nX: \0\r\n\r\n")
            ours.stop()
    assert requests_in((tmp_path / "off.log").read_text()) == []
    assert "request refused" not in (tmp_path / "off.log").read_text()
    assert requests_in((tmp_path / "on.log").read_text()) == [("GET", "/v1/tokens", 200)]
    assert "request refused" in (tmp_path / "on.log").read_text()


def test_lines_have_the_route_and_no_secret(log: StringIO) -> None:
    with local_server() as server:
        bearer = server.bearer()
        url = str(server.client.base_url)
        for path in (
            f"/v1/embeds/emb_1/page?token={SECRET}",
            f"/v1/embeds/{SECRET}/data?token={SECRET}",
            f"/v1/tokens/{SECRET}?x={SECRET}",
            f"/{SECRET}/of/nothing?{SECRET}",
            f"/console/{SECRET}/x.js",
            f"/api/v1/label/{SECRET}/values",
        ):
            for method in ("GET", "HEAD", "POST"):
                server.client.request(method, path, headers=bearer)
        answer_to(url, f"GET /{SECRET} HTTP/1.1\r\nX: \0{SECRET}\r\n\r\n".encode())
        metrics = server.client.get("/metrics").text
    lines = log.getvalue()
    assert SECRET not in lines
    assert SECRET not in metrics
    requests = [orjson.loads(line) for line in lines.splitlines() if '"request"' in line]
    paths = {line["path"] for line in requests if line["message"] == "request"}
    assert {"/v1/tokens/{id}", "unmatched", "/console/{version}/{path:path}"} <= paths
    assert "request refused" in lines


def test_the_url_of_a_webhook_is_not_logged(log: StringIO) -> None:
    with receiving() as receiver, local_server(**REACHABLE) as server:
        subscribe(server, f"{receiver.url}/services/{SECRET}", "audit.token.create")
        make_a_token(server)
        server.run_jobs()
    assert len(receiver.heard) == 1
    assert SECRET not in log.getvalue()


@pytest.mark.parametrize("log", ["debug"], indirect=True)
def test_credentials_in_a_url_of_influxdb_reach_no_log_and_no_metric(
    log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not if the token is valid, invalid or repeated, the path does not exist, the body is
    refused, the head is malformed, or the server fails."""
    with local_server() as server:
        token, url = server.tokens[Role.OPERATOR], str(server.client.base_url)
        secrets = (token, token.partition("operator_")[2], SECRET)
        for path in ("/write", "/api/v2/write", "/influx/write", "/query", "/ping", "/write/x"):
            for given in (token, SECRET):
                for query in (f"u=a&p={given}", f"%70={given}&q=x&precision=x", f"p=x&p={given}"):
                    for method in ("GET", "POST", "PUT", "HEAD"):
                        server.client.request(method, f"{path}?{query}", content=b"a b")
        for given in (token, SECRET):
            for path in ("/query", "/influx/query", "/write"):
                for statement in ("CREATE DATABASE x", "SELECT 1"):
                    server.client.post(path, data={"q": statement, "u": "a", "p": given})
        answer_to(url, f"POST /write?p={SECRET} HTTP/1.1\r\nX: \0\r\n\r\n".encode())
        answer_to(url, f"POST /write?p={SECRET}{'x' * 80_000} HTTP/1.1\r\n\r\n".encode())

        async def fail(request: Request, *_: object) -> None:
            raise RuntimeError(f"{request.url} {request.scope['query_string']!r}")

        monkeypatch.setattr("novaql.server.ingest.influx_endpoints.stored_in", fail)
        failed = server.client.post(f"/write?u=a&p={token}", content=b"a b=1")
        metrics = server.client.get("/metrics").text
    lines = log.getvalue()
    assert failed.status_code == 500
    assert "RuntimeError" in lines
    assert len(lines.splitlines()) > 120
    for secret in secrets:
        assert secret not in lines
        assert secret not in metrics
        assert secret not in failed.text


@pytest.mark.slow
def test_workers_do_not_log_credentials_of_a_url(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with server_process(
        folder, "--log-level", "debug", settings={"workers": "2", "access_log": "on"}
    ) as ours:
        assert ours.token is not None
        for number in range(8):
            sent = patiently.post(
                f"{ours.url}/write?u=a&p={ours.token}&precision=s", content=f"a b={number} 1"
            )
            refused = patiently.post(f"{ours.url}/write?u=a&p={SECRET}", content="a b=1")
            assert (sent.status_code, refused.status_code) == (204, 401)
        ours.stop()
    lines = (tmp_path / "data.log").read_text()
    assert '"/write"' in lines
    assert SECRET not in lines
    assert ours.token not in lines
