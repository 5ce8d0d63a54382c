"""A server for tests that answers GETs with JSON, by a function of path and query."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Query = dict[str, list[str]]
Answer = tuple[int, Any, dict[str, str]]


@dataclass
class JsonPeer:
    """Answers requests.

    authorization  what the header must be; other requests are a 401
    answer         path, query → content; None: a 404
    faults         answers that replace the next ones, with their headers
    """

    authorization: str
    answer: Callable[[str, Query], Any]
    url: str = ""
    faults: list[Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def respond(self, target: str, authorization: str) -> Answer:
        self.asked.append(target)
        if self.faults:
            return self.faults.pop(0)
        if authorization != self.authorization:
            return 401, {"message": "invalid"}, {}
        parts = urlsplit(target)
        found = self.answer(parts.path, parse_qs(parts.query))
        return (404, {"message": "not found"}, {}) if found is None else (200, found, {})


@contextmanager
def json_peer(authorization: str, answer: Callable[[str, Query], Any]) -> Iterator[JsonPeer]:
    """A peer on a free port of this machine."""
    peer = JsonPeer(authorization, answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, content, headers = peer.respond(
                self.path, self.headers.get("authorization", "")
            )
            sent = json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    peer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
