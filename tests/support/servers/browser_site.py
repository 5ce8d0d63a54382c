"""A site for browser flows at 127.0.0.2, and listeners at 127.0.0.1 that no flow may reach."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from novaql.server.addresses import parse_networks
from novaql.server.egress.dialer import Dialer, resolve
from novaql.server.egress.errors import Unreachable
from novaql.server.egress.names import written_as_address
from novaql.server.probes.browser import Flow, FlowResult, run_flow
from novaql.server.probes.browser.flow import USUAL, Limits

SITE, INSIDE = "127.0.0.2", "127.0.0.1"


@dataclass
class Answer:
    """The answer of the site at a path."""

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass
class Request:
    """The requests that the site received."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str


class Site:
    """An HTTP server whose answers are in `pages`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Answer | Callable[[Request], Answer]] = {}
        self.requests: list[Request] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("content-length", 0))
                body = self.rfile.read(size).decode()
                request = Request(self.command, self.path, dict(self.headers), body)
                site.requests.append(request)
                found = site.pages.get(self.path.partition("?")[0], Answer("no", 404))
                answer = found if isinstance(found, Answer) else found(request)
                time.sleep(answer.delay_s)
                data = answer.body.encode() if isinstance(answer.body, str) else answer.body
                self.send_response(answer.status)
                headers = {"Content-Type": "text/html; charset=utf-8", **answer.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_: Any) -> None:
                return

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                return  # a browser that ends breaks its connections

        self.server = Server((SITE, 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port

    def url(self, path: str = "/", host: str = SITE) -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


@contextmanager
def site(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A running site."""
    made = Site(tls)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join(5)


class Inside:
    """A TCP and a UDP listener with the same port, in a network that is denied."""

    def __init__(self) -> None:
        self.tcp = socket.create_server((INSIDE, 0))
        self.port = int(self.tcp.getsockname()[1])
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((INSIDE, self.port))
        self.tcp.setblocking(False)
        self.udp.setblocking(False)

    def received(self) -> list[str]:
        """The bytes that arrived since the last call."""
        found = []
        try:
            while True:
                self.tcp.accept()[0].close()
                found.append("tcp")
        except BlockingIOError:
            pass
        try:
            while True:
                self.udp.recvfrom(4096)
                found.append("udp")
        except BlockingIOError:
            pass
        return found


@contextmanager
def inside() -> Iterator[Inside]:
    """A running listener."""
    made = Inside()
    try:
        yield made
    finally:
        made.tcp.close()
        made.udp.close()


class Names:
    """A resolver whose answers are in a table. An answer is a list of addresses, or several lists
    for consecutive queries."""

    def __init__(self, **answers: Sequence[str] | list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): list(found) for name, found in answers.items()}
        self.queries: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.queries.append(host)
        if written_as_address(host):
            return resolve(host, port)
        found = self._answers.get(host)
        if not found:
            raise Unreachable("dns", f"{host} has no address")
        first = found[0]
        if isinstance(first, str):
            return [str(address) for address in found]
        if len(found) > 1:
            found.pop(0)
        return list(first)


def dialer(names: Names | None = None) -> Dialer:
    """A dialer that permits the site, and no other loopback address."""
    return Dialer(allowed=parse_networks(f"{SITE}/32"), resolver=names or Names())


def run(
    target: str,
    *steps: dict[str, Any],
    names: Names | None = None,
    timeout_s: float = 60.0,
    secrets: Mapping[str, str] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    limits: Limits = USUAL,
) -> FlowResult:
    """Run a flow with the dialer above."""
    flow = Flow.model_validate({"target": target, "steps": list(steps)})
    return run_flow(
        flow,
        dialer=dialer(names),
        timeout_s=timeout_s,
        secrets=secrets or {},
        cancelled=cancelled,
        limits=limits,
    )
