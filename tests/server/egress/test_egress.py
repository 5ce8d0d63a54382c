"""Where outgoing requests may go: the deny table, pinned addresses, redirects."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from novaql.server.addresses import parse_networks
from novaql.server.egress.dialer import Dialer
from novaql.server.egress.errors import TargetNotAllowed, Unreachable
from novaql.server.errors import Impossible

DENIED = [
    *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.31.255.255", "192.168.0.1", "169.254.169.254"),
    *("100.64.0.1", "224.0.0.1", "239.1.1.1", "192.88.99.1", "192.0.0.8", "255.255.255.255"),
    *("198.18.0.1", "198.51.100.7", "203.0.113.9", "240.0.0.1", "192.0.2.1"),
    *("::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fe80::1"),
    *("fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "3fff::1", "5f00::1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::"),
    *("2001:db8::1", "2001:0:7f00:1::", "100::1", "nonsense", ""),
]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", DENIED)
def test_what_is_not_public_is_denied(address: str) -> None:
    assert not Dialer().permits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_permitted(address: str) -> None:
    assert Dialer().permits(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_clothes_is_judged_as_itself(address: object) -> None:
    plain = Dialer().permits(str(address))

    assert Dialer().permits(f"::ffff:{address}") == plain
    assert Dialer().permits(f"64:ff9b::{address}") == plain


def test_networks_can_be_opened() -> None:
    dialer = Dialer(allowed=parse_networks("127.0.0.0/8, fd00::/8"))

    assert dialer.permits("127.0.0.1")
    assert dialer.permits("::ffff:127.0.0.1")
    assert dialer.permits("fd00::1")
    assert not dialer.permits("10.0.0.1")


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1", "http://localhost", "http://0.0.0.0", "http://2130706433"),
        *("http://0177.0.0.1", "http://127.1", "http://[::1]", "http://[::ffff:169.254.169.254]"),
        *("http://[64:ff9b::a9fe:a9fe]", "http://[2002:7f00:1::]", "http://100.64.0.1"),
        *("file:///etc/passwd", "gopher://example.com", "http://ok@127.0.0.1", "http://"),
        *("https://user:secret@example.com/", "//example.com", "nonsense"),
    ],
)
def test_urls_that_are_never_dialed(url: str) -> None:
    with pytest.raises(Impossible):
        Dialer().check_url(url)


def test_one_private_answer_among_public_ones_is_enough() -> None:
    dialer = Dialer(resolver=lambda host, port: ["93.184.216.34", "10.0.0.1"])

    with pytest.raises(TargetNotAllowed):
        dialer.check_url("http://example.com/")


class Flapping:
    """A resolver whose first answer is harmless and whose second is not."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self.answers = [list(answer) for answer in answers]
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


class Receiver(BaseHTTPRequestHandler):
    """Answers /redirect with a redirect to a private address, the rest with 200."""

    seen: list[tuple[str, str]] = []  # noqa: RUF012 - one list for all requests

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Host"]))
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[int]:
    Receiver.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_the_checked_address_is_the_one_that_is_dialed(receiver: int) -> None:
    local = parse_networks("127.0.0.0/8")
    names = Flapping([["127.0.0.1"], ["10.0.0.1"]])
    with Dialer(allowed=local, resolver=names).client() as client:
        answer = client.get(f"http://hooks.example:{receiver}/a")

    assert answer.status_code == 200
    assert names.asked == 1
    assert Receiver.seen == [("/a", f"hooks.example:{receiver}")]


@pytest.mark.slow
def test_a_name_that_turns_private_is_refused_when_it_is_dialed(receiver: int) -> None:
    names = Flapping([["93.184.216.34"], ["127.0.0.1"]])
    dialer = Dialer(resolver=names)
    dialer.check_url(f"http://hooks.example:{receiver}/a")
    with dialer.client() as client, pytest.raises(TargetNotAllowed):
        client.get(f"http://hooks.example:{receiver}/a")

    assert Receiver.seen == []


@pytest.mark.slow
def test_redirects_are_checked_like_the_first_request(receiver: int) -> None:
    dialer = Dialer(allowed=parse_networks("127.0.0.0/8"))
    with dialer.client() as client:
        assert client.get(f"http://127.0.0.1:{receiver}/redirect").status_code == 302
    with dialer.client(follow_redirects=True) as client, pytest.raises(TargetNotAllowed):
        client.get(f"http://127.0.0.1:{receiver}/redirect")


@pytest.mark.slow
def test_proxies_of_the_environment_are_not_used(
    receiver: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Dialer(allowed=parse_networks("127.0.0.0/8")).client() as client:
        assert client.get(f"http://127.0.0.1:{receiver}/").status_code == 200


@pytest.mark.slow
def test_refusals_do_not_tell_open_ports_from_closed_ones(receiver: int) -> None:
    told = set()
    for port in (receiver, 1):
        with pytest.raises(TargetNotAllowed) as refused:
            Dialer().connect("127.0.0.1", port, 1.0)
        told.add(str(refused.value))

    assert len(told) == 1


def test_plain_connections() -> None:
    dialer = Dialer(allowed=parse_networks("127.0.0.0/8"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        dialer.connect("127.0.0.1", listening.getsockname()[1], 5.0).close()
        closed = listening.getsockname()[1]
    with pytest.raises(Unreachable) as refused:
        dialer.connect("127.0.0.1", closed, 5.0)
    assert refused.value.reason == "connect"
