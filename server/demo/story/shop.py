"""The shop of the story: a service that breaks, its deploy controller, and the pagers of its team.

All of it listens on one port of loopback.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from novaql.server.clock import to_ms

SCRAPE_S = 5
REQUESTS_PER_S = 40
GOOD, BAD = "2.4.0", "2.4.1"
_BAD_SHARE = 0.3


class Shop:
    """Counts requests of the service `checkout`, of which version `BAD` fails 30 %.

    messages  what its receivers got: path, headers, body
    """

    def __init__(self, since: datetime) -> None:
        self.version = GOOD
        self.messages: list[tuple[str, dict[str, str], Any]] = []
        self._at = since
        self._counts = {"200": 0.0, "500": 0.0}

    def scrape(self, now: datetime) -> str:
        """Return the samples since the last scrape, as Prometheus text with times."""
        lines = []
        while self._at + timedelta(seconds=SCRAPE_S) <= now:
            self._at += timedelta(seconds=SCRAPE_S)
            wrong = _BAD_SHARE if self.version == BAD else 0.0
            self._counts["500"] += SCRAPE_S * REQUESTS_PER_S * wrong
            self._counts["200"] += SCRAPE_S * REQUESTS_PER_S * (1 - wrong)
            for code, count in self._counts.items():
                series = f'http_requests_total{{service="checkout",code="{code}"}}'
                lines.append(f"{series} {count:g} {to_ms(self._at)}")
        return "".join(f"{line}\n" for line in lines)

    def receive(self, path: str, headers: dict[str, str], body: Any) -> None:
        """Handle a request: `/deploy` sets the version, other paths are receivers."""
        if path == "/deploy":
            self.version = str(body["version"])
        self.messages.append((path, headers, body))

    def got(self, path: str) -> list[Any]:
        """Return the bodies that a receiver got."""
        return [body for at, _, body in list(self.messages) if at == path]


@contextmanager
def listening(shop: Shop) -> Iterator[str]:
    """Serve a shop on loopback; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"null")
            shop.receive(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            answer = json.dumps({"version": shop.version}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Log nothing: the story has a recording of its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="shop", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
