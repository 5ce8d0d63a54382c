"""HEAD is answered wherever GET is: the same status and headers, and no body."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from novaql.server.routes import ROUTES
from tests.support.contract.route_walk import Walk
from tests.support.servers.http_server import LocalServer, local_server

_OF_ONE_ANSWER = {"date", "x-request-id", "x-ratelimit-remaining", "transfer-encoding"}
GETS = sorted({row.path for row in ROUTES if "GET" in row.verbs})
OTHERS = ["/", "/console/none/none.js", "/v1/nothing", "/nothing"]


@pytest.fixture(scope="module")
def walk() -> Iterator[Walk]:
    """A server with a resource of every kind."""
    with local_server() as server:
        server.client.post(
            "/api/v1/import/prometheus", content="up 1\n", headers=server.bearer()
        ).raise_for_status()
        made = Walk(server, server.bearer()["Authorization"].split()[1])
        made.make()
        yield made


def path_of(walk: Walk, path: str) -> str:
    row = next(row for row in ROUTES if row.path == path and "GET" in row.verbs)
    found = walk.path_of(row)
    return re.sub(r"\{[^}]*\}", "none", path) if found is None else found


def asked(server: LocalServer, method: str, path: str) -> httpx.Response:
    """The head of an answer; a stream is left before its end."""
    headers = server.bearer() | {"Accept-Encoding": "identity"}
    with server.client.stream(method, path, headers=headers) as answer:
        if method == "HEAD":
            answer.read()
        return answer


@pytest.mark.parametrize("path", [*GETS, *OTHERS])
def test_head_is_get_without_the_body(walk: Walk, path: str) -> None:
    path = path if path in OTHERS else path_of(walk, path)
    if path.endswith(("/query", "/query_range")):
        path += "?query=up&start=0&end=60&step=15"
    get, head = asked(walk.server, "GET", path), asked(walk.server, "HEAD", path)
    assert head.status_code == get.status_code
    assert head.content == b""
    wanted = {name for name in get.headers if name not in _OF_ONE_ANSWER}
    assert {name for name in head.headers if name not in _OF_ONE_ANSWER} == wanted
    for name in ("content-type", "cache-control", "etag", "www-authenticate", "allow"):
        assert head.headers.get(name) == get.headers.get(name)


def test_a_head_of_what_takes_no_get_is_a_405(walk: Walk) -> None:
    answer = asked(walk.server, "HEAD", "/v1/novaql")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_the_length_is_that_of_the_body(walk: Walk) -> None:
    for path in ("/healthz", "/api/v1/labels", "/v1/tokens"):
        head = asked(walk.server, "HEAD", path)
        get = walk.server.client.get(path, headers=walk.server.bearer())
        if path != "/v1/tokens":  # their last use changes
            assert int(head.headers["content-length"]) == len(get.content)
