"""What the log says of a request, and what it must not say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO

import orjson
import pytest

from novaql.server.process.logs import log_to_stderr
from tests.server.webhooks.conftest import REACHABLE, make_a_token, subscribe
from tests.support.peers.receiver import receiving
from tests.support.servers.http_server import local_server
from tests.support.servers.raw_http import answer_to

SECRET = "sEcReT-0123456789"


@pytest.fixture
def log() -> Iterator[StringIO]:
    """What a server writes to its log."""
    root, written = logging.getLogger(), StringIO()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    log_to_stderr("info")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


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
