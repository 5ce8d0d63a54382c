"""The tests' own client sends what httpx sends, and reads what httpx reads."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.support.servers.quick_client import QuickClient

GIVEN: list[dict[str, Any]] = [
    {"method": "GET", "url": "/a"},
    {"method": "get", "url": "/a/b?x=1&y=a%20b"},
    {"method": "GET", "url": "/é ü/{x}?q=a|b"},
    {"method": "GET", "url": "/a", "params": {"x": [1, 2.5], "y": None, "z": True, "w": "a&b=c é"}},
    {"method": "GET", "url": "/a", "params": [("match[]", "up"), ("match[]", 'x{a="b c+d"}')]},
    {"method": "GET", "url": "/a?x=1", "params": {"y": "2"}},
    {"method": "POST", "url": "/a", "json": {"x": [1, None, "é"]}},
    {"method": "POST", "url": "/a", "content": "é", "headers": {"Content-Type": "text/plain"}},
    {"method": "POST", "url": "/a", "content": b"\0\xff" * 3000},
    {"method": "POST", "url": "/a", "data": {"x": "a b", "y": ["1", "2"]}},
    {"method": "PUT", "url": "/a"},
    {"method": "DELETE", "url": "/a", "headers": [("X-A", "1"), ("X-A", "2")]},
    {"method": "GET", "url": "/a", "headers": {"Host": "other.example", "Accept-Encoding": "none"}},
    {"method": "HEAD", "url": "/a"},
    {"method": "GET", "url": "/chunked"},
    {"method": "GET", "url": "/packed"},
    {"method": "GET", "url": "/empty"},
    {"method": "GET", "url": "/last"},
]


class Echo(BaseHTTPRequestHandler):
    """Answers with the request that it got."""

    protocol_version = "HTTP/1.1"

    def _echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        left_out = ("user-agent", "connection")
        named = sorted((n.lower(), v) for n, v in self.headers.items() if n.lower() not in left_out)
        query = parse_qsl(parts.query, keep_blank_values=True)
        said = json.dumps([self.command, parts.path, query, named, body.hex()]).encode()
        self.send_response(204 if parts.path == "/empty" else 200)
        self.send_header("X-Two", "1")
        self.send_header("X-Two", "2")
        if parts.path == "/packed":
            said = gzip.compress(said)
            self.send_header("Content-Encoding", "gzip")
        if parts.path == "/last":
            self.send_header("Connection", "close")
        if parts.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            said = (
                b"5\r\n" + said[:5] + b"\r\n%x\r\n" % (len(said) - 5) + said[5:] + b"\r\n0\r\n\r\n"
            )
        elif parts.path != "/empty":
            self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD" and parts.path != "/empty":
            self.wfile.write(said)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _echo

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("given", GIVEN, ids=map(str, range(len(GIVEN))))
def test_both_clients_have_the_same_answer(url: str, given: dict[str, Any]) -> None:
    with httpx.Client(base_url=url) as client, QuickClient(base_url=url, timeout=30) as quick:
        for _ in range(2):  # the second request uses the connection of the first
            wanted, found = client.request(**given), quick.request(**given)

            assert found.status_code == wanted.status_code
            assert found.content == wanted.content
            left_out = ("date",)
            assert [one for one in found.headers.multi_items() if one[0] not in left_out] == [
                one for one in wanted.headers.multi_items() if one[0] not in left_out
            ]
            assert str(found.request.url) == str(wanted.request.url)
            assert found.raise_for_status() is found


@pytest.mark.slow
def test_problems_are_those_of_httpx(url: str) -> None:
    absent = QuickClient(base_url="http://127.0.0.1:1", timeout=1)
    with absent as client, pytest.raises(httpx.ConnectError):
        client.get("/a")
    with QuickClient(base_url=url, timeout=30) as client, pytest.raises(httpx.LocalProtocolError):
        client.get("/a", headers={"X-A": "a\nb"})
