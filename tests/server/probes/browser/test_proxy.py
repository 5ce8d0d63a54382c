"""The proxy of a browser: what it forwards, refuses and bounds. These tests need no browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from novaql.server.probes.browser.proxy import EgressProxy, ResponseHead, parsed_request
from tests.support.servers.browser_site import INSIDE, SITE, Answer, Inside, Names, Site, dialer


@contextmanager
def running(
    names: Names | None = None,
    *,
    seconds: float = 20,
    max_bytes: int = 1 << 20,
    max_connections: int = 64,
) -> Iterator[tuple[EgressProxy, Callable[[bytes], socket.socket]]]:
    """A proxy, and a function that connects to it and sends."""
    listener = socket.create_server((INSIDE, 0))
    made = EgressProxy(
        listener,
        dialer(names),
        end=time.monotonic() + seconds,
        max_bytes=max_bytes,
        max_connections=max_connections,
    )
    made.start()
    opened: list[socket.socket] = []

    def send(data: bytes) -> socket.socket:
        connection = socket.create_connection(listener.getsockname(), timeout=10)
        opened.append(connection)
        connection.sendall(data)
        return connection

    try:
        yield made, send
    finally:
        made.stop()
        for connection in opened:
            connection.close()


def everything(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(1 << 16):
        data += part
    return data


def test_a_plain_request_ends_its_connection(site: Site) -> None:
    """The site would go on with the connection; the browser must not, for the next request may be
    for another host."""
    site.pages["/a"] = Answer("hello")
    with running() as (_, send):
        answer = everything(
            send(
                f"GET {site.url('/a?b=1#c')} HTTP/1.1\r\nHost: evil.test\r\nX-A: 1\r\n"
                "Proxy-Connection: keep-alive\r\nProxy-Authorization: x\r\n\r\n".encode()
            )
        )

    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"hello"
    assert head.lower().count(b"connection:") == 1
    assert b"connection: close" in head.lower()
    (request,) = site.requests
    assert request.path == "/a?b=1"
    assert request.headers["Host"] == f"{SITE}:{site.port}"
    assert request.headers["X-A"] == "1"
    assert not {name for name in request.headers if name.lower().startswith("proxy")}


def test_a_body_is_forwarded(site: Site) -> None:
    site.pages["/a"] = lambda request: Answer(str(len(request.body)))
    with running() as (_, send):
        connection = send(
            f"POST {site.url('/a')} HTTP/1.1\r\nContent-Length: 300000\r\n\r\n".encode() + b"x"
        )
        time.sleep(0.1)
        connection.sendall(b"x" * 299_999)
        assert everything(connection).endswith(b"\r\n\r\n300000")


def test_a_tunnel(site: Site) -> None:
    site.pages["/a"] = Answer("hello")
    place = f"{SITE}:{site.port}"
    with running() as (_, send):
        connection = send(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert connection.recv(1 << 16) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        connection.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert everything(connection).endswith(b"hello")


@pytest.mark.parametrize("form", ["GET http://{} HTTP/1.1", "CONNECT {} HTTP/1.1"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0177.0.0.1", "127.1", "[::1]", "mixed.test"]
)
def test_denied_targets_have_one_answer(inside: Inside, form: str, host: str) -> None:
    names = Names(localhost=[INSIDE], mixed_test=["93.184.216.34", INSIDE])
    with socket.create_server((INSIDE, 0)) as server:
        closed = server.getsockname()[1]
    with running(names) as (made, send):
        answers = {
            everything(send(f"{form.format(f'{host}:{port}')}\r\n\r\n".encode()))
            for port in (inside.port, closed)
        }
        assert len(answers) == 1
        assert answers.pop().startswith(b"HTTP/1.1 403 Forbidden\r\n")
        assert {port for _, port in made.denied} == {inside.port, closed}
    assert inside.received() == []


def test_targets_without_an_answer_have_a_reason() -> None:
    with running() as (made, send):
        for target in ("unknown.test:80", f"{SITE}:1"):
            answer = everything(send(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode()))
            assert answer.startswith(b"HTTP/1.1 502 ")
        assert made.unreachable == {("unknown.test", 80): "dns", (SITE, 1): "connect"}
        assert made.denied == {}


@pytest.mark.parametrize(
    "head",
    [
        "",
        "GET / HTTP/1.1",
        "GET https://shop.test/ HTTP/1.1",
        "GET ftp://shop.test/ HTTP/1.1",
        "GET http://user@shop.test/ HTTP/1.1",
        "GET http://shop.test:x/ HTTP/1.1",
        "GET http://shop.test/ HTTP/2",
        "GET http://shop.test/ x HTTP/1.1",
        "GET http://shop.test/ HTTP/1.1\r\nA: b\nHost: c",
        "CONNECT shop.test HTTP/1.1",
        "CONNECT shop.test:99999 HTTP/1.1",
        "CONNECT shop.test:1/x HTTP/1.1",
    ],
)
def test_requests_that_are_not_for_a_proxy(head: str) -> None:
    names = Names(shop_test=[SITE])
    with running(names) as (_, send):
        answer = everything(send(f"{head}\r\n\r\n".encode()))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert names.queries == []


def test_hosts_and_ports_of_requests() -> None:
    assert parsed_request(b"CONNECT [::1]:443 HTTP/1.1") == ("::1", 443, None)
    host, port, request = parsed_request(b"GET http://Shop.test?x HTTP/1.1\r\nTE: a\r\nB: c")
    assert (host, port) == ("shop.test", 80)
    assert request == b"GET /?x HTTP/1.1\r\nHost: Shop.test\r\nB: c\r\nConnection: close\r\n\r\n"


def test_answers_in_any_pieces() -> None:
    whole = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nA: b\r\n\r\nbody\r\n\r\n"
    )
    for size in range(1, len(whole) + 1):
        head = ResponseHead()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert b"".join(map(head.feed, pieces)) == (
            b"HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\nbody\r\n\r\n"
        )
    with pytest.raises(OSError, match="no end"):
        ResponseHead().feed(b"x" * (1 << 20))


def test_a_run_has_a_bound_of_bytes(site: Site) -> None:
    site.pages["/a"] = Answer(b"x" * 500_000)
    with running(max_bytes=700_000) as (made, send):
        request = f"GET {site.url('/a')} HTTP/1.1\r\n\r\n".encode()
        assert len(everything(send(request))) > 500_000
        assert not made.exceeded
        with suppress(ConnectionResetError):
            assert len(everything(send(request))) < 500_000
        assert made.exceeded


@pytest.mark.slow
def test_connections_are_bounded() -> None:
    with running(max_connections=3) as (_, send):
        held = [send(b"GET ") for _ in range(3)]
        time.sleep(0.3)
        refused = send(b"GET ")
        data = b""
        with suppress(ConnectionError):
            data = refused.recv(1)
        assert data == b""
        assert len(held) == 3


@pytest.mark.slow
def test_everything_ends_with_the_run(site: Site) -> None:
    site.pages["/a"] = Answer("late", delay_s=5)
    before = threading.active_count()
    started = time.monotonic()
    with running() as (_, send):
        waiting = send(f"GET {site.url('/a')} HTTP/1.1\r\n\r\n".encode())
        send(b"GET ")
        time.sleep(0.3)
        assert threading.active_count() >= before + 3
    assert time.monotonic() - started < 4.5
    assert waiting.fileno() == -1
    assert threading.active_count() <= before + 1  # the site's thread, which still waits


@pytest.mark.slow
def test_the_time_of_a_run_ends_its_connections(site: Site) -> None:
    site.pages["/a"] = Answer("late", delay_s=5)
    with running(seconds=0.5) as (_, send):
        started = time.monotonic()
        assert everything(send(f"GET {site.url('/a')} HTTP/1.1\r\n\r\n".encode())) == b""
        assert time.monotonic() - started < 4.5
